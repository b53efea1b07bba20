//! What every header has in common: `magic | checksum | fields`.
//!
//! Promises: what was not written at this place of this segment does not come out of a frame. Deliberately knows no header.

/// The checksum of `bytes` where they stand.
pub fn checksum(nonce: u64, offset: u64, bytes: &[u8]) -> u32 {
    seeded(nonce, offset, crc32fast::hash(bytes))
}

/// Turns a plain CRC into the stored one by mixing in nonce and offset. Each caller of `append` computes the CRC on its own thread,
/// and the one writer only mixes. A CRC is linear, so mixing afterwards is as strong as hashing the seed first.
pub fn seeded(nonce: u64, offset: u64, crc: u32) -> u32 {
    let mut place = [0; 16];
    let (left, right) = place.split_at_mut(8);
    left.copy_from_slice(&nonce.to_le_bytes());
    right.copy_from_slice(&offset.to_le_bytes());
    crc ^ crc32fast::hash(&place)
}

/// `magic | crc | body`.
pub fn framed(magic: u32, nonce: u64, offset: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(8 + body.len());
    bytes.extend_from_slice(&magic.to_le_bytes());
    bytes.extend_from_slice(&checksum(nonce, offset, body).to_le_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The fields behind a valid frame of `length` bytes.
pub fn unframed(
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
pub struct Fields<'a>(pub(super) &'a [u8]);

impl Fields<'_> {
    pub fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_le_bytes)
    }
}
