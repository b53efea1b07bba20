//! The first packet of a connection.
//!
//! Deliberately decodes little itself: `rmqtt_codec` does, and this file translates.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Decoder;

use super::frame::{CONNECT, Packet};
use super::{Version, reason};

/// Of the flags in a CONNECT.
const CLEAN_START: u8 = 2;

#[derive(Debug)]
pub(in super::super) struct Connect {
    pub version: Version,
    pub client_id: String,
    pub clean_start: bool,
    pub keep_alive: Duration,
    /// `None` = as long as the broker likes (3.1.1, without a clean session).
    pub expiry_seconds: Option<u32>,
    pub receive_maximum: u16,
    pub packet_max: u32,
    pub login: Option<(String, Vec<u8>)>,
    pub will: Option<Will>,
    /// Asks for an extended authentication.
    pub has_method: bool,
}

/// Why a first packet does not open a connection.
#[derive(Debug)]
pub(in super::super) enum ConnectError {
    /// No CONNECT, or one that MQTT has no answer to.
    Garbage,
    Refused(Version, u8),
}

#[derive(Debug)]
pub(in super::super) struct Will {
    pub topic: String,
    pub payload: Bytes,
    pub qos: u8,
    pub retain: bool,
    pub is_text: bool,
    pub content_type: Option<String>,
}

impl Connect {
    pub fn parse(packet: Packet) -> Result<Connect, ConnectError> {
        if packet.first() >> 4 != CONNECT {
            return Err(ConnectError::Garbage);
        }
        // The protocol's name, its level, the flags.
        let Packet { bytes, body } = packet;
        let mut head = bytes.get(body..).unwrap_or_default();
        let length = usize::from(head.try_get_u16().unwrap_or_default());
        let (Some(name), Some(level)) = (head.get(..length), head.get(length)) else {
            return Err(ConnectError::Garbage);
        };

        match (name, level) {
            (b"MQTT", 5) => Connect::parse_v5(bytes, body + 2 + length + 1),
            (b"MQTT", 4) | (b"MQIsdp", 3) => Connect::parse_v3(bytes),
            (b"MQTT" | b"MQIsdp", _) => Err(ConnectError::Refused(
                Version::V3,
                reason::VERSION_UNSUPPORTED,
            )),
            _ => Err(ConnectError::Garbage),
        }
    }

    fn parse_v3(mut bytes: BytesMut) -> Result<Connect, ConnectError> {
        match v3::Codec::new(0).decode(&mut bytes) {
            Ok(Some((v3::Packet::Connect(connect), _))) => Ok(Connect::of_v3(*connect)),
            // Empty, without a clean session (MQTT-3.1.3-8).
            Err(DecodeError::InvalidClientId) => Err(ConnectError::Refused(
                Version::V3,
                reason::CLIENT_ID_INVALID,
            )),
            _ => Err(ConnectError::Garbage),
        }
    }

    fn parse_v5(mut bytes: BytesMut, flags: usize) -> Result<Connect, ConnectError> {
        let mut again = bytes.clone();
        match v5::Codec::new(0, 0).decode(&mut bytes) {
            Ok(Some((v5::Packet::Connect(connect), _))) => Ok(Connect::of_v5(*connect)),
            // Empty, without a clean start: MQTT 5 allows it, the codec does not. No session is there under the id that it is
            // assigned, so its start is clean either way.
            Err(DecodeError::InvalidClientId) => match again.get_mut(flags) {
                Some(flags) if *flags & CLEAN_START == 0 => {
                    *flags |= CLEAN_START;
                    Connect::parse_v5(again, usize::MAX)
                }
                _ => Err(ConnectError::Garbage),
            },
            _ => Err(ConnectError::Garbage),
        }
    }

    fn of_v3(connect: v3::Connect) -> Connect {
        Connect {
            version: Version::V3,
            client_id: connect.client_id.to_string(),
            clean_start: connect.clean_session,
            keep_alive: Duration::from_secs(connect.keep_alive.into()),
            expiry_seconds: connect.clean_session.then_some(0),
            receive_maximum: u16::MAX,
            packet_max: u32::MAX,
            login: login(connect.username, connect.password),
            will: connect.last_will.map(Will::of_v3),
            has_method: false,
        }
    }

    fn of_v5(connect: v5::Connect) -> Connect {
        Connect {
            version: Version::V5,
            client_id: connect.client_id.to_string(),
            clean_start: connect.clean_start,
            keep_alive: Duration::from_secs(connect.keep_alive.into()),
            expiry_seconds: Some(connect.session_expiry_interval_secs),
            receive_maximum: connect.receive_max.map_or(u16::MAX, u16::from),
            packet_max: connect.max_packet_size.map_or(u32::MAX, u32::from),
            login: login(connect.username, connect.password),
            will: connect.last_will.map(Will::of_v5),
            has_method: connect.auth_method.is_some(),
        }
    }
}

impl Will {
    fn of_v3(will: v3::LastWill) -> Will {
        Will {
            topic: will.topic.to_string(),
            payload: will.message,
            qos: will.qos.into(),
            retain: will.retain,
            is_text: false,
            content_type: None,
        }
    }

    fn of_v5(will: v5::LastWill) -> Will {
        Will {
            topic: will.topic.to_string(),
            payload: will.message,
            qos: will.qos.into(),
            retain: will.retain,
            is_text: will.is_utf8_payload == Some(true),
            content_type: will.content_type.map(|word| word.to_string()),
        }
    }
}

/// A copy: a slice would hold its whole packet.
fn login(username: Option<impl ToString>, password: Option<Bytes>) -> Option<(String, Vec<u8>)> {
    let username = username?.to_string();
    Some((username, password.unwrap_or_default().to_vec()))
}
