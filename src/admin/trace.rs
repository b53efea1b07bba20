//! The answer of `/api/events/{id}`: the way of an event through the gateway, as JSON. `boxbridge trace` reads the same types.
//!
//! Deliberately without the person: the device and the person type, as in logs.

use serde::{Deserialize, Serialize};

use crate::gateway::kept::Aside;
use boxbridge_event::{EventId, Feed, Lane, PersonType, Revision, Sequence, Timestamp};

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
    /// Of a bus: where it went at that time, by the routes of now; where it was refused; where it would go now, while it waits.
    #[serde(default)]
    pub topic: Option<String>,
    /// Its name among the set-aside records.
    #[serde(default)]
    pub aside: Option<String>,
    /// Of a broker with live and late topics: whether one could no longer act on it then.
    #[serde(default)]
    pub late: Option<bool>,
    /// The reason in a word for programs, where there is one: of what it was set aside for, of why it waits.
    #[serde(default)]
    pub code: Option<String>,
    pub why: Option<String>,
}

impl Way {
    /// Without a topic. `why`: a word and a sentence.
    pub fn of(
        destination: String,
        state: WayState,
        at: Option<Timestamp>,
        why: Option<(&str, String)>,
    ) -> Way {
        let (code, why) = why.unzip();
        Way {
            code: code.map(str::to_owned),
            destination,
            state,
            at,
            topic: None,
            aside: None,
            late: None,
            why,
        }
    }

    /// Where a destination refused it, and why, for as long as it is kept. Reads a file.
    pub fn set_aside(
        aside: &Aside,
        destination: &str,
        lane: Lane,
        sequence: Sequence,
    ) -> Option<Way> {
        let name = aside.name(destination, lane, sequence);
        let head = aside.head(&name).ok().flatten()?;

        let why = Some((
            head.reason.as_str(),
            format!("{}: {}", head.reason, head.detail),
        ));
        let way = Way::of(
            destination.to_owned(),
            WayState::SetAside,
            Some(head.at),
            why,
        );
        Some(Way {
            topic: head.topic,
            aside: Some(name),
            ..way
        })
    }
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
    /// A broker gets it out of Kafka, and what became of it is not known here.
    OverKafka,
    /// The destination was added later, and does not get it.
    NotIts,
}

/// Of what goes over Kafka: programs tell by it that this gateway's queue does not deliver it.
pub const OVER_KAFKA: &str = "over_kafka";

/// Why one does not get it.
pub const ADDED_LATER: (&str, &str) = ("added_later", "it was added later");

impl WayState {
    /// As people read it.
    pub fn for_people(self) -> &'static str {
        match self {
            WayState::Delivered => "delivered",
            WayState::Waiting => "waiting",
            WayState::SetAside => "set aside",
            WayState::Expired => "expired",
            WayState::Answered => "answered",
            WayState::OverKafka => "goes over kafka",
            WayState::NotIts => "does not get it",
        }
    }
}
