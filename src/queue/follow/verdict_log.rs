//! The verdicts on pictures that are not the default ("all of it lies in the store"): one file for each lane.
//!
//! Promises: a verdict is on disk before the store's cursor passes the record; after a restart it is known as long as the record is.
//! Runs of equal verdicts take the room of one. Deliberately knows nothing of who waits for them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::queue::format::{BLOCK, VERDICT_ENTRY, VerdictEntry};
use crate::system::disk::{Disk, File};
use boxbridge_event::{Lane, PictureVerdict};

/// The file grows in such steps, ahead of need: a full disk must not stop the store's cursor, which makes room.
const STEP: u64 = 16 * BLOCK;
/// A file that is larger is written anew at start, without what is no longer kept.
const LARGE: u64 = 1 << 20;

pub struct VerdictLog {
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

impl VerdictLog {
    pub fn open(disk: &Disk, directory: &Path, lane: Lane) -> io::Result<VerdictLog> {
        let path = directory.join(format!("verdicts-{lane}"));
        let file = disk.open_or_create(&path)?;
        let length = file.length()?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        file.read_exact_at(&mut bytes, 0)?;

        let mut runs = Runs::default();
        let mut end = 0;
        for (number, entry) in bytes.chunks_exact(VERDICT_ENTRY).enumerate() {
            let offset = (number * VERDICT_ENTRY) as u64;
            // A bad entry is one verdict fewer: its picture is then said to be stored, and its link is dead.
            if let Some(entry) = VerdictEntry::decode(entry, offset) {
                end = offset + VERDICT_ENTRY as u64;
                runs.add(entry);
            }
        }

        Ok(VerdictLog {
            disk: disk.clone(),
            path,
            runs: Mutex::new(runs),
            file: Mutex::new(Appended {
                file,
                end,
                room: length,
                is_named: false,
            }),
            settled: watch::Sender::new(0),
        })
    }

    /// Tells whenever something was settled.
    pub fn settled(&self) -> watch::Receiver<u64> {
        self.settled.subscribe()
    }

    /// A record is settled, for the first time or again; its verdict is remembered, and written by the next flush.
    pub fn settle(&self, sequence: u64, verdict: PictureVerdict) {
        let mut runs = self.runs.lock();
        if verdict != runs.of(sequence) {
            runs.add(one(sequence, verdict));
            runs.unwritten.push((sequence, verdict));
        }
    }

    /// To be called after the progress shows it.
    pub fn tell(&self) {
        self.settled.send_modify(|count| *count += 1);
    }

    pub fn of(&self, sequence: u64) -> PictureVerdict {
        self.runs.lock().of(sequence)
    }

    /// Makes durable what is not.
    pub fn flush(&self) -> io::Result<()> {
        let mut appended = self.file.lock();
        let unwritten = std::mem::take(&mut self.runs.lock().unwritten);
        if unwritten.is_empty() {
            return Ok(());
        }

        let written = self
            .name(&mut appended)
            .and_then(|()| appended.append(&unwritten));
        if written.is_err() {
            self.runs.lock().unwritten.splice(0..0, unwritten);
        }
        written
    }

    /// Forgets the verdicts before the oldest record, and writes the file anew if it is large.
    pub fn prune(&self, oldest: u64) -> io::Result<()> {
        let mut appended = self.file.lock();
        let mut runs = self.runs.lock();
        runs.by_first.retain(|_, (last, _)| *last >= oldest);
        let kept = (runs.by_first.len() * VERDICT_ENTRY) as u64;
        if appended.end < LARGE || appended.end < 2 * kept {
            return Ok(());
        }
        let bytes = runs.encode(0);
        drop(runs);

        let fresh = self.path.with_extension("new");
        let mut file = self.disk.create(&fresh)?;
        file.write_at(&bytes, 0)?;
        file.sync()?;
        file.rename(&self.path)?;

        let end = bytes.len() as u64;
        // From here on the old file has no name: even if the sync fails, it is not written any more.
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
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            self.disk.sync_directory(folder)?;
            appended.is_named = true;
        }
        Ok(())
    }
}

fn one(sequence: u64, verdict: PictureVerdict) -> VerdictEntry {
    VerdictEntry {
        first: sequence,
        last: sequence,
        verdict,
    }
}

impl Runs {
    fn of(&self, sequence: u64) -> PictureVerdict {
        let run = self.by_first.range(..=sequence).next_back();
        run.filter(|(_, (last, _))| sequence <= *last)
            .map(|(_, (_, verdict))| *verdict)
            .unwrap_or_default()
    }

    fn add(&mut self, added: VerdictEntry) {
        let VerdictEntry {
            first,
            last,
            verdict,
        } = added;
        let before = self.by_first.range_mut(..=first).next_back();

        if let Some((_, (end, known))) = before {
            if *known == verdict && first <= end.saturating_add(1) {
                *end = (*end).max(last);
                return;
            }
            // A record that was sent again may have fared differently: it is cut out of the run that it stood in.
            if first <= *end {
                let (old_end, known) = (std::mem::replace(end, first.saturating_sub(1)), *known);
                if old_end > last {
                    self.by_first.insert(last + 1, (old_end, known));
                }
            }
        }
        self.by_first.insert(first, (last, verdict));
    }

    /// All runs, as they stand in a file from `offset` on.
    fn encode(&self, offset: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.by_first.len() * VERDICT_ENTRY);
        for (first, (last, verdict)) in &self.by_first {
            let entry = VerdictEntry {
                first: *first,
                last: *last,
                verdict: *verdict,
            };
            bytes.extend(entry.encode(offset + bytes.len() as u64));
        }
        bytes
    }
}

impl Appended {
    fn append(&mut self, unwritten: &[(u64, PictureVerdict)]) -> io::Result<()> {
        let mut runs = Runs::default();
        for (sequence, verdict) in unwritten {
            runs.add(one(*sequence, *verdict));
        }
        let bytes = runs.encode(self.end);
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
