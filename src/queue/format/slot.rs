//! The bytes of one slot: `magic | checksum | generation | length | text`.
//!
//! Deliberately knows nothing of what the text says.

use super::frame::{Fields, checksum};

const MAGIC: u32 = u32::from_le_bytes(*b"BXC1");
/// magic, crc, generation, length.
pub const SLOT_HEADER: usize = 4 + 4 + 8 + 4;

/// A slot that stands at `offset` in its file.
pub fn encode_slot(generation: u64, text: &[u8], offset: u64) -> Vec<u8> {
    let mut body = Vec::with_capacity(SLOT_HEADER + text.len());
    body.extend_from_slice(&generation.to_le_bytes());
    body.extend_from_slice(&(text.len() as u32).to_le_bytes());
    body.extend_from_slice(text);

    let mut slot = Vec::with_capacity(SLOT_HEADER + text.len());
    slot.extend_from_slice(&MAGIC.to_le_bytes());
    slot.extend_from_slice(&checksum(0, offset, &body).to_le_bytes());
    slot.extend_from_slice(&body);
    slot
}

/// Its generation and its text.
pub fn decode_slot(slot: &[u8], offset: u64) -> Option<(u64, Vec<u8>)> {
    let mut fields = Fields(slot);
    let (magic, crc) = (fields.u32()?, fields.u32()?);
    let body = fields.0;
    let (generation, length) = (fields.u64()?, fields.u32()? as usize);
    let text = fields.0.get(..length)?;

    let covered = body.get(..SLOT_HEADER - 8 + length)?;
    (magic == MAGIC && crc == checksum(0, offset, covered)).then(|| (generation, text.to_vec()))
}
