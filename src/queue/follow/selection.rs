//! Which records of the log are meant: by time, person type, device, lane or id.
//!
//! Promises: a record is meant only if all that is said holds, and a time counts by its own `received_at`, whatever stands around it.
//! Deliberately reads nothing: what the index knows is asked first, and the device only of those that are left.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::queue::format::IndexEntry;
use boxbridge_event::{EventId, Lane, PersonType, Timestamp};

/// What is not said makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selection {
    /// Received at this moment or later,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// and before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    /// One of these; empty = any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub person_types: Vec<PersonType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<EventId>,
}

/// As much of an event as tells the device.
#[derive(Deserialize)]
struct OfDevice<'a> {
    #[serde(borrow)]
    device: Device<'a>,
}

#[derive(Deserialize)]
struct Device<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

impl Selection {
    /// Whether the index says that it may be meant. One that is lost never is.
    pub fn may_mean(&self, entry: &IndexEntry) -> bool {
        let is_of_type =
            self.person_types.is_empty() || self.person_types.contains(&entry.person_type);
        !entry.lost
            && is_of_type
            && self.from.is_none_or(|from| entry.received_at >= from)
            && self.to.is_none_or(|to| entry.received_at < to)
            && self.lane.is_none_or(|lane| entry.lane == lane)
            && self.id.is_none_or(|id| entry.id == id)
    }

    /// Whether the index does not tell all.
    pub fn asks_the_event(&self) -> bool {
        self.device.is_some()
    }

    /// Whether an event that may be meant is.
    pub fn means(&self, event: &[u8]) -> bool {
        let Some(device) = &self.device else {
            return true;
        };
        let told = serde_json::from_slice::<OfDevice<'_>>(event);
        told.is_ok_and(|told| told.device.id == *device)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> IndexEntry {
        IndexEntry {
            lost: false,
            received_at: Timestamp(100),
            person_type: PersonType::Vip,
            ..IndexEntry::lost(Lane::Urgent)
        }
    }

    #[track_caller]
    fn check(selection: Selection, is_meant: bool) {
        assert_eq!(selection.may_mean(&entry()), is_meant, "{selection:?}");
    }

    #[test]
    fn a_range_of_time_has_its_first_moment_and_not_its_last() {
        let of = |from, to| Selection {
            from: Some(Timestamp(from)),
            to: Some(Timestamp(to)),
            ..Selection::default()
        };
        check(of(100, 101), true);
        check(of(99, 100), false);
        check(of(101, 200), false);
    }

    #[test]
    fn all_that_is_said_must_hold() {
        check(Selection::default(), true);
        let of_types = |person_types: &[PersonType]| Selection {
            person_types: person_types.to_vec(),
            ..Selection::default()
        };
        check(of_types(&[PersonType::Visitor, PersonType::Vip]), true);
        check(of_types(&[PersonType::Visitor]), false);

        let of_lane = |lane| Selection {
            lane: Some(lane),
            ..of_types(&[PersonType::Vip])
        };
        check(of_lane(Lane::Urgent), true);
        check(of_lane(Lane::Normal), false);
        let other = Selection {
            id: Some(EventId([1; 16])),
            ..Selection::default()
        };
        check(other, false);
    }

    #[test]
    fn a_device_is_what_its_event_says() {
        let selection = Selection {
            device: Some("大门 \"1\"".to_owned()),
            ..Selection::default()
        };
        let event = |id: &str| serde_json::json!({"id": 1, "device": {"ip": null, "id": id}});
        assert!(selection.means(event("大门 \"1\"").to_string().as_bytes()));
        assert!(!selection.means(event("大门").to_string().as_bytes()));
        assert!(!selection.means(b"{"));
    }
}
