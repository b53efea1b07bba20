//! MQTT packets that go out, 3.1.1 and 5.
//!
//! Promises: a payload is never copied: a publication is written as a head of its own and the payload that all its subscribers share.

use bytes::{BufMut, Bytes, BytesMut};

use super::publication::{Message, put_variable_length};
use super::{Version, reason};

/// First bytes of packets.
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBCOMP: u8 = 0x70;
const SUBACK: u8 = 0x90;
const UNSUBACK: u8 = 0xB0;
const PINGRESP: u8 = 0xD0;
const DISCONNECT: u8 = 0xE0;

/// Everything that the broker says, but for publications.
#[derive(Debug)]
pub(in super::super) enum Reply {
    Connected(Welcome),
    Refused(u8),
    Published { packet_id: u16, qos: u8, reason: u8 },
    Released(u16),
    Subscribed { packet_id: u16, reasons: Vec<u8> },
    Unsubscribed { packet_id: u16, reasons: Vec<u8> },
    Pong,
    Disconnect(u8),
}

/// The answer to a CONNECT that is let in.
#[derive(Debug, Default)]
pub(in super::super) struct Welcome {
    /// A session was there already.
    pub is_present: bool,
    /// How long the session is kept, where the client asked for another time.
    pub expiry_seconds: Option<u32>,
    /// The client's id, where it gave none.
    pub assigned: Option<String>,
    pub offer: Option<Offer>,
}

/// The limits for a publisher.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Offer {
    pub receive_maximum: u16,
    pub packet_max: u32,
}

impl Reply {
    /// Empty where this version has no words for it.
    pub fn encode(&self, version: Version) -> Bytes {
        let is_v5 = version == Version::V5;
        match self {
            Reply::Connected(welcome) => framed(CONNACK, &welcome.encode(is_v5)),
            Reply::Refused(reason) if is_v5 => framed(CONNACK, &[0, *reason, 0]),
            Reply::Refused(reason) => framed(CONNACK, &[0, refusal_v3(*reason)]),

            Reply::Published {
                packet_id,
                qos,
                reason,
            } => {
                let first = if *qos == 2 { PUBREC } else { PUBACK };
                let is_said = is_v5 && *reason != reason::SUCCESS;
                framed(first, &with_id(*packet_id, is_said.then_some(*reason)))
            }
            Reply::Released(packet_id) => framed(PUBCOMP, &with_id(*packet_id, None)),

            Reply::Subscribed { packet_id, reasons } if is_v5 => {
                framed(SUBACK, &with_properties(*packet_id, reasons))
            }
            Reply::Subscribed { packet_id, reasons } => {
                let reasons = reasons.iter().map(|reason| (*reason).min(reason::FAILURE));
                framed(SUBACK, &with_id(*packet_id, reasons))
            }
            Reply::Unsubscribed { packet_id, reasons } if is_v5 => {
                framed(UNSUBACK, &with_properties(*packet_id, reasons))
            }
            Reply::Unsubscribed { packet_id, .. } => framed(UNSUBACK, &with_id(*packet_id, None)),

            Reply::Pong => framed(PINGRESP, &[]),
            Reply::Disconnect(reason) if is_v5 => framed(DISCONNECT, &[*reason, 0]),
            Reply::Disconnect(_) => Bytes::new(),
        }
    }
}

impl Welcome {
    fn encode(&self, is_v5: bool) -> BytesMut {
        let mut body = BytesMut::new();
        body.put_slice(&[u8::from(self.is_present), reason::SUCCESS]);
        if is_v5 {
            let properties = self.properties();
            put_variable_length(
                u32::try_from(properties.len()).unwrap_or_default(),
                &mut body,
            );
            body.put_slice(&properties);
        }
        body
    }

    fn properties(&self) -> BytesMut {
        // Shared subscriptions are not available.
        let mut properties = BytesMut::from(&[0x2A, 0][..]);
        if let Some(seconds) = self.expiry_seconds {
            properties.put_u8(0x11);
            properties.put_u32(seconds);
        }

        if let Some(name) = &self.assigned {
            properties.put_u8(0x12);
            properties.put_u16(u16::try_from(name.len()).unwrap_or_default());
            properties.put_slice(name.as_bytes());
        }

        if let Some(offer) = self.offer {
            properties.put_u8(0x21);
            properties.put_u16(offer.receive_maximum);
            properties.put_u8(0x27);
            properties.put_u32(offer.packet_max);
        }
        properties
    }
}

/// MQTT 3.1.1 knows five reasons, and 0x80 for a subscription that is not granted.
fn refusal_v3(reason: u8) -> u8 {
    match reason {
        reason::VERSION_UNSUPPORTED => 1,
        reason::CLIENT_ID_INVALID => 2,
        reason::BAD_LOGIN => 4,
        reason::NOT_AUTHORISED => 5,
        _ => 3,
    }
}

fn with_id(packet_id: u16, reasons: impl IntoIterator<Item = u8>) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_u16(packet_id);
    body.extend(reasons);
    body
}

/// With an empty list of properties before the reasons.
fn with_properties(packet_id: u16, reasons: &[u8]) -> BytesMut {
    with_id(packet_id, std::iter::once(0).chain(reasons.iter().copied()))
}

fn framed(first: u8, body: &[u8]) -> Bytes {
    let mut packet = BytesMut::with_capacity(body.len() + 5);
    packet.put_u8(first);
    put_variable_length(u32::try_from(body.len()).unwrap_or_default(), &mut packet);
    packet.put_slice(body);
    packet.freeze()
}

/// How one message is told to one subscriber.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct PublishOptions<'a> {
    pub retain: bool,
    pub is_again: bool,
    /// 0 = QoS 0, anything else is the packet id of QoS 1.
    pub packet_id: u16,
    pub subscriptions: &'a [u32],
}

/// A PUBLISH packet up to its payload, which follows as it is: it is never copied.
pub(in super::super) fn publish_head(
    message: &Message,
    options: PublishOptions,
    version: Version,
) -> BytesMut {
    let mut variable = BytesMut::with_capacity(message.topic.len() + 256);
    variable.put_u16(u16::try_from(message.topic.len()).unwrap_or(u16::MAX));
    variable.put_slice(message.topic.as_bytes());
    if options.packet_id > 0 {
        variable.put_u16(options.packet_id);
    }
    if version == Version::V5 {
        message.write_properties(options.subscriptions, &mut variable);
    }

    let qos = u8::from(options.packet_id > 0);
    let flags = u8::from(options.is_again) << 3 | qos << 1 | u8::from(options.retain);
    let length = u32::try_from(variable.len() + message.payload.len()).unwrap_or_default();

    let mut head = BytesMut::with_capacity(variable.len() + 5);
    head.put_u8(PUBLISH | flags);
    put_variable_length(length, &mut head);
    head.put_slice(&variable);
    head
}
