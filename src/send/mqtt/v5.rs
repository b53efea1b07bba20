//! MQTT 5, by rumqttc: settings in, notices out.
//!
//! Deliberately uses no topic aliases and no session of the broker's: a connection starts clean, and the gateway submits again what was not
//! answered on the last one.

use bytes::Bytes;
use rumqttc::v5::mqttbytes::v5::{
    ConnAck, ConnectProperties, ConnectReturnCode, DisconnectReasonCode, LastWill,
    LastWillProperties, Packet, PubAck, PubAckReason, PublishProperties,
};
use rumqttc::v5::mqttbytes::{Error as CodecError, QoS};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use rumqttc::{NetworkOptions, Outgoing};

use crate::send::Reason;
use boxbridge_event::Message;

use super::connection::{
    Cause, Culprit, LOGIN, LOGIN_OR_STATUS, Loss, Notice, Offer, Protocol, Verdict,
};
use super::dial::{Dial, LIBRARY_TIMEOUT_SECONDS, Way};
use super::namesake::End;
use super::publish_check::{content_type, expiry_seconds};
use super::status::{Presence, Status};

/// A broker sends us nothing but answers; a reason in words is the longest of them.
const INCOMING_MAX: u32 = 64 * 1024;
/// `Packet too large` is no reason of a PUBACK, but mosquitto's when a message is over its `message_size_limit`.
const PACKET_TOO_LARGE: u8 = 0x95;

pub(super) struct V5(EventLoop);

pub(super) fn open(dial: &Dial, way: &Way, requests: usize) -> (AsyncClient, V5) {
    let (client, eventloop) = AsyncClient::new(options(dial, way), requests);
    (client, V5(eventloop))
}

fn options(dial: &Dial, way: &Way) -> MqttOptions {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    let properties = ConnectProperties {
        max_packet_size: Some(INCOMING_MAX),
        ..ConnectProperties::new()
    };

    let mut options = MqttOptions::new(&dial.client_id, dial.address(way), dial.port(way));
    options
        .set_transport(dial.transport())
        .set_network_options(network)
        .set_clean_start(true)
        .set_keep_alive(dial.keep_alive())
        .set_connection_timeout(LIBRARY_TIMEOUT_SECONDS)
        .set_outgoing_inflight_upper_limit(dial.window)
        .set_connect_properties(properties);

    if let Some(proxy) = way.proxy() {
        options.set_proxy(proxy);
    }
    if let Some((username, password)) = &dial.login {
        options.set_credentials(username, password.expose());
    }
    if let Some(status) = &dial.will {
        options.set_last_will(last_will(status));
    }
    options
}

fn last_will(status: &Status) -> LastWill {
    let properties = LastWillProperties {
        delay_interval: None,
        payload_format_indicator: Some(1),
        message_expiry_interval: None,
        content_type: Some("application/json".to_owned()),
        response_topic: None,
        correlation_data: None,
        user_properties: Vec::new(),
    };
    let payload = status.payload(Presence::Offline);
    LastWill::new(
        &status.topic,
        payload,
        QoS::AtLeastOnce,
        true,
        Some(properties),
    )
}

pub(super) fn publish(client: &AsyncClient, message: Message) -> bool {
    try_publish(client, false, message)
}

pub(super) fn publish_retained_message(client: &AsyncClient, message: Message) -> bool {
    try_publish(client, true, message)
}

fn try_publish(client: &AsyncClient, retain: bool, mut message: Message) -> bool {
    let properties = properties(&mut message);
    client
        .try_publish_with_properties(
            message.topic,
            QoS::AtLeastOnce,
            retain,
            message.payload,
            properties,
        )
        .is_ok()
}

pub(super) fn publish_retained(client: &AsyncClient, topic: &str, payload: Bytes) -> bool {
    let properties = PublishProperties {
        payload_format_indicator: Some(1),
        content_type: Some("application/json".to_owned()),
        ..PublishProperties::default()
    };
    client
        .try_publish_with_properties(topic, QoS::AtLeastOnce, true, payload, properties)
        .is_ok()
}

