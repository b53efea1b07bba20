//! Where a delivery gets its records from, and where it leaves what became of them.
//!
//! The disk log is one such source. Another, such as a Kafka partition or a set-aside file, takes its
//! place by these few methods. Deliberately knows nothing of sessions and windows.

use std::future::Future;

use crate::queue::Cursor;
use boxbridge_event::{Outcome, PersonType, PictureVerdict, Record, Sequence};

/// The records of one lane, for one destination.
///
/// What is asked of a source: sequences ascend, but for those of a replay; what has an outcome does not
/// come again, and what has none comes again when it is asked for.
pub trait Records: Send + Sync + 'static {
    /// The next record. Waits for one. Dropping the future loses none.
    fn next(&mut self) -> impl Future<Output = Record> + Send;

    /// Everything without an outcome comes again, in order.
    fn rewind(&mut self);

    /// Everything without an outcome comes again from this record on, in order.
    fn read_again(&mut self, from: Sequence);

    /// Records of this type stay where they are.
    fn pause(&mut self, person_type: PersonType);

    /// They come again, from the lowest without an outcome on.
    fn resume(&mut self, person_type: PersonType);

    /// What became of a record, and of its pictures where the destination is the store. Of a record
    /// that it does not know, nothing is noted.
    fn settle(&mut self, sequence: Sequence, verdict: PictureVerdict, outcome: Outcome);

    /// Whether replays are read no further for now. A source without replays ignores it.
    fn hold_replays(&mut self, _are_held: bool) {}

    /// Whether something of the same destination's urgent lane has no outcome yet.
    fn urgent_waits(&self) -> bool {
        false
    }
}

/// The disk log.
impl Records for Cursor {
    fn next(&mut self) -> impl Future<Output = Record> + Send {
        Cursor::next(self)
    }

    fn rewind(&mut self) {
        Cursor::rewind(self);
    }

    fn read_again(&mut self, from: Sequence) {
        Cursor::read_again(self, from);
    }

    fn pause(&mut self, person_type: PersonType) {
        Cursor::pause(self, person_type);
    }

    fn resume(&mut self, person_type: PersonType) {
        Cursor::resume(self, person_type);
    }

    fn settle(&mut self, sequence: Sequence, verdict: PictureVerdict, outcome: Outcome) {
        Cursor::settle(self, sequence, verdict, outcome);
    }

    fn hold_replays(&mut self, are_held: bool) {
        Cursor::hold_replays(self, are_held);
    }

    fn urgent_waits(&self) -> bool {
        Cursor::urgent_waits(self)
    }
}
