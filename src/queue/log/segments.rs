//! The segments in order, and how much of them is durable: the writer publishes it, and everyone else reads it.
//!
//! Promises: nothing is visible here before it is synced; a gap (a segment that is gone, a tail that rotted away) is shown as
//! one, with its counts by lane; once poisoned, nothing is acknowledged any more. Deliberately writes nothing and deletes nothing.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;

use super::outages::Outages;
use super::rotten::Rotten;
use super::segment::Segment;
use crate::queue::format::{Counts, IndexEntry};
use crate::system::disk::{Disk, File};
use boxbridge_event::{Feed, Lane, PersonType, Sequence, Timestamp};

mod recent;

pub use recent::{Recent, RecentRecord};

pub struct Log {
    pub directory: PathBuf,
    /// The directory, open: its names are synced without a descriptor more.
    pub names: File,
    pub disk: Disk,
    pub outages: Arc<Outages>,
    pub recent: Arc<Recent>,
    /// How long a place is asked again that the disk does not read while it reads others.
    pub unread_max: Duration,
    pub epoch: [u8; 16],
    /// The last sequence that was there at start.
    pub last_at_start: u64,
    state: Mutex<State>,
    grown: Grown,
    rotten: Mutex<Rotten>,
    poisoned: watch::Sender<bool>,
}

pub struct State {
    /// By sequence. The last is written to; one before it may have no index yet.
    pub segments: VecDeque<Arc<Segment>>,
    /// What the log ever held, durably.
    pub counts: Counts,
}

/// Told apart by lane: nobody wakes for a record that is not his.
struct Grown {
    urgent: watch::Sender<Counts>,
    normal: watch::Sender<Counts>,
}

impl Grown {
    fn at(counts: Counts) -> Grown {
        Grown {
            urgent: watch::Sender::new(counts),
            normal: watch::Sender::new(counts),
        }
    }

    fn of(&self, lane: Lane) -> &watch::Sender<Counts> {
        match lane {
            Lane::Urgent => &self.urgent,
            Lane::Normal => &self.normal,
        }
    }
}

/// Records that are gone.
pub struct Gap {
    pub first: u64,
    pub last: u64,
    /// What the log held up to it, and with it.
    pub before: Counts,
    pub after: Counts,
}

/// What stands at a place of the log.
pub enum Part {
    Segment(Arc<Segment>),
    Gap(Box<Gap>),
}

impl Part {
    /// Its last sequence.
    pub fn last(&self) -> u64 {
        match self {
            Part::Segment(segment) => segment.through().last(),
            Part::Gap(gap) => gap.last,
        }
    }
}

