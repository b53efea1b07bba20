//! What leaves: a message for a bus, a picture for the store.

use std::time::Duration;

use bytes::Bytes;

use crate::{PictureKind, Timestamp};

/// What leaves for a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    /// Kafka's partition key; MQTT has none.
    pub key: String,
    /// CloudEvents attributes without a prefix, `specversion` first; `datacontenttype` is among them.
    pub attributes: Vec<(&'static str, String)>,
    pub payload: Bytes,
    /// The gateway's clock, not the box's: a bus may refuse or delete by it.
    pub timestamp: Timestamp,
    /// Left of the message expiry at sending time, where the route wants one.
    pub expires_in: Option<Duration>,
}

/// What leaves for the picture store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub kind: PictureKind,
    pub key: String,
    pub media_type: String,
    pub bytes: Bytes,
}
