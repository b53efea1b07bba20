//! The packets of a connection after its CONNECT.
//!
//! Deliberately decodes nothing itself: `rmqtt_codec` does, and this file translates.

use std::num::NonZeroU32;

use bytes::BytesMut;
use rmqtt_codec::{v3, v5};
use tokio_util::codec::Decoder;

use super::{Version, reason};

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
    pub fn parse(packet: BytesMut, version: Version) -> Result<Request, u8> {
        let request = match version {
            Version::V3 => {
                decoded(v3::Codec::new(0), packet).map(|(packet, _)| Request::of_v3(packet))
            }
            Version::V5 => {
                decoded(v5::Codec::new(0, 0), packet).map(|(packet, _)| Request::of_v5(packet))
            }
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
            } => Request::Subscribe {
                packet_id: packet_id.get(),
                id: None,
                requests: topic_filters
                    .iter()
                    .map(SubscriptionRequest::of_v3)
                    .collect(),
            },
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
            v5::Packet::Subscribe(subscribe) => Request::Subscribe {
                packet_id: subscribe.packet_id.get(),
                id: subscribe.id.map(NonZeroU32::get),
                requests: subscribe
                    .topic_filters
                    .iter()
                    .map(SubscriptionRequest::of_v5)
                    .collect(),
            },
            v5::Packet::Unsubscribe(request) => Request::Unsubscribe {
                packet_id: request.packet_id.get(),
                filters: request
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

impl SubscriptionRequest {
    fn of_v3((filter, qos): &(impl ToString, v3::QoS)) -> SubscriptionRequest {
        SubscriptionRequest {
            filter: filter.to_string(),
            qos: (*qos).into(),
            retain_as_published: false,
            retain_handling: RetainHandling::Always,
        }
    }

    fn of_v5((filter, options): &(impl ToString, v5::SubscriptionOptions)) -> SubscriptionRequest {
        SubscriptionRequest {
            filter: filter.to_string(),
            qos: options.qos.into(),
            retain_as_published: options.retain_as_published,
            retain_handling: match options.retain_handling {
                v5::RetainHandling::AtSubscribe => RetainHandling::Always,
                v5::RetainHandling::AtSubscribeNew => RetainHandling::IfNew,
                v5::RetainHandling::NoAtSubscribe => RetainHandling::Never,
            },
        }
    }
}

fn decoded<C: Decoder>(mut codec: C, mut packet: BytesMut) -> Option<C::Item> {
    codec.decode(&mut packet).ok().flatten()
}
