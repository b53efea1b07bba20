//! One run of records with the same verdict on their pictures.

use super::frame::{Fields, checksum};
use boxbridge_event::{PictureSet, PictureVerdict};

/// first, last, missing, not_stored, two bytes free, crc.
pub const VERDICT_ENTRY: usize = 8 + 8 + 1 + 1 + 2 + 4;

/// From `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerdictEntry {
    pub first: u64,
    pub last: u64,
    pub verdict: PictureVerdict,
}

impl VerdictEntry {
    /// As it stands at `offset` in its file.
    pub fn encode(&self, offset: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(VERDICT_ENTRY);
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.last.to_le_bytes());
        bytes.extend_from_slice(&[self.verdict.missing.0, self.verdict.not_stored.0, 0, 0]);

        let crc = checksum(0, offset, &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub fn decode(entry: &[u8], offset: u64) -> Option<VerdictEntry> {
        let mut fields = Fields(entry);
        let (first, last) = (fields.u64()?, fields.u64()?);
        let [missing, not_stored, _, _] = fields.take()?;
        let crc = fields.u32()?;

        let verdict = PictureVerdict {
            missing: PictureSet(missing),
            not_stored: PictureSet(not_stored),
        };
        let is_valid = crc == checksum(0, offset, entry.get(..VERDICT_ENTRY - 4)?);
        is_valid.then_some(VerdictEntry {
            first,
            last,
            verdict,
        })
    }
}
