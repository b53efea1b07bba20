//! A small file of two alternating slots: what a crash in the middle of a write leaves is the one before.
//!
//! Promises: a write is durable when it returns, takes no room that was not there before, and never touches the newer of the two
//! slots. Deliberately knows nothing of its text: the caller wrote it and reads it.

use std::io;
use std::path::{Path, PathBuf};

use crate::queue::format::{BLOCK, SLOT_HEADER, decode_slot, encode_slot};
use crate::system::disk::{Disk, File};

/// Slot of a cursor: its positions, counts and replays take less than half of it.
pub const CURSOR_BYTES: u64 = BLOCK;
/// Slot of the manifest: room for some hundred names.
pub const MANIFEST_BYTES: u64 = 4 * BLOCK;

pub struct Slots {
    file: File,
    /// A multiple of the block.
    bytes: u64,
    generation: u64,
}

impl Slots {
    /// Makes the file with `text` in both slots, so that it never exists without them.
    pub fn create(disk: &Disk, path: PathBuf, bytes: u64, text: &[u8]) -> io::Result<Slots> {
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

    /// The file and the newest text that validates: no text where neither does, nothing where there is no file.
    pub fn open(
        disk: &Disk,
        path: &Path,
        bytes: u64,
    ) -> io::Result<Option<(Slots, Option<Vec<u8>>)>> {
        let Some(file) = disk.open_if_there(path)? else {
            return Ok(None);
        };

        let (generation, text) = newest(&file, bytes)?.unzip();
        let slots = Slots {
            file,
            bytes,
            generation: generation.unwrap_or(0),
        };
        Ok(Some((slots, text)))
    }

    /// The newest text that validates, without any claim to the file.
    pub fn peek(disk: &Disk, path: &Path, bytes: u64) -> io::Result<Option<Vec<u8>>> {
        Ok(newest(&disk.open_to_read(path)?, bytes)?.map(|(_, text)| text))
    }

    /// Replaces the older of the two.
    pub fn write(&mut self, text: &[u8]) -> io::Result<()> {
        let room = (self.bytes as usize).saturating_sub(SLOT_HEADER);
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
        let slot = encode_slot(generation, text, offset);
        self.file.write_at(&slot, offset)?;
        self.file.sync()?;
        self.generation = generation;
        Ok(())
    }

    /// The same into both, for what is written seldom and must not fall back by one.
    pub fn write_both(&mut self, text: &[u8]) -> io::Result<()> {
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
        if let Some((generation, text)) = decode_slot(&slot, offset)
            && newest
                .as_ref()
                .is_none_or(|(newest, _)| generation > *newest)
        {
            newest = Some((generation, text));
        }
    }
    Ok(newest)
}
