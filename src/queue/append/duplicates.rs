//! Which events came before, within a window: the memory behind "answered 200 and not delivered again".
//!
//! Promises: an event repeats one with the same id and the same revision; one that nobody may act on also one with the revision
//! that its content would have had live; neither if it brings a picture that the other lacked. So a live one never repeats a record,
//! nor history another content. Beyond window or capacity the oldest is forgotten, so that in doubt an event goes out twice. Ages
//! count by uptime: a clock that is set changes nothing. Every look-up takes the same time, however often an id came. Deliberately
//! answers only for the writer, who knows what is durable.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::Instant;

use super::disk_limits::Rules;
use super::entry::Original;
use super::pending::Pending;
use crate::queue::format::{IndexEntry, KINDS};
use crate::queue::log::{Log, Segment};
use boxbridge_event::{EventId, Lane, Revision, Sequence};

/// What two records have in common if the second may repeat the first.
type Key = (EventId, Revision);

pub struct Duplicates {
    window_ms: i64,
    capacity: usize,
    started: Instant,
    /// The oldest first.
    seen: VecDeque<Seen>,
    /// Ordinal of the oldest; ordinals start at 1.
    oldest: u64,
    /// The last one seen of each key, by ordinal.
    last: HashMap<Key, u64>,
}

struct Seen {
    key: Key,
    digests: [u32; KINDS],
    lane: Lane,
    sequence: u64,
    /// Since the start; negative for what was there before.
    at_ms: i64,
    /// The ordinal of the one before with the same key; 0 if there was none.
    before: u64,
}

impl Seen {
    fn of(entry: &IndexEntry, sequence: u64, at_ms: i64) -> Seen {
        Seen {
            key: (entry.id, entry.revision),
            digests: entry.digests,
            lane: entry.lane,
            sequence,
            at_ms,
            before: 0,
        }
    }

    fn as_original(&self) -> Original {
        Original {
            sequence: Sequence(self.sequence),
            lane: self.lane,
            has_pictures: self.digests.iter().any(|digest| *digest != 0),
        }
    }
}

fn age_ms(segment: &Segment) -> i64 {
    i64::try_from(segment.age().as_millis()).unwrap_or(i64::MAX)
}

impl Duplicates {
    pub fn new(rules: &Rules) -> Duplicates {
        let mut duplicates = Duplicates {
            window_ms: 0,
            capacity: 0,
            started: Instant::now(),
            seen: VecDeque::new(),
            oldest: 1,
            last: HashMap::new(),
        };
        duplicates.follow(rules);
        duplicates
    }

    /// Looks from now on as far back as these say; what is forgotten stays so.
    pub fn follow(&mut self, rules: &Rules) {
        self.window_ms = i64::try_from(rules.dedupe_window.as_millis()).unwrap_or(i64::MAX);
        self.capacity = rules.dedupe_max_events;
    }

    /// Remembers the records of the window that the log holds.
    pub fn load(&mut self, log: &Log) -> io::Result<()> {
        let mut parts = Vec::new();
        let mut records = 0;
        // The newest first, until there are enough.
        for segment in log.segments().iter().rev() {
            if age_ms(segment) > self.window_ms || records >= self.capacity {
                break;
            }
            let part = self.of_segment(segment)?;
            records += part.len();
            parts.push(part);
        }

        let oldest_first = parts.into_iter().rev().flatten();
        oldest_first.for_each(|seen| self.add(seen));
        Ok(())
    }

    fn of_segment(&self, segment: &Segment) -> io::Result<Vec<Seen>> {
        let (age, newest) = (age_ms(segment), segment.received_through());
        let mut seen = Vec::new();
        segment.visit(segment.base(), |sequence, entry| {
            let age = age.saturating_add(newest.since(entry.received_at).max(0));
            if !entry.lost && age <= self.window_ms {
                seen.push(Seen::of(entry, sequence, -age));
            }
            true
        })?;
        Ok(seen)
    }

    /// The record that this one repeats.
    pub fn original(&mut self, pending: &Pending) -> Option<Original> {
        self.forget_old();

        let digests = pending.digests();
        let revisions = [Some(pending.revision), pending.live_revision];
        revisions.into_iter().flatten().find_map(|revision| {
            let known = self.get(*self.last.get(&(pending.id, revision))?)?;
            let is_known = |digest: &u32| *digest == 0 || known.digests.contains(digest);
            digests.iter().all(is_known).then(|| known.as_original())
        })
    }

    pub fn remember(&mut self, pending: &Pending, sequence: u64) {
        let at_ms = self.now_ms();
        self.add(Seen {
            key: (pending.id, pending.revision),
            digests: pending.digests(),
            lane: pending.lane,
            sequence,
            at_ms,
            before: 0,
        });
    }

    /// The last `records` were not written after all.
    pub fn forget_last(&mut self, records: usize) {
        for _ in 0..records {
            let Some(seen) = self.seen.pop_back() else {
                return;
            };
            match seen.before {
                before if before >= self.oldest => self.last.insert(seen.key, before),
                _ => self.last.remove(&seen.key),
            };
        }
    }

    fn add(&mut self, seen: Seen) {
        if self.window_ms == 0 || self.capacity == 0 {
            return;
        }
        let ordinal = self.oldest + self.seen.len() as u64;
        let before = self.last.insert(seen.key, ordinal).unwrap_or(0);
        self.seen.push_back(Seen { before, ..seen });
        while self.seen.len() > self.capacity {
            self.forget_oldest();
        }
    }

    fn forget_old(&mut self) {
        let now_ms = self.now_ms();
        while self
            .seen
            .front()
            .is_some_and(|seen| now_ms.saturating_sub(seen.at_ms) > self.window_ms)
        {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(seen) = self.seen.pop_front() else {
            return;
        };
        if self.last.get(&seen.key) == Some(&self.oldest) {
            self.last.remove(&seen.key);
        }
        self.oldest += 1;
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn get(&self, ordinal: u64) -> Option<&Seen> {
        self.seen
            .get(usize::try_from(ordinal.checked_sub(self.oldest)?).ok()?)
    }
}
