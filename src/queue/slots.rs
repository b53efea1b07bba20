//! A small file of two alternating slots: what a crash in the middle of a write leaves is the one before.
//!
//! Promises: a write is durable when it returns, takes no room that was not there before, and never touches the newer of the two
//! slots. Deliberately knows nothing of what it holds: that is text, and whoever wrote it reads it.

use std::io;
use std::path::{Path, PathBuf};

use super::layout::{BLOCK, Fields, checksum};
use crate::system::disk::{Disk, File};

const MAGIC: u32 = u32::from_le_bytes(*b"BXC1");
/// magic, crc, generation, length.
const HEADER: usize = 4 + 4 + 8 + 4;

pub(super) struct Slots {
    file: File,
    /// A multiple of the block.
    bytes: u64,
    generation: u64,
}

impl Slots {
    /// Makes the file with `text` in both slots, so that it never exists without them.
    pub(super) fn create(disk: &Disk, path: PathBuf, bytes: u64, text: &[u8]) -> io::Result<Slots> {
        let fresh = path.with_extension("new");
        let file = disk.create(&fresh)?;
        file.fill(0, 2 * bytes)?;
        let mut slots = Slots {
            file,
            bytes,
            generation: 0,
        };
        slots.write_both(text)?;
        slots.file.rename(&path)?;
        disk.sync_directory(path.parent().unwrap_or(Path::new("/")))?;
        Ok(slots)
    }

    /// The file and the newest text that validates; `None` for the text if neither does. A file that is not there is an error.
    pub(super) fn open(
        disk: &Disk,
        path: &Path,
        bytes: u64,
    ) -> io::Result<(Slots, Option<Vec<u8>>)> {
        let file = disk.open_if_there(path)?.ok_or(io::ErrorKind::NotFound)?;
        let (generation, text) =
            newest(&file, bytes)?.map_or((0, None), |(generation, text)| (generation, Some(text)));
        Ok((
            Slots {
                file,
                bytes,
                generation,
            },
            text,
        ))
    }

    /// The newest text that validates, without any claim to the file.
    pub(super) fn peek(disk: &Disk, path: &Path, bytes: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(newest(&disk.open_to_read(path)?, bytes)?.map(|(_, text)| text))
    }

    /// Replaces the older of the two.
    pub(super) fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let room = (self.bytes as usize).saturating_sub(HEADER);
        if text.len() > room {
            let message = format!(
                "{}: {} bytes do not fit into a slot of {room}",
                self.file.path().display(),
                text.len()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let generation = self.generation + 1;
        let offset = generation % 2 * self.bytes;
        let mut body = Vec::with_capacity(HEADER + text.len());
        body.extend_from_slice(&generation.to_le_bytes());
        body.extend_from_slice(&(text.len() as u32).to_le_bytes());
        body.extend_from_slice(text);
        let mut slot = Vec::with_capacity(HEADER + text.len());
        slot.extend_from_slice(&MAGIC.to_le_bytes());
        slot.extend_from_slice(&checksum(0, offset, &body).to_le_bytes());
        slot.extend_from_slice(&body);
        self.file.write_at(&slot, offset)?;
        self.file.sync()?;
        self.generation = generation;
        Ok(())
    }

    /// The same into both, for what is written seldom and must not fall back by one.
    pub(super) fn write_both(&mut self, text: &[u8]) -> io::Result<()> {
        self.write(text)?;
        self.write(text)
    }
}

fn newest(file: &File, bytes: u64) -> io::Result<Option<(u64, Vec<u8>)>> {
    let mut newest = None;
    for offset in [0, bytes] {
        let mut slot = vec![0; bytes as usize];
        if !file.read_if_long_enough(&mut slot, offset)? {
            continue;
        }
        if let Some((generation, text)) = decode(&slot, offset)
            && newest
                .as_ref()
                .is_none_or(|(newest, _)| generation > *newest)
        {
            newest = Some((generation, text));
        }
    }
    Ok(newest)
}

fn decode(slot: &[u8], offset: u64) -> Option<(u64, Vec<u8>)> {
    let mut fields = Fields(slot);
    let (magic, crc) = (fields.u32()?, fields.u32()?);
    let body = fields.0;
    let (generation, length) = (fields.u64()?, fields.u32()? as usize);
    let text = fields.0.get(..length)?;
    let covered = body.get(..HEADER - 8 + length)?;
    (magic == MAGIC && crc == checksum(0, offset, covered)).then(|| (generation, text.to_vec()))
}

/// Slot of a cursor: its positions, counts and replays take less than half of it.
pub(super) const CURSOR_BYTES: u64 = BLOCK;
/// Slot of the manifest: room for some hundred names.
pub(super) const MANIFEST_BYTES: u64 = 4 * BLOCK;
