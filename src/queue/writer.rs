//! The one thread that writes the log: takes what waits, writes it as one group, syncs, answers.
//!
//! Promises: nothing is answered `Stored` or `Duplicate` before the sync that covers it returned; what the disk does not do now is
//! rolled back whole and refused, and tried again by itself; only a failed write or sync of the log poisons it. How it goes on to
//! the next segment stands in `writer/roll.rs`. Deliberately has no timer but one: 100 ms after the last group an empty one is written,
//! so that every synced group has a witness.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::duplicates::Duplicates;
use super::group::{self, Place};
use super::inner::Inner;
use super::intake::{Pending, Reply, Work};
use super::layout::{BLOCK, Counts, Entry};
use super::segment::Segment;
use super::space::{APPENDING, Trouble};
use super::{AppendError, Appended};
use boxbridge_event::Sequence;

mod roll;

pub(super) use roll::Unsealed;

/// So much is written at once at most: 4 ms of a disk that writes 1 GB/s.
const GROUP_BYTES: u64 = 4 << 20;
const IDLE: Duration = Duration::from_millis(100);
/// After a refusal: whoever was told that we do not take events may send none, so nobody else would find out.
const TRY_AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    inner: Arc<Inner>,
    duplicates: Duplicates,
    active: Option<Active>,
    /// The next segment, from the moment that its file may have a name.
    next: Option<Active>,
    /// Segments before the active one that have no index yet.
    unsealed: Vec<Unsealed>,
    counts: Counts,
    /// The number of the next segment, and of the next write.
    number: u64,
    write: u64,
    /// When there is something to do even if nothing comes: a witness, or what was refused.
    due: Option<Instant>,
    refused: Option<Wanted>,
    /// The last group with records has none behind it yet.
    needs_witness: bool,
}

struct Active {
    segment: Arc<Segment>,
    /// The end of what is synced.
    end: u64,
    length: u64,
    records: usize,
}

/// Room for a group.
#[derive(Clone, Copy, Default)]
struct Wanted {
    bytes: u64,
    records: usize,
}

impl Active {
    /// Whether a group fits and leaves room for its witness, the index and the trailer.
    fn has_room(&self, wanted: Wanted) -> bool {
        self.end + wanted.bytes + BLOCK + Segment::seal_bytes(self.records + wanted.records)
            <= self.length
    }
}

/// Records of a group, and those that repeat one of them or one before.
struct Sorted {
    group: Vec<Pending>,
    repeats: Vec<(Reply, u64)>,
}

impl Writer {
    pub(super) fn new(
        inner: Arc<Inner>,
        duplicates: Duplicates,
        unsealed: Vec<Unsealed>,
        number: u64,
        write: u64,
    ) -> Writer {
        let counts = inner.log.counts();
        let due = (!unsealed.is_empty()).then(|| Instant::now() + TRY_AGAIN);
        Writer {
            inner,
            duplicates,
            active: None,
            next: None,
            unsealed,
            counts,
            number,
            write,
            due,
            refused: None,
            needs_witness: false,
        }
    }

    /// Until the intake is closed and empty. The last group is synced and its segment sealed when this returns.
    pub(super) fn run(mut self) {
        let inner = Arc::clone(&self.inner);
        let group_max = GROUP_BYTES.min(inner.settings.segment_bytes / 4);
        loop {
            match inner.intake.take(group_max, self.due) {
                Work::Write(_) | Work::Idle if inner.is_poisoned() => self.due = None,
                Work::Write(pending) => inner.writing.during(|| self.write_group(pending)),
                Work::Idle => inner.writing.during(|| self.idle()),
                Work::Closed => break,
            }
        }
        self.finish();
    }

    fn write_group(&mut self, pending: Vec<Pending>) {
        let Sorted { group, repeats } = self.sort(pending);
        if group.is_empty() {
            repeats.into_iter().for_each(|(reply, original)| {
                answer(reply, Ok(Appended::Duplicate(Sequence(original))))
            });
            return;
        }
        let first = self.counts.last() + 1;
        let wanted = Wanted {
            bytes: group::group_bytes(&group),
            records: group.len(),
        };
        let result = self.commit(&group, wanted);
        let refusal = self.judge(result, wanted).err();
        if refusal.is_some() {
            self.duplicates.forget_last(group.len());
        }
        for (sequence, pending) in (first..).zip(group) {
            answer(
                pending.reply,
                refusal
                    .clone()
                    .map_or(Ok(Appended::Stored(Sequence(sequence))), Err),
            );
        }
        for (reply, original) in repeats {
            // One that repeats a record of this group has no original where the group was not written.
            let refusal = refusal
                .clone()
                .filter(|_| original >= first || self.inner.is_poisoned());
            answer(
                reply,
                refusal.map_or(Ok(Appended::Duplicate(Sequence(original))), Err),
            );
        }
    }

