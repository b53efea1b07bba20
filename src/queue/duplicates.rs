//! Which events came before, within a window: the memory behind "answered 200 and not delivered again".
//!
//! Promises: two events are the same only if id and revision are (a live one repeats only a live one), or if history repeats an id without a picture that the first one
//! lacked, never the other way round; beyond window or capacity the oldest is forgotten, so that in doubt an event goes out
//! twice. Ages count by uptime: a clock that is set changes nothing. Deliberately answers only for the writer, who knows what
//! is durable.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};

use super::intake::Pending;
use super::layout::{Entry, KINDS};
use super::log::Log;
use crate::event::{EventId, Feed, Revision};

pub(super) struct Duplicates {
    window_ms: i64,
    capacity: usize,
    started: Instant,
    /// The oldest first.
    seen: VecDeque<Seen>,
    /// Ordinal of the oldest; ordinals start at 1.
    oldest: u64,
    /// The first one seen of each id, by ordinal.
    first: HashMap<EventId, u64>,
}

struct Seen {
    id: EventId,
    revision: Revision,
    digests: [u32; KINDS],
    /// It came by a live feed, not from history.
    is_live: bool,
    sequence: u64,
    /// Since the start; negative for what was there before.
    at_ms: i64,
    /// The ordinal of the next one with the same id; 0 if there is none.
    next: u64,
}

impl Duplicates {
    pub(super) fn new(window: Duration, capacity: usize) -> Duplicates {
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        Duplicates { window_ms, capacity, started: Instant::now(), seen: VecDeque::new(), oldest: 1, first: HashMap::new() }
    }

    /// Remembers what the log holds of the window.
    pub(super) fn load(&mut self, log: &Log) -> io::Result<()> {
        let segments: Vec<_> = log.state().segments.iter().cloned().collect();
        let mut parts: Vec<Vec<(u64, i64, Entry)>> = Vec::new();
        let mut records = 0;
        for segment in segments.iter().rev() {
            let age = i64::try_from(segment.age().as_millis()).unwrap_or(i64::MAX);
            if age > self.window_ms || records >= self.capacity {
                break;
            }
            let mut part = Vec::new();
            segment.visit(segment.base(), |sequence, entry| {
                let age = age.saturating_add(segment.received_through().since(entry.received_at).max(0));
                if !entry.lost && age <= self.window_ms {
                    part.push((sequence, -age, entry.clone()));
                }
                true
            })?;
            records += part.len();
            parts.push(part);
        }
        for (sequence, at_ms, entry) in parts.into_iter().rev().flatten() {
            let is_live = entry.feed != Feed::History;
            self.add(Seen { id: entry.id, revision: entry.revision, digests: entry.digests, is_live, sequence, at_ms, next: 0 });
        }
        Ok(())
    }

    /// The record that this one repeats.
    pub(super) fn original(&mut self, pending: &Pending) -> Option<u64> {
        self.forget_old();
        let first = *self.first.get(&pending.id)?;
        let known = self.get(first)?;
        let adds_nothing = pending.digests.iter().all(|digest| *digest == 0 || known.digests.contains(digest));
        if pending.feed == Feed::History && adds_nothing {
            return Some(known.sequence);
        }
        let mut ordinal = first;
        while let Some(seen) = self.get(ordinal) {
            // What only history told so far is not live yet: the live one goes out, whatever came before.
            if seen.revision == pending.revision && (seen.is_live || pending.feed == Feed::History) {
                return Some(seen.sequence);
            }
            ordinal = seen.next;
        }
        None
    }

    pub(super) fn remember(&mut self, pending: &Pending, sequence: u64) {
        let at_ms = self.now_ms();
        let (is_live, digests) = (pending.feed != Feed::History, pending.digests);
        self.add(Seen { id: pending.id, revision: pending.revision, digests, is_live, sequence, at_ms, next: 0 });
    }

    /// The last `records` were not written after all.
    pub(super) fn forget_last(&mut self, records: usize) {
        for _ in 0..records {
            let Some(seen) = self.seen.pop_back() else { return };
            let ordinal = self.oldest + self.seen.len() as u64;
            if self.first.get(&seen.id) == Some(&ordinal) {
                self.first.remove(&seen.id);
            } else if let Some(before) = self.seen.iter_mut().rev().find(|before| before.next == ordinal) {
                before.next = 0;
            }
        }
    }

    fn add(&mut self, seen: Seen) {
        if self.window_ms == 0 || self.capacity == 0 {
            return;
        }
        let ordinal = self.oldest + self.seen.len() as u64;
        let first = *self.first.entry(seen.id).or_insert(ordinal);
        self.seen.push_back(seen);
        self.link(first, ordinal);
        while self.seen.len() > self.capacity {
            self.forget_oldest();
        }
    }

    /// Hangs a record behind the last one with the same id, of which `first` is the first.
    fn link(&mut self, first: u64, ordinal: u64) {
        let mut last = first;
        while let Some(earlier) = self.get_mut(last).filter(|_| last != ordinal) {
            if earlier.next == 0 {
                earlier.next = ordinal;
            }
            last = earlier.next;
        }
    }

    fn forget_old(&mut self) {
        let now_ms = self.now_ms();
        while self.seen.front().is_some_and(|seen| now_ms.saturating_sub(seen.at_ms) > self.window_ms) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(seen) = self.seen.pop_front() else { return };
        self.oldest += 1;
        match seen.next {
            0 => self.first.remove(&seen.id),
            next => self.first.insert(seen.id, next),
        };
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    fn get(&self, ordinal: u64) -> Option<&Seen> {
        self.seen.get(usize::try_from(ordinal.checked_sub(self.oldest)?).ok()?)
    }

    fn get_mut(&mut self, ordinal: u64) -> Option<&mut Seen> {
        self.seen.get_mut(usize::try_from(ordinal.checked_sub(self.oldest)?).ok()?)
    }
}
