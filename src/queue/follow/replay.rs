//! A range of the log that is read again for one destination.
//!
//! Promises: it survives a restart from the lowest record that has no answer; it touches no count; its memory is bounded. Deliberately
//! reads nothing: the cursor that carries it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::selection::Selection;
use crate::queue::format::IndexEntry;
use boxbridge_event::{Lane, Timestamp};

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
    /// What an operator asked for; `None` = it is our own, and of everything in the range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errand: Option<Errand>,
    /// The next one to hand out.
    #[serde(skip)]
    scanned: u64,
    /// What became of each above `next`.
    #[serde(skip)]
    open: BTreeMap<u64, Fate>,
}

/// A replay that an operator asked for, and how far it has come. It holds segments past their replay window, but none that new events need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    pub selection: Selection,
    /// Records a second at most.
    pub rate: Option<u32>,
    pub began_at: Timestamp,
    /// So many were meant when it began.
    pub records: u64,
    /// Of them, without a gap, so many have been answered,
    pub sent: u64,
    /// and so many had never been delivered: they come live.
    pub live: u64,
}

/// What became of a record that a replay has come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    HandedOut,
    Answered,
    /// It was never delivered, and comes live.
    Live,
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
            errand: None,
            scanned: from,
            open: BTreeMap::new(),
        }
    }

    /// For an operator, under a name that is known already.
    pub fn of_errand(id: String, from: u64, to: u64, errand: Errand) -> Replay {
        Replay {
            id,
            errand: Some(errand),
            ..Replay::new(from, to)
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

    /// Whether this record has no answer yet, as far as the index tells.
    pub fn wants(&self, sequence: u64, entry: &IndexEntry) -> bool {
        let is_in = (self.next..=self.to).contains(&sequence) && self.has(entry.lane);
        let errand = self.errand.as_ref();
        let is_meant = errand.is_none_or(|errand| errand.selection.may_mean(entry));
        is_in && is_meant && !self.is_settled(sequence)
    }

    fn is_settled(&self, sequence: u64) -> bool {
        let fate = self.open.get(&sequence);
        fate.is_some_and(|fate| *fate != Fate::HandedOut)
    }

    /// Records above [`Replay::position`] that need nothing more.
    pub fn settled_ahead(&self) -> u64 {
        self.with_fate(Fate::Answered) + self.with_fate(Fate::Live)
    }

    /// Of an errand: how many were answered, and how many come live, as of now.
    pub fn done(&self) -> (u64, u64) {
        let errand = self.errand.as_ref();
        let (sent, live) = errand.map_or((0, 0), |errand| (errand.sent, errand.live));
        let ahead = (self.with_fate(Fate::Answered), self.with_fate(Fate::Live));
        (sent + ahead.0, live + ahead.1)
    }

    fn with_fate(&self, fate: Fate) -> u64 {
        self.open.values().filter(|other| **other == fate).count() as u64
    }

    /// A record was read: whether it is to be handed out.
    pub fn offer(&mut self, sequence: u64) -> bool {
        self.scanned = self.scanned.max(sequence + 1);
        let fate = self.open.entry(sequence).or_insert(Fate::HandedOut);
        *fate == Fate::HandedOut
    }

    /// A record was read that comes live.
    pub fn leave_live(&mut self, sequence: u64) {
        self.scanned = self.scanned.max(sequence + 1);
        self.open.entry(sequence).or_insert(Fate::Live);
        self.settle();
    }

    /// There is nothing more up to `through`.
    pub fn pass(&mut self, through: u64) {
        self.scanned = self.scanned.max(through.saturating_add(1));
        self.settle();
    }

    /// Takes the answer of a record that was handed out.
    pub fn answer(&mut self, sequence: u64) -> bool {
        let open = self.open.get_mut(&sequence);
        let Some(fate) = open.filter(|fate| **fate == Fate::HandedOut) else {
            return false;
        };
        *fate = Fate::Answered;
        self.settle();
        true
    }

    /// What is no longer there needs no answer.
    pub fn give_up(&mut self, through: u64) {
        let kept = self.open.split_off(&through.saturating_add(1));
        let given_up = std::mem::replace(&mut self.open, kept);
        given_up.into_values().for_each(|fate| self.count(fate));
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
            if *first.get() == Fate::HandedOut {
                self.next = *first.key();
                return;
            }
            // Also where a rewind has not come so far again: it needs no second time.
            let (settled, fate) = first.remove_entry();
            self.next = self.next.max(settled + 1);
            self.count(fate);
        }
        self.next = self.next.max(self.scanned);
    }

    fn count(&mut self, fate: Fate) {
        if let Some(errand) = &mut self.errand {
            errand.sent += u64::from(fate == Fate::Answered);
            errand.live += u64::from(fate == Fate::Live);
        }
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
