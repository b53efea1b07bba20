//! Messages → an MQTT broker, QoS 1, MQTT 5 or 3.1.1, over TCP, TLS or WebSocket. The only place that knows rumqttc.
//!
//! Promises: an event is never retained; `Acknowledged` means that the broker said so for this very message. Every connection is made
//! anew, with a clean session: when the broker has forgotten the old one, the client library's own reconnecting loses messages without a word.
//! The urgent lane's connection carries the gateway's status as its last will, unless connections die on it; `status::devices` tells of devices, over
//! a connection of its own. Deliberately does not persist anything, and does not subscribe.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use boxbridge_connect::tls::{self, TlsError};
use rumqttc::TlsConfiguration;

use boxbridge_config::{Broker, MqttTransport};
use boxbridge_event::{ByLane, Lane, Message, Timestamp};

use super::patience::Patience;
use super::{ConnectError, Destination};

mod connection;
mod dial;
mod learned_size;
mod ledger;
mod namesake;
mod publish_check;
mod race;
mod relay;
mod session;
mod status;
mod v3;
mod v5;

pub use connection::Offer;
pub use session::Session;

/// The contract of the gateway's status message, as JSON Schema.
pub const STATUS_SCHEMA: &str = include_str!("mqtt/status/schema.json");

use dial::Dial;
use learned_size::LearnedSize;
use ledger::Ledger;
use namesake::Namesake;
use race::Addresses;
use session::Terms;
use status::{Greeting, Presence, Status};

/// How long a goodbye may take: a stop waits for it.
const FAREWELL: Duration = Duration::from_secs(1);
/// No event fits into less: a broker that allows no more takes none, and nothing is set aside for that. 0 breaks the protocol (MQTT 5, 3.2.2.3.6).
const PACKET_LEAST: u32 = 256;

/// Who we are, to brokers and to people who watch the status topic.
#[derive(Clone, Debug)]
pub struct GatewayIdentity {
    /// The destination's name: one gateway may have several brokers, or be at one of them twice.
    pub destination: Arc<str>,
    pub site: String,
    pub gateway: String,
    /// Made once per data directory; the default client id has it.
    pub instance: String,
    /// When this process started.
    pub started: Timestamp,
}

pub struct Mqtt {
    config: boxbridge_config::Mqtt,
    broker: Broker,
    addresses: Arc<Addresses>,
    identity: GatewayIdentity,
    window: u16,
    stall_timeout: Duration,
    /// What an orderly stop says of the gateway.
    at_a_stop: Presence,
    greeting: Greeting,
    /// One client id for each lane.
    namesakes: ByLane<Arc<Namesake>>,
    /// How long the broker may be silent.
    patience: ByLane<Arc<Patience>>,
    learned_size: Arc<LearnedSize>,
}

impl Mqtt {
    /// A destination at `broker`: the one of the config, or the one in this process. Unreadable certificates are an error here; they
    /// are read again for each connection.
    pub fn new(
        config: boxbridge_config::Mqtt,
        broker: Broker,
        limits: &boxbridge_config::Send,
        identity: GatewayIdentity,
    ) -> Result<Mqtt, TlsError> {
        let window = u16::try_from(limits.window_records)
            .unwrap_or(u16::MAX)
            .max(1);
        let namesake = |lane: Lane| Namesake::new(client_id(&config, &identity, lane.as_str()));
        let patience = |_| Arc::new(Patience::new(limits.stall_timeout));

        let mqtt = Mqtt {
            addresses: Arc::new(Addresses::of(&broker)),
            window,
            stall_timeout: limits.stall_timeout,
            at_a_stop: Presence::Offline,
            greeting: Greeting::of(&identity.destination),
            namesakes: ByLane::new(|lane| Arc::new(namesake(lane))),
            patience: ByLane::new(patience),
            learned_size: Arc::default(),
            config,
            broker,
            identity,
        };
        mqtt.tls()?;
        Ok(mqtt)
    }

    /// Of a gateway that others replace: after an orderly stop its status is gone, and nobody misses it.
    pub fn replaceable(self) -> Mqtt {
        Mqtt {
            at_a_stop: Presence::Gone,
            ..self
        }
    }

    /// Reached at these addresses, whatever its name resolves to.
    pub fn at(self, addresses: Vec<SocketAddr>) -> Mqtt {
        Mqtt {
            addresses: Arc::new(Addresses::fixed(&self.broker, addresses)),
            ..self
        }
    }

    /// The same broker, over connections called `name` that say nothing of the gateway's status: for what is told beside events.
    pub fn beside(&self, name: &str) -> Mqtt {
        let namesake = self.namesake(name);
        self.without_status(ByLane::new(|_| Arc::clone(&namesake)))
    }

    /// The same broker, over connections of each lane beside its own: for what comes out of Kafka.
    pub fn out_of_kafka(&self) -> Mqtt {
        self.without_status(ByLane::new(|lane| self.namesake(&format!("kafka-{lane}"))))
    }

    fn namesake(&self, name: &str) -> Arc<Namesake> {
        Arc::new(Namesake::new(client_id(&self.config, &self.identity, name)))
    }

