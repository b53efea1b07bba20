//! What leaves: a message for a bus, a picture for the store, what is told of a device.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::{DeviceState, PictureKind, Timestamp};

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

/// What is told of a device when it comes, goes, falls silent or is forgotten: no event, and nobody waits for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceStatus {
    pub site: Arc<str>,
    /// Its id, as in events.
    pub device: Arc<str>,
    /// `None`: the device is forgotten, and what was told of it no longer holds.
    pub state: Option<DeviceState>,
    /// When that state began.
    pub since: Timestamp,
    pub last_seen: Option<Timestamp>,
    /// The licence code of its box.
    pub box_id: Option<Arc<str>>,
}
