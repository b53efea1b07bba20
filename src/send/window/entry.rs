//! What a record is in the window, and where it stands.

use std::time::Instant;

use super::topic_class::TopicClass;
use boxbridge_event::{PersonType, Sequence, Timestamp};

/// Whether a record is sent for the second time, by an operator's or a restart's wish; in the order in which they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replayed {
    No,
    Yes,
    /// It was refused before. That it is refused again says nothing of the others.
    SetAside,
}

/// Whether a payload can end a connection, so that one that does is to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    Possible,
    Impossible,
}

/// What a record waits for before it may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaits {
    Nothing,
    /// As long as it takes.
    Pictures,
    PicturesUntil(Instant),
}

/// What a record is, as far as the window cares.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    pub sequence: Sequence,
    pub device: &'a str,
    pub person_type: PersonType,
    pub replayed: Replayed,
    /// Until when one may act on it, where the destination makes a difference.
    pub act_before: Option<Timestamp>,
    /// Bytes it holds in memory while it is here.
    pub held_bytes: usize,
}

pub(super) struct Entry<T> {
    /// In whose line it stands: see [`line`].
    pub device: String,
    pub person_type: PersonType,
    pub replayed: Replayed,
    pub act_before: Option<Timestamp>,
    pub held_bytes: usize,
    pub state: State,
    pub attempts: u32,
    /// The class it was refused with, and how many of that had been taken when it was first refused.
    pub refused: Option<(TopicClass, u64)>,
    pub payload: T,
}

impl<T> Entry<T> {
    pub fn new(traits: Traits<'_>, awaits: Awaits, payload: T) -> Entry<T> {
        let state = match awaits {
            Awaits::Nothing => State::Queued,
            Awaits::Pictures => State::Waiting(None),
            Awaits::PicturesUntil(until) => State::Waiting(Some(until)),
        };
        Entry {
            device: line(traits),
            person_type: traits.person_type,
            replayed: traits.replayed,
            act_before: traits.act_before,
            held_bytes: traits.held_bytes,
            state,
            attempts: 0,
            refused: None,
            payload,
        }
    }
}

/// Replayed records of a device stand in a line of their own: no live one waits behind them, and none is refused with them.
fn line(traits: Traits<'_>) -> String {
    match traits.replayed {
        Replayed::No => traits.device.to_owned(),
        Replayed::Yes => format!("{}\0replayed", traits.device),
        Replayed::SetAside => format!("{}\0set aside", traits.device),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// For its pictures; without a moment only a verdict ends it.
    Waiting(Option<Instant>),
    /// It was refused, and is tried again then.
    Retrying(Instant),
    Queued,
    Parked(TopicClass),
    Submitted {
        class: TopicClass,
        bytes: usize,
        at: Instant,
    },
}
