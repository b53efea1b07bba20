//! The end of a segment: its index and its trailer.
//!
//! Promises: a failed seal can be tried again as long as nothing else is written to the file. Deliberately decides nothing about when.

use std::io;
use std::sync::Arc;

use super::{Contents, Segment};
use crate::queue::format::{BLOCK, INDEX_ENTRY, Trailer, block_after, checksum};

/// A segment that holds all that it ever will, and whose index is only in memory so far.
#[derive(Clone)]
pub struct Unsealed {
    pub segment: Arc<Segment>,
    pub end: u64,
    /// The file ends there; `None` cuts it behind the trailer.
    pub length: Option<u64>,
    pub write: u64,
}

impl Unsealed {
    pub fn seal(&self) -> io::Result<()> {
        self.segment.seal(self.end, self.length, self.write)
    }
}

impl Segment {
    /// How much sealing takes behind the last group.
    pub fn seal_bytes(records: usize) -> u64 {
        block_after((records * INDEX_ENTRY) as u64) + BLOCK
    }

    /// Writes index and trailer behind `end` and syncs. The file then ends with the trailer: in place where `length` has room,
    /// else behind the index.
    pub fn seal(&self, end: u64, length: Option<u64>, write: u64) -> io::Result<()> {
        let index_offset = block_after(end);
        let Some((index, trailer)) = self.index_and_trailer(index_offset, write) else {
            return Ok(());
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

        *self.contents.lock() = Contents::sealed(trailer);
        self.measure();
        Ok(())
    }

    /// `None` where it is sealed already.
    fn index_and_trailer(&self, index_offset: u64, write: u64) -> Option<(Vec<u8>, Trailer)> {
        let contents = self.contents.lock();
        let Contents::Open {
            entries,
            through,
            received_through,
        } = &*contents
        else {
            return None;
        };

        let mut index = Vec::with_capacity(entries.len() * INDEX_ENTRY);
        entries.iter().for_each(|entry| entry.encode(&mut index));
        let trailer = Trailer {
            number: self.header.number,
            index_offset,
            received_through: *received_through,
            entries: u32::try_from(entries.len()).unwrap_or(u32::MAX),
            index_crc: checksum(self.header.nonce, index_offset, &index),
            write,
            through: *through,
        };
        Some((index, trailer))
    }
}
