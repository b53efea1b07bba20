//! Where things stand in a segment: on blocks, so that a hole can be punched and a synced block is never written again.
//!
//! Deliberately knows no content, only lengths.

use super::record_header::RECORD_HEADER;

/// Pictures and groups start on these.
pub const BLOCK: u64 = 4096;

/// Where the first group of a segment stands: behind both copies of the header.
pub const FIRST_GROUP: u64 = 2 * BLOCK;

/// The next block boundary at or after `offset`.
pub const fn block_after(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK)
}

/// Where the pictures of a record at `offset` start.
pub fn pictures_offset(offset: u64, event_bytes: u32) -> u64 {
    block_after(offset + RECORD_HEADER as u64 + u64::from(event_bytes))
}

/// Where a record at `offset` ends: on a block behind pictures, on 8 bytes otherwise.
pub fn record_end(offset: u64, event_bytes: u32, pictures_bytes: u64) -> u64 {
    match pictures_bytes {
        0 => (offset + RECORD_HEADER as u64 + u64::from(event_bytes)).next_multiple_of(8),
        _ => block_after(pictures_offset(offset, event_bytes) + pictures_bytes),
    }
}
