//! The MQTT broker inside this process, for a first look and for a site that has none. The only place that knows it.
//!
//! Promises: it listens where the config says and nowhere else; a publisher is held back to the pace of its subscribers, but a subscriber
//! that does not read holds up nobody: it has a bounded queue, whose oldest messages are dropped, and counted. What nobody subscribes
//! to is acknowledged as such (MQTT 5, 0x10).
//! Deliberately writes nothing to disk: a delivered message was handed to the subscribers of that moment. It knows no users and no TLS.

use std::net::SocketAddr;

use crate::config::{self, MqttTransport};

#[cfg(feature = "embedded-broker")]
mod backlog;
#[cfg(feature = "embedded-broker")]
mod broker;
#[cfg(feature = "embedded-broker")]
mod hooks;
#[cfg(not(feature = "embedded-broker"))]
mod broker {
    //! The program was built without the broker: it says so when it is asked for.

    use super::{Doors, StartError};
    use crate::config;

    pub(super) enum Running {}

    pub(super) fn start(_config: &config::Embedded) -> Result<(Running, Doors), StartError> {
        Err(StartError::NotBuilt)
    }

    impl Running {
        pub fn dropped(&self) -> u64 {
            match *self {}
        }

        pub async fn subscribed(&self) {
            match *self {}
        }

        pub fn stop(&mut self) {
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
    /// Returns when it listens. May be called from within a runtime: the broker has its own.
    pub fn start(config: &config::Embedded) -> Result<Embedded, StartError> {
        let (running, doors) = broker::start(config)?;
        Ok(Embedded { running, doors })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.doors.tcp
    }

    pub fn websocket_addr(&self) -> Option<SocketAddr> {
        self.doors.websocket
    }

    /// How our own sessions reach it.
    pub fn broker(&self) -> config::Broker {
        let address = config::reached(self.doors.tcp);
        config::Broker { transport: MqttTransport::Tcp, host: address.ip().to_string(), port: address.port(), path: String::new() }
    }

    /// Messages that a subscriber was too slow for, since the start.
    pub fn dropped(&self) -> u64 {
        self.running.dropped()
    }

    /// Returns once somebody has subscribed since the start.
    pub async fn subscribed(&self) {
        self.running.subscribed().await;
    }

    /// Ends it and frees its ports; blocks for a moment.
    pub fn stop(mut self) {
        self.running.stop();
    }
}
