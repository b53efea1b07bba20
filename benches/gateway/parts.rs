//! The real brokers and stores that the promises are tested against, started when a row first wants them.

#![allow(dead_code, reason = "tests want more of them")]

use std::cell::OnceCell;
use std::net::SocketAddr;

#[path = "../../tests/promises/parts/certificates.rs"]
pub mod certificates;
#[path = "../../tests/promises/parts/child.rs"]
pub mod child;
#[path = "../../tests/promises/parts/servers/kafka/mod.rs"]
pub mod kafka;
#[path = "../../tests/promises/parts/servers/mosquitto.rs"]
pub mod mosquitto;
#[path = "../../tests/promises/parts/servers/s3.rs"]
pub mod s3;
#[path = "../../tests/promises/parts/subscriber.rs"]
pub mod subscriber;
#[path = "../../tests/promises/parts/network/thin_line.rs"]
pub mod thin_line;

/// A row says what something costs: whether it is right is for the tests to say.
pub mod contract {
    pub fn check_message(_topic: &str, _payload: &[u8], _attributes: &[(&str, &str)]) {}
}

#[derive(Default)]
pub struct Parts {
    mosquitto: OnceCell<mosquitto::Mosquitto>,
    kafka: OnceCell<kafka::Broker>,
    bucket: OnceCell<s3::Server>,
    certificates: OnceCell<certificates::Certificates>,
}

impl Parts {
    pub fn mosquitto(&self) -> SocketAddr {
        self.mosquitto
            .get_or_init(mosquitto::Mosquitto::start)
            .address()
    }

    pub fn kafka(&self) -> String {
        self.kafka.get_or_init(kafka::Broker::start).address()
    }

    /// The endpoint of versitygw.
    pub fn bucket(&self) -> String {
        self.bucket.get_or_init(s3::Server::start).endpoint()
    }

    pub fn certificates(&self) -> &certificates::Certificates {
        self.certificates
            .get_or_init(certificates::Certificates::make)
    }
}
