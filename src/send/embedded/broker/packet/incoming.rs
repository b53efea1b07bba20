//! MQTT packets that come in, 3.1.1 and 5: into [`Connect`] and [`Request`].
//!
//! Promises: of a client's publication only the packet id is held in memory, whatever its size; any other packet of a client is at most
//! [`CLIENT_PACKET_MAX`]. Deliberately decodes little itself: `rmqtt_codec` does, and this file translates.

use std::io;
use std::num::NonZeroU32;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rmqtt_codec::error::DecodeError;
use rmqtt_codec::{v3, v5};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_util::codec::Decoder;

use super::outgoing::reason;

/// CONNECT and SUBSCRIBE need less, and hundreds of clients may send one at a time.
pub(in super::super) const CLIENT_PACKET_MAX: u32 = 32 << 10;
/// The gateway's own: an event with four pictures inline.
pub(in super::super) const PACKET_MAX: u32 = 16 << 20;
/// The type of a packet, in the upper half of its first byte.
const CONNECT: u8 = 1;
pub(in super::super) const PUBLISH: u8 = 3;
/// Of the flags in a CONNECT.
const CLEAN_START: u8 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Version {
    V3,
    V5,
}

/// A packet as it came: from its first byte, with where its body begins.
pub(in super::super) enum Frame {
    Whole {
        packet: BytesMut,
        body: usize,
    },
    /// A client's publication, which goes nowhere.
    Publication {
        qos: u8,
        packet_id: u16,
    },
}

/// What the other side may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Role {
    Client,
    Gateway,
}

/// Reads the next packet. Not cancel-safe.
pub(in super::super) async fn read(
    from: &mut (impl AsyncRead + Unpin),
    role: Role,
) -> io::Result<Frame> {
    let mut packet = BytesMut::with_capacity(64);
    let first = from.read_u8().await?;
    packet.put_u8(first);

    let mut length = 0;
    for shift in [0, 7, 14, 21] {
        let byte = from.read_u8().await?;
        packet.put_u8(byte);
        length |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
        if shift == 21 {
            return Err(malformed());
        }
    }

    let most = match role {
        Role::Client if first >> 4 == PUBLISH => return skip(from, first >> 1 & 3, length).await,
        Role::Client => CLIENT_PACKET_MAX,
        Role::Gateway => PACKET_MAX,
    };
    if length > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }

    let body = packet.len();
    packet.resize(body + usize::try_from(length).unwrap_or_default(), 0);
    from.read_exact(packet.get_mut(body..).unwrap_or_default())
        .await?;
    Ok(Frame::Whole { packet, body })
}

/// Reads a publication past, whatever its size.
async fn skip(from: &mut (impl AsyncRead + Unpin), qos: u8, length: u32) -> io::Result<Frame> {
    let topic = from.read_u16().await?;
    pass(from, topic.into()).await?;
    let packet_id = if qos > 0 { from.read_u16().await? } else { 0 };
    let read = 2 + u32::from(topic) + if qos > 0 { 2 } else { 0 };
    let rest = length
        .checked_sub(read)
        .filter(|_| qos < 3)
        .ok_or_else(malformed)?;
    pass(from, rest).await?;
    Ok(Frame::Publication { qos, packet_id })
}