/// The CloudEvents attributes as user properties, and MQTT's own properties where it has them. The attributes are moved.
pub(super) fn properties(message: &mut Message) -> PublishProperties {
    let content_type = content_type(message).map(str::to_owned);
    let attributes = std::mem::take(&mut message.attributes).into_iter();
    PublishProperties {
        payload_format_indicator: Some(1),
        message_expiry_interval: expiry_seconds(message),
        content_type,
        user_properties: attributes
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
        ..PublishProperties::default()
    }
}

impl Protocol for V5 {
    async fn next(&mut self) -> Result<Option<Notice>, Loss> {
        // The library would end the connection where a ping is answered late; that is our decision.
        self.0.state.await_pingresp = false;
        match self.0.poll().await {
            Ok(event) => Ok(notice(event)),
            Err(error) => Err(loss(&error)),
        }
    }

    fn left_over(&mut self) -> Option<Notice> {
        std::iter::from_fn(|| self.0.state.events.pop_front()).find_map(notice)
    }
}

fn notice(event: Event) -> Option<Notice> {
    match event {
        Event::Incoming(Packet::ConnAck(answer)) => Some(Notice::Connected(offer(&answer))),
        Event::Incoming(Packet::PubAck(answer)) => Some(Notice::Answered {
            packet_id: answer.pkid,
            verdict: verdict(answer),
        }),
        Event::Outgoing(Outgoing::Publish(packet_id)) => Some(Notice::Published(packet_id)),
        Event::Outgoing(Outgoing::PingReq) => Some(Notice::Pinged),
        Event::Incoming(Packet::PingResp(_)) => Some(Notice::Ponged),
        Event::Outgoing(Outgoing::Disconnect) => Some(Notice::Disconnected),
        _ => None,
    }
}

fn offer(answer: &ConnAck) -> Offer {
    let properties = answer.properties.as_ref();
    Offer {
        receive_maximum: properties
            .and_then(|properties| properties.receive_max)
            .unwrap_or(u16::MAX),
        packet_max: properties.and_then(|properties| properties.max_packet_size),
        retain: properties.and_then(|properties| properties.retain_available) != Some(0),
        qos_1: properties.and_then(|properties| properties.max_qos) != Some(0),
    }
}

fn verdict(answer: PubAck) -> Verdict {
    // The table stands in `admission`.
    let reason = match answer.reason {
        PubAckReason::Success => return Verdict::Taken { heard: true },
        PubAckReason::NoMatchingSubscribers => return Verdict::Taken { heard: false },
        PubAckReason::NotAuthorized => Reason::NotAuthorised,
        PubAckReason::TopicNameInvalid => Reason::TopicInvalid,
        PubAckReason::PayloadFormatInvalid => Reason::PayloadRefused,
        PubAckReason::PacketIdentifierInUse | PubAckReason::QuotaExceeded => Reason::Passing,
        PubAckReason::UnspecifiedError | PubAckReason::ImplementationSpecificError => {
            Reason::Unexplained
        }
    };

    let words = answer
        .properties
        .and_then(|properties| properties.reason_string);
    let detail = format!("the broker answered {:?}{}", answer.reason, behind(words));
    Verdict::Refused(reason, detail)
}

/// The broker's own words, where it has any.
fn behind(words: Option<String>) -> String {
    words.map_or_else(String::new, |words| format!(": {words}"))
}

fn loss(error: &ConnectionError) -> Loss {
    if let Some(io) = io_error(error) {
        return Loss::of_io(io);
    }

    match error {
        ConnectionError::ConnectionRefused(code) => Loss::of(refusal(*code)),
        // Its own words may repeat the packet.
        ConnectionError::NotConnAck(_) => Loss::of("the broker did not answer with CONNACK"),
        ConnectionError::MqttState(state) => loss_of_state(state),
        other => Loss::of(other.to_string()),
    }
}

