//! A publication of the gateway, as it is held for subscribers: one copy, however many wait for it.
//!
//! Promises: its bytes count in [`HeldBytes`] as long as anybody holds it. Its properties go through as they came, but for the expiry, which runs.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::connect::Will;

/// Beside its packet: the structure itself, and the allocators' share.
const OVERHEAD: usize = 256;
/// Property identifiers (MQTT 5, 2.2.2.2).
const PAYLOAD_FORMAT: u8 = 0x01;
const EXPIRY: u8 = 0x02;
const CONTENT_TYPE: u8 = 0x03;
const RESPONSE_TOPIC: u8 = 0x08;
const CORRELATION: u8 = 0x09;
const SUBSCRIPTION: u8 = 0x0B;
const USER: u8 = 0x26;

/// The bytes of all messages that somebody holds.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct HeldBytes(Arc<AtomicUsize>);

impl HeldBytes {
    pub fn bytes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug)]
pub(in super::super) struct Message {
    pub topic: String,
    pub payload: Bytes,
    properties: Bytes,
    /// The position of the expiry's four bytes among the properties, and their value.
    expiry: Option<(Range<usize>, Duration)>,
    came: Instant,
    pub weight: usize,
    held: HeldBytes,
}

impl Drop for Message {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.weight, Ordering::Relaxed);
    }
}

/// A PUBLISH packet taken apart.
#[derive(Debug)]
pub(in super::super) struct Publication {
    pub message: Arc<Message>,
    pub qos: u8,
    pub retain: bool,
    pub packet_id: u16,
}

impl Publication {
    /// From the first byte of a packet of MQTT 5 and its body; `None` if it is malformed.
    pub fn parse(first: u8, mut body: Bytes, held: &HeldBytes) -> Option<Publication> {
        let qos = first >> 1 & 3;
        let length = usize::from(body.try_get_u16().ok()?);
        let topic = String::from_utf8(take(&mut body, length)?.to_vec()).ok()?;
        let packet_id = if qos > 0 { body.try_get_u16().ok()? } else { 0 };
        let length = variable_length(&mut body)?;
        let properties = take(&mut body, length)?;

        let is_legal = qos < 3 && !topic.is_empty() && !topic.contains(['+', '#', '\0']);
        let message = is_legal.then(|| Message::new(topic, properties, body, held))??;
        Some(Publication {
            message,
            qos,
            retain: first & 1 == 1,
            packet_id,
        })
    }
}

impl Message {
    fn new(
        topic: String,
        properties: Bytes,
        payload: Bytes,
        held: &HeldBytes,
    ) -> Option<Arc<Message>> {
        let expiry = expiry(&properties)?;
        let weight = topic.len() + properties.len() + payload.len() + OVERHEAD;

        held.0.fetch_add(weight, Ordering::Relaxed);
        Some(Arc::new(Message {
            topic,
            payload,
            properties,
            expiry,
            came: Instant::now(),
            weight,
            held: held.clone(),
        }))
    }

    /// A last will: of its properties those that a gateway sends.
    pub fn of_will(will: &Will, held: &HeldBytes) -> Option<Arc<Message>> {
        let mut properties = BytesMut::new();
        if will.is_text {
            properties.put_slice(&[PAYLOAD_FORMAT, 1]);
        }
        if let Some(word) = &will.content_type {
            properties.put_u8(CONTENT_TYPE);
            properties.put_u16(u16::try_from(word.len()).ok()?);
            properties.put_slice(word.as_bytes());
        }

        // A slice would hold the whole CONNECT.
        let payload = Bytes::copy_from_slice(&will.payload);
        Message::new(will.topic.clone(), properties.freeze(), payload, held)
    }

    /// Its publisher does not want it delivered any more.
    pub fn is_over(&self) -> bool {
        self.expiry
            .as_ref()
            .is_some_and(|(_, lasts)| self.came.elapsed() >= *lasts)
    }

