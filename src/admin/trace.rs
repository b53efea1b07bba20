//! The answer of `/api/events/{id}`: the way of an event through the gateway, as JSON. `boxbridge trace` reads the same types.
//!
//! Deliberately without the person: the device and the person type, as in logs.

use serde::{Deserialize, Serialize};

use boxbridge_event::{EventId, Feed, Lane, PersonType, Revision, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    pub id: EventId,
    /// One for each time that it was accepted, newest first: a match may come live and again as history.
    pub records: Vec<Traced>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    pub sequence: u64,
    pub revision: Revision,
    pub feed: Feed,
    pub lane: Lane,
    pub person_type: PersonType,
    pub device: Option<String>,
    pub accepted_at: Timestamp,
    pub destinations: Vec<Way>,
}

/// What became of it at one destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    pub destination: String,
    pub state: WayState,
    /// When it ended; absent while it waits, and where nobody remembers.
    pub at: Option<Timestamp>,
    /// Of a bus, by the routes of now: where it went at that time.
    #[serde(default)]
    pub topic: Option<String>,
    /// Of a broker with live and late topics: whether one could no longer act on it then.
    #[serde(default)]
    pub late: Option<bool>,
    pub why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayState {
    Delivered,
    Waiting,
    SetAside,
    Expired,
    /// One of delivered, set aside and expired: too long ago to tell which.
    Answered,
    /// The destination was added later, and does not get it.
    NotIts,
}

impl WayState {
    /// As people read it.
    pub fn for_people(self) -> &'static str {
        match self {
            WayState::Delivered => "delivered",
            WayState::Waiting => "waiting",
            WayState::SetAside => "set aside",
            WayState::Expired => "expired",
            WayState::Answered => "answered",
            WayState::NotIts => "does not get it",
        }
    }
}
