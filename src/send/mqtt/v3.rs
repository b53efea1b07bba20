//! MQTT 3.1.1, by rumqttc: settings in, notices out.
//!
//! An acknowledgement says less here than in version 5: a broker acknowledges what its rules deny, too. Attributes and expiry have no
//! place in this version and are left out.

use bytes::Bytes;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Outgoing, Packet, QoS, StateError,
};

use boxbridge_event::Message;

use super::connection::{
    Dial, LIBRARY_TIMEOUT_SECONDS, Loss, Notice, Offer, Protocol, Verdict, is_of_the_line,
};
use super::namesake::{self, End};
use super::status::Presence;

/// A broker sends us nothing but answers of a few bytes.
const INCOMING_MAX: usize = 64 * 1024;

pub(super) struct V3(EventLoop);

pub(super) fn open(dial: &Dial, requests: usize) -> (AsyncClient, V3) {
    let mut options = MqttOptions::new(dial.namesake.client_id(), dial.address(), dial.port());
    options
        .set_transport(dial.transport())
        .set_clean_session(true)
        .set_keep_alive(dial.keep_alive())
        .set_inflight(dial.window)
        .set_max_packet_size(INCOMING_MAX, dial.packet_max);
    if let Some(proxy) = dial.proxy() {
        options.set_proxy(proxy);
    }
    if let Some((username, password)) = &dial.login {
        options.set_credentials(username, password.expose());
    }
    if let Some(status) = &dial.will {
        options.set_last_will(LastWill::new(
            &status.topic,
            status.payload(Presence::Offline),
            QoS::AtLeastOnce,
            true,
        ));
    }
    let (client, mut eventloop) = AsyncClient::new(options, requests);
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(LIBRARY_TIMEOUT_SECONDS);
    eventloop.set_network_options(network);
    (client, V3(eventloop))
}

pub(super) fn publish(client: &AsyncClient, message: Message) -> bool {
    try_publish(client, &message.topic, false, message.payload)
}

pub(super) fn publish_retained(client: &AsyncClient, topic: &str, payload: Bytes) -> bool {
    try_publish(client, topic, true, payload)
}

fn try_publish(client: &AsyncClient, topic: &str, retain: bool, payload: Bytes) -> bool {
    client
        .try_publish(topic, QoS::AtLeastOnce, retain, payload)
        .is_ok()
}

impl Protocol for V3 {
    async fn next(&mut self) -> Result<Option<Notice>, Loss> {
        // The library would end the connection where a ping is answered late; what to make of that is our decision.
        self.0.state.await_pingresp = false;
        match self.0.poll().await {
            Ok(event) => Ok(notice(&event)),
            Err(error) => Err(loss(&error)),
        }
    }

    fn left_over(&mut self) -> Option<Notice> {
        std::iter::from_fn(|| self.0.state.events.pop_front()).find_map(|event| notice(&event))
    }
}

fn notice(event: &Event) -> Option<Notice> {
    match event {
        Event::Incoming(Packet::ConnAck(_)) => Some(Notice::Connected(Offer {
            receive_maximum: u16::MAX,
            packet_max: None,
            retain: true,
            qos_1: true,
        })),
        Event::Incoming(Packet::PubAck(answer)) => Some(Notice::Answered {
            packet_id: answer.pkid,
            verdict: Verdict::Taken { heard: true },
        }),
        Event::Outgoing(Outgoing::Publish(packet_id)) => Some(Notice::Published(*packet_id)),
        Event::Outgoing(Outgoing::PingReq) => Some(Notice::Pinged),
        Event::Incoming(Packet::PingResp) => Some(Notice::Ponged),
        Event::Outgoing(Outgoing::Disconnect) => Some(Notice::Disconnected),
        _ => None,
    }
}

fn loss(error: &ConnectionError) -> Loss {
    if let ConnectionError::Io(io) | ConnectionError::MqttState(StateError::Io(io)) = error
        && is_of_the_line(io)
    {
        return Loss::elsewhere(reason(error));
    }
    Loss {
        end: end(error),
        ..Loss::of(reason(error))
    }
}

fn end(error: &ConnectionError) -> End {
    match error {
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error))
            if namesake::is_hang_up(error) =>
        {
            End::HungUp
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => End::HungUp,
        _ => End::Other,
    }
}

fn reason(error: &ConnectionError) -> String {
    let (code, hint) = match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword => {
                (code, " (send.mqtt.username and its password)")
            }
            ConnectReturnCode::NotAuthorized => (
                code,
                " (send.mqtt.username and its password, or the broker does not allow the topic of send.mqtt.status_topic)",
            ),
            ConnectReturnCode::RefusedProtocolVersion => (code, " (send.mqtt.version)"),
            ConnectReturnCode::BadClientId => (code, " (send.mqtt.client_id)"),
            _ => (code, ""),
        },
        // Its own words may repeat the packet.
        ConnectionError::NotConnAck(_) => {
            return "the broker did not answer with CONNACK".to_owned();
        }
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => {
            return error.to_string();
        }
        ConnectionError::MqttState(state) => return state.to_string(),
        other => return other.to_string(),
    };
    format!("the broker refused: {code:?}{hint}")
}
