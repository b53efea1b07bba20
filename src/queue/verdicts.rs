//! What the store has settled about pictures: the barrier that the other destinations wait at.
//!
//! Promises: a verdict that is not the default ("all of it lies in the store") is on disk before the store's cursor passes the
//! record; after a restart it is known as long as the record is. Runs of equal verdicts take the room of one. Deliberately waits
//! for nothing: how long an event waits for its pictures is its route's.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::follower::Follower;
use super::layout::{BLOCK, Fields, checksum};
use crate::system::disk::{Disk, File};
use boxbridge_event::{Lane, PersonType, PictureSet, PictureVerdict, Sequence};

/// What the destination `store` has settled. Wakes for one lane, and answers for both: a replay in `normal` carries urgent records.
#[derive(Clone)]
pub struct Verdicts {
    store: Option<[Arc<Follower>; Lane::ALL.len()]>,
    changed: watch::Receiver<u64>,
}

impl Verdicts {
    /// `store` by [`Lane::number`].
    pub(super) fn new(store: Option<[Arc<Follower>; Lane::ALL.len()]>, lane: Lane) -> Verdicts {
        let of_lane = store
            .as_ref()
            .map(|lanes| &lanes[usize::from(lane.number())]);
        let changed = match of_lane.and_then(|store| store.exceptions.as_ref()) {
            Some(exceptions) => exceptions.settled.subscribe(),
            None => watch::channel(0).1,
        };
        Verdicts { store, changed }
    }

    /// What became of a record's pictures; `None` while the store has not settled it. Where there is no store, nothing is
    /// waited for.
    pub fn of(
        &self,
        sequence: Sequence,
        lane: Lane,
        person_type: PersonType,
    ) -> Option<PictureVerdict> {
        let Some(lanes) = &self.store else {
            return Some(PictureVerdict::default());
        };
        let store = &lanes[usize::from(lane.number())];
        store
            .progress()
            .is_answered(sequence.0, person_type)
            .then(|| {
                store
                    .exceptions
                    .as_ref()
                    .map_or_else(PictureVerdict::default, |all| all.of(sequence.0))
            })
    }

    /// Waits until the store has settled more than at the last call. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.changed.changed().await.is_err() {
            // Without a store nothing ever changes.
            std::future::pending::<()>().await;
        }
    }
}

/// first, last, missing, not_stored, two bytes free, crc.
const ENTRY: usize = 8 + 8 + 1 + 1 + 2 + 4;
/// The file grows in such steps, ahead of need: a full disk must not stop the store's cursor, which makes room.
const STEP: u64 = 16 * BLOCK;
/// A file that is larger is written anew at start, without what is no longer kept.
const LARGE: u64 = 1 << 20;

/// The verdicts that are not the default, of one lane.
pub(super) struct Exceptions {
    disk: Disk,
    path: PathBuf,
    runs: Mutex<Runs>,
    file: Mutex<Appended>,
    settled: watch::Sender<u64>,
}

#[derive(Default)]
struct Runs {
    /// By first sequence: last sequence and verdict.
    by_first: BTreeMap<u64, (u64, PictureVerdict)>,
    unwritten: Vec<(u64, PictureVerdict)>,
}

struct Appended {
    file: File,
    end: u64,
    room: u64,
    /// Its name is durable.
    is_named: bool,
}

impl Exceptions {
    pub(super) fn open(disk: &Disk, directory: &Path, lane: Lane) -> io::Result<Exceptions> {
        let path = directory.join(format!("verdicts-{lane}"));
        let file = disk.open_or_create(&path)?;
        let length = file.length()?;
        let mut runs = Runs::default();
        let mut end = 0;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;
        for (number, entry) in bytes.chunks_exact(ENTRY).enumerate() {
            // A bad entry is one verdict fewer: its picture is then said to be stored, and a dead link is what is left of it.
            if let Some((first, last, verdict)) = decode(entry, (number * ENTRY) as u64) {
                end = ((number + 1) * ENTRY) as u64;
                runs.add(first, last, verdict);
            }
        }
        let file = Mutex::new(Appended {
            file,
            end,
            room: length,
            is_named: false,
        });
        Ok(Exceptions {
            disk: disk.clone(),
            path,
            runs: Mutex::new(runs),
            file,
            settled: watch::Sender::new(0),
        })
    }

    /// A record is settled; its verdict is remembered, and written by the next flush.
    pub(super) fn settle(&self, sequence: u64, verdict: PictureVerdict) {
        if verdict != PictureVerdict::default() {
            let mut runs = self.runs();
            runs.add(sequence, sequence, verdict);
            runs.unwritten.push((sequence, verdict));
        }
    }

    /// To be called after the progress shows it.
    pub(super) fn tell(&self) {
        self.settled.send_modify(|count| *count += 1);
    }

