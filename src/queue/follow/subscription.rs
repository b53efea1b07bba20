//! One destination in one lane: its progress in memory and the slot on disk that it is kept in.
//!
//! Promises: the slot never runs ahead of the answers. Where a slot does not validate, the one before it counts (a suffix repeats), and
//! where neither does, everything still in the log comes again as a replay. Deliberately does not read the log on its own account.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::cursor_slot::{FoundSlots, Saved, cursor_path};
use super::progress::{Change, Joined, Progress, ROTTEN};
use super::replay::Replay;
use super::verdict_log::VerdictLog;
use crate::queue::log::{CURSOR_BYTES, Log, Part, Slots};
use crate::system::written::Written;
use boxbridge_event::{Lane, PersonType, PictureVerdict};

/// The destination whose verdicts on pictures the others wait for.
pub const STORE: &str = "store";

/// So many fit into a slot, beside one of our own.
const REPLAYS_MAX: usize = 7;

pub struct Subscription {
    pub destination: String,
    pub lane: Lane,
    progress: Mutex<Progress>,
    kept: Mutex<Kept>,
    /// Of a store that syncs in batches: how much of what it wrote is durable.
    written: OnceLock<Arc<Written>>,
    /// One less than the lowest sequence the slot on disk still needs.
    durable: AtomicU64,
    /// Wakes the cursor when a replay is attached.
    pub attached: Notify,
    /// Somebody has its cursor.
    pub taken: AtomicBool,
    /// Of the store only.
    pub verdicts: Option<VerdictLog>,
}

/// What is kept on disk.
struct Kept {
    slots: Slots,
    /// What the slot is to say once so many files of the store are durable.
    unsynced: Option<(u64, Slot)>,
    /// Failed syncs of the store after which everything went to it again.
    losses: u64,
    /// The replay that carried it.
    again: Option<String>,
}

struct Slot {
    text: Vec<u8>,
    /// What is needed no more once it is written.
    durable: u64,
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
            Some(saved) => saved.into_progress(),
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
            kept: Mutex::new(Kept {
                slots,
                unsynced: None,
                losses: 0,
                again: None,
            }),
            written: OnceLock::new(),
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

    /// From now on the slot says no more than what is durable of the files that its destination writes.
    pub fn stand_on(&self, written: &Arc<Written>) {
        self.kept.lock().losses = written.losses();
        let _ = self.written.set(Arc::clone(written));
    }

    /// Writes the slot if that much changed; verdicts first, since nothing may pass them unwritten. True if it was written.
    pub fn flush(&self, log: &Log, change: Change) -> io::Result<bool> {
        let mut kept = self.kept.lock();
        match self.durable_slot(&mut kept, log, change)? {
            Some(slot) => self.write(&mut kept, slot).map(|()| true),
            None => Ok(false),
        }
    }

    /// The same at once, for records that were given up: whether their pictures are durable does not matter any more.
    pub fn flush_given_up(&self, log: &Log) -> io::Result<()> {
        let mut kept = self.kept.lock();
        let unsynced = kept.unsynced.take().map(|(_, slot)| slot);
        match self.slot(log, Change::Passed)?.or(unsynced) {
            Some(slot) if kept.losses == self.losses() => self.write(&mut kept, slot),
            _ => Ok(()),
        }
    }

    fn write(&self, kept: &mut Kept, slot: Slot) -> io::Result<()> {
        let verdicts = self.verdicts.as_ref().map_or(Ok(()), VerdictLog::flush);
        let written = verdicts.and_then(|()| kept.slots.write(&slot.text));
        match written {
            Ok(()) => self.durable.store(slot.durable, Ordering::Release),
            Err(_) => self.progress().change = Change::Answered,
        }
        written
    }

