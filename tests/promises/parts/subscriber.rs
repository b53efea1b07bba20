//! A subscriber for tests: a connection of its own, either version, TCP or WebSocket, that collects what it is sent.
//!
//! It comes back after a restart of the broker, with the same session. What it hands out was held against the contract. Every wait has an end; a test that waits in vain says what came.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use boxbridge_config::MqttVersion;
use bytes::Bytes;
use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS, Transport, v5};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::child::PATIENCE;
use super::contract;

/// A message as it came in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub topic: String,
    pub payload: Bytes,
    pub retain: bool,
    /// The properties of MQTT 5.
    pub content_type: Option<String>,
    pub payload_format: Option<u8>,
    pub expiry_seconds: Option<u32>,
    pub attributes: Vec<(String, String)>,
}

impl Received {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.payload).expect("UTF-8")
    }

    /// Itself, if it is as the contract says.
    fn checked(self) -> Received {
        let attributes = self.attributes.iter();
        let attributes: Vec<_> = attributes
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        contract::check_message(&self.topic, &self.payload, &attributes);
        self
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    Tcp,
    WebSocket,
}

pub struct Subscriber {
    received: mpsc::Receiver<Received>,
    _connection: AbortOnDropHandle<()>,
}

const PACKET_MAX: u32 = 32 << 20;

impl Subscriber {
    /// MQTT 5 over TCP; returns when the broker has confirmed the subscription.
    pub async fn start(address: SocketAddr, filter: &str) -> Subscriber {
        Subscriber::by(address, Over::Tcp, MqttVersion::V5, None, filter).await
    }

    pub async fn by(
        address: SocketAddr,
        over: Over,
        version: MqttVersion,
        login: Option<(&str, &str)>,
        filter: &str,
    ) -> Subscriber {
        let (sender, received) = mpsc::channel(100_000);
        let (ready, mut subscribed) = mpsc::channel(1);
        let wire = Wire {
            id: format!("subscriber-{}", uuid::Uuid::new_v4()),
            address,
            over,
            login: login.map(|(name, password)| (name.to_owned(), password.to_owned())),
            filter: filter.to_owned(),
            sender,
            ready,
        };
        let connection = match version {
            MqttVersion::V3 => tokio::spawn(collect_v3(wire)),
            MqttVersion::V5 => tokio::spawn(collect_v5(wire)),
        };
        let connection = AbortOnDropHandle::new(connection);
        let confirmed = tokio::time::timeout(PATIENCE, subscribed.recv()).await;

        assert_eq!(
            confirmed,
            Ok(Some(())),
            "the broker does not confirm the subscription"
        );
        Subscriber {
            received,
            _connection: connection,
        }
    }

    /// The next `count` messages.
    pub async fn receive(&mut self, count: usize) -> Vec<Received> {
        let mut messages = Vec::with_capacity(count);
        while messages.len() < count {
            match self.next().await {
                Some(message) => messages.push(message),
                None => {
                    let last: VecDeque<_> = messages.iter().rev().take(3).collect();
                    panic!(
                        "{} of {count} messages came, the last: {last:?}",
                        messages.len()
                    );
                }
            }
        }
        messages
    }

    /// `None` where it was waited for in vain.
    pub async fn next(&mut self) -> Option<Received> {
        let message = tokio::time::timeout(PATIENCE, self.received.recv()).await;
        message.ok().flatten().map(Received::checked)
    }

    pub async fn receive_one(&mut self) -> Received {
        self.receive(1).await.remove(0)
    }

    /// What came so far.
    pub fn received(&mut self) -> Vec<Received> {
        let received = std::iter::from_fn(|| self.received.try_recv().ok());
        received.map(Received::checked).collect()
    }
}

/// Between two attempts to connect: the broker is being started again.
const PAUSE: Duration = Duration::from_millis(10);

/// One connection: where to, as whom, for what, and to whom with it.
struct Wire {
    id: String,
    address: SocketAddr,
    over: Over,
    login: Option<(String, String)>,
    filter: String,
    sender: mpsc::Sender<Received>,
    ready: mpsc::Sender<()>,
}

impl Wire {
    /// The host, or the URL of a WebSocket.
    fn place(&self) -> String {
        match self.over {
            Over::Tcp => self.address.ip().to_string(),
            Over::WebSocket => format!("ws://{}/mqtt", self.address),
        }
    }

    fn transport(&self) -> Transport {
        match self.over {
            Over::Tcp => Transport::Tcp,
            Over::WebSocket => Transport::Ws,
        }
    }
}

async fn collect_v5(wire: Wire) {
    use v5::mqttbytes::v5::{ConnectProperties, Packet};
    let mut options = v5::MqttOptions::new(&wire.id, wire.place(), wire.address.port());
    options
        .set_transport(wire.transport())
        .set_clean_start(false)
        .set_connect_properties(ConnectProperties {
            session_expiry_interval: Some(3_600),
            max_packet_size: Some(PACKET_MAX),
            ..ConnectProperties::new()
        });

    if let Some((name, password)) = &wire.login {
        options.set_credentials(name, password);
    }

    let (client, mut eventloop) = v5::AsyncClient::new(options, 10);
    loop {
        match eventloop.poll().await {
            Ok(v5::Event::Incoming(Packet::ConnAck(_))) => {
                drop(client.try_subscribe(&wire.filter, v5::mqttbytes::QoS::AtLeastOnce));
            }
            Ok(v5::Event::Incoming(Packet::SubAck(_))) => drop(wire.ready.try_send(())),
            Ok(v5::Event::Incoming(Packet::Publish(publish))) => {
                let properties = publish.properties.unwrap_or_default();
                let message = Received {
                    topic: String::from_utf8_lossy(&publish.topic).into_owned(),
                    payload: publish.payload,
                    retain: publish.retain,
                    content_type: properties.content_type,
                    payload_format: properties.payload_format_indicator,
                    expiry_seconds: properties.message_expiry_interval,
                    attributes: properties.user_properties,
                };
                drop(wire.sender.send(message).await);
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn collect_v3(wire: Wire) {
    let mut options = MqttOptions::new(&wire.id, wire.place(), wire.address.port());
    options
        .set_transport(wire.transport())
        .set_clean_session(false)
        .set_max_packet_size(PACKET_MAX as usize, PACKET_MAX as usize);
    if let Some((name, password)) = &wire.login {
        options.set_credentials(name, password);
    }

    let (client, mut eventloop) = AsyncClient::new(options, 10);
    loop {
        match eventloop.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                drop(client.try_subscribe(&wire.filter, QoS::AtLeastOnce))
            }
            Ok(Event::Incoming(Packet::SubAck(_))) => drop(wire.ready.try_send(())),
            Ok(Event::Incoming(Packet::Publish(publish))) => {
                let message = Received {
                    topic: publish.topic,
                    payload: publish.payload,
                    retain: publish.retain,
                    ..Received::default()
                };
                drop(wire.sender.send(message).await);
            }
            Ok(_) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}
