//! A range of the log that is read again for one destination.
//!
//! Promises: it survives a restart from the lowest record that has no answer; it touches no count. Deliberately reads nothing:
//! the cursor that carries it does.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use boxbridge_event::Lane;

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

    /// Where to read on; `None` if all of it was handed out.
    pub fn reads_from(&self) -> Option<u64> {
        let from = self.scanned.max(self.next);
        (from <= self.to).then_some(from)
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
        !*self.open.entry(sequence).or_insert(false)
    }

    /// There is nothing more up to `through`.
    pub fn pass(&mut self, through: u64) {
        self.scanned = self.scanned.max(through.saturating_add(1));
        self.settle();
    }

    /// Takes the answer of a record that was handed out.
    pub fn answer(&mut self, sequence: u64) -> bool {
        let Some(answered) = self.open.get_mut(&sequence).filter(|answered| !**answered) else {
            return false;
        };
        *answered = true;
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
            first.remove();
        }
        self.next = self.next.max(self.scanned);
    }
}
