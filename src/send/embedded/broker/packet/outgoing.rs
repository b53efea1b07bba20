//! MQTT packets that go out, 3.1.1 and 5.
//!
//! Promises: a payload is never copied: a publication is written as a head of its own and the payload that all its subscribers share.

use bytes::{BufMut, Bytes, BytesMut};

use super::incoming::Version;
use super::publication::{Message, put_variable_length};

/// Reason codes, of MQTT 5 (2.4).
pub(in super::super) mod reason {
    pub const SUCCESS: u8 = 0;
    pub const NO_SUBSCRIBERS: u8 = 0x10;
    pub const NO_SUBSCRIPTION: u8 = 0x11;
    /// From here on it is one.
    pub const FAILURE: u8 = 0x80;
    pub const MALFORMED: u8 = 0x81;
    pub const PROTOCOL_ERROR: u8 = 0x82;
    pub const VERSION_UNSUPPORTED: u8 = 0x84;
    pub const CLIENT_ID_INVALID: u8 = 0x85;
    pub const BAD_LOGIN: u8 = 0x86;
    pub const NOT_AUTHORISED: u8 = 0x87;
    pub const SHUTTING_DOWN: u8 = 0x8B;
    pub const BAD_METHOD: u8 = 0x8C;
    pub const SILENT: u8 = 0x8D;
    pub const TAKEN_OVER: u8 = 0x8E;
    pub const FILTER_INVALID: u8 = 0x8F;
    pub const TOO_LARGE: u8 = 0x95;
    pub const QUOTA: u8 = 0x97;
    pub const NO_SHARED: u8 = 0x9E;
}

/// What the gateway is told to keep to as it publishes.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Limits {
    pub receive_maximum: u16,
    pub packet_max: u32,
}

/// What the broker says, but for publications.
#[derive(Debug)]
pub(in super::super) enum Reply {
    Connected {
        is_present: bool,
        expiry_seconds: Option<u32>,
        assigned: Option<String>,
        limits: Option<Limits>,
    },
    Refused(u8),
    Published {
        packet_id: u16,
        qos: u8,
        reason: u8,
    },
    Released(u16),
    Subscribed {
        packet_id: u16,
        reasons: Vec<u8>,
    },
    Unsubscribed {
        packet_id: u16,
        reasons: Vec<u8>,
    },
    Pong,
    Disconnect(u8),
}

impl Reply {
    /// Empty where this version has no words for it.
    pub fn encode(&self, version: Version) -> Bytes {
        let is_v5 = version == Version::V5;
        let mut body = BytesMut::new();
        let first = match self {
            Reply::Connected {
                is_present,
                expiry_seconds,
                assigned,
                limits,
            } => {
                body.put_slice(&[u8::from(*is_present), reason::SUCCESS]);
                if is_v5 {
                    put_offer(*expiry_seconds, assigned.as_deref(), *limits, &mut body);
                }
                0x20
            }
            Reply::Refused(reason) if is_v5 => {
                body.put_slice(&[0, *reason, 0]);
                0x20
            }
            Reply::Refused(reason) => {
                body.put_slice(&[0, refusal_v3(*reason)]);
                0x20
            }
            Reply::Published {
                packet_id,
                qos,
                reason,
            } => {
                body.put_u16(*packet_id);
                if is_v5 && *reason != reason::SUCCESS {
                    body.put_u8(*reason);
                }
                if *qos == 2 { 0x50 } else { 0x40 }
            }
            Reply::Released(packet_id) => {
                body.put_u16(*packet_id);
                0x70
            }
            Reply::Subscribed { packet_id, reasons } => {
                put_reasons(*packet_id, reasons, is_v5, &mut body);
                0x90
            }
            Reply::Unsubscribed { packet_id, reasons } => {
                put_reasons(
                    *packet_id,
                    if is_v5 { reasons } else { &[] },
                    is_v5,
                    &mut body,
                );
                0xB0
            }
            Reply::Pong => 0xD0,
            Reply::Disconnect(reason) if is_v5 => {
                body.put_slice(&[*reason, 0]);
                0xE0
            }
            Reply::Disconnect(_) => return Bytes::new(),
        };
        framed(first, &body)
    }
}

fn put_offer(
    expiry_seconds: Option<u32>,
    assigned: Option<&str>,
    limits: Option<Limits>,
    body: &mut BytesMut,
) {
    // Shared subscriptions are not available.
    let mut properties = BytesMut::from(&[0x2A, 0][..]);
    if let Some(seconds) = expiry_seconds {
        properties.put_u8(0x11);
        properties.put_u32(seconds);
    }
    if let Some(name) = assigned {
        properties.put_u8(0x12);
        properties.put_u16(u16::try_from(name.len()).unwrap_or_default());
        properties.put_slice(name.as_bytes());
    }
    if let Some(limits) = limits {
        properties.put_u8(0x21);
        properties.put_u16(limits.receive_maximum);
        properties.put_u8(0x27);
        properties.put_u32(limits.packet_max);
    }
    put_variable_length(u32::try_from(properties.len()).unwrap_or_default(), body);
    body.put_slice(&properties);
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

fn put_reasons(packet_id: u16, reasons: &[u8], is_v5: bool, body: &mut BytesMut) {
    body.put_u16(packet_id);
    if is_v5 {
        body.put_u8(0);
        body.put_slice(reasons);
    } else {
        body.extend(reasons.iter().map(|reason| (*reason).min(reason::FAILURE)));
    }
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
    let mut head = BytesMut::with_capacity(variable.len() + 5);
    let qos = u8::from(options.packet_id > 0);
    head.put_u8(0x30 | u8::from(options.is_again) << 3 | qos << 1 | u8::from(options.retain));
    put_variable_length(
        u32::try_from(variable.len() + message.payload.len()).unwrap_or_default(),
        &mut head,
    );
    head.put_slice(&variable);
    head
}
