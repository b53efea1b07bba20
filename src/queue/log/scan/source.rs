//! The bytes that a scan reads.
//!
//! Promises: reads nothing beyond the length that it is given. Where unread places count as rotten, they read as zeros, which validate
//! as nothing. Deliberately knows no header but by how it starts.

use std::io;

use super::Unread;
use crate::queue::format::{BLOCK, GROUP_MAGIC, RECORD_MAGIC, SEGMENT_HEADER};
use crate::system::disk::File;

const CHUNK: usize = 64 << 10;

pub(super) struct Source<'a> {
    pub file: &'a File,
    pub length: u64,
    pub unread: Unread,
}

impl Source<'_> {
    /// Up to `length` bytes; fewer at the end of the file.
    pub(super) fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let there = usize::try_from(self.length.saturating_sub(at)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; there.min(length)];
        let read = self.file.read_exact_at(&mut bytes, at);

        if read.is_err() && self.unread == Unread::CountsAsRotten {
            self.read_by_block(&mut bytes, at)?;
        } else {
            read?;
        }
        Ok(bytes)
    }

    /// Zeros for the blocks that the disk does not read. An error where it reads nothing of this file: then nothing is lost.
    fn read_by_block(&self, bytes: &mut [u8], at: u64) -> io::Result<()> {
        let mut at = at;
        let mut left = bytes;
        while !left.is_empty() {
            let to_the_next = usize::try_from(BLOCK - at % BLOCK).unwrap_or(1);
            let (block, rest) = left.split_at_mut(to_the_next.min(left.len()));
            if let Err(error) = self.file.read_exact_at(block, at) {
                if !self.is_answering() {
                    return Err(error);
                }
                block.fill(0);
            }
            at += block.len() as u64;
            left = rest;
        }
        Ok(())
    }

    fn is_answering(&self) -> bool {
        self.file.forget_cached();
        let mut header = [0; SEGMENT_HEADER];
        let mut copies = [0, BLOCK].into_iter();
        copies.any(|copy| self.file.read_exact_at(&mut header, copy).is_ok())
    }

    /// The next place, on 8 bytes, that starts like a header of ours.
    pub(super) fn next_magic(&self, from: u64) -> io::Result<Option<u64>> {
        let (group, record) = (GROUP_MAGIC.to_le_bytes(), RECORD_MAGIC.to_le_bytes());
        let is_header = |word: &[u8]| word.starts_with(&group) || word.starts_with(&record);

        let mut at = from.next_multiple_of(8);
        while at < self.length {
            let chunk = self.read(at, CHUNK)?;
            if let Some(found) = chunk.chunks_exact(8).position(is_header) {
                return Ok(Some(at + found as u64 * 8));
            }
            at += CHUNK as u64;
        }
        Ok(None)
    }
}
