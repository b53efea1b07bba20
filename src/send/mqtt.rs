//! Messages → an MQTT broker, QoS 1, MQTT 5 or 3.1.1, over TCP, TLS or WebSocket. The only place that knows rumqttc.
//!
//! Promises: an event is never retained; `Acknowledged` means that the broker said so for this very message. Every connection is made
//! anew, with a clean session: the client library's own reconnecting loses messages without a word when the broker has forgotten it.
//! The urgent lane's connection carries the gateway's status as its last will, unless connections die on it. Deliberately does not persist anything, and does not subscribe.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use boxbridge_connect::tls::{self, TlsError};
use rumqttc::TlsConfiguration;

use boxbridge_config::{Broker, MqttTransport};
use boxbridge_event::{Lane, Message, Timestamp};

use super::patience::Patience;
use super::{ConnectError, Destination};

mod admission;
mod connection;
mod learned_size;
mod ledger;
mod namesake;
mod race;
mod relay;
mod session;
mod status;
mod v3;
mod v5;

pub use connection::Offer;
pub use session::Session;

use connection::{Connection, Dial, Route};
use learned_size::LearnedSize;
use namesake::Namesake;
use race::Addresses;
use session::Limits;
use status::{Greeting, Status};

/// How long a goodbye may take: what waits for it is on its way out.
const FAREWELL: Duration = Duration::from_secs(1);
/// No event fits into less: a broker that allows no more takes none, and nothing is set aside for that. 0 breaks the protocol (MQTT 5, 3.2.2.3.6).
const PACKET_LEAST: usize = 256;

/// Who we are, to brokers and to whoever watches the status topic.
#[derive(Clone, Debug)]
pub struct Identity {
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
    identity: Identity,
    window: u16,
    stall_timeout: Duration,
    greeting: Greeting,
    /// One client id for each lane.
    namesakes: [Arc<Namesake>; Lane::ALL.len()],
    /// How long the broker may be silent, by lane.
    patience: [Arc<Patience>; Lane::ALL.len()],
    learned_size: Arc<LearnedSize>,
}

impl Mqtt {
    /// A destination at `broker`: the one of the config, or the one in this process. Unreadable certificates are an error here; they
    /// are read again for each connection.
    pub fn new(
        config: boxbridge_config::Mqtt,
        broker: Broker,
        limits: &boxbridge_config::Send,
        identity: Identity,
    ) -> Result<Mqtt, TlsError> {
        let window = u16::try_from(limits.window_records)
            .unwrap_or(u16::MAX)
            .max(1);
        let of_lane =
            |lane: Lane| Arc::new(Namesake::new(client_id(&config, &identity, lane.as_str())));
        let namesakes = [of_lane(Lane::Urgent), of_lane(Lane::Normal)];
        let addresses = Arc::new(Addresses::of(&broker));
        let (stall_timeout, greeting) = (limits.stall_timeout, Greeting::of(&identity.destination));
        let patience = std::array::from_fn(|_| Arc::new(Patience::new(stall_timeout)));
        let mqtt = Mqtt {
            config,
            broker,
            addresses,
            identity,
            window,
            stall_timeout,
            greeting,
            namesakes,
            patience,
            learned_size: Arc::default(),
        };
        mqtt.tls()?;
        Ok(mqtt)
    }

    /// Reached at these addresses, whatever its name resolves to.
    pub fn at(self, addresses: Vec<SocketAddr>) -> Mqtt {
        Mqtt {
            addresses: Arc::new(Addresses::fixed(&self.broker, addresses)),
            ..self
        }
    }

    /// Connects, asks what the broker offers, and leaves; for `check --online`.
    pub async fn probe(&self) -> Result<Offer, ConnectError> {
        let namesake = Arc::new(Namesake::new(client_id(
            &self.config,
            &self.identity,
            "check",
        )));
        let mut connection = Connection::open(self.dial(namesake, None)?).await?;
        // It told what was asked; whether it also takes leave is all the same.
        drop(tokio::time::timeout(FAREWELL, connection.leave()).await);
        Ok(connection.offer)
    }

    fn dial(&self, namesake: Arc<Namesake>, will: Option<Status>) -> Result<Dial, ConnectError> {
        Ok(Dial {
            broker: self.broker.clone(),
            addresses: Arc::clone(&self.addresses),
            route: Route::Name,
            version: self.config.version,
            tls: self.tls().map_err(|error| ConnectError {
                message: error.to_string(),
            })?,
            namesake,
            login: self
                .config
                .username
                .clone()
                .map(|username| (username, self.config.password.clone())),
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

    fn status(&self, lane: Lane) -> Option<Status> {
        match lane {
            Lane::Urgent if self.greeting.is_on() => self
                .config
                .status_topic
                .as_ref()
                .map(|topic| Status::new(topic, &self.identity)),
            Lane::Urgent => None,
            Lane::Normal => None,
        }
    }
}

impl Destination for Mqtt {
    type Message = Message;
    type Session = Session;

    async fn connect(&self, lane: Lane) -> Result<Session, ConnectError> {
        let namesake = Arc::clone(&self.namesakes[usize::from(lane.number())]);
        // Nothing where nobody uses our client id, which is nearly always.
        tokio::time::sleep(namesake.pause(fastrand::f64())).await;

        let status = self.status(lane);
        let connection = Connection::open(self.dial(namesake, status.clone())?).await?;
        let offered = connection
            .offer
            .packet_max
            .and_then(|bytes| usize::try_from(bytes).ok())
            .unwrap_or(usize::MAX);
        if offered < PACKET_LEAST {
            let message = format!(
                "the broker announces a Maximum Packet Size of {offered} bytes: no event fits into that"
            );
            return Err(ConnectError { message });
        }

        let limits = Limits {
            version: self.config.version,
            window: usize::from(self.window.min(connection.offer.receive_maximum).max(1)),
            packet_max: self.config.max_packet_bytes.min(offered),
            learned_size: Arc::clone(&self.learned_size),
            patience: Arc::clone(&self.patience[usize::from(lane.number())]),
            destination: Arc::clone(&self.identity.destination),
            keep_alive: self.config.keep_alive,
        };
        let topic = status.as_ref().map(|status| status.topic.clone());
        let started = Session::start(connection, limits, status).await;
        match (&started, &topic) {
            (Ok(_), Some(_)) => self.greeting.taken(),
            (Err(lost), Some(topic)) if !lost.is_explained => {
                self.greeting.cost_a_connection(topic)
            }
            _ => {}
        }
        started.map_err(|lost| {
            let topic = topic.unwrap_or_default();
            ConnectError {
                message: format!(
                    "the connection died on the status message, topic {topic}: {}",
                    lost.error
                ),
            }
        })
    }
}

fn client_id(config: &boxbridge_config::Mqtt, identity: &Identity, suffix: &str) -> String {
    let usual = || match &*identity.destination {
        boxbridge_config::MQTT => format!("boxbridge-{}", identity.instance),
        name => format!("boxbridge-{}-{name}", identity.instance),
    };
    let prefix = config.client_id.clone().unwrap_or_else(usual);
    format!("{prefix}-{suffix}")
}