    fn without_status(&self, namesakes: ByLane<Arc<Namesake>>) -> Mqtt {
        let patience = |_| Arc::new(Patience::new(self.stall_timeout));

        Mqtt {
            config: boxbridge_config::Mqtt {
                status_topic: None,
                ..self.config.clone()
            },
            broker: self.broker.clone(),
            addresses: Arc::clone(&self.addresses),
            identity: self.identity.clone(),
            greeting: Greeting::of(&self.identity.destination),
            namesakes,
            patience: ByLane::new(patience),
            learned_size: Arc::clone(&self.learned_size),
            window: self.window,
            stall_timeout: self.stall_timeout,
            at_a_stop: self.at_a_stop,
        }
    }

    /// Connects, hears the broker's offer, and leaves; for `check --online`.
    pub async fn probe(&self) -> Result<Offer, ConnectError> {
        let client_id = client_id(&self.config, &self.identity, "check");
        let (mut connection, offer) = self.dial(&client_id, None)?.open().await?;

        // The broker has said everything; nothing depends on the goodbye.
        drop(tokio::time::timeout(FAREWELL, connection.leave()).await);
        Ok(offer)
    }

    fn dial(&self, client_id: &str, will: Option<Status>) -> Result<Dial, ConnectError> {
        let tls = self.tls().map_err(|error| ConnectError {
            message: format!("{error} (send.mqtt.ca_file, cert_file and key_file)"),
        })?;
        let username = self.config.username.clone();

        Ok(Dial {
            broker: self.broker.clone(),
            addresses: Arc::clone(&self.addresses),
            version: self.config.version,
            tls,
            client_id: client_id.to_owned(),
            login: username.map(|username| (username, self.config.password.clone())),
            will,
            keep_alive: self.config.keep_alive,
            packet_max: self.config.max_packet_bytes,
            window: self.window,
            timeout: self.stall_timeout,
        })
    }

    fn tls(&self) -> Result<Option<TlsConfiguration>, TlsError> {
        match self.broker.transport {
            MqttTransport::Tcp | MqttTransport::WebSocket => Ok(None),
            MqttTransport::Tls | MqttTransport::WebSocketTls => Ok(Some(TlsConfiguration::Rustls(
                tls::client_config(&self.config.tls)?,
            ))),
        }
    }

    /// The status message, where a connection of this lane carries it.
    fn status(&self, lane: Lane) -> Option<Status> {
        let topic = self.config.status_topic.as_ref()?;
        let is_carried = lane == Lane::Urgent && self.greeting.is_on();
        is_carried.then(|| Status::new(topic, &self.identity))
    }

    fn terms(&self, lane: Lane, offer: Offer) -> Terms {
        let offered = offer
            .packet_max
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(usize::MAX);
        Terms {
            version: self.config.version,
            packet_max: self.config.max_packet_bytes.min(offered),
            keep_alive: self.config.keep_alive,
            patience: Arc::clone(self.patience.of(lane)),
            learned_size: Arc::clone(&self.learned_size),
            namesake: Arc::clone(self.namesakes.of(lane)),
            at_a_stop: self.at_a_stop,
            destination: Arc::clone(&self.identity.destination),
            broker: dial::url(&self.broker),
        }
    }

    /// Begins a session with the status message. Two connections that die on it switch it off.
    async fn greet(&self, session: &mut Session, status: Status) -> Result<(), ConnectError> {
        let topic = status.topic.clone();
        let lost = match session.greet(status).await {
            Ok(()) => {
                self.greeting.taken();
                return Ok(());
            }
            Err(lost) => lost,
        };

        if !lost.is_explained {
            self.greeting.cost_a_connection(&topic);
        }
        Err(ConnectError {
            message: format!(
                "the connection died on the status message, topic {topic} (send.mqtt.status_topic): {}",
                lost.error
            ),
        })
    }
}

impl Destination for Mqtt {
    type Message = Message;
    type Session = Session;

    async fn connect(&self, lane: Lane) -> Result<Session, ConnectError> {
        let namesake = self.namesakes.of(lane);
        // No pause where nobody else uses our client id, which is nearly always.
        tokio::time::sleep(namesake.pause(fastrand::f64())).await;

        let status = self.status(lane);
        let dial = self.dial(namesake.client_id(), status.clone())?;
        let (connection, offer) = dial.open().await?;

        let window = self.window.min(offer.receive_maximum);
        let ledger = Ledger::new(usize::from(window));
        let mut session = Session::new(connection, ledger, self.terms(lane, offer));
        if let Some(status) = status {
            self.greet(&mut session, status).await?;
        }
        Ok(session)
    }
}

/// The prefix of the settings and the lane; two destinations at one broker must not meet.
fn client_id(config: &boxbridge_config::Mqtt, identity: &GatewayIdentity, suffix: &str) -> String {
    let usual = || match &*identity.destination {
        boxbridge_config::MQTT => format!("boxbridge-{}", identity.instance),
        name => format!("boxbridge-{}-{name}", identity.instance),
    };
    let prefix = config.client_id.clone().unwrap_or_else(usual);
    format!("{prefix}-{suffix}")
}
