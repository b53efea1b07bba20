//! One destination in one lane: its progress in memory and the slot on disk that it is kept in.
//!
//! Promises: what is on disk never runs ahead of what was answered; a slot that does not validate falls back to the one before
//! (a suffix repeats), and where neither does, everything still in the log comes again as a replay. Deliberately does not
//! read the log on its own account.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use super::gone::Stretch;
use super::layout::{Counts, TYPES};
use super::log::{Log, Part};
use super::progress::{Change, Joined, Progress, ROTTEN, Tally};
use super::replay::Replay;
use super::slots::{CURSOR_BYTES, Slots};
use super::verdicts::Exceptions;
use crate::system::disk::Disk;
use boxbridge_event::{Lane, PersonType};

/// The destination whose verdicts on pictures the others wait for.
pub(super) const STORE: &str = "store";

pub(super) struct Follower {
    pub destination: String,
    pub lane: Lane,
    progress: Mutex<Progress>,
    slots: Mutex<Slots>,
    /// The lowest sequence that the slot on disk still needs, and one less.
    durable: AtomicU64,
    /// Wakes the cursor when a replay is attached.
    pub attached: Notify,
    pub taken: AtomicBool,
    /// Of the store only.
    pub exceptions: Option<Exceptions>,
}

/// What a slot holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Saved {
    pub epoch: String,
    pub joined: Joined,
    pub positions: [u64; TYPES],
    pub tally: Tally,
    pub replays: Vec<Replay>,
    log: [[u64; TYPES]; 2],
}

/// A cursor's slots as found at start.
pub(super) struct Kept {
    slots: Option<Slots>,
    pub saved: Option<Saved>,
}

impl Saved {
    pub(super) fn position(&self, person_type: PersonType) -> u64 {
        self.positions
            .get(usize::from(person_type.number()))
            .copied()
            .unwrap_or(0)
    }

    /// What the log held when this was written.
    pub(super) fn log(&self) -> Counts {
        Counts(self.log)
    }
}

impl Kept {
    /// What the log held when the slot was written; nothing where there is none.
    pub(super) fn log(&self) -> Counts {
        self.saved.as_ref().map(Saved::log).unwrap_or_default()
    }

    /// Whether there is no telling how far the destination has come.
    pub(super) fn is_unreadable(&self) -> bool {
        self.saved.is_none()
    }

    pub(super) fn load(
        disk: &Disk,
        directory: &Path,
        destination: &str,
        lane: Lane,
        epoch: &str,
    ) -> io::Result<Kept> {
        match Slots::open(disk, &path(directory, destination, lane), CURSOR_BYTES) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept {
                slots: None,
                saved: None,
            }),
            Err(error) => Err(error),
            Ok((slots, text)) => {
                let saved = text.and_then(|text| serde_json::from_slice::<Saved>(&text).ok());
                Ok(Kept {
                    slots: Some(slots),
                    saved: saved.filter(|saved| saved.epoch == epoch),
                })
            }
        }
    }
}

pub(super) fn path(directory: &Path, destination: &str, lane: Lane) -> PathBuf {
    directory.join(format!("cursor-{destination}-{lane}"))
}

