//! The one thread that writes the log: takes what waits, writes it as one group, syncs, answers.
//!
//! Promises: nothing is answered `Stored` or `Duplicate` before the sync that covers it returned; what the disk does not do now is
//! rolled back whole and refused, and tried again by itself; only a failed write or sync of the log poisons it. How it goes on to
//! the next segment stands in `writer/roll.rs`, and what of that is done beside it in `writer/beside.rs`. Deliberately has no timer but
//! one: 100 ms after the last group an empty one is written, so that every synced group has a witness.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::disk_limits::{DiskLimits, Rules};
use super::duplicates::Duplicates;
use super::entry::{AppendError, Appended, Original};
use super::gauges::Gauges;
use super::group::{self, Target};
use super::intake::{Intake, Next};
use super::pending::{Pending, Reply};
use super::trouble::Trouble;
use crate::queue::follow::Subscriptions;
use crate::queue::format::{BLOCK, Counts, IndexEntry, RecordHeader};
use crate::queue::log::{Log, RecentRecord, Segment, Unsealed};
use boxbridge_config::Current;
use boxbridge_event::Sequence;

mod beside;
mod roll;

use beside::Beside;

/// Under which it is shown that the disk refuses what is appended.
pub const APPENDING: &str = "taking events";

/// So much is written at once at most: 4 ms of a disk that writes 1 GB/s.
const GROUP_BYTES: u64 = 4 << 20;
const IDLE: Duration = Duration::from_millis(100);
/// After a refusal: a balancer that was told that we do not take events sends none, so nobody else would find out.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What the writer shares with the rest of the queue.
#[derive(Clone)]
pub struct Shared {
    pub limits: DiskLimits,
    pub rules: Arc<Current<Rules>>,
    pub log: Arc<Log>,
    pub subscriptions: Arc<Subscriptions>,
    pub intake: Arc<Intake>,
    pub gauges: Arc<Gauges>,
}

pub struct Writer {
    shared: Shared,
    duplicates: Duplicates,
    active: Option<Active>,
    /// The next segment, from the moment that its file may have a name.
    next: Option<Active>,
    /// Segments before the active one that have no index yet.
    unsealed: Vec<Unsealed>,
    beside: Beside,
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
    /// The file of the segment behind it is being made, or was tried to be.
    has_asked: bool,
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

/// What a group added to its segment.
#[derive(Default)]
struct Appends {
    entries: Vec<IndexEntry>,
    /// And where they stand.
    headers: Vec<(RecordHeader, u64)>,
}

/// Records of a group, and those that repeat one of them or one before.
struct Sorted {
    group: Vec<Pending>,
    repeats: Vec<(Reply, Original)>,
}

impl Writer {
    pub fn new(
        shared: Shared,
        duplicates: Duplicates,
        unsealed: Vec<Unsealed>,
        number: u64,
        write: u64,
    ) -> Writer {
        let counts = shared.log.counts();
        let due = (!unsealed.is_empty()).then(|| Instant::now() + TRY_AGAIN);
        Writer {
            shared,
            duplicates,
            active: None,
            next: None,
            unsealed,
            beside: Beside::default(),
            counts,
            number,
            write,
            due,
            refused: None,
            needs_witness: false,
        }
    }

    /// Until the intake is closed and empty. The last group is synced and its segment sealed when this returns.
    pub fn run(mut self) {
        let Shared {
            limits,
            log,
            intake,
            gauges,
            ..
        } = self.shared.clone();
        let group_max = GROUP_BYTES.min(limits.segment_bytes / 4);

        loop {
            match intake.take(group_max, self.due) {
                Next::Write(_) | Next::Idle if log.is_poisoned() => self.due = None,
                Next::Write(pending) => gauges.writing.during(|| self.write_group(pending)),
                Next::Idle => gauges.writing.during(|| self.idle()),
                Next::Closed => break,
            }
        }
        self.finish();
    }

    fn write_group(&mut self, pending: Vec<Pending>) {
        let Sorted { mut group, repeats } = self.sort(pending);
        let first = self.counts.last() + 1;
        let refusal = match group.is_empty() {
            true => None,
            false => self.try_to_write(&mut group).err(),
        };

        for (sequence, pending) in (first..).zip(group) {
            let stored = Appended::Stored(Sequence(sequence));
            answer(pending.reply, refusal.clone().map_or(Ok(stored), Err));
        }
        for (reply, original) in repeats {
            // One that repeats a record of this group has no original where the group was not written.
            let has_none = original.sequence.0 >= first || self.shared.log.is_poisoned();
            let refusal = refusal.clone().filter(|_| has_none);
            let duplicate = Appended::Duplicate(original);
            answer(reply, refusal.map_or(Ok(duplicate), Err));
        }
    }