    fn of(&self, sequence: u64) -> PictureVerdict {
        let runs = self.runs();
        let run = runs.by_first.range(..=sequence).next_back();
        run.filter(|(_, (last, _))| sequence <= *last)
            .map(|(_, (_, verdict))| *verdict)
            .unwrap_or_default()
    }

    /// Makes durable what is not.
    pub(super) fn flush(&self) -> io::Result<()> {
        let mut appended = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let unwritten = std::mem::take(&mut self.runs().unwritten);
        if unwritten.is_empty() {
            return Ok(());
        }
        let written = self
            .name(&mut appended)
            .and_then(|()| appended.append(&unwritten));
        if written.is_err() {
            self.runs().unwritten.splice(0..0, unwritten);
        }
        written
    }

    /// Forgets what stands before the oldest record, and writes the file anew if it is large.
    pub(super) fn prune(&self, oldest: u64) -> io::Result<()> {
        let mut appended = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut runs = self.runs();
        runs.by_first.retain(|_, (last, _)| *last >= oldest);
        if appended.end < LARGE || appended.end < 2 * (runs.by_first.len() * ENTRY) as u64 {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(runs.by_first.len() * ENTRY);
        for (first, (last, verdict)) in &runs.by_first {
            let offset = bytes.len() as u64;
            encode(&mut bytes, offset, *first, *last, *verdict);
        }
        drop(runs);
        let fresh = self.path.with_extension("new");
        let mut file = self.disk.create(&fresh)?;
        file.write_at(&bytes, 0)?;
        file.sync()?;
        file.rename(&self.path)?;
        let end = bytes.len() as u64;
        // From here on the old file has no name: whatever becomes of the sync, it is not written any more.
        *appended = Appended {
            file,
            end,
            room: end,
            is_named: false,
        };
        self.name(&mut appended)
    }

    /// Nothing in a file counts before its name is durable.
    fn name(&self, appended: &mut Appended) -> io::Result<()> {
        if !appended.is_named {
            self.disk
                .sync_directory(self.path.parent().unwrap_or(Path::new("/")))?;
            appended.is_named = true;
        }
        Ok(())
    }

    fn runs(&self) -> MutexGuard<'_, Runs> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Runs {
    fn add(&mut self, first: u64, last: u64, verdict: PictureVerdict) {
        if let Some((_, (end, before))) = self.by_first.range_mut(..=first).next_back()
            && *before == verdict
            && first <= end.saturating_add(1)
        {
            *end = (*end).max(last);
            return;
        }
        // A record that was sent again may have fared differently: it is cut out of the run that it stood in.
        if let Some((_, (end, before))) = self.by_first.range_mut(..=first).next_back()
            && first <= *end
        {
            let (old_end, before) = (std::mem::replace(end, first.saturating_sub(1)), *before);
            if old_end > last {
                self.by_first.insert(last + 1, (old_end, before));
            }
        }
        self.by_first.insert(first, (last, verdict));
    }
}

impl Appended {
    fn append(&mut self, unwritten: &[(u64, PictureVerdict)]) -> io::Result<()> {
        let mut runs = Runs::default();
        unwritten
            .iter()
            .for_each(|(sequence, verdict)| runs.add(*sequence, *sequence, *verdict));
        let mut bytes = Vec::new();
        for (first, (last, verdict)) in &runs.by_first {
            let offset = self.end + bytes.len() as u64;
            encode(&mut bytes, offset, *first, *last, *verdict);
        }
        let end = self.end + bytes.len() as u64;
        self.file.write_at(&bytes, self.end)?;
        if end + STEP / 2 > self.room {
            // Only ahead of need: that there is no room for it now is no failure.
            let room = end + STEP;
            if self.file.allocate(room).is_ok() {
                self.room = room;
            }
        }
        self.file.sync()?;
        self.end = end;
        Ok(())
    }
}

fn encode(bytes: &mut Vec<u8>, offset: u64, first: u64, last: u64, verdict: PictureVerdict) {
    let start = bytes.len();
    bytes.extend_from_slice(&first.to_le_bytes());
    bytes.extend_from_slice(&last.to_le_bytes());
    bytes.extend_from_slice(&[verdict.missing.0, verdict.not_stored.0, 0, 0]);
    let crc = checksum(0, offset, bytes.get(start..).unwrap_or_default());
    bytes.extend_from_slice(&crc.to_le_bytes());
}

fn decode(entry: &[u8], offset: u64) -> Option<(u64, u64, PictureVerdict)> {
    let mut fields = Fields(entry);
    let (first, last) = (fields.u64()?, fields.u64()?);
    let [missing, not_stored, _, _] = fields.take()?;
    let crc = fields.u32()?;
    let verdict = PictureVerdict {
        missing: PictureSet(missing),
        not_stored: PictureSet(not_stored),
    };
    (crc == checksum(0, offset, entry.get(..ENTRY - 4)?)).then_some((first, last, verdict))
}
