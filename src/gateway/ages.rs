//! Tells how old a record is, also after the wall clock was set.
//!
//! Promises: never more than the true age, and as much of it as can be known. Two sources know a part: the clock without its jumps, and the
//! uptime since a moment at which the record was there already. A clock that was ahead and is set back shows the same times twice, and then
//! uptime alone tells them apart. For a record from before this process nothing does: it counts as the older one. Deliberately keeps nothing
//! on disk.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::system::clock::Clock;
use boxbridge_event::{Record, Sequence};

/// One every five seconds for an hour. Then every other of the older ones goes.
const MARKS_MAX: usize = 720;

pub struct Ages {
    clock: Arc<Clock>,
    /// Moments, and the last record at each; the oldest first.
    marks: Mutex<VecDeque<(Instant, Sequence)>>,
}

impl Ages {
    /// `newest` is the last record from before this process.
    pub fn new(clock: Arc<Clock>, newest: Sequence) -> Ages {
        Ages {
            clock,
            marks: Mutex::new([(Instant::now(), newest)].into()),
        }
    }

    /// Notes the last record of this moment; to be called every few seconds.
    pub fn mark(&self, newest: Sequence) {
        self.mark_at(Instant::now(), newest);
    }

    fn mark_at(&self, moment: Instant, newest: Sequence) {
        let mut marks = self.marks.lock();
        marks.push_back((moment, newest));

        if marks.len() > MARKS_MAX {
            let mut place = 0;
            marks.retain(|_| {
                place += 1;
                place > MARKS_MAX / 2 || place % 2 == 1
            });
        }
    }

    pub fn of(&self, record: &Record) -> Duration {
        let by_clock = match record.appended_before_this_process {
            true => self.clock.age_at_most(record.received_at),
            false => self.clock.age(record.received_at),
        };
        by_clock.max(self.at_least(record.sequence))
    }

    /// The uptime since the first moment at which it was there.
    fn at_least(&self, sequence: Sequence) -> Duration {
        let marks = self.marks.lock();
        let first = marks.partition_point(|(_, newest)| *newest < sequence);
        marks
            .get(first)
            .map_or(Duration::ZERO, |(moment, _)| moment.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::disk::Disk;

    #[test]
    fn a_record_is_as_old_as_the_moment_at_which_it_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let ages = Ages::new(
            Arc::new(Clock::open(&Disk::default(), directory.path())),
            Sequence(3),
        );

        let an_hour_ago = Instant::now()
            .checked_sub(Duration::from_secs(3_600))
            .expect("the machine is up for an hour");
        let minutes = |minutes: u64| an_hour_ago + Duration::from_secs(60 * minutes);

        ages.marks.lock().clear();
        ages.mark_at(minutes(0), Sequence(3));
        ages.mark_at(minutes(10), Sequence(3));
        ages.mark_at(minutes(30), Sequence(7));

        let at_least = |sequence| ages.at_least(Sequence(sequence)).as_secs() / 60;
        assert_eq!([1, 3, 4, 7, 8].map(at_least), [60, 60, 30, 30, 0]);
    }

    #[test]
    fn marks_are_bounded_and_go_back_as_far_as_ever() {
        let directory = tempfile::tempdir().unwrap();
        let ages = Ages::new(
            Arc::new(Clock::open(&Disk::default(), directory.path())),
            Sequence(0),
        );
        (1..5_000).for_each(|number| ages.mark(Sequence(number)));
        let marks = ages.marks.lock();
        assert!(marks.len() <= MARKS_MAX);
        assert_eq!(marks.front().map(|(_, newest)| *newest), Some(Sequence(0)));
        assert_eq!(
            marks.back().map(|(_, newest)| *newest),
            Some(Sequence(4_999))
        );
    }
}