impl Follower {
    /// Takes up where the slot says; joins at the end where there is none. `replays` become durable together with that.
    pub(super) fn open(
        log: &Log,
        destination: &str,
        lane: Lane,
        kept: Kept,
        replays: Vec<Replay>,
    ) -> io::Result<Follower> {
        let end = log.counts();
        let mut progress = match kept.saved {
            Some(saved) => Progress::at(saved.joined, saved.positions, saved.tally, saved.replays),
            None => Progress::joining(Joined {
                sequence: end.last(),
                records: end.lane(lane),
            }),
        };
        progress.replays.extend(replays);
        reconcile(log, lane, &mut progress)?;
        let saved = text(log, &progress)?;
        let slots = match kept.slots {
            Some(mut slots) => {
                // Both, so that neither is one of another life.
                slots.write_both(&saved)?;
                slots
            }
            None => Slots::create(
                &log.disk,
                path(&log.directory, destination, lane),
                CURSOR_BYTES,
                &saved,
            )?,
        };
        progress.change = Change::None;
        let durable = AtomicU64::new(needed(&progress));
        let exceptions = match destination {
            STORE => Some(Exceptions::open(&log.disk, &log.directory, lane)?),
            _ => None,
        };
        Ok(Follower {
            destination: destination.to_owned(),
            lane,
            progress: Mutex::new(progress),
            slots: Mutex::new(slots),
            durable,
            attached: Notify::new(),
            taken: AtomicBool::new(false),
            exceptions,
        })
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that count for it, answered or not.
    pub(super) fn accepted(&self, log: &Log, progress: &Progress) -> u64 {
        log.counts()
            .lane(self.lane)
            .saturating_sub(progress.joined.records)
    }

    /// A lane without records must not hold segments because nobody is connected for it.
    pub(super) fn pass_if_done(&self, log: &Log) {
        let mut progress = self.progress();
        let counts = log.counts();
        progress.pass_if_done(counts.lane(self.lane), counts.last());
    }

    /// Writes the slot if that much changed; verdicts first, since nothing may pass them unwritten. True if it was written.
    pub(super) fn flush(&self, log: &Log, change: Change) -> io::Result<bool> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let (text, durable) = {
            let mut progress = self.progress();
            if progress.change < change || progress.change == Change::None {
                return Ok(false);
            }
            progress.change = Change::None;
            (text(log, &progress)?, needed(&progress))
        };
        let exceptions = self.exceptions.as_ref().map_or(Ok(()), Exceptions::flush);
        let written = exceptions.and_then(|()| slots.write(&text));
        match written {
            Ok(()) => self.durable.store(durable, Ordering::Release),
            Err(_) => self.progress().change = Change::Answered,
        }
        written.map(|()| true)
    }

    /// Everything up to here is needed no more, whatever happens.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Reads a range of the log again for this destination. `None` if there is nothing in it, or replays enough.
    pub(super) fn attach(&self, from: u64, to: u64) -> Option<String> {
        let mut progress = self.progress();
        if from > to || progress.replays.len() >= REPLAYS_MAX {
            return None;
        }
        let id = uuid::Uuid::new_v4().simple().to_string();
        progress.replays.push(Replay::new(id.clone(), from, to));
        progress.change = Change::Answered;
        drop(progress);
        self.attached.notify_one();
        Some(id)
    }
}

/// So many fit into a slot.
const REPLAYS_MAX: usize = 8;

fn needed(progress: &Progress) -> u64 {
    progress
        .position()
        .min(progress.replays_from().saturating_sub(1))
}

fn text(log: &Log, progress: &Progress) -> io::Result<Vec<u8>> {
    let saved = Saved {
        epoch: hex(&log.epoch),
        joined: progress.joined,
        positions: progress.positions(),
        tally: progress.tally.clone(),
        replays: progress.replays.clone(),
        log: log.counts().0,
    };
    Ok(serde_json::to_vec(&saved)?)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A replay of all that is there.
pub(super) fn everything(log: &Log) -> Option<Replay> {
    let oldest = log.oldest()?;
    let last = log.counts().last();
    (oldest <= last).then(|| Replay::new(uuid::Uuid::new_v4().simple().to_string(), oldest, last))
}

/// Replays of what has come back, for a cursor that may have counted it as rotten.
pub(super) fn of_returned(saved: &Saved, returned: &[Stretch]) -> Vec<Replay> {
    let since = returned
        .iter()
        .filter(|stretch| stretch.to > saved.joined.sequence);
    let from = |stretch: &Stretch| stretch.from.max(saved.joined.sequence + 1);
    since
        .map(|stretch| {
            Replay::new(
                uuid::Uuid::new_v4().simple().to_string(),
                from(stretch),
                stretch.to,
            )
        })
        .collect()
}

/// A cursor that stands before or in a gap of the log is moved behind it, and what it had not passed is counted.
fn reconcile(log: &Log, lane: Lane, progress: &mut Progress) -> io::Result<()> {
    let before = progress.positions();
    let mut gone = Vec::new();
    let mut positions = before;
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
    let waiting = log.waiting(lane, |person_type| {
        positions
            .get(usize::from(person_type.number()))
            .copied()
            .unwrap_or(0)
    })?;
    let accepted = log
        .counts()
        .lane(lane)
        .saturating_sub(progress.joined.records);
    let missing = accepted.saturating_sub(waiting + progress.tally.total());
    let mut tally = progress.tally.clone();
    if missing > 0 {
        *tally.expired.entry(ROTTEN.to_owned()).or_default() += missing;
        // All that stood there, whoever had it: each lane by itself knows only its own.
        gone.into_iter().for_each(|gone| log.rotted(gone));
    }
    *progress = Progress::at(
        progress.joined,
        positions,
        tally,
        std::mem::take(&mut progress.replays),
    );
    Ok(())
}
