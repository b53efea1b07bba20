//! The bytes on disk: how each header, index entry and trailer is written and read back.
//!
//! Promises: decoding never panics and never yields a value whose checksum, seeded with the segment's nonce and the offset it
//! stands at, does not hold; so stale blocks, copied blocks and hostile bodies that imitate records read as nothing. All numbers
//! are little-endian. Deliberately does no IO; the drawing of the whole stands in `queue/mod.rs`.

use boxbridge_event::{Lane, PersonType, Timestamp};

mod record;

pub(super) use record::{Entry, GroupHeader, PictureEntry, RecordHeader};

/// Pictures and groups start on these, so that a hole can be punched and a synced block is never written again.
pub(super) const BLOCK: u64 = 4096;

/// The next block boundary at or after `offset`.
pub(super) const fn block_after(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK)
}

/// The layout that this version writes; a greater one is refused.
pub(super) const VERSION: u32 = 1;

pub(super) const SEGMENT_MAGIC: u32 = u32::from_le_bytes(*b"BXS1");
pub(super) const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"BXG1");
pub(super) const RECORD_MAGIC: u32 = u32::from_le_bytes(*b"BXR1");
pub(super) const TRAILER_MAGIC: u32 = u32::from_le_bytes(*b"BXT1");

pub(super) const SEGMENT_HEADER: usize = 8 + 4 + 4 + 8 + 8 + 16 + 8 + 8 + COUNTS;
pub(super) const GROUP_HEADER: usize = 64;
pub(super) const RECORD_HEADER: usize = 152;
pub(super) const INDEX_ENTRY: usize = 60;
pub(super) const TRAILER: usize = 8 + 8 + 8 + 8 + 4 + 4 + 8 + COUNTS;

/// Kinds of picture that a record has room for, and person types that a count has.
pub(super) const KINDS: usize = 4;
pub(super) const TYPES: usize = 8;
const COUNTS: usize = 2 * TYPES * 8;

/// The checksum of `bytes` where they stand.
pub(super) fn checksum(nonce: u64, offset: u64, bytes: &[u8]) -> u32 {
    seeded(nonce, offset, crc32fast::hash(bytes))
}

/// The checksum where bytes stand whose CRC is known: so whoever appends computes the CRC, each on its own thread, and the one
/// writer does not. A CRC is linear, so mixing the seed in afterwards keeps it as strong as hashing it first.
pub(super) fn seeded(nonce: u64, offset: u64, crc: u32) -> u32 {
    let mut place = [0; 16];
    let (left, right) = place.split_at_mut(8);
    left.copy_from_slice(&nonce.to_le_bytes());
    right.copy_from_slice(&offset.to_le_bytes());
    crc ^ crc32fast::hash(&place)
}

/// `magic | crc | body`.
fn framed(magic: u32, nonce: u64, offset: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + body.len());
    bytes.extend_from_slice(&magic.to_le_bytes());
    bytes.extend_from_slice(&checksum(nonce, offset, body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The fields behind a valid frame of `length` bytes.
fn unframed(
    magic: u32,
    nonce: u64,
    offset: u64,
    bytes: &[u8],
    length: usize,
) -> Option<Fields<'_>> {
    let mut fields = Fields(bytes.get(..length)?);
    let (found, crc) = (fields.u32()?, fields.u32()?);
    (found == magic && crc == checksum(nonce, offset, fields.0)).then_some(fields)
}

/// Reads numbers from the front of a slice.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub(super) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }
}

/// How many records the log ever had, per lane and person type. What stands where is also a place in the log: the next
/// sequence is the sum and one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts(pub(super) [[u64; TYPES]; 2]);

impl Counts {
    pub(super) fn add(&mut self, lane: Lane, person_type: PersonType, records: u64) {
        self.0[usize::from(lane.number())][usize::from(person_type.number())] += records;
    }

