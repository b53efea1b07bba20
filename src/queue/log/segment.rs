//! One segment of the log: a file, its header, and the index of the records in it.
//!
//! Promises: what is read is checked (header, event and each picture by its own CRC), and a disk that does not answer is not taken
//! for bytes that do not hold; the index of a sealed segment is read when somebody needs it and shared while somebody holds it; a
//! sealed segment takes no record any more. Deliberately decides nothing about when a segment is made or goes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::queue::format::{
    BLOCK, Counts, IndexEntry, SEGMENT_HEADER, SegmentHeader, TRAILER, Trailer,
};
use crate::system::disk::{Disk, File};
use boxbridge_event::Timestamp;

mod index;
mod read;
mod seal;

pub use read::ReadError;
pub use seal::Unsealed;

/// How the name of every segment begins.
pub const SEGMENT_PREFIX: &str = "segment-";
/// A segment in the making. It has no name yet, so it holds nothing.
pub const FRESH: &str = "fresh";

pub struct Segment {
    pub path: PathBuf,
    pub header: SegmentHeader,
    pub file: File,
    contents: Mutex<Contents>,
    /// Bytes that the file occupies, holes not counted.
    pub allocated: AtomicU64,
    /// Whether its pictures were given up, and whether all of their room was given back.
    pub punched: AtomicBool,
    pub given_back: AtomicBool,
    told_by: Mutex<ToldBy>,
    /// How old its newest record was at `seen`: from there on, age is uptime.
    age: Mutex<(Instant, Duration)>,
}

/// The records of a segment and the place in the log that they reach.
enum Contents {
    /// Being written, or without room for its index.
    Open {
        entries: Vec<IndexEntry>,
        through: Counts,
        received_through: Timestamp,
    },
    Sealed {
        trailer: Trailer,
        index: Weak<Vec<IndexEntry>>,
    },
}

/// Who tells which records a sealed segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ToldBy {
    Index,
    /// The disk does not read the place of the index.
    Records,
    /// It does not read one of the records either.
    RecordsThatAreRead,
}

/// What stands at the path of a segment.
pub enum Found {
    Segment(Box<Segment>),
    /// It is not there any more.
    Nothing,
    /// Both copies of the header are unreadable, or it never was one of ours.
    Unknown,
    /// Written by a later version.
    Newer(u32),
}

pub fn segment_path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{SEGMENT_PREFIX}{number:010}"))
}

impl Contents {
    fn empty(header: &SegmentHeader) -> Contents {
        Contents::Open {
            entries: Vec::new(),
            through: header.before,
            received_through: Timestamp(i64::MIN),
        }
    }

    fn sealed(trailer: Trailer) -> Contents {
        Contents::Sealed {
            trailer,
            index: Weak::new(),
        }
    }
}

impl Segment {
    /// A segment as found on disk, its contents not yet known.
    pub fn open(disk: &Disk, path: PathBuf) -> io::Result<Found> {
        let Some(file) = disk.open_if_there(&path)? else {
            return Ok(Found::Nothing);
        };

        for copy in [0, BLOCK] {
            let mut bytes = [0; SEGMENT_HEADER];
            if !file.read_if_long_enough(&mut bytes, copy)? {
                continue;
            }
            match SegmentHeader::decode(&bytes) {
                Some(Ok(header)) => {
                    return Ok(Found::Segment(Box::new(Segment::new(path, file, header)?)));
                }
                Some(Err(version)) => return Ok(Found::Newer(version)),
                None => {}
            }
        }

        Ok(Found::Unknown)
    }

    pub fn new(path: PathBuf, file: File, header: SegmentHeader) -> io::Result<Segment> {
        let allocated = AtomicU64::new(file.allocated()?);
        let contents = Mutex::new(Contents::empty(&header));
        Ok(Segment {
            path,
            header,
            file,
            contents,
            allocated,
            punched: AtomicBool::new(false),
            given_back: AtomicBool::new(false),
            told_by: Mutex::new(ToldBy::Index),
            age: Mutex::new((Instant::now(), Duration::ZERO)),
        })
    }

