//! The index of a segment: in memory while it is written, else read when somebody needs it.
//!
//! Promises: a visit holds no lock, so the visitor may ask the segment anything and the writer goes on; where the index does not
//! hold, the records tell the same.

use std::io;
use std::sync::Arc;

use super::{Contents, Segment, ToldBy};
use crate::queue::format::{INDEX_ENTRY, IndexEntry, Trailer, checksum};
use crate::queue::log::scan::{self, Unread};

/// Of a segment that is being written, so many entries are copied under its lock and shown without it: as many as one reading takes.
const SHOWN_AT_ONCE: usize = 64;

impl Segment {
    /// Shows the records from `from` on, in order, until `visit` says that it has enough (`false`).
    pub fn visit(
        &self,
        from: u64,
        mut visit: impl FnMut(u64, &IndexEntry) -> bool,
    ) -> io::Result<()> {
        let mut skip = usize::try_from(from.saturating_sub(self.base())).unwrap_or(usize::MAX);

        let index = loop {
            let shown: Vec<IndexEntry> = match &*self.contents.lock() {
                Contents::Sealed { index, .. } => break index.upgrade(),
                Contents::Open { entries, .. } => {
                    let wanted = entries.iter().skip(skip).take(SHOWN_AT_ONCE);
                    wanted.cloned().collect()
                }
            };
            let mut numbered = (self.base() + skip as u64..).zip(&shown);
            let goes_on = numbered.all(|(sequence, entry)| visit(sequence, entry));
            if shown.is_empty() || !goes_on {
                return Ok(());
            }
            skip += shown.len();
        };

        let index = index.map_or_else(|| self.load_index(), Ok)?;
        let left = index.iter().skip(skip);
        let _ = (self.base() + skip as u64..)
            .zip(left)
            .all(|(sequence, entry)| visit(sequence, entry));
        Ok(())
    }

    /// The index of a sealed segment, to be held for as long as it is in use; `None` for an open one, whose index is in memory.
    pub fn hold_index(&self) -> io::Result<Option<Arc<Vec<IndexEntry>>>> {
        match &*self.contents.lock() {
            Contents::Open { .. } => return Ok(None),
            Contents::Sealed { index, .. } => {
                if let Some(index) = index.upgrade() {
                    return Ok(Some(index));
                }
            }
        }
        self.load_index().map(Some)
    }

    fn load_index(&self) -> io::Result<Arc<Vec<IndexEntry>>> {
        let trailer = match &*self.contents.lock() {
            Contents::Sealed { trailer, .. } => trailer.clone(),
            Contents::Open { entries, .. } => return Ok(Arc::new(entries.clone())),
        };

        let loaded = self.read_index_or_records(&trailer);
        let named = |error: io::Error| {
            io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
        };
        let loaded = Arc::new(loaded.map_err(named)?);

        if let Contents::Sealed { index, .. } = &mut *self.contents.lock() {
            *index = Arc::downgrade(&loaded);
        }
        Ok(loaded)
    }

    fn read_index_or_records(&self, trailer: &Trailer) -> io::Result<Vec<IndexEntry>> {
        let told_by = *self.told_by.lock();
        if told_by == ToldBy::Index
            && let Some(index) = self.read_index(trailer)?
        {
            return Ok(index);
        }

        // The index may have rotted after the start: the records tell the same.
        let unread = match told_by {
            ToldBy::Index | ToldBy::Records => Unread::IsAnError,
            ToldBy::RecordsThatAreRead => Unread::CountsAsRotten,
        };
        scan::sealed(&self.file, &self.header, trailer, unread)
    }

    /// For people: the place that is read for the index.
    pub fn told_by(&self) -> &'static str {
        match *self.told_by.lock() {
            ToldBy::Index => "the index",
            ToldBy::Records | ToldBy::RecordsThatAreRead => "the records",
        }
    }

    /// The disk has lost the place that is read for the index: from here on others tell.
    pub fn give_up_index(&self) {
        let mut told_by = self.told_by.lock();
        *told_by = match *told_by {
            ToldBy::Index => ToldBy::Records,
            ToldBy::Records | ToldBy::RecordsThatAreRead => ToldBy::RecordsThatAreRead,
        };
    }

    /// Whether a record may be lost that its index does not know to be.
    pub fn are_records_given_up(&self) -> bool {
        *self.told_by.lock() == ToldBy::RecordsThatAreRead
    }

    /// The index as written, if its checksum holds.
    fn read_index(&self, trailer: &Trailer) -> io::Result<Option<Vec<IndexEntry>>> {
        let mut bytes = vec![0; trailer.entries as usize * INDEX_ENTRY];
        let offset = trailer.index_offset;
        if !self.file.read_if_long_enough(&mut bytes, offset)? {
            return Ok(None);
        }

        let is_valid = checksum(self.header.nonce, offset, &bytes) == trailer.index_crc;
        Ok(IndexEntry::decode_all(&bytes).filter(|_| is_valid))
    }
}