    pub(super) fn lane(&self, lane: Lane) -> u64 {
        self.0[usize::from(lane.number())].iter().sum()
    }

    pub(super) fn of(&self, lane: Lane, person_type: PersonType) -> u64 {
        self.0[usize::from(lane.number())][usize::from(person_type.number())]
    }

    /// The last sequence counted.
    pub(super) fn last(&self) -> u64 {
        self.lane(Lane::Urgent) + self.lane(Lane::Normal)
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        self.0
            .iter()
            .flatten()
            .for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
    }

    pub(super) fn decode(fields: &mut Fields<'_>) -> Option<Counts> {
        let mut counts = Counts::default();
        for count in counts.0.iter_mut().flatten() {
            *count = fields.u64()?;
        }
        Some(counts)
    }
}

/// The first blocks of a segment (twice: block 0 and block 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub number: u64,
    pub nonce: u64,
    pub epoch: [u8; 16],
    /// The number of the next write, so that what a rolled-back write left never passes for a later one.
    pub write: u64,
    pub created_at: Timestamp,
    /// What the log held before this segment.
    pub before: Counts,
}

impl SegmentHeader {
    /// The first sequence that this segment can hold.
    pub(super) fn base(&self) -> u64 {
        self.before.last() + 1
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(SEGMENT_HEADER);
        body.extend_from_slice(&VERSION.to_le_bytes());
        body.extend_from_slice(&0u32.to_le_bytes());
        body.extend_from_slice(&self.number.to_le_bytes());
        body.extend_from_slice(&self.nonce.to_le_bytes());
        body.extend_from_slice(&self.epoch);
        body.extend_from_slice(&self.write.to_le_bytes());
        body.extend_from_slice(&self.created_at.0.to_le_bytes());
        self.before.encode(&mut body);
        framed(SEGMENT_MAGIC, 0, 0, &body)
    }

    /// The header, or the version of one that this program is too old for.
    pub(super) fn decode(bytes: &[u8]) -> Option<Result<SegmentHeader, u32>> {
        let mut fields = unframed(SEGMENT_MAGIC, 0, 0, bytes, SEGMENT_HEADER)?;
        let version = fields.u32()?;
        if version > VERSION {
            return Some(Err(version));
        }
        fields.u32()?;
        Some(Ok(SegmentHeader {
            number: fields.u64()?,
            nonce: fields.u64()?,
            epoch: fields.take()?,
            write: fields.u64()?,
            created_at: Timestamp(fields.i64()?),
            before: Counts::decode(&mut fields)?,
        }))
    }
}

/// The last block of a sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub number: u64,
    pub index_offset: u64,
    /// The newest `received_at` in the segment.
    pub received_through: Timestamp,
    pub entries: u32,
    pub index_crc: u32,
    /// The number of the next write.
    pub write: u64,
    /// What the log holds up to the end of this segment.
    pub through: Counts,
}

impl Trailer {
    pub(super) fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(TRAILER - 8);
        body.extend_from_slice(&self.number.to_le_bytes());
        body.extend_from_slice(&self.index_offset.to_le_bytes());
        body.extend_from_slice(&self.received_through.0.to_le_bytes());
        body.extend_from_slice(&self.entries.to_le_bytes());
        body.extend_from_slice(&self.index_crc.to_le_bytes());
        body.extend_from_slice(&self.write.to_le_bytes());
        self.through.encode(&mut body);
        framed(TRAILER_MAGIC, nonce, offset, &body)
    }

    pub(super) fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<Trailer> {
        let mut fields = unframed(TRAILER_MAGIC, nonce, offset, bytes, TRAILER)?;
        Some(Trailer {
            number: fields.u64()?,
            index_offset: fields.u64()?,
            received_through: Timestamp(fields.i64()?),
            entries: fields.u32()?,
            index_crc: fields.u32()?,
            write: fields.u64()?,
            through: Counts::decode(&mut fields)?,
        })
    }
}
