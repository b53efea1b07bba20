//! Records that are written together → the bytes of one group.
//!
//! Promises: picture bytes are copied once, into the buffer that is written; a group starts and ends on a block, so what is
//! synced is never written again. Deliberately does no IO.

use super::disk::{BLOCK, block_after};
use super::intake::Pending;
use super::layout::{Counts, Entry, GROUP_HEADER, GroupHeader, PictureEntry, RECORD_HEADER, RecordHeader, checksum};
use super::segment::{pictures_offset, record_end};
use crate::event::Lane;

/// Where a group goes.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub nonce: u64,
    /// In the segment, a multiple of the block.
    pub offset: u64,
    pub write: u64,
    pub durable_through: u64,
}

/// What a record takes at most, wherever it comes to stand.
pub(super) fn record_bytes(pending: &Pending) -> u64 {
    RECORD_HEADER as u64
        + pending.event.len() as u64
        + 8
        + if pending.present.is_empty() { 0 } else { pending.pictures_bytes() + 2 * BLOCK }
}

/// What a group takes at most.
pub(super) fn group_bytes(group: &[Pending]) -> u64 {
    block_after(GROUP_HEADER as u64 + group.iter().map(record_bytes).sum::<u64>())
}

/// Writes a group into the buffer; `counts` is moved behind it. Without records it is the witness of the group before it.
pub(super) fn encode(buffer: &mut Vec<u8>, group: &[Pending], place: Place, counts: &mut Counts) -> Vec<Entry> {
    let before = *counts;
    buffer.clear();
    buffer.resize(GROUP_HEADER, 0);
    let entries: Vec<Entry> = group.iter().map(|pending| encode_record(buffer, pending, place, counts)).collect();
    buffer.resize(block_after(buffer.len() as u64) as usize, 0);
    let header = GroupHeader {
        bytes: buffer.len() as u64,
        records: u32::try_from(group.len()).unwrap_or(u32::MAX),
        write: place.write,
        next_sequence: before.last() + 1,
        urgent_before: before.lane(Lane::Urgent),
        durable_through: place.durable_through,
    };
    if let Some(head) = buffer.first_chunk_mut::<GROUP_HEADER>() {
        head.copy_from_slice(&header.encode(place.nonce, place.offset));
    }
    entries
}

fn encode_record(buffer: &mut Vec<u8>, pending: &Pending, place: Place, counts: &mut Counts) -> Entry {
    let start = buffer.len();
    let offset = place.offset + start as u64;
    let mut header = RecordHeader {
        sequence: counts.last() + 1,
        urgent_before: counts.lane(Lane::Urgent),
        write: place.write,
        received_at: pending.received_at,
        id: pending.id,
        revision: pending.revision,
        feed: pending.feed,
        lane: pending.lane,
        person_type: pending.person_type,
        key: 0,
        present: pending.present,
        event_bytes: u32::try_from(pending.event.len()).unwrap_or(u32::MAX),
        event_crc: checksum(place.nonce, offset + RECORD_HEADER as u64, &pending.event),
        pictures: Default::default(),
    };
    buffer.resize(start + RECORD_HEADER, 0);
    buffer.extend_from_slice(&pending.event);
    let mut at = pictures_offset(offset, header.event_bytes);
    if !header.present.is_empty() {
        buffer.resize((at - place.offset) as usize, 0);
    }
    for ((picture, digest), entry) in pending.pictures.iter().zip(pending.digests).zip(&mut header.pictures) {
        let bytes = u32::try_from(picture.len()).unwrap_or(u32::MAX);
        *entry = PictureEntry { bytes, crc: checksum(place.nonce, at, picture), digest };
        buffer.extend_from_slice(picture);
        at += picture.len() as u64;
    }
    let end = record_end(offset, header.event_bytes, header.pictures_bytes());
    buffer.resize((end - place.offset) as usize, 0);
    if let Some(head) = buffer.get_mut(start..start + RECORD_HEADER) {
        head.copy_from_slice(&header.encode(place.nonce, offset));
    }
    counts.add(pending.lane, pending.person_type, 1);
    header.entry(offset)
}
