//! The last block of a sealed segment: where its index is, and what the log holds up to its end.

use super::counts::{COUNTS, Counts};
use super::frame::{framed, unframed};
use boxbridge_event::Timestamp;

const TRAILER_MAGIC: u32 = u32::from_le_bytes(*b"BXT1");
pub const TRAILER: usize = 8 + 8 + 8 + 8 + 4 + 4 + 8 + COUNTS;

/// The last block of a sealed segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
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
    pub fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
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

    pub fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<Trailer> {
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
