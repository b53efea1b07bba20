//! The one thread that writes the log: takes what waits, writes it as one group, syncs, answers.
//!
//! Promises: nothing is answered `Stored` or `Duplicate` before the sync that covers it returned; a write that finds the disk
//! full is rolled back whole; any other failure of write or sync poisons the log. Deliberately has no timer but one: 100 ms
//! after the last group an empty one is written, so that every synced group has a witness.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::disk::{BLOCK, is_full};
use super::duplicates::Duplicates;
use super::group::{self, Place};
use super::inner::Inner;
use super::intake::{Pending, Reply, Work};
use super::layout::{Counts, Entry, SegmentHeader};
use super::recover::{FRESH, segment_path};
use super::segment::{FIRST_GROUP, Segment};
use super::space::{self, Trouble};
use super::{AppendError, Appended};
use crate::event::{Sequence, Timestamp};

/// So much is written at once at most: 4 ms of a disk that writes 1 GB/s.
const GROUP_BYTES: u64 = 4 << 20;
const IDLE: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    inner: Arc<Inner>,
    duplicates: Duplicates,
    active: Option<Active>,
    counts: Counts,
    /// The number of the next segment, and of the next write.
    number: u64,
    write: u64,
    witness_due: Option<Instant>,
}

struct Active {
    segment: Arc<Segment>,
    /// The end of what is synced.
    end: u64,
    length: u64,
    records: usize,
}

impl Active {
    /// Whether a group fits and leaves room for its witness, the index and the trailer.
    fn has_room(&self, bytes: u64, records: usize) -> bool {
        self.end + bytes + BLOCK + Segment::seal_bytes(self.records + records) <= self.length
    }
}

/// Records of a group, and those that repeat one of them or one before.
struct Sorted {
    group: Vec<Pending>,
    repeats: Vec<(Reply, u64)>,
}

impl Writer {
    pub(super) fn new(inner: Arc<Inner>, duplicates: Duplicates, number: u64, write: u64) -> Writer {
        let counts = inner.log.counts();
        Writer { inner, duplicates, active: None, counts, number, write, witness_due: None }
    }

    /// Until the intake is closed and empty. The last group is synced and its segment sealed when this returns.
    pub(super) fn run(mut self) {
        let group_max = GROUP_BYTES.min(self.inner.settings.segment_bytes / 4);
        loop {
            match self.inner.intake.take(group_max, self.witness_due) {
                Work::Write(_) if self.inner.is_poisoned() => {}
                Work::Write(pending) => self.write_group(pending),
                Work::Idle => self.witness(),
                Work::Closed => break,
            }
        }
        self.seal();
    }

    fn write_group(&mut self, pending: Vec<Pending>) {
        let Sorted { group, repeats } = self.sort(pending);
        if group.is_empty() {
            repeats.into_iter().for_each(|(reply, original)| answer(reply, Ok(Appended::Duplicate(Sequence(original)))));
            return;
        }
        let first = self.counts.last() + 1;
        let result = self.commit(&group);
        self.inner.full.store(matches!(result, Err(Trouble::Full { .. })), std::sync::atomic::Ordering::Relaxed);
        let refusal = match result {
            Ok(()) => None,
            Err(Trouble::Full { used, limit }) => Some(AppendError::Full { used, limit }),
            Err(Trouble::Broken(error)) => {
                self.inner.poison(&error);
                Some(AppendError::Poisoned)
            }
        };
        if refusal.is_some() {
            self.duplicates.forget_last(group.len());
        }
        for (sequence, pending) in (first..).zip(group) {
            answer(pending.reply, refusal.clone().map_or(Ok(Appended::Stored(Sequence(sequence))), Err));
        }
        for (reply, original) in repeats {
            // One that repeats a record of this group has no original where the group was not written.
            let refusal = refusal.clone().filter(|_| original >= first || self.inner.is_poisoned());
            answer(reply, refusal.map_or(Ok(Appended::Duplicate(Sequence(original))), Err));
        }
    }

    fn sort(&mut self, pending: Vec<Pending>) -> Sorted {
        let mut sorted = Sorted { group: Vec::with_capacity(pending.len()), repeats: Vec::new() };
        let mut next = self.counts.last() + 1;
        for pending in pending {
            match self.duplicates.original(&pending) {
                Some(original) => sorted.repeats.push((pending.reply, original)),
                None => {
                    self.duplicates.remember(&pending, next);
                    next += 1;
                    sorted.group.push(pending);
                }
            }
        }
        sorted
    }

