//! A range of the log that is read again for one destination.
//!
//! Promises: it survives a restart from the lowest record that has no answer; it touches no count; its memory is bounded. Deliberately
//! reads nothing: the cursor that carries it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use boxbridge_event::Lane;

/// So many may be handed out above the lowest one without an answer; then reading waits for that one. As many as of live records
/// behind one that is held back: some megabytes.
const OPEN_MAX: usize = 1 << 18;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    /// Goes with every message of it.
    pub id: String,
    /// The lowest sequence without an answer.
    next: u64,
    /// The last sequence.
    to: u64,
    /// Of this lane alone; `None` = of both.
    #[serde(default)]
    lane: Option<Lane>,
    /// The next one to hand out.
    #[serde(skip)]
    scanned: u64,
    /// Handed out; whether it was answered.
    #[serde(skip)]
    open: BTreeMap<u64, bool>,
}

impl Replay {
    pub fn new(from: u64, to: u64) -> Replay {
        Replay::of_lane(None, from, to)
    }

    pub fn of_lane(lane: Option<Lane>, from: u64, to: u64) -> Replay {
        Replay {
            id: uuid::Uuid::new_v4().simple().to_string(),
            next: from,
            to,
            lane,
            scanned: from,
            open: BTreeMap::new(),
        }
    }

    pub fn position(&self) -> u64 {
        self.next
    }

    /// Where to read on; `None` if all of it was handed out, or as much as may wait for an answer.
    pub fn reads_from(&self) -> Option<u64> {
        let from = self.scanned.max(self.next);
        let newest = self.open.last_key_value();
        let is_again = newest.is_some_and(|(newest, _)| from <= *newest);
        let has_room = is_again || self.open.len() < OPEN_MAX;
        (from <= self.to && has_room).then_some(from)
    }

    pub fn to(&self) -> u64 {
        self.to
    }

    pub fn lane(&self) -> Option<Lane> {
        self.lane
    }

    pub fn has(&self, lane: Lane) -> bool {
        self.lane.is_none_or(|only| only == lane)
    }

    /// Whether this record has no answer yet.
    pub fn wants(&self, sequence: u64) -> bool {
        let is_in = (self.next..=self.to).contains(&sequence);
        is_in && !self.open.get(&sequence).copied().unwrap_or(false)
    }

    /// Records above [`Replay::position`] that were answered.
    pub fn answered_ahead(&self) -> u64 {
        self.open.values().filter(|answered| **answered).count() as u64
    }

    /// A record was read: whether it is to be handed out.
    pub fn offer(&mut self, sequence: u64) -> bool {
        self.scanned = self.scanned.max(sequence + 1);
        let is_answered = self.open.entry(sequence).or_insert(false);
        !*is_answered
    }

    /// There is nothing more up to `through`.
    pub fn pass(&mut self, through: u64) {
        self.scanned = self.scanned.max(through.saturating_add(1));
        self.settle();
    }

    /// Takes the answer of a record that was handed out.
    pub fn answer(&mut self, sequence: u64) -> bool {
        let open = self.open.get_mut(&sequence);
        let Some(is_answered) = open.filter(|is_answered| !**is_answered) else {
            return false;
        };
        *is_answered = true;
        self.settle();
        true
    }

    /// What is no longer there needs no answer.
    pub fn give_up(&mut self, through: u64) {
        self.open = self.open.split_off(&through.saturating_add(1));
        self.pass(through);
    }

    /// Starts again at the lowest record without an answer.
    pub fn rewind(&mut self) {
        self.scanned = self.next;
    }

    pub fn is_over(&self) -> bool {
        self.next > self.to
    }

    fn settle(&mut self) {
        while let Some(first) = self.open.first_entry() {
            if !*first.get() {
                self.next = *first.key();
                return;
            }
            // Also where a rewind has not come so far again: it needs no second time.
            let (answered, _) = first.remove_entry();
            self.next = self.next.max(answered + 1);
        }
        self.next = self.next.max(self.scanned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_without_an_answer_bounds_what_a_replay_remembers_behind_it() {
        let mut replay = Replay::new(1, u64::MAX - 1);
        while let Some(from) = replay.reads_from() {
            assert!(replay.offer(from));
            assert!(from == 1 || replay.answer(from));
            assert!(replay.open.len() <= OPEN_MAX, "{}", replay.open.len());
        }

        replay.rewind();
        assert_eq!(replay.reads_from(), Some(1), "that one comes again");

        assert!(replay.offer(1) && replay.answer(1));
        let next = OPEN_MAX as u64 + 1;
        assert_eq!(replay.reads_from(), Some(next));
        assert_eq!(replay.position(), next);
    }
}
