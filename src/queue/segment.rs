//! One segment of the log: a file, its header, and the index of the records in it.
//!
//! Promises: what is read is checked (header, event and each picture by its own CRC), and a disk that does not answer is not taken
//! for bytes that do not hold; the index of a sealed segment is read when somebody needs it and shared while somebody holds it; what
//! is sealed takes no record any more. Deliberately decides nothing about when a segment is made or goes.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::layout::{
    BLOCK, Counts, Entry, Fields, INDEX_ENTRY, RECORD_HEADER, RecordHeader, SEGMENT_HEADER,
    SegmentHeader, TRAILER, Trailer, block_after, checksum,
};
use super::scan;
use crate::system::disk::{Disk, File};
use boxbridge_event::{Picture, Timestamp};

/// Where the first group of a segment stands: behind both copies of the header.
pub(super) const FIRST_GROUP: u64 = 2 * BLOCK;
/// Of a segment that is being written, so many entries are copied under its lock and shown without it: as many as one reading takes.
const SHOWN_AT_ONCE: usize = 64;

pub(super) struct Segment {
    pub path: PathBuf,
    pub header: SegmentHeader,
    pub file: File,
    contents: Mutex<Contents>,
    /// What the file occupies, holes not counted.
    pub allocated: AtomicU64,
    /// Whether its pictures were given up, and whether all of their room was given back.
    pub punched: AtomicBool,
    pub given_back: AtomicBool,
    /// The disk does not read the place of its index: the records tell the same.
    pub index_given_up: AtomicBool,
    /// How old its newest record was at `seen`: from there on, age is uptime.
    age: Mutex<(Instant, Duration)>,
}

/// The records of a segment and the place in the log that they reach.
enum Contents {
    /// Being written, or without room for its index.
    Open {
        entries: Vec<Entry>,
        through: Counts,
        received_through: Timestamp,
    },
    Sealed {
        trailer: Trailer,
        index: Weak<Vec<Entry>>,
    },
}

/// What stands at the path of a segment.
pub(super) enum Found {
    Segment(Box<Segment>),
    /// It is not there any more.
    Nothing,
    /// Both copies of the header are unreadable, or it never was one of ours.
    Unknown,
    /// Written by a later version.
    Newer(u32),
}

/// A record that cannot be given as it was written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// Its pictures were given up after the store had passed it.
    #[error("the pictures of record {0} are no longer kept")]
    Punched(u64),
    /// A checksum does not hold, or the file ends before it.
    #[error("record {0} is rotten")]
    Rotten(u64),
    /// The disk did not answer: it is asked again.
    #[error("record {0} cannot be read now")]
    Unanswered(u64, #[source] io::Error),
    /// The disk reads other places and not this one, for so long that it has lost what stood there. Says which place.
    #[error("{0}")]
    GivenUp(String),
}

