//! MQTT 3.1.1, by rumqttc: settings in, notices out.
//!
//! An acknowledgement says less here than in version 5: a broker may acknowledge what its rules deny. Deliberately sends no attributes and no
//! expiry: this version has no place for them.

use bytes::Bytes;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    NetworkOptions, Outgoing, Packet, QoS, StateError,
};

use boxbridge_event::Message;

use super::connection::{LOGIN, LOGIN_OR_STATUS, Loss, Notice, Offer, Protocol, Verdict};
use super::dial::{Dial, LIBRARY_TIMEOUT_SECONDS, Way};
use super::namesake::End;
use super::status::Presence;

/// A broker sends us nothing but answers of a few bytes.
const INCOMING_MAX: usize = 64 * 1024;

/// In this version a broker cannot say that it does not offer something.
const EVERYTHING: Offer = Offer {
    receive_maximum: u16::MAX,
    packet_max: None,
    retain: true,
    qos_1: true,
};

pub(super) struct V3(EventLoop);

pub(super) fn open(dial: &Dial, way: &Way, requests: usize) -> (AsyncClient, V3) {
    let mut network = NetworkOptions::new();
    network.set_tcp_nodelay(true);
    network.set_connection_timeout(LIBRARY_TIMEOUT_SECONDS);

    let (client, mut eventloop) = AsyncClient::new(options(dial, way), requests);
    eventloop.set_network_options(network);
    (client, V3(eventloop))
}

fn options(dial: &Dial, way: &Way) -> MqttOptions {
    let mut options = MqttOptions::new(&dial.client_id, dial.address(way), dial.port(way));
    options
        .set_transport(dial.transport())
        .set_clean_session(true)
        .set_keep_alive(dial.keep_alive())
        .set_inflight(dial.window)
        .set_max_packet_size(INCOMING_MAX, dial.packet_max);

    if let Some(proxy) = way.proxy() {
        options.set_proxy(proxy);
    }
    if let Some((username, password)) = &dial.login {
        options.set_credentials(username, password.expose());
    }
    if let Some(status) = &dial.will {
        let payload = status.payload(Presence::Offline);
        options.set_last_will(LastWill::new(
            &status.topic,
            payload,
            QoS::AtLeastOnce,
            true,
        ));
    }
    options
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
        // The library would end the connection where a ping is answered late; that is our decision.
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
        Event::Incoming(Packet::ConnAck(_)) => Some(Notice::Connected(EVERYTHING)),
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
    match error {
        ConnectionError::Io(io) | ConnectionError::MqttState(StateError::Io(io)) => Loss::of_io(io),
        ConnectionError::MqttState(state @ StateError::ConnectionAborted) => Loss {
            end: End::HungUp,
            ..Loss::of(state.to_string())
        },
        ConnectionError::MqttState(state) => Loss::of(state.to_string()),
        ConnectionError::ConnectionRefused(code) => Loss::of(refusal(*code)),
        // Its own words may repeat the packet.
        ConnectionError::NotConnAck(_) => Loss::of("the broker did not answer with CONNACK"),
        other => Loss::of(other.to_string()),
    }
}

fn refusal(code: ConnectReturnCode) -> String {
    let hint = match code {
        ConnectReturnCode::BadUserNamePassword => LOGIN,
        ConnectReturnCode::NotAuthorized => LOGIN_OR_STATUS,
        ConnectReturnCode::RefusedProtocolVersion => " (send.mqtt.version)",
        ConnectReturnCode::BadClientId => " (send.mqtt.client_id)",
        _ => "",
    };
    format!("the broker refused: {code:?}{hint}")
}