    fn sort(&mut self, pending: Vec<Pending>) -> Sorted {
        let mut sorted = Sorted {
            group: Vec::with_capacity(pending.len()),
            repeats: Vec::new(),
        };
        let mut next = self.counts.last() + 1;
        self.duplicates.follow(&self.shared.rules.now());

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

    fn try_to_write(&mut self, group: &mut [Pending]) -> Result<(), AppendError> {
        let wanted = Wanted {
            bytes: group::group_bytes(group),
            records: group.len(),
        };
        let result = self.commit(group, wanted);
        let judged = self.judge(result, wanted);
        if judged.is_err() {
            self.duplicates.forget_last(group.len());
        }
        judged
    }

    fn commit(&mut self, group: &mut [Pending], wanted: Wanted) -> Result<(), Trouble> {
        self.find_room(wanted)?;

        let mut counts = self.counts;
        let Appends { entries, headers } = self.append(group, &mut counts)?;
        let Some(active) = &mut self.active else {
            return Ok(());
        };
        active.records += group.len();
        self.counts = counts;
        self.needs_witness = true;

        let records = headers.into_iter().zip(group);
        let recent = records.map(|((header, offset), pending)| {
            let record = RecentRecord {
                header,
                segment: Arc::downgrade(&active.segment),
                offset,
                event: std::mem::take(&mut pending.event).into(),
            };
            (record, pending.take_pictures())
        });
        self.shared.log.recent.push(recent);
        let published = self.shared.log.publish(&active.segment, entries, counts);
        published.map_err(Trouble::Broken)?;
        self.due = Some(Instant::now() + IDLE);
        self.look_ahead();
        Ok(())
    }

    /// Writes and syncs one group.
    fn append(&mut self, group: &[Pending], counts: &mut Counts) -> Result<Appends, Trouble> {
        let Some(active) = &mut self.active else {
            return Ok(Appends::default());
        };
        let target = Target {
            nonce: active.segment.header.nonce,
            offset: active.end,
            write: self.write,
            durable_through: active.end,
        };
        // Also where it fails: what a failed write left must not pass for part of the next.
        self.write += 1;

        let group = group::lay_out(group, target, counts);
        let file = &active.segment.file;
        file.write_pieces_at(&mut group.slices(), active.end)
            .map_err(|error| Trouble::of("writing to", file, error))?;

        let started = Instant::now();
        let synced = file.sync();
        self.shared.gauges.last_sync.took(started.elapsed());
        // Any error: the page cache may now show bytes that the disk does not have.
        synced.map_err(Trouble::Broken)?;
        active.end += group.bytes();
        Ok(Appends {
            entries: group.entries,
            headers: group.headers,
        })
    }

    /// What an attempt means for those who wait for it. Where it failed, the next one is due though nobody may ask.
    fn judge(&mut self, result: Result<(), Trouble>, wanted: Wanted) -> Result<(), AppendError> {
        let Err(trouble) = result else {
            self.taken(wanted);
            return Ok(());
        };
        let refusal = self.refusal(trouble);
        if refusal == AppendError::Poisoned {
            return Err(refusal);
        }

        let has_no_room = !matches!(refusal, AppendError::NotNow { .. });
        self.shared
            .gauges
            .full
            .store(has_no_room, Ordering::Relaxed);
        self.refused = self
            .refused
            .filter(|refused| refused.bytes > wanted.bytes)
            .or(Some(wanted));

        // Not before the witness that may be due sooner.
        let again = Instant::now() + TRY_AGAIN;
        self.due = Some(self.due.map_or(again, |due| due.min(again)));
        Err(refusal)
    }

    /// The disk takes events again, unless what was refused was larger and still does not fit.
    fn taken(&mut self, wanted: Wanted) {
        let is_larger = |refused: &Wanted| refused.bytes > wanted.bytes;
        let larger = self.refused.filter(is_larger);
        if larger.is_some_and(|refused| !self.has_room(refused)) {
            return;
        }
        self.refused = None;
        self.shared.gauges.full.store(false, Ordering::Relaxed);
        self.shared.log.outages.over(|| APPENDING.to_owned());
    }

    /// What is told to those who append, and shown.
    fn refusal(&self, trouble: Trouble) -> AppendError {
        let log = &self.shared.log;
        match trouble {
            Trouble::Full { used, limit } => AppendError::Full { used, limit },
            Trouble::DiskFull { reason } => {
                log.outages.began(APPENDING, &reason);
                AppendError::DiskFull { reason }
            }
            Trouble::NotNow { reason } => {
                log.outages.began(APPENDING, &reason);
                AppendError::NotNow { reason }
            }
            Trouble::Broken(error) => {
                log.poison(&error);
                AppendError::Poisoned
            }
        }
    }

    /// Nothing came for a while: puts the witness of the last group behind it, and tries again what did not work.
    fn idle(&mut self) {
        let wanted = self.refused.unwrap_or_default();

        // First: it has its room already, even where there is none for anything else.
        let mut result = self.witness();
        if !matches!(result, Err(Trouble::Broken(_))) {
            let found = match self.refused {
                Some(_) => self.find_room(wanted),
                None => self.seal_older(),
            };
            result = found.and(result);
        }
        self.due = (!self.unsealed.is_empty()).then(|| Instant::now() + TRY_AGAIN);

        // Told to the status only: nobody waits for it.
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

/// The other end may have gone.
fn answer(reply: Reply, result: Result<Appended, AppendError>) {
    let _ = reply.send(result);
}