    /// As a block with its length in front, with the identifiers of the subscriptions that it matched.
    pub fn write_properties(&self, subscriptions: &[u32], into: &mut BytesMut) {
        let mut block = BytesMut::with_capacity(self.properties.len() + 5 * subscriptions.len());
        for id in subscriptions {
            block.put_u8(SUBSCRIPTION);
            put_variable_length(*id, &mut block);
        }

        let begins = block.len();
        block.put_slice(&self.properties);
        if let Some((position, lasts)) = &self.expiry {
            // Rounded up: zero would mean "now" and not "a moment".
            let left = lasts
                .saturating_sub(self.came.elapsed())
                .as_millis()
                .div_ceil(1_000);
            let left = u32::try_from(left).unwrap_or(u32::MAX).max(1);
            if let Some(four) = block.get_mut(begins + position.start..begins + position.end) {
                four.copy_from_slice(&left.to_be_bytes());
            }
        }

        put_variable_length(u32::try_from(block.len()).unwrap_or(u32::MAX), into);
        into.put_slice(&block);
    }
}

/// Where the expiry stands, if there is one; `None` if the properties are malformed.
fn expiry(properties: &Bytes) -> Option<Option<(Range<usize>, Duration)>> {
    let mut rest = properties.clone();
    let mut found = None;
    while let Ok(id) = rest.try_get_u8() {
        let at = properties.len() - rest.len();
        match id {
            PAYLOAD_FORMAT => drop(take(&mut rest, 1)?),
            EXPIRY => {
                let seconds = rest.try_get_u32().ok()?;
                found = Some((at..at + 4, Duration::from_secs(seconds.into())));
            }

            // A length and so many bytes; a user property has two of them.
            CONTENT_TYPE | RESPONSE_TOPIC | CORRELATION => drop(take_counted(&mut rest)?),
            USER => drop((take_counted(&mut rest)?, take_counted(&mut rest)?)),
            // No topic alias: we offer none.
            _ => return None,
        }
    }
    Some(found)
}

fn take_counted(from: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(from.try_get_u16().ok()?);
    take(from, length)
}

fn take(from: &mut Bytes, length: usize) -> Option<Bytes> {
    (from.len() >= length).then(|| from.split_to(length))
}

fn variable_length(from: &mut Bytes) -> Option<usize> {
    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = from.try_get_u8().ok()?;
        length |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

pub(in super::super) fn put_variable_length(mut length: u32, into: &mut BytesMut) {
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        into.put_u8(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Option<Publication> {
        Publication::parse(0x32, Bytes::copy_from_slice(body), &HeldBytes::default())
    }

    #[test]
    fn a_publication_goes_through_as_it_came_with_its_time_running() {
        let held = HeldBytes::default();
        let body = b"\0\x01a\0\x07\x0b\x02\0\0\0\x3c\x26\0\x01k\0\0payload";
        let publication =
            Publication::parse(0x33, Bytes::from_static(body), &held).expect("it is legal");
        assert_eq!(
            (publication.qos, publication.retain, publication.packet_id),
            (1, true, 7)
        );
        assert_eq!(
            (&*publication.message.topic, &*publication.message.payload),
            ("a", &b"payload"[..])
        );

        let mut block = BytesMut::new();
        publication.message.write_properties(&[200], &mut block);
        assert_eq!(&block[..], b"\x0e\x0b\xc8\x01\x02\0\0\0\x3c\x26\0\x01k\0\0");
        assert!(held.bytes() > body.len());
        drop(publication);
        assert_eq!(held.bytes(), 0);
    }

    #[test]
    fn what_is_cut_short_or_no_topic_is_refused() {
        for body in [
            &b"\0\x05a"[..],
            b"\0\x01a\0",
            b"\0\x01a\0\x07\x05",
            b"\0\0\0\x07\0",
            b"\0\x01#\0\x07\0",
            b"\0\x01a\0\x07\x03\x23\0\x01",
        ] {
            assert!(parse(body).is_none(), "{body:?}");
        }
    }
}
