//! The first blocks of a segment: which one it is, and where in the log it begins.
//!
//! Promises: a header of a later version is told from one that does not hold.

use super::counts::{COUNTS, Counts};
use super::frame::{framed, unframed};
use boxbridge_event::Timestamp;

/// The layout that this version writes; a greater one is refused.
pub const VERSION: u32 = 1;

pub const SEGMENT_MAGIC: u32 = u32::from_le_bytes(*b"BXS1");
pub const SEGMENT_HEADER: usize = 8 + 4 + 4 + 8 + 8 + 16 + 8 + 8 + COUNTS;

/// The first blocks of a segment (twice: block 0 and block 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
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
    pub fn base(&self) -> u64 {
        self.before.last() + 1
    }

    pub fn encode(&self) -> Vec<u8> {
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
    pub fn decode(bytes: &[u8]) -> Option<Result<SegmentHeader, u32>> {
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
