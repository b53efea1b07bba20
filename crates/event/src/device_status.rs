//! What is told of a device when it comes, goes, falls silent or is forgotten: no event, and nobody waits for it.

use std::sync::Arc;

use crate::{DeviceState, Timestamp};

/// A device, and how it fares.
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
