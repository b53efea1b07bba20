//! How far one person type has come.

use std::collections::BTreeMap;

use super::tally::Tally;
use boxbridge_event::{Outcome, Timestamp};

#[derive(Debug, Default)]
pub(super) struct Track {
    /// Everything up to here is answered.
    pub position: u64,
    /// Everything up to here was handed out, or is of another type or lane.
    pub scanned: u64,
    /// Handed out, above the position.
    pub open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
pub(super) struct Open {
    pub received_at: Timestamp,
    /// More than one for a gap in the log, which stands at its last sequence.
    pub records: u64,
    pub outcome: Option<Outcome>,
}

impl Track {
    pub fn unanswered(&self) -> impl Iterator<Item = (u64, &Open)> {
        let open = self.open.iter();
        let unanswered = open.filter(|(_, open)| open.outcome.is_none());
        unanswered.map(|(sequence, open)| (*sequence, open))
    }

    /// Whether a record that was read is to be handed out: it is new, or was handed out before and has no answer yet.
    pub fn offer(&mut self, sequence: u64, received_at: Timestamp, records: u64) -> bool {
        if sequence <= self.scanned {
            let known = self.open.get(&sequence);
            return known.is_some_and(|open| open.outcome.is_none());
        }

        self.scanned = sequence;
        let open = Open {
            received_at,
            records,
            outcome: None,
        };
        self.open.insert(sequence, open);
        true
    }

    pub fn is_answered(&self, sequence: u64) -> bool {
        let known = self.open.get(&sequence);
        sequence <= self.position || known.is_some_and(|open| open.outcome.is_some())
    }

    /// Takes the answer of a record of this type that was handed out; false if there is no such record, or it has its answer.
    pub fn answer(&mut self, sequence: u64, outcome: Outcome, tally: &mut Tally) -> bool {
        let open = self.open.get_mut(&sequence);
        let Some(open) = open.filter(|open| open.outcome.is_none()) else {
            return false;
        };
        open.outcome = Some(outcome);
        self.settle(tally);
        true
    }

    /// Moves the position over what has its answer.
    fn settle(&mut self, tally: &mut Tally) {
        while let Some(first) = self.open.first_entry() {
            let Some(outcome) = first.get().outcome else {
                return;
            };
            let (sequence, open) = first.remove_entry();
            tally.add(outcome, open.records);
            self.position = sequence;
        }
        self.position = self.scanned;
    }
}
