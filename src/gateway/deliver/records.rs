//! Where a delivery gets its records from, and where it leaves what became of them.
//!
//! The disk log is one such source, and `resend` adds to it what was set aside. Another, such as a Kafka partition, takes its
//! place by these few methods. Deliberately knows nothing of sessions and windows.

mod counted;
mod intake;
mod out_of_kafka;
mod until;

pub use counted::{Consumed, Counted, Found, FoundStanding};
pub use intake::{Intake, Lately, Sources};
pub use out_of_kafka::OutOfKafka;
pub use until::{Handover, Until};

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::gateway::{Ages, Column};
use crate::queue::Cursor;
use boxbridge_event::{Outcome, PersonType, PictureVerdict, Record, Sequence};

/// The records of one lane, for one destination.
///
/// What is asked of a source: sequences ascend, but for those of a replay, and none stands for two records; what has an outcome does not
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

    /// Whether they do: the source alone keeps that.
    fn is_paused(&self, person_type: PersonType) -> bool;

    /// They come again, from the lowest without an outcome on.
    fn resume(&mut self, person_type: PersonType);

    /// What became of a record, and of its pictures where the destination is the store. Of a record
    /// that it does not know, nothing is noted.
    fn settle(&mut self, sequence: Sequence, verdict: PictureVerdict, outcome: Outcome);

    /// How old a record is, whatever is done to the wall clock.
    fn age(&self, record: &Record) -> Duration;

    /// Ends what does not reach the destination by this source, while there is no session that would read it. To be dropped at any moment, and
    /// followed by a rewind.
    fn pass_over(&mut self) -> impl Future<Output = Infallible> + Send {
        std::future::pending()
    }

    /// Whether replays are read no further for now. A source without replays ignores it.
    fn hold_replays(&mut self, _are_held: bool) {}

    /// Of a record that was set aside and is sent again, and was refused for a reason that passes: whether it comes again later. If not, it
    /// stays where it was.
    fn try_later(&mut self, _sequence: Sequence) -> bool {
        false
    }

    /// Whether a record that was handed out is still to be sent: one of a replay that was cancelled is not.
    fn is_wanted(&self, _record: &Record) -> bool {
        true
    }

    /// Whether a record without an outcome is still there: a log keeps it, and a partition takes it to another gateway.
    fn has(&self, _sequence: Sequence) -> bool {
        true
    }

    /// Whether something of the same destination's urgent lane has no outcome yet.
    fn urgent_waits(&self) -> bool {
        false
    }
}

/// The disk log, and since when what stands in it was there.
pub struct DiskLog {
    pub cursor: Cursor,
    pub ages: Arc<Ages>,
    /// When records got their answer.
    pub answers: Arc<Column>,
}

impl Records for DiskLog {
    fn next(&mut self) -> impl Future<Output = Record> + Send {
        self.cursor.next()
    }

    fn rewind(&mut self) {
        self.cursor.rewind();
    }

    fn read_again(&mut self, from: Sequence) {
        self.cursor.read_again(from);
    }

    fn pause(&mut self, person_type: PersonType) {
        self.cursor.pause(person_type);
    }

    fn is_paused(&self, person_type: PersonType) -> bool {
        self.cursor.is_paused(person_type)
    }

    fn resume(&mut self, person_type: PersonType) {
        self.cursor.resume(person_type);
    }

    fn settle(&mut self, sequence: Sequence, verdict: PictureVerdict, outcome: Outcome) {
        self.answers.note(sequence, outcome);
        self.cursor.settle(sequence, verdict, outcome);
    }

    fn age(&self, record: &Record) -> Duration {
        self.ages.of(record)
    }

    fn hold_replays(&mut self, are_held: bool) {
        self.cursor.hold_replays(are_held);
    }

    fn is_wanted(&self, record: &Record) -> bool {
        self.cursor.is_wanted(record)
    }

    fn urgent_waits(&self) -> bool {
        self.cursor.urgent_waits()
    }
}
