//! One destination in one lane: its progress in memory and the slot on disk that it is kept in.
//!
//! Promises: the slot never runs ahead of the answers. Where a slot does not validate, the one before it counts (a suffix repeats), and
//! where neither does, everything still in the log comes again as a replay. Deliberately does not read the log on its own account.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::progress::{Change, Joined, Progress, ROTTEN};
use super::replay::Replay;
use super::saved::{FoundSlots, Saved, cursor_path};
use super::verdict_log::VerdictLog;
use crate::queue::log::{CURSOR_BYTES, Log, Part, Slots};
use boxbridge_event::{Lane, PersonType};

/// The destination whose verdicts on pictures the others wait for.
pub const STORE: &str = "store";

/// So many fit into a slot.
const REPLAYS_MAX: usize = 8;

pub struct Subscription {
    pub destination: String,
    pub lane: Lane,
    progress: Mutex<Progress>,
    slots: Mutex<Slots>,
    /// One less than the lowest sequence the slot on disk still needs.
    durable: AtomicU64,
    /// Wakes the cursor when a replay is attached.
    pub attached: Notify,
    /// Somebody has its cursor.
    pub taken: AtomicBool,
    /// Of the store only.
    pub verdicts: Option<VerdictLog>,
}

impl Subscription {
    /// Takes up where the slot says; joins at the end where there is none. `replays` become durable together with that.
    pub fn open(
        log: &Log,
        destination: &str,
        lane: Lane,
        found: FoundSlots,
        replays: Vec<Replay>,
    ) -> io::Result<Subscription> {
        let mut progress = match found.saved {
            Some(saved) => Progress::at(saved.joined, saved.positions, saved.tally, saved.replays),
            None => Progress::joining(at_the_end(log, lane)),
        };
        progress.replays.extend(replays);
        step_over_gaps(log, lane, &mut progress)?;

        let text = Saved::of(log, &progress).text()?;
        let slots = match found.slots {
            Some(mut slots) => {
                // Both, so that neither is one of another life.
                slots.write_both(&text)?;
                slots
            }
            None => {
                let path = cursor_path(&log.directory, destination, lane);
                Slots::create(&log.disk, path, CURSOR_BYTES, &text)?
            }
        };
        progress.change = Change::None;

        let verdicts = match destination {
            STORE => Some(VerdictLog::open(&log.disk, &log.directory, lane)?),
            _ => None,
        };
        Ok(Subscription {
            destination: destination.to_owned(),
            lane,
            durable: AtomicU64::new(passed(&progress)),
            progress: Mutex::new(progress),
            slots: Mutex::new(slots),
            attached: Notify::new(),
            taken: AtomicBool::new(false),
            verdicts,
        })
    }

    pub fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock()
    }

    /// Records that count for it, answered or not.
    pub fn accepted(&self, log: &Log, progress: &Progress) -> u64 {
        accepted(log, self.lane, progress)
    }

    /// A lane without records must not hold segments because nobody is connected for it.
    pub fn pass_if_done(&self, log: &Log) {
        let mut progress = self.progress();
        let counts = log.counts();
        progress.pass_if_done(counts.lane(self.lane), counts.last());
    }

    /// Writes the slot if that much changed; verdicts first, since nothing may pass them unwritten. True if it was written.
    pub fn flush(&self, log: &Log, change: Change) -> io::Result<bool> {
        let mut slots = self.slots.lock();
        let (text, durable) = {
            let mut progress = self.progress();
            if progress.change < change || progress.change == Change::None {
                return Ok(false);
            }
            progress.change = Change::None;
            (Saved::of(log, &progress).text()?, passed(&progress))
        };

        let verdicts = self.verdicts.as_ref().map_or(Ok(()), VerdictLog::flush);
        let written = verdicts.and_then(|()| slots.write(&text));
        match written {
            Ok(()) => self.durable.store(durable, Ordering::Release),
            Err(_) => self.progress().change = Change::Answered,
        }
        written.map(|()| true)
    }

    /// Everything up to here is needed no more, whatever happens.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Reads a range of the log again for this destination. `None` if there is nothing in it, or replays enough.
    pub fn attach(&self, from: u64, to: u64) -> Option<String> {
        let mut progress = self.progress();
        if from > to || progress.replays.len() >= REPLAYS_MAX {
            return None;
        }

        let replay = Replay::new(from, to);
        let id = replay.id.clone();
        progress.replays.push(replay);
        progress.change = Change::Answered;
        drop(progress);
        self.attached.notify_one();
        Some(id)
    }
}

fn at_the_end(log: &Log, lane: Lane) -> Joined {
    let end = log.counts();
    Joined {
        sequence: end.last(),
        records: end.lane(lane),
    }
}

fn accepted(log: &Log, lane: Lane, progress: &Progress) -> u64 {
    let records = log.counts().lane(lane);
    records.saturating_sub(progress.joined.records)
}

/// Up to here it needs nothing, neither live nor for a replay.
fn passed(progress: &Progress) -> u64 {
    let replayed = progress.replays_from().saturating_sub(1);
    progress.position().min(replayed)
}

/// A cursor that stands before or in a gap of the log is moved behind it, and what it had not passed is counted.
fn step_over_gaps(log: &Log, lane: Lane, progress: &mut Progress) -> io::Result<()> {
    let before = progress.positions();
    let mut positions = before;
    let mut gone = Vec::new();
    // There is room for more types than there are.
    for position in positions.iter_mut().take(PersonType::ALL.len()) {
        if let Some(Part::Gap(gap)) = log.part(*position + 1) {
            gone.push(gap.first..=gap.last);
            *position = gap.last;
        }
    }
    if positions == before {
        return Ok(());
    }

    let position = |person_type: PersonType| {
        let number = usize::from(person_type.number());
        positions.get(number).copied().unwrap_or(0)
    };
    let waiting = log.waiting(lane, position)?;
    let counted = waiting + progress.tally.total();
    let missing = accepted(log, lane, progress).saturating_sub(counted);

    let mut tally = progress.tally.clone();
    if missing > 0 {
        *tally.expired.entry(ROTTEN.to_owned()).or_default() += missing;
        // All that stood there, of both lanes: each by itself knows only its own.
        gone.into_iter().for_each(|gone| log.rotted(gone));
    }
    let replays = std::mem::take(&mut progress.replays);
    *progress = Progress::at(progress.joined, positions, tally, replays);
    Ok(())
}
