//! Records that are written together → the pieces of one group.
//!
//! Promises: picture bytes are not copied: they are written from where the request left them; a group starts and ends on a
//! block, so what is synced is never written again. Deliberately does no IO.

use std::io::IoSlice;
use std::ops::Range;

use super::pending::Pending;
use crate::queue::format::{
    BLOCK, Counts, GROUP_HEADER, GroupHeader, IndexEntry, PictureEntry, RECORD_HEADER,
    RecordHeader, block_after, pictures_offset, record_end, seeded,
};
use boxbridge_event::Lane;

/// Where a group goes.
#[derive(Clone, Copy)]
pub struct Target {
    pub nonce: u64,
    /// In the segment, a multiple of the block.
    pub offset: u64,
    pub write: u64,
    pub durable_through: u64,
}

/// A group, ready to be written at its place.
pub struct Group<'a> {
    target: Target,
    /// Headers, events and what fills the blocks, one after the other.
    own: Vec<u8>,
    pieces: Vec<Piece<'a>>,
    bytes: u64,
    pub entries: Vec<IndexEntry>,
}

enum Piece<'a> {
    Own(Range<usize>),
    Picture(&'a [u8]),
}

/// What a group takes at most.
pub fn group_bytes(group: &[Pending]) -> u64 {
    block_after(GROUP_HEADER as u64 + group.iter().map(Pending::record_bytes).sum::<u64>())
}

/// Lays a group out; `counts` is moved behind it. Without records it is the witness of the group before it.
pub fn lay_out<'a>(records: &'a [Pending], target: Target, counts: &mut Counts) -> Group<'a> {
    let before = *counts;
    let mut group = Group {
        target,
        own: Vec::with_capacity(BLOCK as usize),
        pieces: Vec::new(),
        bytes: 0,
        entries: Vec::new(),
    };

    group.push(&[0; GROUP_HEADER]);
    for record in records {
        group.push_record(record, counts);
    }
    group.fill_to(block_after(group.bytes));

    let header = GroupHeader {
        bytes: group.bytes,
        records: u32::try_from(records.len()).unwrap_or(u32::MAX),
        write: target.write,
        next_sequence: before.last() + 1,
        urgent_before: before.lane(Lane::Urgent),
        durable_through: target.durable_through,
    };
    if let Some(head) = group.own.first_chunk_mut::<GROUP_HEADER>() {
        head.copy_from_slice(&header.encode(target.nonce, target.offset));
    }
    group
}

impl<'a> Group<'a> {
    /// From its first block to its last.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn slices(&self) -> Vec<IoSlice<'_>> {
        let bytes = self.pieces.iter().map(|piece| match piece {
            Piece::Own(range) => self.own.get(range.clone()).unwrap_or_default(),
            Piece::Picture(bytes) => bytes,
        });
        bytes.map(IoSlice::new).collect()
    }

    fn push_record(&mut self, pending: &'a Pending, counts: &mut Counts) {
        let offset = self.target.offset + self.bytes;
        let header = header(pending, self.target, offset, counts);
        let pictures_bytes = header.pictures_bytes();
        counts.add(pending.lane, pending.person_type, 1);
        self.entries.push(IndexEntry::of(&header, offset));

        self.push(&header.encode(self.target.nonce, offset));
        self.push(&pending.event);
        if pictures_bytes > 0 {
            self.fill_to(pictures_offset(offset, header.event_bytes) - self.target.offset);
            for picture in &pending.pictures {
                self.push_picture(&picture.bytes);
            }
        }
        self.fill_to(record_end(offset, header.event_bytes, pictures_bytes) - self.target.offset);
    }

    fn push(&mut self, bytes: &[u8]) {
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        match self.pieces.last_mut() {
            Some(Piece::Own(range)) => range.end = self.own.len(),
            _ => self.pieces.push(Piece::Own(start..self.own.len())),
        }
        self.bytes += bytes.len() as u64;
    }

    fn push_picture(&mut self, bytes: &'a [u8]) {
        if !bytes.is_empty() {
            self.pieces.push(Piece::Picture(bytes));
            self.bytes += bytes.len() as u64;
        }
    }

    /// Zeros up to there, which is less than a block away.
    fn fill_to(&mut self, bytes: u64) {
        const ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
        let missing = usize::try_from(bytes.saturating_sub(self.bytes)).unwrap_or(0);
        if missing > 0 {
            self.push(ZEROS.get(..missing).unwrap_or(&ZEROS));
        }
    }
}

/// The header of a record that will stand at `offset`, behind what is counted.
fn header(pending: &Pending, target: Target, offset: u64, counts: &Counts) -> RecordHeader {
    let event_bytes = u32::try_from(pending.event.len()).unwrap_or(u32::MAX);
    let event_at = offset + RECORD_HEADER as u64;

    let mut picture_at = pictures_offset(offset, event_bytes);
    let pictures = pending.pictures.each_ref().map(|picture| {
        let entry = PictureEntry {
            bytes: u32::try_from(picture.bytes.len()).unwrap_or(u32::MAX),
            crc: seeded(target.nonce, picture_at, picture.crc),
            digest: picture.digest,
        };
        picture_at += picture.bytes.len() as u64;
        entry
    });

    RecordHeader {
        sequence: counts.last() + 1,
        urgent_before: counts.lane(Lane::Urgent),
        write: target.write,
        received_at: pending.received_at,
        id: pending.id,
        revision: pending.revision,
        feed: pending.feed,
        lane: pending.lane,
        person_type: pending.person_type,
        key: 0,
        present: pending.present,
        event_bytes,
        event_crc: seeded(target.nonce, event_at, pending.event_crc),
        pictures,
    }
}
