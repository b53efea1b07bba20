//! Which packet id stands for which record, on one connection: the client library tells only packet ids.
//!
//! Promises: an acknowledgement finds its record, in whatever order the broker acknowledges; the distance from the oldest unanswered
//! publication to the newest stays within the limit, so that a packet id never comes into use twice (the client library hangs when one does and
//! the broker refuses it). Deliberately does no IO and knows no time.

use std::collections::{HashMap, VecDeque, hash_map};

use boxbridge_event::Sequence;

/// The content of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cargo {
    /// A record's message, and how many bytes its payload has.
    Record { sequence: Sequence, bytes: usize },
    /// The retained online/offline message.
    Status,
}

pub(super) struct Ledger {
    limit: usize,
    /// In the order of submission; the first has no answer, any other may have one (`None`).
    entries: VecDeque<Option<Cargo>>,
    /// How many publications of this connection came before the first entry.
    before: u64,
    /// How many have a packet id: the library gives them in the order of submission.
    published: u64,
    /// Packet id → how many publications came before it; only those that the broker has not answered.
    positions: HashMap<u16, u64>,
}

impl Ledger {
    pub fn new(limit: usize) -> Ledger {
        Ledger {
            limit: limit.max(1),
            entries: VecDeque::new(),
            before: 0,
            published: 0,
            positions: HashMap::new(),
        }
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    pub fn has_room(&self) -> bool {
        self.entries.len() < self.limit
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The broker has not answered everything that was written to it.
    pub fn is_owed(&self) -> bool {
        !self.positions.is_empty()
    }

    pub fn submitted(&mut self, cargo: Cargo) {
        self.entries.push_back(Some(cargo));
    }

    /// The library wrote a publication under this packet id. An id that is already in use is a retransmission.
    pub fn published(&mut self, packet_id: u16) {
        if let hash_map::Entry::Vacant(vacant) = self.positions.entry(packet_id) {
            vacant.insert(self.published);
            self.published += 1;
        }
    }

    /// The broker answered this packet id; `None` if nothing of ours stands behind it.
    pub fn answered(&mut self, packet_id: u16) -> Option<Cargo> {
        let position = self.positions.remove(&packet_id)?;
        let index = usize::try_from(position.checked_sub(self.before)?).ok()?;
        let cargo = self.entries.get_mut(index)?.take();

        while let Some(None) = self.entries.front() {
            self.entries.pop_front();
            self.before += 1;
        }
        cargo
    }

    /// The publication that has waited longest for an answer.
    pub fn oldest(&self) -> Option<Cargo> {
        self.entries.front().copied().flatten()
    }

    /// The publication that waits for an answer, if it is the only one.
    pub fn only(&self) -> Option<Cargo> {
        let mut waiting = self.entries.iter().flatten();
        let only = waiting.next().copied();
        if waiting.next().is_some() { None } else { only }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(number: u64) -> Cargo {
        Cargo::Record {
            sequence: Sequence(number),
            bytes: 1,
        }
    }

    fn filled(limit: usize, records: u64) -> Ledger {
        let mut ledger = Ledger::new(limit);
        for number in 1..=records {
            ledger.submitted(record(number));
            ledger.published(u16::try_from(number).unwrap_or(u16::MAX));
        }
        ledger
    }

    #[test]
    fn an_acknowledgement_finds_its_record_in_any_order() {
        let mut ledger = filled(10, 3);
        assert_eq!(ledger.answered(2), Some(record(2)));
        assert_eq!(ledger.answered(2), None);
        assert_eq!(ledger.oldest(), Some(record(1)));
        assert_eq!(ledger.answered(1), Some(record(1)));
        assert_eq!(ledger.only(), Some(record(3)));
        assert_eq!(ledger.answered(3), Some(record(3)));
        assert!(ledger.is_empty());
    }

    #[test]
    fn the_span_stays_within_the_limit_whatever_is_acknowledged_first() {
        let mut ledger = filled(3, 3);
        assert!(!ledger.has_room());
        assert_eq!(ledger.answered(2), Some(record(2)));
        assert_eq!(ledger.answered(3), Some(record(3)));
        assert!(!ledger.has_room(), "packet id 1 is still in use");
        assert_eq!(ledger.answered(1), Some(record(1)));
        assert!(ledger.has_room());
    }

    #[test]
    fn the_broker_owes_an_answer_to_what_was_written_alone() {
        let mut ledger = Ledger::new(2);
        ledger.submitted(record(1));
        assert!(!ledger.is_owed(), "it may still be with us");
        ledger.published(1);
        assert!(ledger.is_owed());
        ledger.answered(1);
        assert!(!ledger.is_owed());
    }

    #[test]
    fn a_packet_id_is_used_again_after_its_answer() {
        let mut ledger = filled(2, 2);
        ledger.answered(1);
        ledger.submitted(record(3));
        ledger.published(1);
        assert_eq!(ledger.answered(1), Some(record(3)));
        assert_eq!(ledger.answered(2), Some(record(2)));
    }

    #[test]
    fn a_retransmission_takes_no_other_records_place() {
        let mut ledger = filled(3, 1);
        ledger.submitted(record(2));
        ledger.published(1);
        ledger.published(2);
        assert_eq!(ledger.answered(2), Some(record(2)));
        assert_eq!(ledger.answered(7), None);
    }
}