    fn sort(&mut self, pending: Vec<Pending>) -> Sorted {
        let mut sorted = Sorted {
            group: Vec::with_capacity(pending.len()),
            repeats: Vec::new(),
        };
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

    fn commit(&mut self, group: &[Pending], wanted: Wanted) -> Result<(), Trouble> {
        self.find_room(wanted)?;
        let mut counts = self.counts;
        let entries = self.append(group, &mut counts)?;
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        active.records += group.len();
        self.counts = counts;
        self.needs_witness = true;
        self.inner
            .log
            .publish(&active.segment, entries, counts)
            .map_err(Trouble::Broken)?;
        self.due = Some(Instant::now() + IDLE);
        Ok(())
    }

    /// What comes of an attempt for whoever waits for it, and when the next one is made if nobody asks.
    fn judge(&mut self, result: Result<(), Trouble>, wanted: Wanted) -> Result<(), AppendError> {
        let log = &self.inner.log;
        let refusal = match result {
            // What is smaller than what was refused may fit where that does not.
            Ok(())
                if self.refused.is_some_and(|refused| {
                    refused.bytes > wanted.bytes && !self.has_room(refused)
                }) =>
            {
                return Ok(());
            }
            Ok(()) => {
                self.refused = None;
                self.inner.full.store(false, Ordering::Relaxed);
                log.outages.over(|| APPENDING.to_owned());
                return Ok(());
            }
            Err(Trouble::Full { used, limit }) => AppendError::Full { used, limit },
            Err(Trouble::DiskFull { reason }) => {
                log.outages.began(APPENDING, &reason);
                AppendError::DiskFull { reason }
            }
            Err(Trouble::NotNow { reason }) => {
                log.outages.began(APPENDING, &reason);
                AppendError::NotNow { reason }
            }
            Err(Trouble::Broken(error)) => {
                self.inner.poison(&error);
                return Err(AppendError::Poisoned);
            }
        };
        self.inner.full.store(
            !matches!(refusal, AppendError::NotNow { .. }),
            Ordering::Relaxed,
        );
        self.refused = Some(
            self.refused
                .filter(|refused| refused.bytes > wanted.bytes)
                .unwrap_or(wanted),
        );
        // Not before the witness that may be due sooner.
        let again = Instant::now() + TRY_AGAIN;
        self.due = Some(self.due.map_or(again, |due| due.min(again)));
        Err(refusal)
    }

    /// Writes and syncs one group.
    fn append(&mut self, group: &[Pending], counts: &mut Counts) -> Result<Vec<Entry>, Trouble> {
        let Some(active) = &mut self.active else {
            return Ok(Vec::new());
        };
        let place = Place {
            nonce: active.segment.header.nonce,
            offset: active.end,
            write: self.write,
            durable_through: active.end,
        };
        // Also where it fails: what a failed write left must not pass for part of the next.
        self.write += 1;
        let group = group::lay_out(group, place, counts);
        let file = &active.segment.file;
        file.write_pieces_at(&mut group.slices(), active.end)
            .map_err(|error| Trouble::of("writing to", file, error))?;
        let started = Instant::now();
        let synced = file.sync();
        self.inner.syncing.took(started.elapsed());
        // Whatever it says: the page cache may now show bytes that the disk does not have.
        synced.map_err(Trouble::Broken)?;
        active.end += group.bytes();
        Ok(group.entries)
    }

    /// Nothing came for a while: puts the witness of the last group behind it, and tries again what did not work.
    fn idle(&mut self) {
        let wanted = self.refused.unwrap_or_default();

        // First, since it has its room already, whatever there is none for.
        let mut result = self.witness();
        if !matches!(result, Err(Trouble::Broken(_))) {
            let found = if self.refused.is_some() {
                self.find_room(wanted)
            } else {
                self.seal_older()
            };
            result = found.and(result);
        }
        self.due = (!self.unsealed.is_empty()).then(|| Instant::now() + TRY_AGAIN);

        // Told to whoever looks: nobody waits for it.
        let _ = self.judge(result, wanted);
    }

    /// One for each group: more would grow the log for as long as something else is tried again.
    fn witness(&mut self) -> Result<(), Trouble> {
        // Where a segment is to follow, nothing is written to this one any more.
        if self.needs_witness && self.has_room(Wanted::default()) {
            let mut counts = self.counts;
            self.append(&[], &mut counts)?;
            self.needs_witness = false;
        }
        Ok(())
    }
}

/// Whoever asked may have gone.
fn answer(reply: Reply, result: Result<Appended, AppendError>) {
    let _ = reply.send(result);
}