async fn pass(from: &mut (impl AsyncRead + Unpin), bytes: u32) -> io::Result<()> {
    let passed = tokio::io::copy(&mut from.take(bytes.into()), &mut tokio::io::sink()).await?;
    if passed < u64::from(bytes) {
        Err(io::ErrorKind::UnexpectedEof.into())
    } else {
        Ok(())
    }
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// The first packet of a connection.
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
    pub fn parse(packet: BytesMut, body: usize) -> Result<Connect, ConnectError> {
        // The protocol's name, its level, the flags.
        let mut head = packet.get(body..).unwrap_or_default();
        if packet.first().is_none_or(|first| first >> 4 != CONNECT) {
            return Err(ConnectError::Garbage);
        }
        let length = usize::from(head.try_get_u16().unwrap_or_default());
        let (Some(name), Some(level)) = (head.get(..length), head.get(length)) else {
            return Err(ConnectError::Garbage);
        };

        match (name, level) {
            (b"MQTT", 5) => Connect::parse_v5(packet, body + 2 + length + 1),
            (b"MQTT", 4) | (b"MQIsdp", 3) => Connect::parse_v3(packet),
            (b"MQTT" | b"MQIsdp", _) => Err(ConnectError::Refused(
                Version::V3,
                reason::VERSION_UNSUPPORTED,
            )),
            _ => Err(ConnectError::Garbage),
        }
    }

    fn parse_v3(mut packet: BytesMut) -> Result<Connect, ConnectError> {
        match v3::Codec::new(0).decode(&mut packet) {
            Ok(Some((v3::Packet::Connect(connect), _))) => Ok(Connect::of_v3(*connect)),
            // Empty, without a clean session (MQTT-3.1.3-8).
            Err(DecodeError::InvalidClientId) => Err(ConnectError::Refused(
                Version::V3,
                reason::CLIENT_ID_INVALID,
            )),
            _ => Err(ConnectError::Garbage),
        }
    }

    fn parse_v5(mut packet: BytesMut, flags: usize) -> Result<Connect, ConnectError> {
        let mut again = packet.clone();
        match v5::Codec::new(0, 0).decode(&mut packet) {
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
        let will = connect.last_will.map(|will| Will {
            topic: will.topic.to_string(),
            payload: will.message,
            qos: will.qos.into(),
            retain: will.retain,
            is_text: false,
            content_type: None,
        });
        Connect {
            version: Version::V3,
            client_id: connect.client_id.to_string(),
            clean_start: connect.clean_session,
            keep_alive: Duration::from_secs(connect.keep_alive.into()),
            expiry_seconds: connect.clean_session.then_some(0),
            receive_maximum: u16::MAX,
            packet_max: u32::MAX,
            login: connect.username.map(|name| {
                (
                    name.to_string(),
                    connect.password.unwrap_or_default().to_vec(),
                )
            }),
            will,
            has_method: false,
        }
    }

    fn of_v5(connect: v5::Connect) -> Connect {
        let will = connect.last_will.map(|will| Will {
            topic: will.topic.to_string(),
            payload: will.message,
            qos: will.qos.into(),
            retain: will.retain,
            is_text: will.is_utf8_payload == Some(true),
            content_type: will.content_type.map(|word| word.to_string()),
        });
        Connect {
            version: Version::V5,
            client_id: connect.client_id.to_string(),
            clean_start: connect.clean_start,
            keep_alive: Duration::from_secs(connect.keep_alive.into()),
            expiry_seconds: Some(connect.session_expiry_interval_secs),
            receive_maximum: connect.receive_max.map_or(u16::MAX, u16::from),
            packet_max: connect.max_packet_size.map_or(u32::MAX, u32::from),
            login: connect.username.map(|name| {
                (
                    name.to_string(),
                    connect.password.unwrap_or_default().to_vec(),
                )
            }),
            will,
            has_method: connect.auth_method.is_some(),
        }
    }
}

/// What a client asks for.
#[derive(Debug)]
pub(in super::super) enum Request {
    Acknowledged(u16),
    Release(u16),
    Subscribe {
        packet_id: u16,
        id: Option<u32>,
        requests: Vec<SubscriptionRequest>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    Ping,
    Disconnect {
        expiry_seconds: Option<u32>,
        with_will: bool,
    },
}

/// One subscription, as asked for. Filters are copies: a slice would hold its whole packet.
#[derive(Clone, Debug)]
pub(in super::super) struct SubscriptionRequest {
    pub filter: String,
    pub qos: u8,
    pub retain_as_published: bool,
    pub retain_handling: RetainHandling,
}

/// When a subscription is told the retained messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum RetainHandling {
    Always,
    IfNew,
    Never,
}

impl Request {
    /// The reason why not, if it is malformed or no packet that belongs here.
    pub fn parse(mut packet: BytesMut, version: Version) -> Result<Request, u8> {
        let request = match version {
            Version::V3 => v3::Codec::new(0)
                .decode(&mut packet)
                .ok()
                .flatten()
                .map(|(packet, _)| Request::of_v3(packet)),
            Version::V5 => v5::Codec::new(0, 0)
                .decode(&mut packet)
                .ok()
                .flatten()
                .map(|(packet, _)| Request::of_v5(packet)),
        };
        request
            .ok_or(reason::MALFORMED)?
            .ok_or(reason::PROTOCOL_ERROR)
    }

    fn of_v3(packet: v3::Packet) -> Option<Request> {
        Some(match packet {
            v3::Packet::PublishAck { packet_id } => Request::Acknowledged(packet_id.get()),
            v3::Packet::PublishRelease { packet_id } => Request::Release(packet_id.get()),
            v3::Packet::Subscribe {
                packet_id,
                topic_filters,
            } => {
                let requests = topic_filters
                    .iter()
                    .map(|(filter, qos)| SubscriptionRequest {
                        filter: filter.to_string(),
                        qos: (*qos).into(),
                        retain_as_published: false,
                        retain_handling: RetainHandling::Always,
                    });
                Request::Subscribe {
                    packet_id: packet_id.get(),
                    id: None,
                    requests: requests.collect(),
                }
            }
            v3::Packet::Unsubscribe {
                packet_id,
                topic_filters,
            } => Request::Unsubscribe {
                packet_id: packet_id.get(),
                filters: topic_filters.iter().map(ToString::to_string).collect(),
            },
            v3::Packet::PingRequest => Request::Ping,
            v3::Packet::Disconnect => Request::Disconnect {
                expiry_seconds: None,
                with_will: false,
            },
            _ => return None,
        })
    }

    fn of_v5(packet: v5::Packet) -> Option<Request> {
        Some(match packet {
            v5::Packet::PublishAck(answer) => Request::Acknowledged(answer.packet_id.get()),
            v5::Packet::PublishRelease(release) => Request::Release(release.packet_id.get()),
            v5::Packet::Subscribe(subscribe) => {
                let requests =
                    subscribe
                        .topic_filters
                        .iter()
                        .map(|(filter, options)| SubscriptionRequest {
                            filter: filter.to_string(),
                            qos: options.qos.into(),
                            retain_as_published: options.retain_as_published,
                            retain_handling: match options.retain_handling {
                                v5::RetainHandling::AtSubscribe => RetainHandling::Always,
                                v5::RetainHandling::AtSubscribeNew => RetainHandling::IfNew,
                                v5::RetainHandling::NoAtSubscribe => RetainHandling::Never,
                            },
                        });
                let id = subscribe.id.map(NonZeroU32::get);
                Request::Subscribe {
                    packet_id: subscribe.packet_id.get(),
                    id,
                    requests: requests.collect(),
                }
            }
            v5::Packet::Unsubscribe(unsubscribe) => Request::Unsubscribe {
                packet_id: unsubscribe.packet_id.get(),
                filters: unsubscribe
                    .topic_filters
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            },
            v5::Packet::PingRequest => Request::Ping,
            v5::Packet::Disconnect(disconnect) => Request::Disconnect {
                expiry_seconds: disconnect.session_expiry_interval_secs,
                with_will: disconnect.reason_code
                    == v5::DisconnectReasonCode::DisconnectWithWillMessage,
            },
            _ => return None,
        })
    }
}
