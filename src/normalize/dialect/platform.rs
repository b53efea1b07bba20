//! RealTimeEvent as the vendor's own platform passes it on to third parties: with `device_id` and `identity_info` at the top.
//!
//! These two fields stay in `extra`. The device's id is its IP address on every feed, so that one match has one id.

use super::{Dialect, nested};
use crate::normalize::reading::json_object::JsonObject;
use boxbridge_event::Feed;

pub(super) static DIALECT: Dialect = Dialect {
    claims,
    feed,
    ..nested::NESTED
};

fn claims(object: &JsonObject<'_>) -> bool {
    object.has("device_id") && object.has("identity_info") && nested::claims(object)
}

/// A platform may pass on old events too, so its events have a feed of their own. Events on the history URL stay history.
fn feed(came_on: Feed) -> Feed {
    match came_on {
        Feed::Realtime | Feed::Platform => Feed::Platform,
        Feed::History => Feed::History,
    }
}
