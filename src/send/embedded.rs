//! The MQTT broker inside this process, for a first look and for a site that has none: of our own, on the codec of rmqtt.
//!
//! Promises: it listens where the config says and nowhere else, and only its own gateway publishes; where there is a file of users, only they
//! subscribe. A subscriber costs the others nothing:
//! connections, sessions, subscriptions, memory and the lane's patience are shared out by address, and each message that a subscriber
//! misses is counted. A publication that nobody subscribes to is acknowledged as such (MQTT 5, 0x10). Deliberately writes nothing to disk: a
//! delivered message was handed to the sessions of that moment. It knows no QoS 2 on the way out (events are QoS 1), and
//! no shared subscriptions.

use std::net::SocketAddr;

use boxbridge_config::{MqttTransport, MqttVersion, Secret};
use boxbridge_connect::tls::Encryption;

#[cfg(feature = "embedded-broker")]
mod broker;
#[cfg(not(feature = "embedded-broker"))]
mod broker {
    //! The program was built without the broker: it says so when it is asked for.

    use super::{Addresses, StartError};
    use boxbridge_config::{BrokerUsers, Secret};
    use boxbridge_connect::tls::Encryption;

    pub(super) enum Running {}

    #[derive(Clone)]
    pub enum Subscribers {}

    impl Subscribers {
        pub fn adopt(&self, _users: Option<BrokerUsers>) {
            match *self {}
        }
    }

    pub(super) fn start(
        _config: &boxbridge_config::Embedded,
        _connections_max: usize,
        _encryption: Encryption,
    ) -> Result<(Running, Addresses), StartError> {
        Err(StartError::NotBuilt)
    }

    impl Running {
        pub fn login(&self) -> (String, Secret) {
            match *self {}
        }

        pub fn subscribers(&self) -> Subscribers {
            match *self {}
        }

        pub fn dropped(&self) -> u64 {
            match *self {}
        }

        pub async fn subscribed(&self) {
            match *self {}
        }

        pub fn stop(&mut self) -> usize {
            match *self {}
        }
    }
}

pub use broker::Subscribers;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} ({key})")]
    Listen {
        address: SocketAddr,
        key: &'static str,
        source: std::io::Error,
    },
    #[error("the MQTT broker in this process does not start: {0}")]
    Broker(String),
    #[error(
        "send.mqtt.url is \"embedded\", but this program was built without the broker (feature embedded-broker): name a broker"
    )]
    NotBuilt,
}

/// Where it listens, with the ports that the system gave it.
#[derive(Clone, Copy, Debug)]
struct Addresses {
    tcp: SocketAddr,
    websocket: Option<SocketAddr>,
}

/// The running broker; dropping it ends it.
pub struct Embedded {
    running: broker::Running,
    addresses: Addresses,
}

impl Embedded {
    /// Returns when it listens; it holds at most so many connections. May be called from within a runtime: the broker has its own.
    pub fn start(
        config: &boxbridge_config::Embedded,
        connections_max: usize,
        encryption: Encryption,
    ) -> Result<Embedded, StartError> {
        let (running, addresses) = broker::start(config, connections_max, encryption)?;
        Ok(Embedded { running, addresses })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.addresses.tcp
    }

    pub fn websocket_addr(&self) -> Option<SocketAddr> {
        self.addresses.websocket
    }

    /// Where our own sessions come in.
    pub fn entrance(&self) -> Entrance {
        let address = boxbridge_config::reached(self.addresses.tcp);
        let broker = boxbridge_config::Broker {
            transport: MqttTransport::Tcp,
            host: address.ip().to_string(),
            port: address.port(),
            path: String::new(),
        };
        let (username, password) = self.login();
        Entrance {
            broker,
            username,
            password,
        }
    }

    /// The user and password that may publish; made with the process.
    pub fn login(&self) -> (String, Secret) {
        self.running.login()
    }

    /// Who may subscribe: to be told when that changes.
    pub fn subscribers(&self) -> Subscribers {
        self.running.subscribers()
    }

    /// Messages that were dropped before a subscriber took them, since the start.
    pub fn dropped(&self) -> u64 {
        self.running.dropped()
    }

    /// Returns once somebody has subscribed since the start.
    pub async fn subscribed(&self) {
        self.running.subscribed().await;
    }

    /// Lets connected clients take their messages, stops the broker and frees its ports; blocks for a moment. How many messages were not
    /// taken.
    pub fn stop(mut self) -> usize {
        self.running.stop()
    }
}

/// The broker in this process as its own gateway reaches it.
#[derive(Clone, Debug)]
pub struct Entrance {
    broker: boxbridge_config::Broker,
    username: String,
    password: Secret,
}

impl Entrance {
    /// These settings with this broker.
    pub fn of(&self, settings: boxbridge_config::Mqtt) -> boxbridge_config::Mqtt {
        // Version 5 bounds the events on their way, so that a ping never waits behind a thousand of them for one slow subscriber; and it says
        // which ones nobody heard. Subscribers speak the version that they like.
        boxbridge_config::Mqtt {
            broker: Some(self.broker.clone()),
            version: MqttVersion::V5,
            username: Some(self.username.clone()),
            password: self.password.clone(),
            ..settings
        }
    }
}
