//! `[send]`: the destinations, and what they have in common.

use std::time::Duration;

use crate::reader::Reader;
use crate::{GIB, KIB, SECOND};

pub(crate) mod kafka;
pub(crate) mod mqtt;
pub(crate) mod store;

pub use kafka::{Kafka, Sasl};
pub use mqtt::{Broker, Embedded, Mqtt, MqttTransport, MqttVersion};
pub use store::{Bucket, Store, StoreUrl};

#[derive(Clone, Debug)]
pub struct Send {
    pub window_records: usize,
    pub window_bytes: usize,
    pub retry_max: Duration,
    pub stall_timeout: Duration,
    pub store: Store,
    /// `None` = off, as for Kafka; one of the two is on.
    pub mqtt: Option<Mqtt>,
    pub kafka: Option<Kafka>,
}

impl Send {
    pub(crate) fn read(read: &mut Reader) -> Send {
        Send {
            window_records: read.count("send.window_records", 1, 60_000),
            window_bytes: read.bytes("send.window_bytes", 64 * KIB, GIB),
            retry_max: read.duration("send.retry_max", Duration::from_millis(100), 600 * SECOND),
            stall_timeout: read.duration("send.stall_timeout", SECOND, 600 * SECOND),
            store: Store::read(read),
            mqtt: Mqtt::read(read),
            kafka: Kafka::read(read),
        }
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let of_mqtt = self.mqtt.iter().flat_map(Mqtt::warnings);
        self.store.warnings().into_iter().chain(of_mqtt).collect()
    }
}