fn loss_of_state(state: &StateError) -> Loss {
    match state {
        StateError::Deserialization(CodecError::InvalidConnectReturnCode(PACKET_TOO_LARGE)) => {
            Loss {
                cause: Cause::Publication(Culprit::Oldest, Reason::TooLarge),
                ..Loss::of("the broker answered PacketTooLarge to a publication")
            }
        }
        StateError::ServerDisconnect {
            reason_code,
            reason_string,
        } => Loss {
            cause: blamed(*reason_code),
            end: match reason_code {
                DisconnectReasonCode::SessionTakenOver => End::TakenOver,
                _ => End::Other,
            },
            ..Loss::of(format!(
                "the broker disconnected: {reason_code:?}{}",
                behind(reason_string.clone())
            ))
        },
        StateError::ConnectionAborted => Loss {
            end: End::HungUp,
            ..Loss::of(state.to_string())
        },
        other => Loss::of(other.to_string()),
    }
}

/// The system's own error, where the library has wrapped it.
fn io_error(error: &ConnectionError) -> Option<&std::io::Error> {
    match error {
        ConnectionError::Io(error)
        | ConnectionError::MqttState(
            StateError::Io(error) | StateError::Deserialization(CodecError::Io(error)),
        ) => Some(error),
        _ => None,
    }
}

/// A code of neither list may mean either: "not authorised" and the like are said of a publication as well as of a client.
fn blamed(code: DisconnectReasonCode) -> Cause {
    let publication = |reason| Cause::Publication(Culprit::Only, reason);
    match code {
        DisconnectReasonCode::PacketTooLarge => publication(Reason::TooLarge),
        DisconnectReasonCode::TopicNameInvalid => publication(Reason::TopicInvalid),
        DisconnectReasonCode::PayloadFormatInvalid => publication(Reason::PayloadRefused),

        DisconnectReasonCode::SessionTakenOver
        | DisconnectReasonCode::ServerShuttingDown
        | DisconnectReasonCode::ServerBusy
        | DisconnectReasonCode::KeepAliveTimeout
        | DisconnectReasonCode::UseAnotherServer
        | DisconnectReasonCode::ServerMoved
        | DisconnectReasonCode::MessageRateTooHigh
        | DisconnectReasonCode::QuotaExceeded
        | DisconnectReasonCode::ConnectionRateExceeded
        | DisconnectReasonCode::MaximumConnectTime => Cause::Elsewhere,
        _ => Cause::Unknown,
    }
}

fn refusal(code: ConnectReturnCode) -> String {
    let hint = match code {
        ConnectReturnCode::BadUserNamePassword => LOGIN,
        ConnectReturnCode::NotAuthorized => LOGIN_OR_STATUS,
        ConnectReturnCode::RetainNotSupported => " (set send.mqtt.status_topic to \"\")",
        ConnectReturnCode::RefusedProtocolVersion
        | ConnectReturnCode::UnsupportedProtocolVersion => " (send.mqtt.version)",
        ConnectReturnCode::BadClientId | ConnectReturnCode::ClientIdentifierNotValid => {
            " (send.mqtt.client_id)"
        }
        _ => "",
    };

    format!("the broker refused: {code:?}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_that_was_taken_over_is_known_from_one_that_was_hung_up() {
        let end_of = |state| loss(&ConnectionError::MqttState(state)).end;
        let disconnect = |reason_code| StateError::ServerDisconnect {
            reason_code,
            reason_string: None,
        };

        assert_eq!(
            end_of(disconnect(DisconnectReasonCode::SessionTakenOver)),
            End::TakenOver
        );
        assert_eq!(
            end_of(disconnect(DisconnectReasonCode::ServerShuttingDown)),
            End::Other
        );
        assert_eq!(end_of(StateError::ConnectionAborted), End::HungUp);
        assert_eq!(
            end_of(StateError::Io(std::io::ErrorKind::ConnectionReset.into())),
            End::HungUp
        );
        assert_eq!(end_of(StateError::AwaitPingResp), End::Other);
    }
}
