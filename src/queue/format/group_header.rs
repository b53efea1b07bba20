//! What stands before the records that were written together.

use super::frame::{framed, unframed};

pub const GROUP_MAGIC: u32 = u32::from_le_bytes(*b"BXG1");
pub const GROUP_HEADER: usize = 64;

/// What stands before the records that were written together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupHeader {
    /// From this header to the end of the group, a multiple of the block.
    pub bytes: u64,
    pub records: u32,
    pub write: u64,
    /// The sequence of the first record, or of the next one where the group is empty.
    pub next_sequence: u64,
    /// Urgent records before this group.
    pub urgent_before: u64,
    /// The end of what was synced before this group was written, within this segment; earlier segments are synced whole.
    pub durable_through: u64,
}

impl GroupHeader {
    pub fn encode(&self, nonce: u64, offset: u64) -> Vec<u8> {
        let mut body = Vec::with_capacity(GROUP_HEADER - 8);
        body.extend_from_slice(&self.bytes.to_le_bytes());
        body.extend_from_slice(&self.records.to_le_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&self.write.to_le_bytes());
        body.extend_from_slice(&self.next_sequence.to_le_bytes());
        body.extend_from_slice(&self.urgent_before.to_le_bytes());
        body.extend_from_slice(&self.durable_through.to_le_bytes());
        body.resize(GROUP_HEADER - 8, 0);
        framed(GROUP_MAGIC, nonce, offset, &body)
    }

    pub fn decode(bytes: &[u8], nonce: u64, offset: u64) -> Option<GroupHeader> {
        let mut fields = unframed(GROUP_MAGIC, nonce, offset, bytes, GROUP_HEADER)?;
        let (bytes, records) = (fields.u64()?, fields.u32()?);
        fields.u32()?;
        Some(GroupHeader {
            bytes,
            records,
            write: fields.u64()?,
            next_sequence: fields.u64()?,
            urgent_before: fields.u64()?,
            durable_through: fields.u64()?,
        })
    }
}
