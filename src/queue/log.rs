//! The segments in order, and how much of them is durable: what the writer publishes and everyone else reads.
//!
//! Promises: nothing is visible here before it is synced; a gap (a segment that is gone, a tail that rotted away) is shown as
//! one, with what was in it by lane. Deliberately writes nothing and deletes nothing.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::layout::{Counts, Entry};
use super::outages::Outages;
use super::rotten::Rotten;
use super::segment::Segment;
use crate::system::disk::{Disk, File};
use boxbridge_event::{Feed, Lane, PersonType, Sequence, Timestamp};

pub(super) struct Log {
    pub directory: PathBuf,
    /// The directory, open: its names are synced without a descriptor more.
    pub names: File,
    pub disk: Disk,
    pub outages: Arc<Outages>,
    /// How long a place is asked again that the disk does not read while it reads others.
    pub unread_max: Duration,
    pub epoch: [u8; 16],
    state: Mutex<State>,
    grown: watch::Sender<Counts>,
    rotten: Mutex<Rotten>,
}

pub(super) struct State {
    /// By sequence. The last is written to; one before it may have no index yet.
    pub segments: VecDeque<Arc<Segment>>,
    /// What the log ever held, durably.
    pub counts: Counts,
}

/// Records that are gone.
pub(super) struct Gap {
    pub first: u64,
    pub last: u64,
    /// What the log held up to it, and with it.
    pub before: Counts,
    pub after: Counts,
}

/// What stands at a place of the log.
pub(super) enum Part {
    Segment(Arc<Segment>),
    Gap(Box<Gap>),
}

impl Log {
    pub(super) fn open(
        directory: PathBuf,
        disk: Disk,
        unread_max: Duration,
        epoch: [u8; 16],
        segments: VecDeque<Arc<Segment>>,
        counts: Counts,
    ) -> io::Result<Log> {
        let names = disk.open_to_read(&directory)?;
        let (state, grown) = (
            Mutex::new(State { segments, counts }),
            watch::Sender::new(counts),
        );
        Ok(Log {
            directory,
            names,
            disk,
            outages: Arc::default(),
            unread_max,
            epoch,
            state,
            grown,
            rotten: Mutex::default(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the log ever held; its `last()` is the last durable sequence.
    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    /// The first sequence that is still there.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.state().segments.front().map(|segment| segment.base())
    }

    /// Tells what is durable whenever it grows.
    pub(super) fn grown(&self) -> watch::Receiver<Counts> {
        self.grown.subscribe()
    }

    /// Shows synced records to everyone. An error where nobody would find them.
    pub(super) fn publish(
        &self,
        segment: &Segment,
        entries: Vec<Entry>,
        counts: Counts,
    ) -> io::Result<()> {
        let mut state = self.state();
        segment.push(entries)?;
        state.counts = counts;
        drop(state);
        self.grown.send_replace(counts);
        Ok(())
    }

    /// Where `sequence` stands; `None` beyond the end.
    pub(super) fn part(&self, sequence: u64) -> Option<Part> {
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
        let after = state
            .segments
            .get(next)
            .map_or(state.counts, |segment| segment.header.before);
        // Before the oldest segment stands what was deleted in its time: nothing of it is missing.
        let first = before.map_or(sequence, |before| before.last() + 1);
        Some(Part::Gap(Box::new(Gap {
            first,
            last: after.last(),
            before: before.unwrap_or(after),
            after,
        })))
    }

    /// What the log held up to `sequence`.
    pub(super) fn counts_through(&self, sequence: u64) -> io::Result<Counts> {
        match self.part(sequence) {
            None => Ok(self.counts()),
            Some(Part::Gap(gap)) => Ok(if sequence >= gap.last {
                gap.after
            } else {
                gap.before
            }),
            Some(Part::Segment(segment)) => {
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
        }
    }

    /// Records of one lane above the positions of their types.
    pub(super) fn waiting(
        &self,
        lane: Lane,
        position: impl Fn(PersonType) -> u64,
    ) -> io::Result<u64> {
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
            waiting += end
                .of(lane, *person_type)
                .saturating_sub(counts.of(lane, *person_type));
        }
        Ok(waiting)
    }

    /// The first sequence at or after which records were received at `since` or later, as far as the clock was right.
    pub(super) fn received_since(&self, since: Timestamp) -> io::Result<u64> {
        let segments: Vec<_> = self.state().segments.iter().cloned().collect();
        for segment in segments
            .iter()
            .filter(|segment| segment.received_through() >= since)
        {
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

    /// Records after a sequence by feed, and the last of them. What is not there any more is not counted.
    pub(super) fn count_feeds(&self, after: u64) -> io::Result<(Sequence, [u64; Feed::ALL.len()])> {
        let end = self.counts().last();
        let mut by_feed = [0; Feed::ALL.len()];
        let mut from = after + 1;
        while from <= end {
            let segment = match self.part(from) {
                Some(Part::Segment(segment)) => segment,
                Some(Part::Gap(gap)) => {
                    from = gap.last + 1;
                    continue;
                }
                None => break,
            };
            segment.visit(from, |sequence, entry| {
                if sequence <= end && !entry.lost {
                    by_feed[usize::from(entry.feed.number())] += 1;
                }
                sequence < end
            })?;
            from = segment.through().last() + 1;
        }
        Ok((Sequence(end.max(after)), by_feed))
    }

    /// When a record came; `None` where it is not there, or its segment cannot be read.
    pub(super) fn received_at(&self, wanted: u64) -> Option<Timestamp> {
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
    pub(super) fn allocated(&self) -> u64 {
        self.state()
            .segments
            .iter()
            .map(|segment| segment.allocated.load(Ordering::Relaxed))
            .sum()
    }

    /// Counts records that are gone, once, however many cursors come by.
    pub(super) fn rotted(&self, gone: RangeInclusive<u64>) {
        let (first, last) = (*gone.start(), *gone.end());
        let records = self
            .rotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(gone);
        if records > 0 {
            crate::metrics::queue_rotten(records);
            tracing::error!(
                first,
                last,
                records,
                "records of the queue are rotten and were stepped over"
            );
        }
    }

    /// Whether somebody has come by it and found it gone.
    pub(super) fn is_rotten(&self, sequence: u64) -> bool {
        self.rotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(sequence)
    }

    pub(super) fn rotten_records(&self) -> u64 {
        self.rotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .records()
    }
}