    /// What the slot may say now, if that is news.
    fn durable_slot(&self, kept: &mut Kept, log: &Log, change: Change) -> io::Result<Option<Slot>> {
        let Some(written) = self.written.get() else {
            return self.slot(log, change);
        };
        if kept.losses != written.losses() {
            // Not before everything that may be lost is on its way again.
            return Ok(None);
        }

        if kept.unsynced.is_none() {
            let slot = self.slot(log, change)?;
            // Counted afterwards: by now everything is written that the slot stands on.
            kept.unsynced = slot.map(|slot| (written.count(), slot));
        }
        let is_durable = |(count, _): &mut (u64, Slot)| written.is_durable(*count);
        Ok(kept.unsynced.take_if(is_durable).map(|(_, slot)| slot))
    }

    /// The slot as the progress is now, if that much changed.
    fn slot(&self, log: &Log, change: Change) -> io::Result<Option<Slot>> {
        let mut progress = self.progress();
        if progress.change < change || progress.change == Change::None {
            return Ok(None);
        }
        progress.change = Change::None;
        Ok(Some(Slot {
            text: Saved::of(log, &progress).text()?,
            durable: passed(&progress),
        }))
    }

    /// Whether syncs failed after which nothing was sent again yet.
    pub fn has_losses(&self) -> bool {
        self.kept.lock().losses != self.losses()
    }

    /// Sends again what failed syncs may have lost, from there on, and makes that durable. Takes the place of an earlier one. How many
    /// losses that covers.
    pub fn send_again(&self, log: &Log, from: u64, to: u64) -> io::Result<u64> {
        let mut kept = self.kept.lock();
        let losses = self.losses();
        {
            let mut progress = self.progress();
            let earlier = kept.again.take();
            progress
                .replays
                .retain(|replay| Some(&replay.id) != earlier.as_ref());
            if from <= to {
                let replay = Replay::new(from, to);
                kept.again = Some(replay.id.clone());
                progress.replays.push(replay);
            }
            progress.change = Change::Answered;
        }

        if let Some(slot) = self.slot(log, Change::Answered)? {
            self.write(&mut kept, slot)?;
        }
        kept.forget_unsynced(losses);
        self.attached.notify_one();
        Ok(losses)
    }

    /// Another lane sends again what this one may have lost by so many failed syncs.
    pub fn is_sent_again(&self, losses: u64) {
        self.kept.lock().forget_unsynced(losses);
        self.progress().change = Change::Answered;
    }

    fn losses(&self) -> u64 {
        self.written.get().map_or(0, |written| written.losses())
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

/// What an operator asks for.
impl Subscription {
    /// A record that the store had answered went to it again: what became of its pictures. Durable with the next slot.
    pub fn settle_again(&self, sequence: u64, verdict: PictureVerdict) {
        let Some(verdicts) = &self.verdicts else {
            return;
        };
        verdicts.settle(sequence, verdict);
        self.progress().change = Change::Answered;
        verdicts.tell();
    }

    /// Takes up a replay, durably; false where there are enough.
    pub fn attach_errand(&self, log: &Log, replay: Replay) -> io::Result<bool> {
        let id = replay.id.clone();
        {
            let mut progress = self.progress();
            if progress.replays.len() >= REPLAYS_MAX || progress.errands().next().is_some() {
                return Ok(false);
            }
            progress.replays.push(replay);
            progress.change = Change::Answered;
        }

        if let Err(error) = self.flush(log, Change::Answered) {
            self.progress().cancel_replay(&id);
            return Err(error);
        }
        self.attached.notify_one();
        Ok(true)
    }

    /// Ends one; false if no replay has this name. A record of it that is under way still arrives.
    pub fn cancel_errand(&self, log: &Log, id: &str) -> io::Result<bool> {
        if !self.progress().cancel_replay(id) {
            return Ok(false);
        }
        self.attached.notify_one();
        self.flush(log, Change::Answered).map(|_| true)
    }
}

impl Kept {
    fn forget_unsynced(&mut self, losses: u64) {
        self.unsynced = None;
        self.losses = losses;
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
