//! Records that are written together → the pieces of one group.
//!
//! Promises: picture bytes are not copied: they are written from where the request left them; a group starts and ends on a
//! block, so what is synced is never written again. Deliberately does no IO.

use std::io::IoSlice;
use std::ops::Range;

use super::intake::Pending;
use super::layout::{
    BLOCK, Counts, Entry, GROUP_HEADER, GroupHeader, PictureEntry, RECORD_HEADER, RecordHeader,
    block_after, seeded,
};
use super::segment::{pictures_offset, record_end};
use boxbridge_event::Lane;

/// Where a group goes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub nonce: u64,
    /// In the segment, a multiple of the block.
    pub offset: u64,
    pub write: u64,
    pub durable_through: u64,
}

/// A group, ready to be written at its place.
pub(super) struct Group<'a> {
    place: Place,
    /// Headers, events and what fills the blocks, one after the other.
    own: Vec<u8>,
    pieces: Vec<Piece<'a>>,
    bytes: u64,
    pub entries: Vec<Entry>,
}

enum Piece<'a> {
    Own(Range<usize>),
    Picture(&'a [u8]),
}

/// What a record takes at most, wherever it comes to stand.
pub(super) fn record_bytes(pending: &Pending) -> u64 {
    let pictures = if pending.present.is_empty() {
        0
    } else {
        pending.pictures_bytes() + 2 * BLOCK
    };
    RECORD_HEADER as u64 + pending.event.len() as u64 + 8 + pictures
}

/// What a group takes at most.
pub(super) fn group_bytes(group: &[Pending]) -> u64 {
    block_after(GROUP_HEADER as u64 + group.iter().map(record_bytes).sum::<u64>())
}

/// Lays a group out; `counts` is moved behind it. Without records it is the witness of the group before it.
pub(super) fn lay_out<'a>(records: &'a [Pending], place: Place, counts: &mut Counts) -> Group<'a> {
    let before = *counts;
    let mut group = Group {
        place,
        own: Vec::with_capacity(BLOCK as usize),
        pieces: Vec::new(),
        bytes: 0,
        entries: Vec::new(),
    };
    group.push(&[0; GROUP_HEADER]);
    records
        .iter()
        .for_each(|record| group.push_record(record, counts));
    group.fill_to(block_after(group.bytes));
    let header = GroupHeader {
        bytes: group.bytes,
        records: u32::try_from(records.len()).unwrap_or(u32::MAX),
        write: place.write,
        next_sequence: before.last() + 1,
        urgent_before: before.lane(Lane::Urgent),
        durable_through: place.durable_through,
    };
    if let Some(head) = group.own.first_chunk_mut::<GROUP_HEADER>() {
        head.copy_from_slice(&header.encode(place.nonce, place.offset));
    }
    group
}

impl<'a> Group<'a> {
    /// From its first block to its last.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn slices(&self) -> Vec<IoSlice<'_>> {
        let bytes = self.pieces.iter().map(|piece| match piece {
            Piece::Own(range) => self.own.get(range.clone()).unwrap_or_default(),
            Piece::Picture(bytes) => bytes,
        });
        bytes.map(IoSlice::new).collect()
    }

    fn push_record(&mut self, pending: &'a Pending, counts: &mut Counts) {
        let (nonce, offset) = (self.place.nonce, self.place.offset + self.bytes);
        let event_bytes = u32::try_from(pending.event.len()).unwrap_or(u32::MAX);
        let mut header = RecordHeader {
            sequence: counts.last() + 1,
            urgent_before: counts.lane(Lane::Urgent),
            write: self.place.write,
            received_at: pending.received_at,
            id: pending.id,
            revision: pending.revision,
            feed: pending.feed,
            lane: pending.lane,
            person_type: pending.person_type,
            key: 0,
            present: pending.present,
            event_bytes,
            event_crc: seeded(nonce, offset + RECORD_HEADER as u64, pending.event_crc),
            pictures: Default::default(),
        };
        let pictures = pictures_offset(offset, event_bytes);
        let mut at = pictures;
        for (number, entry) in header.pictures.iter_mut().enumerate() {
            let known = pending
                .pictures
                .get(number)
                .zip(pending.picture_crcs.get(number))
                .zip(pending.digests.get(number));
            let Some(((picture, crc), digest)) = known else {
                continue;
            };
            let bytes = u32::try_from(picture.len()).unwrap_or(u32::MAX);
            *entry = PictureEntry {
                bytes,
                crc: seeded(nonce, at, *crc),
                digest: *digest,
            };
            at += picture.len() as u64;
        }
        self.push(&header.encode(nonce, offset));
        self.push(&pending.event);
        if header.pictures_bytes() > 0 {
            self.fill_to(pictures - self.place.offset);
            pending
                .pictures
                .iter()
                .for_each(|picture| self.push_picture(picture));
        }
        self.fill_to(record_end(offset, event_bytes, header.pictures_bytes()) - self.place.offset);
        counts.add(pending.lane, pending.person_type, 1);
        self.entries.push(header.entry(offset));
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