    fn commit(&mut self, group: &[Pending]) -> Result<(), Trouble> {
        let bytes = group::group_bytes(group);
        if !self.active.as_ref().is_some_and(|active| active.has_room(bytes, group.len())) {
            self.roll(bytes, group.len())?;
        }
        let mut counts = self.counts;
        let entries = self.append(group, &mut counts)?;
        let Some(active) = &mut self.active else { return Ok(()) };
        active.records += group.len();
        self.counts = counts;
        self.inner.log.publish(&active.segment, entries, counts);
        self.witness_due = Some(Instant::now() + IDLE);
        Ok(())
    }

    /// Writes and syncs one group.
    fn append(&mut self, group: &[Pending], counts: &mut Counts) -> Result<Vec<Entry>, Trouble> {
        let Some(active) = &mut self.active else { return Ok(Vec::new()) };
        let place =
            Place { nonce: active.segment.header.nonce, offset: active.end, write: self.write, durable_through: active.end };
        // Also where it fails: what a failed write left must not pass for part of the next.
        self.write += 1;
        let group = group::lay_out(group, place, counts);
        let disk = &self.inner.log.disk;
        if let Err(error) = disk.write_pieces(&active.segment.file, &mut group.slices(), active.end) {
            return Err(if is_full(&error) { full(&self.inner) } else { Trouble::Broken(error) });
        }
        self.inner.syncing.started();
        let synced = disk.sync(&active.segment.file);
        self.inner.syncing.ended();
        synced?;
        active.end += group.bytes();
        Ok(group.entries)
    }

    /// Puts the witness of the last group behind it.
    fn witness(&mut self) {
        self.witness_due = None;
        let has_room = self.active.as_ref().is_some_and(|active| active.has_room(0, 0));
        if !has_room || self.inner.is_poisoned() {
            return;
        }
        let mut counts = self.counts;
        if let Err(Trouble::Broken(error)) = self.append(&[], &mut counts) {
            self.inner.poison(&error);
        }
    }

    /// Seals the active segment and makes the next one, with room for a group.
    fn roll(&mut self, bytes: u64, records: usize) -> Result<(), Trouble> {
        let needed = FIRST_GROUP + bytes + BLOCK + Segment::seal_bytes(records);
        let length = self.inner.settings.segment_bytes.max(needed.next_multiple_of(BLOCK));
        space::make_room(&self.inner, length)?;
        if let Some(active) = &self.active {
            let sealed = active.segment.seal(&self.inner.log.disk, active.end, Some(active.length), self.write);
            sealed.map_err(|error| if is_full(&error) { full(&self.inner) } else { Trouble::Broken(error) })?;
        }
        let segment = Arc::new(
            self.create(length).map_err(|error| if is_full(&error) { full(&self.inner) } else { Trouble::Broken(error) })?,
        );
        self.inner.log.state().segments.push_back(segment.clone());
        self.active = Some(Active { segment, end: FIRST_GROUP, length, records: 0 });
        Ok(())
    }

    /// Create → header → sync the file → name it → sync the directory → usable.
    fn create(&mut self, length: u64) -> std::io::Result<Segment> {
        let (disk, directory) = (&self.inner.log.disk, &self.inner.log.directory);
        let header = SegmentHeader {
            number: self.number,
            nonce: uuid::Uuid::new_v4().as_u64_pair().0 ^ uuid::Uuid::new_v4().as_u64_pair().1,
            epoch: self.inner.log.epoch,
            write: self.write,
            created_at: Timestamp::now(),
            before: self.counts,
        };
        let fresh = directory.join(FRESH);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&fresh)?;
        let made = disk.allocate(&file, length).and_then(|()| {
            let bytes = header.encode();
            disk.write(&file, &bytes, 0)?;
            disk.write(&file, &bytes, BLOCK)?;
            disk.sync(&file)
        });
        if let Err(error) = made {
            // It occupies what others need, and holds nothing.
            let _ = std::fs::remove_file(&fresh);
            return Err(error);
        }
        let path = segment_path(directory, self.number);
        std::fs::rename(&fresh, &path)?;
        disk.sync_directory(directory)?;
        self.number += 1;
        Segment::new(path, file, header)
    }

    /// At the end: nothing is left to scan at the next start.
    fn seal(&mut self) {
        let Some(active) = self.active.take().filter(|_| !self.inner.is_poisoned()) else { return };
        match active.segment.seal(&self.inner.log.disk, active.end, None, self.write) {
            Err(error) if is_full(&error) => {}
            Err(error) => self.inner.poison(&error),
            Ok(()) => {}
        }
    }
}

fn full(inner: &Inner) -> Trouble {
    Trouble::Full { used: inner.log.allocated(), limit: inner.settings.max_bytes }
}

/// Whoever asked may have gone.
fn answer(reply: Reply, result: Result<Appended, AppendError>) {
    let _ = reply.send(result);
}
