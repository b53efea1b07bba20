//! What the vendor's own platform passes on to third parties: a RealTimeEvent with `device_id` and `identity_info` at the top.
//!
//! Its two fields stay in `extra`: the device's id is its IP on every feed, so that one match has one id.

use super::nested::{BOOKKEEPING, DEVICES, HISTORY_ONLY, TABLE};
use super::{Dialect, PERSONS, nested};
use crate::config::ScoreScale;
use crate::event::{self, Feed, PersonType};
use crate::normalize::reading::object::Object;

pub(super) static DIALECT: Dialect = Dialect {
    word: event::Dialect::Nested,
    claims,
    feed,
    table: TABLE,
    persons: PERSONS,
    person_missing: PersonType::Employee,
    devices: DEVICES,
    scale: ScoreScale::Auto,
    bookkeeping: BOOKKEEPING,
    history_only: HISTORY_ONLY,
};

fn claims(object: &Object<'_>) -> bool {
    object.has("device_id") && object.has("identity_info") && nested::claims(object)
}

/// A platform may pass on old events as well; whoever declared a URL to be for history keeps that.
fn feed(came_on: Feed) -> Feed {
    match came_on {
        Feed::Realtime | Feed::Platform => Feed::Platform,
        Feed::History => Feed::History,
    }
}