    /// Reads the trailer, if there is a valid one.
    pub fn load_trailer(&self) -> io::Result<bool> {
        let Some(offset) = self.file.length()?.checked_sub(BLOCK) else {
            return Ok(false);
        };
        let mut bytes = [0; TRAILER];
        if !self.file.read_if_long_enough(&mut bytes, offset)? {
            return Ok(false);
        }

        let trailer = Trailer::decode(&bytes, self.header.nonce, offset)
            .filter(|trailer| trailer.number == self.header.number);
        let Some(trailer) = trailer else {
            return Ok(false);
        };
        *self.contents.lock() = Contents::sealed(trailer);
        Ok(true)
    }

    /// Takes what a scan found as the contents.
    pub fn set_entries(&self, entries: Vec<IndexEntry>) {
        *self.contents.lock() = Contents::empty(&self.header);
        let _ = self.push(entries);
    }

    /// Adds records that are durable now. An error where it is sealed: they would stand where nobody looks for them.
    pub fn push(&self, added: Vec<IndexEntry>) -> io::Result<()> {
        let mut contents = self.contents.lock();
        let Contents::Open {
            entries,
            through,
            received_through,
        } = &mut *contents
        else {
            return Err(io::Error::other(format!(
                "{} was written to after its end",
                self.path.display()
            )));
        };

        for entry in added {
            through.add(entry.lane, entry.person_type, 1);
            *received_through = (*received_through).max(entry.received_at);
            entries.push(entry);
        }
        drop(contents);
        self.set_age(Duration::ZERO);
        Ok(())
    }

    /// Looks again at how much it occupies. Where that is not to be had, the last number stays.
    pub fn measure(&self) {
        if let Ok(allocated) = self.file.allocated() {
            self.allocated.store(allocated, Ordering::Relaxed);
        }
    }

    pub fn is_sealed(&self) -> bool {
        matches!(&*self.contents.lock(), Contents::Sealed { .. })
    }

    /// The first sequence that it can hold.
    pub fn base(&self) -> u64 {
        self.header.base()
    }

    /// What the log holds up to its end.
    pub fn through(&self) -> Counts {
        match &*self.contents.lock() {
            Contents::Open { through, .. } => *through,
            Contents::Sealed { trailer, .. } => trailer.through,
        }
    }

    pub fn received_through(&self) -> Timestamp {
        match &*self.contents.lock() {
            Contents::Open {
                received_through, ..
            } => *received_through,
            Contents::Sealed { trailer, .. } => trailer.received_through,
        }
    }

    pub fn next_write(&self) -> u64 {
        match &*self.contents.lock() {
            Contents::Open { .. } => self.header.write,
            Contents::Sealed { trailer, .. } => trailer.write,
        }
    }

    pub fn records(&self) -> usize {
        usize::try_from(self.through().last() - self.header.before.last()).unwrap_or(usize::MAX)
    }

    pub fn set_age(&self, age: Duration) {
        *self.age.lock() = (Instant::now(), age);
    }

    /// How long ago its newest record came, by the uptime and not by the wall clock.
    pub fn age(&self) -> Duration {
        let (seen, age) = *self.age.lock();
        seen.elapsed().saturating_add(age)
    }

    /// Whether the disk reads this file at all: its header, and not out of the page cache.
    pub fn is_answering(&self) -> bool {
        self.file.forget_cached();
        let is_read = |copy: &u64| {
            let read = self.file.read_exact_at(&mut [0; SEGMENT_HEADER], *copy);
            read.is_ok()
        };
        [0, BLOCK].iter().any(is_read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::format::FIRST_GROUP;
    use boxbridge_event::Lane;

    #[test]
    fn what_is_sealed_takes_no_record_any_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("segment-0000000001");
        let header = SegmentHeader {
            number: 1,
            nonce: 7,
            epoch: [0; 16],
            write: 1,
            created_at: Timestamp(1),
            before: Counts::default(),
        };

        let segment =
            Segment::new(path.clone(), Disk::default().create(&path).unwrap(), header).unwrap();
        segment.push(vec![IndexEntry::lost(Lane::Normal)]).unwrap();

        segment.seal(FIRST_GROUP, None, 2).unwrap();
        segment
            .push(vec![IndexEntry::lost(Lane::Normal)])
            .unwrap_err();
        assert_eq!(segment.records(), 1);
    }
}