impl Log {
    pub fn open(
        directory: PathBuf,
        disk: Disk,
        unread_max: Duration,
        recent: Recent,
        epoch: [u8; 16],
        state: State,
    ) -> io::Result<Log> {
        let names = disk.open_to_read(&directory)?;
        Ok(Log {
            directory,
            names,
            disk,
            outages: Arc::default(),
            recent: Arc::new(recent),
            unread_max,
            epoch,
            last_at_start: state.counts.last(),
            grown: Grown::at(state.counts),
            state: Mutex::new(state),
            rotten: Mutex::default(),
            poisoned: watch::Sender::new(false),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// What the log ever held; its `last()` is the last durable sequence.
    pub fn counts(&self) -> Counts {
        self.state().counts
    }

    /// The first sequence that is still there.
    pub fn oldest(&self) -> Option<u64> {
        self.state().segments.front().map(|segment| segment.base())
    }

    /// All of them as of now, the oldest first.
    pub fn segments(&self) -> Vec<Arc<Segment>> {
        self.state().segments.iter().cloned().collect()
    }

    /// Tells what is durable whenever a record of this lane is.
    pub fn grown(&self, lane: Lane) -> watch::Receiver<Counts> {
        self.grown.of(lane).subscribe()
    }

    /// Shows synced records to everyone. An error where nobody would find them.
    pub fn publish(
        &self,
        segment: &Segment,
        entries: Vec<IndexEntry>,
        counts: Counts,
    ) -> io::Result<()> {
        let mut state = self.state();
        segment.push(entries)?;
        let before = std::mem::replace(&mut state.counts, counts);
        drop(state);

        for lane in Lane::ALL {
            if counts.lane(*lane) > before.lane(*lane) {
                self.grown.of(*lane).send_replace(counts);
            }
        }
        Ok(())
    }

    /// Where `sequence` stands; `None` beyond the end.
    pub fn part(&self, sequence: u64) -> Option<Part> {
        let state = self.state();
        if sequence > state.counts.last() {
            return None;
        }

        let next = state
            .segments
            .partition_point(|segment| segment.base() <= sequence);
        let previous = next
            .checked_sub(1)
            .and_then(|previous| state.segments.get(previous));
        let before = previous.map(|segment| segment.through());
        if let (Some(previous), Some(through)) = (previous, before)
            && through.last() >= sequence
        {
            return Some(Part::Segment(previous.clone()));
        }

        let next = state.segments.get(next);
        let after = next.map_or(state.counts, |segment| segment.header.before);
        // Before the oldest segment stands what was deleted in its time: nothing of it is missing.
        let first = before.map_or(sequence, |before| before.last() + 1);
        Some(Part::Gap(Box::new(Gap {
            first,
            last: after.last(),
            before: before.unwrap_or(after),
            after,
        })))
    }

    /// What stands from `from` on, part by part, each with the first sequence that is wanted of it. The log may grow meanwhile.
    pub fn parts(&self, from: u64) -> impl Iterator<Item = (u64, Part)> + '_ {
        let mut from = from;
        std::iter::from_fn(move || {
            let part = self.part(from)?;
            let begins = from;
            from = part.last().max(from) + 1;
            Some((begins, part))
        })
    }

    /// What the log held up to `sequence`.
    pub fn counts_through(&self, sequence: u64) -> io::Result<Counts> {
        let segment = match self.part(sequence) {
            None => return Ok(self.counts()),
            Some(Part::Gap(gap)) if sequence >= gap.last => return Ok(gap.after),
            Some(Part::Gap(gap)) => return Ok(gap.before),
            Some(Part::Segment(segment)) => segment,
        };

        let mut counts = segment.header.before;
        segment.visit(segment.base(), |at, entry| {
            let is_in = at <= sequence;
            if is_in {
                counts.add(entry.lane, entry.person_type, 1);
            }
            is_in
        })?;
        Ok(counts)
    }

    /// Records of one lane above the positions of their types.
    pub fn waiting(&self, lane: Lane, position: impl Fn(PersonType) -> u64) -> io::Result<u64> {
        let end = self.counts();
        let mut known: Option<(u64, Counts)> = None;
        let mut waiting = 0;

        for person_type in PersonType::ALL {
            let at = position(*person_type);
            let counts = match known {
                Some((place, counts)) if place == at => counts,
                _ => self.counts_through(at)?,
            };
            known = Some((at, counts));
            let passed = counts.of(lane, *person_type);
            waiting += end.of(lane, *person_type).saturating_sub(passed);
        }
        Ok(waiting)
    }

    /// The first sequence at or after which records were received at `since` or later, as far as the clock was right.
    pub fn received_since(&self, since: Timestamp) -> io::Result<u64> {
        let segments = self.segments();
        let recent = segments
            .iter()
            .filter(|segment| segment.received_through() >= since);

        for segment in recent {
            let mut found = None;
            segment.visit(segment.base(), |sequence, entry| {
                found = (!entry.lost && entry.received_at >= since).then_some(sequence);
                found.is_none()
            })?;
            if let Some(found) = found {
                return Ok(found);
            }
        }
        Ok(self.counts().last() + 1)
    }

    /// The oldest record that is there, and when it came.
    pub fn oldest_record(&self) -> io::Result<Option<(Sequence, Timestamp)>> {
        for segment in self.segments() {
            let mut found = None;
            segment.visit(segment.base(), |sequence, entry| {
                let oldest = (Sequence(sequence), entry.received_at);
                found = (!entry.lost).then_some(oldest);
                found.is_none()
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Records after a sequence by [`Feed::number`], and the last of them. What is not there any more is not counted.
    pub fn count_feeds(&self, after: u64) -> io::Result<(Sequence, [u64; Feed::ALL.len()])> {
        let end = self.counts().last();
        let mut by_feed = [0; Feed::ALL.len()];

        for (from, part) in self.parts(after + 1).take_while(|(from, _)| *from <= end) {
            let Part::Segment(segment) = part else {
                continue;
            };
            segment.visit(from, |sequence, entry| {
                let count = by_feed.get_mut(usize::from(entry.feed.number()));
                if let Some(count) = count.filter(|_| sequence <= end && !entry.lost) {
                    *count += 1;
                }
                sequence < end
            })?;
        }
        Ok((Sequence(end.max(after)), by_feed))
    }

    /// When a record came; `None` where it is not there, or its segment cannot be read.
    pub fn received_at(&self, wanted: u64) -> Option<Timestamp> {
        let Part::Segment(segment) = self.part(wanted)? else {
            return None;
        };

        let mut found = None;
        let seen = segment.visit(wanted, |sequence, entry| {
            found = (sequence == wanted && !entry.lost).then_some(entry.received_at);
            false
        });
        seen.ok().and(found)
    }

    /// What all segments occupy.
    pub fn allocated(&self) -> u64 {
        let state = self.state();
        let segments = state.segments.iter();
        segments
            .map(|segment| segment.allocated.load(Ordering::Relaxed))
            .sum()
    }

    /// Counts records that are gone, once, however many cursors come by.
    pub fn rotted(&self, gone: RangeInclusive<u64>) {
        let (first, last) = (*gone.start(), *gone.end());
        let records = self.rotten.lock().add(gone);
        if records == 0 {
            return;
        }

        crate::metrics::queue_rotten(records);
        tracing::error!(
            first,
            last,
            records,
            "records of the queue are rotten and were stepped over"
        );
    }

    /// Whether somebody has come by it and found it gone.
    pub fn is_rotten(&self, sequence: u64) -> bool {
        self.rotten.lock().contains(sequence)
    }

    pub fn rotten_records(&self) -> u64 {
        self.rotten.lock().records()
    }

    pub fn is_poisoned(&self) -> bool {
        *self.poisoned.borrow()
    }

    /// Tells when it is.
    pub fn poisoned(&self) -> watch::Receiver<bool> {
        self.poisoned.subscribe()
    }

    /// The disk failed in a way that nothing on it can be trusted until it was read again.
    pub fn poison(&self, error: &io::Error) {
        if !self.poisoned.send_replace(true) {
            tracing::error!(%error, path = %self.directory.display(), "the log is poisoned: nothing is acknowledged any more");
        }
    }
}
