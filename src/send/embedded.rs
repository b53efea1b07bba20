//! The MQTT broker inside this process, for a first look and for a site that has none: of our own, on the codec of rmqtt.
//!
//! Promises: it listens where the config says and nowhere else, and only its own gateway publishes; whoever subscribes costs the others
//! nothing: places, memory and the lane's patience are shared out, and what a slow subscriber misses is counted. What nobody subscribes to
//! is acknowledged as such (MQTT 5, 0x10). Deliberately writes nothing to disk: a delivered message was handed to the sessions of that
//! moment. It knows no users and no TLS, no QoS 2 on the way out (events are QoS 1), and no shared subscriptions.

use std::net::SocketAddr;

use crate::config::{self, MqttTransport, MqttVersion, Secret};

#[cfg(feature = "embedded-broker")]
mod broker;
#[cfg(not(feature = "embedded-broker"))]
mod broker {
    //! The program was built without the broker: it says so when it is asked for.

    use super::{Doors, StartError};
    use crate::config::{self, Secret};

    pub(super) enum Running {}

    pub(super) fn start(_config: &config::Embedded, _places: usize) -> Result<(Running, Doors), StartError> {
        Err(StartError::NotBuilt)
    }

    impl Running {
        pub fn login(&self) -> (String, Secret) {
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

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} ({key})")]
    Listen { address: SocketAddr, key: &'static str, source: std::io::Error },
    #[error("the MQTT broker in this process does not start: {0}")]
    Broker(String),
    #[error(
        "send.mqtt.url is \"embedded\", but this program was built without the broker (feature embedded-broker): name a broker"
    )]
    NotBuilt,
}

/// Where it listens, with the ports as they are.
#[derive(Clone, Copy, Debug)]
struct Doors {
    tcp: SocketAddr,
    websocket: Option<SocketAddr>,
}

/// The running broker; dropping it ends it.
pub struct Embedded {
    running: broker::Running,
    doors: Doors,
}

impl Embedded {
    /// Returns when it listens; it holds at most so many connections. May be called from within a runtime: the broker has its own.
    pub fn start(config: &config::Embedded, places: usize) -> Result<Embedded, StartError> {
        let (running, doors) = broker::start(config, places)?;
        Ok(Embedded { running, doors })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.doors.tcp
    }

    pub fn websocket_addr(&self) -> Option<SocketAddr> {
        self.doors.websocket
    }

    /// The same settings, as our own sessions reach it: as the only one who may publish, in MQTT 5.
    pub fn reached_by(&self, settings: config::Mqtt) -> config::Mqtt {
        let address = config::reached(self.doors.tcp);
        let host = address.ip().to_string();
        let broker = config::Broker { transport: MqttTransport::Tcp, host, port: address.port(), path: String::new() };
        let (username, password) = self.login();
        // Version 5 limits what is on its way, so that a ping never waits behind a thousand events for one slow subscriber; and it says what
        // nobody heard. Subscribers speak the version that they like.
        config::Mqtt { broker: Some(broker), version: MqttVersion::V5, username: Some(username), password, ..settings }
    }

    /// Whoever has this may publish; made with the process.
    pub fn login(&self) -> (String, Secret) {
        self.running.login()
    }

    /// Messages that a subscriber was too slow for, since the start.
    pub fn dropped(&self) -> u64 {
        self.running.dropped()
    }

    /// Returns once somebody has subscribed since the start.
    pub async fn subscribed(&self) {
        self.running.subscribed().await;
    }

    /// Lets those who are there take what waits for them, ends it and frees its ports; blocks for a moment. How many messages nobody took.
    pub fn stop(mut self) -> usize {
        self.running.stop()
    }
}