impl Segment {
    /// A segment as found on disk, its contents not yet known.
    pub(super) fn open(disk: &Disk, path: PathBuf) -> io::Result<Found> {
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

    pub(super) fn new(path: PathBuf, file: File, header: SegmentHeader) -> io::Result<Segment> {
        let allocated = AtomicU64::new(file.allocated()?);
        let contents = Contents::Open {
            entries: Vec::new(),
            through: header.before,
            received_through: Timestamp(i64::MIN),
        };
        Ok(Segment {
            path,
            header,
            file,
            contents: Mutex::new(contents),
            allocated,
            punched: AtomicBool::new(false),
            given_back: AtomicBool::new(false),
            index_given_up: AtomicBool::new(false),
            age: Mutex::new((Instant::now(), Duration::ZERO)),
        })
    }

    /// Reads the trailer, if there is a valid one.
    pub(super) fn load_trailer(&self) -> io::Result<bool> {
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
        *self.contents() = Contents::Sealed {
            trailer,
            index: Weak::new(),
        };
        Ok(true)
    }

    /// Takes what a scan found as the contents.
    pub(super) fn set_entries(&self, entries: Vec<Entry>) {
        *self.contents() = Contents::Open {
            entries: Vec::new(),
            through: self.header.before,
            received_through: Timestamp(i64::MIN),
        };
        let _ = self.push(entries);
    }

    /// Adds records that are durable now. An error where it is sealed: they would stand where nobody looks for them.
    pub(super) fn push(&self, added: Vec<Entry>) -> io::Result<()> {
        let mut contents = self.contents();
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

    /// Writes index and trailer behind `end` and syncs. The file then ends with the trailer: in place where `length` has room,
    /// else wherever the index ends. What fails can be tried again, as long as nothing else is written.
    pub(super) fn seal(&self, end: u64, length: Option<u64>, write: u64) -> io::Result<()> {
        let index_offset = block_after(end);
        let mut index = Vec::new();
        let trailer = match &*self.contents() {
            Contents::Sealed { .. } => return Ok(()),
            Contents::Open {
                entries,
                through,
                received_through,
            } => {
                entries.iter().for_each(|entry| entry.encode(&mut index));
                Trailer {
                    number: self.header.number,
                    index_offset,
                    received_through: *received_through,
                    entries: u32::try_from(entries.len()).unwrap_or(u32::MAX),
                    index_crc: checksum(self.header.nonce, index_offset, &index),
                    write,
                    through: *through,
                }
            }
        };
        let index_end = block_after(index_offset + index.len() as u64);
        let offset = length
            .and_then(|length| length.checked_sub(BLOCK))
            .filter(|last| *last >= index_end)
            .unwrap_or(index_end);
        let mut last = trailer.encode(self.header.nonce, offset);
        last.resize(BLOCK as usize, 0);
        self.file.write_at(&index, index_offset)?;
        self.file.write_at(&last, offset)?;
        self.file.set_length(offset + BLOCK)?;
        self.file.sync()?;
        *self.contents() = Contents::Sealed {
            trailer,
            index: Weak::new(),
        };
        self.measure();
        Ok(())
    }

    /// Looks again at what it occupies. Where that is not to be had, the last number stays.
    pub(super) fn measure(&self) {
        if let Ok(allocated) = self.file.allocated() {
            self.allocated.store(allocated, Ordering::Relaxed);
        }
    }

    /// How much sealing takes behind the last group.
    pub(super) fn seal_bytes(records: usize) -> u64 {
        block_after((records * INDEX_ENTRY) as u64) + BLOCK
    }

    pub(super) fn is_sealed(&self) -> bool {
        matches!(&*self.contents(), Contents::Sealed { .. })
    }

    /// The first sequence that it can hold.
    pub(super) fn base(&self) -> u64 {
        self.header.base()
    }

    /// What the log holds up to its end.
    pub(super) fn through(&self) -> Counts {
        match &*self.contents() {
            Contents::Open { through, .. } => *through,
            Contents::Sealed { trailer, .. } => trailer.through,
        }
    }

    pub(super) fn received_through(&self) -> Timestamp {
        match &*self.contents() {
            Contents::Open {
                received_through, ..
            } => *received_through,
            Contents::Sealed { trailer, .. } => trailer.received_through,
        }
    }

    pub(super) fn next_write(&self) -> u64 {
        match &*self.contents() {
            Contents::Open { .. } => self.header.write,
            Contents::Sealed { trailer, .. } => trailer.write,
        }
    }

    pub(super) fn records(&self) -> usize {
        usize::try_from(self.through().last() - self.header.before.last()).unwrap_or(usize::MAX)
    }

    pub(super) fn set_age(&self, age: Duration) {
        *self.age.lock().unwrap_or_else(PoisonError::into_inner) = (Instant::now(), age);
    }

    /// How long ago its newest record came, by the uptime and not by the wall clock.
    pub(super) fn age(&self) -> Duration {
        let (seen, age) = *self.age.lock().unwrap_or_else(PoisonError::into_inner);
        seen.elapsed().saturating_add(age)
    }

    /// Shows the records from `from` on, in order, until `visit` says that it has enough (`false`). No lock is held meanwhile: `visit` may ask this
    /// segment whatever it likes, and the writer goes on.
    pub(super) fn visit(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &Entry) -> bool,
    ) -> io::Result<()> {
        let mut skip = usize::try_from(from.saturating_sub(self.base())).unwrap_or(usize::MAX);

        let index = loop {
            let shown: Vec<Entry> = match &*self.contents() {
                Contents::Open { entries, .. } => entries
                    .iter()
                    .skip(skip)
                    .take(SHOWN_AT_ONCE)
                    .cloned()
                    .collect(),
                Contents::Sealed { index, .. } => break index.upgrade(),
            };
            if shown.is_empty()
                || !shown
                    .iter()
                    .zip(self.base() + skip as u64..)
                    .all(|(entry, sequence)| visit(sequence, entry))
            {
                return Ok(());
            }
            skip += shown.len();
        };

        let index = index.map_or_else(|| self.load_index(), Ok)?;
        let _ = index
            .iter()
            .skip(skip)
            .zip(self.base() + skip as u64..)
            .all(|(entry, sequence)| visit(sequence, entry));
        Ok(())
    }

    /// The index of a sealed segment, to be held for as long as it is in use; `None` for an open one, whose index is in memory.
    pub(super) fn hold_index(&self) -> io::Result<Option<Arc<Vec<Entry>>>> {
        match &*self.contents() {
            Contents::Open { .. } => return Ok(None),
            Contents::Sealed { index, .. } => {
                if let Some(index) = index.upgrade() {
                    return Ok(Some(index));
                }
            }
        }
        self.load_index().map(Some)
    }

    fn load_index(&self) -> io::Result<Arc<Vec<Entry>>> {
        let trailer = match &*self.contents() {
            Contents::Sealed { trailer, .. } => trailer.clone(),
            Contents::Open { entries, .. } => return Ok(Arc::new(entries.clone())),
        };
        // The index may have rotted after the start: the records tell the same.
        let read = match self.index_given_up.load(Ordering::Acquire) {
            true => Ok(None),
            false => self.read_index(&trailer),
        };
        let loaded = match read {
            Ok(None) => scan::sealed(&self.file, &self.header, &trailer),
            read => read.map(Option::unwrap_or_default),
        };
        let loaded = loaded.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
        })?;
        let loaded = Arc::new(loaded);
        if let Contents::Sealed { index, .. } = &mut *self.contents() {
            *index = Arc::downgrade(&loaded);
        }
        Ok(loaded)
    }

    /// The index as written, if its checksum holds.
    pub(super) fn read_index(&self, trailer: &Trailer) -> io::Result<Option<Vec<Entry>>> {
        let mut bytes = vec![0; trailer.entries as usize * INDEX_ENTRY];
        if !self
            .file
            .read_if_long_enough(&mut bytes, trailer.index_offset)?
        {
            return Ok(None);
        }
        if checksum(self.header.nonce, trailer.index_offset, &bytes) != trailer.index_crc {
            return Ok(None);
        }
        let mut fields = Fields(&bytes);
        Ok((0..trailer.entries)
            .map(|_| Entry::decode(&mut fields))
            .collect())
    }

    /// A record's header and event, checked.
    pub(super) fn read(
        &self,
        sequence: u64,
        entry: &Entry,
    ) -> Result<(RecordHeader, Bytes), ReadError> {
        let rotten = || ReadError::Rotten(sequence);
        let mut bytes = vec![0; RECORD_HEADER + entry.event_bytes as usize];
        if !self
            .file
            .read_if_long_enough(&mut bytes, entry.offset)
            .map_err(|error| ReadError::Unanswered(sequence, error))?
        {
            return Err(rotten());
        }
        let header = RecordHeader::decode(&bytes, self.header.nonce, entry.offset)
            .filter(|header| header.sequence == sequence);
        let header = header
            .filter(|header| header.event_bytes == entry.event_bytes)
            .ok_or_else(rotten)?;
        let event = Bytes::from(bytes).slice(RECORD_HEADER..);
        let crc = checksum(
            self.header.nonce,
            entry.offset + RECORD_HEADER as u64,
            &event,
        );
        if crc == header.event_crc {
            Ok((header, event))
        } else {
            Err(rotten())
        }
    }

    /// A record's pictures, checked.
    pub(super) fn read_pictures(
        &self,
        offset: u64,
        header: &RecordHeader,
    ) -> Result<Vec<Picture>, ReadError> {
        let mut place = pictures_offset(offset, header.event_bytes);
        let mut pictures = Vec::new();
        for (kind, picture) in header.present() {
            let failed = || match self.punched.load(Ordering::Acquire) {
                true => ReadError::Punched(header.sequence),
                false => ReadError::Rotten(header.sequence),
            };
            let mut bytes = vec![0; picture.bytes as usize];
            let read = self.file.read_if_long_enough(&mut bytes, place);
            let is_there = read.map_err(|error| ReadError::Unanswered(header.sequence, error))?;
            if !is_there || checksum(self.header.nonce, place, &bytes) != picture.crc {
                return Err(failed());
            }
            pictures.push(Picture {
                kind,
                bytes: Bytes::from(bytes),
            });
            place += u64::from(picture.bytes);
        }
        Ok(pictures)
    }

    /// Whether the disk reads this file at all: its header, and not out of the page cache.
    pub(super) fn is_answering(&self) -> bool {
        self.file.forget_cached();
        let is_read = |copy: &u64| {
            self.file
                .read_exact_at(&mut [0; SEGMENT_HEADER], *copy)
                .is_ok()
        };
        [0, BLOCK].iter().any(is_read)
    }

    fn contents(&self) -> std::sync::MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the pictures of a record at `offset` start.
pub(super) fn pictures_offset(offset: u64, event_bytes: u32) -> u64 {
    block_after(offset + RECORD_HEADER as u64 + u64::from(event_bytes))
}

/// Where a record at `offset` ends: on a block behind pictures, on 8 bytes otherwise.
pub(super) fn record_end(offset: u64, event_bytes: u32, pictures_bytes: u64) -> u64 {
    match pictures_bytes {
        0 => (offset + RECORD_HEADER as u64 + u64::from(event_bytes)).next_multiple_of(8),
        _ => block_after(pictures_offset(offset, event_bytes) + pictures_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        segment.push(vec![Entry::lost(Lane::Normal)]).unwrap();
        segment.seal(FIRST_GROUP, None, 2).unwrap();
        segment.push(vec![Entry::lost(Lane::Normal)]).unwrap_err();
        assert_eq!(segment.records(), 1);
    }
}
