//! The bytes on disk: how each header, index entry, trailer and slot is written and read back.
//!
//! Promises: decoding never panics, and yields no value whose checksum does not hold. The checksum is seeded with the segment's nonce
//! and the offset, so stale blocks, copied blocks and hostile bodies that imitate records read as nothing. All numbers are
//! little-endian. Deliberately does no IO, and knows nothing else of the queue; the drawing of the whole stands in `queue/mod.rs`.

mod block;
mod counts;
mod frame;
mod group_header;
mod index_entry;
mod record_header;
mod segment_header;
mod slot;
mod trailer;
mod verdict_entry;

pub use block::{BLOCK, FIRST_GROUP, block_after, pictures_offset, record_end};
pub use counts::{Counts, TYPES};
pub use frame::{checksum, seeded};
pub use group_header::{GROUP_HEADER, GROUP_MAGIC, GroupHeader};
pub use index_entry::{INDEX_ENTRY, IndexEntry};
pub use record_header::{KINDS, PictureEntry, RECORD_HEADER, RECORD_MAGIC, RecordHeader};
pub use segment_header::{SEGMENT_HEADER, SegmentHeader, VERSION};
pub use slot::{SLOT_HEADER, decode_slot, encode_slot};
pub use trailer::{TRAILER, Trailer};
pub use verdict_entry::{VERDICT_ENTRY, VerdictEntry};
