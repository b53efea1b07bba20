//! What is done about a disk that does not answer.
//!
//! Promises: a place is given up only after the disk has not read it for a long time in which it read the header of the same file.
//! Deliberately never waits: the cursor asks again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::queue::format::IndexEntry;
use crate::queue::log::{Log, Outages, ReadError, Segment};

/// Who reads, and for how long.
#[derive(Clone)]
pub struct Asking {
    reader: Arc<str>,
    outages: Arc<Outages>,
    unread_max: Duration,
}

impl Asking {
    pub fn of(log: &Log, reader: &Arc<str>) -> Asking {
        Asking {
            reader: Arc::clone(reader),
            outages: Arc::clone(&log.outages),
            unread_max: log.unread_max,
        }
    }

    /// Passes a read on. That the disk does not answer is said, and in the end the place is given up; `of` says which it is.
    pub fn judge<T>(
        &self,
        segment: &Segment,
        read: Result<T, ReadError>,
        of: impl Fn() -> String,
    ) -> Result<T, ReadError> {
        let path = segment.path.display();
        let what = || format!("{}: reading {} of {path}", self.reader, of());
        let (sequence, error) = match read {
            Err(ReadError::Unanswered(sequence, error)) => (sequence, error),
            read => {
                self.outages.over(what);
                return read;
            }
        };

        let what = what();
        if !self.has_lost(segment, &what, &error) {
            return Err(ReadError::Unanswered(sequence, error));
        }

        tracing::error!(what, %error, "the disk reads other places and not this one: it is given up, and counts as rotten");
        let seconds = self.unread_max.as_secs();
        Err(ReadError::GivenUp(format!(
            "given up after {seconds} s of {what}: {error}"
        )))
    }

    /// Whether there is no more sense in asking again.
    fn has_lost(&self, segment: &Segment, what: &str, error: &io::Error) -> bool {
        self.outages.began(what, error);
        let has_lost = self.outages.alone_for(what, segment.is_answering()) >= self.unread_max;
        if has_lost {
            self.outages.given_up(what);
        }
        has_lost
    }

    /// The index of a segment. If the disk has lost it, the records tell the same; if it has lost one of them as well, the others do.
    pub fn hold_index(
        &self,
        segment: &Segment,
        from: u64,
    ) -> io::Result<Option<Arc<Vec<IndexEntry>>>> {
        loop {
            let held = segment.hold_index();
            let held = held.map_err(|error| ReadError::Unanswered(from, error));
            let what = segment.told_by();
            match self.judge(segment, held, || what.to_owned()) {
                Ok(index) => return Ok(index),
                Err(ReadError::Unanswered(_, error)) => return Err(error),
                // Two steps at most: places that are read tell something in any case.
                Err(_) => segment.give_up_index(),
            }
        }
    }
}
