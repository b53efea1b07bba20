//! A record on Kafka → a record of a lane, or nothing.
//!
//! Promises: the two lanes of a destination share its records out by what stands in them alone, so each goes out by one of them. What is no event
//! of ours (`ours`) is counted and passed over; so is a repeat, of which the first goes out. Deliberately changes nothing in a record.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use super::Counted;
use crate::gateway::{Answered, Column};
use crate::metrics;
use crate::route::Router;
use crate::send::kafka::group::{Judge, Judgement, Place, Read};
use boxbridge_event::{Carried, EventId, Lane, Outcome, Picture, Record, Revision, Sequence};

mod ours;

pub use ours::Sources;

use ours::{Attributes, Head};

/// About 100 bytes each.
const REPEATS_MAX: usize = 50_000;

/// Of one lane of one destination.
pub struct Intake {
    lane: Lane,
    /// Of the destination, as it was when its groups were joined: by it they read what they read.
    router: Arc<Router>,
    /// Which events may stand in which topic.
    sources: Arc<Sources>,
    lately: Arc<Lately>,
    counted: Arc<Counted>,
}

/// What one lane has read lately, and what became of it.
pub struct Lately {
    repeats: Mutex<Repeats>,
    answers: Column,
}

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub place: Place,
    pub offset: i64,
    /// Under which it is delivered.
    pub number: Sequence,
}

impl Intake {
    pub fn new(
        lane: Lane,
        (router, sources): (Arc<Router>, Arc<Sources>),
        lately: Arc<Lately>,
        counted: Arc<Counted>,
    ) -> Intake {
        Intake {
            lane,
            router,
            sources,
            lately,
            counted,
        }
    }

    fn lane_of(&self, head: &Head<'_>) -> Lane {
        let is_live = head.act_before.is_some() && head.replay.is_none();
        self.router.lane_onward(head.person_type, is_live)
    }
}

impl Judge for Intake {
    fn judge(&mut self, read: &Read<'_>, number: Sequence) -> Judgement {
        let Some((head, attributes)) = ours::read(read, &self.sources) else {
            self.counted.foreign(self.lane);
            return Judgement::Pass;
        };

        if self.lane_of(&head) != self.lane {
            return Judgement::Pass;
        }
        let seen = Seen {
            place: read.place.clone(),
            offset: read.offset,
            number,
        };
        if self
            .lately
            .is_repeat(&head, seen, (Instant::now(), read.is_pending))
        {
            self.counted.repeated(self.lane);
            return Judgement::Pass;
        }
        let carried = carried(read, attributes);
        Judgement::Keep(Box::new(record(&head, read, carried, (self.lane, number))))
    }

    fn expired(&mut self, records: u64) {
        self.counted
            .expired(self.lane, metrics::KAFKA_RETENTION, records);
    }
}

fn carried(read: &Read<'_>, attributes: Attributes) -> Carried {
    let (topic, partition) = read.place;
    Carried {
        key: String::from_utf8_lossy(read.key).into_owned(),
        attributes,
        timestamp: read.timestamp,
        place: format!("{topic}, partition {partition}, offset {}", read.offset),
    }
}

fn record(
    head: &Head<'_>,
    read: &Read<'_>,
    carried: Carried,
    (lane, sequence): (Lane, Sequence),
) -> Record {
    Record {
        sequence,
        received_at: head.received_at,
        id: head.id,
        revision: head.revision,
        person_type: head.person_type,
        feed: head.feed,
        lane,
        event: Bytes::copy_from_slice(read.payload.unwrap_or_default()),
        has_pictures: false,
        replay: head
            .replay
            .as_ref()
            .map(|replay| replay.clone().into_owned()),
        resent: None,
        appended_before_this_process: false,
        carried: Some(Arc::new(carried)),
        picture_reader: Arc::new(Vec::<Picture>::new()),
    }
}

impl Lately {
    pub fn within(window: Duration) -> Lately {
        Lately {
            repeats: Mutex::new(Repeats::within(window)),
            answers: Column::default(),
        }
    }

    /// What was read under this number has an outcome.
    pub(super) fn ended(&self, number: Sequence, outcome: Outcome) {
        self.answers.note(number, outcome);
    }

    pub(super) fn answer(&self, number: Sequence) -> Option<Answered> {
        self.answers.of(number)
    }

    fn is_repeat(
        &self,
        head: &Head<'_>,
        seen: Seen,
        (now, is_pending): (Instant, &dyn Fn(Sequence) -> bool),
    ) -> bool {
        let key = Key::of(head.id, head.revision, head.replay.as_deref());
        self.is_one(key, seen, now, is_pending)
    }

    fn is_one(
        &self,
        key: Key,
        seen: Seen,
        now: Instant,
        is_pending: impl Fn(Sequence) -> bool,
    ) -> bool {
        let goes_out = |first: &Seen| {
            let is_there = (&first.place, first.offset) == (&seen.place, seen.offset);
            let is_answered = self.answers.of(first.number).is_some();
            is_answered || !is_there && is_pending(first.number)
        };
        self.repeats.lock().is_one(key, &seen, now, goes_out)
    }

    /// The live one of this id and revision.
    pub(super) fn of(&self, id: EventId, revision: Revision) -> Option<Seen> {
        let repeats = self.repeats.lock();
        repeats.seen.get(&Key::of(id, revision, None)).cloned()
    }
}

/// What was read lately, and where.
struct Repeats {
    window: Duration,
    seen: HashMap<Key, Seen>,
    /// In the order in which they were read.
    order: VecDeque<(Instant, Key)>,
}

/// An event, its content and its replay.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key(EventId, Revision, u64);

impl Key {
    fn of(id: EventId, revision: Revision, replay: Option<&str>) -> Key {
        let mut hasher = DefaultHasher::new();
        replay.hash(&mut hasher);
        Key(id, revision, hasher.finish())
    }
}

impl Repeats {
    fn within(window: Duration) -> Repeats {
        Repeats {
            window,
            seen: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Whether it was read before, and what was read goes out. That is not sure of what has no answer here and is another gateway's by now: that
    /// one may have read this one first, and go by it.
    fn is_one(
        &mut self,
        key: Key,
        seen: &Seen,
        now: Instant,
        goes_out: impl Fn(&Seen) -> bool,
    ) -> bool {
        if self.window.is_zero() {
            return false;
        }
        self.forget(now);

        if let Some(first) = self.seen.get_mut(&key) {
            let is_repeat = goes_out(first);
            if !is_repeat {
                first.clone_from(seen);
            }
            return is_repeat;
        }
        self.seen.insert(key, seen.clone());
        self.order.push_back((now, key));
        false
    }

    fn forget(&mut self, now: Instant) {
        let is_over = |(read, _): &(Instant, Key)| now.duration_since(*read) > self.window;
        while self.order.len() >= REPEATS_MAX || self.order.front().is_some_and(is_over) {
            if let Some((_, key)) = self.order.pop_front() {
                self.seen.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
