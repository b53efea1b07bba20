//! A kept file as it is read: its head, and where the bytes behind it lie.
//!
//! Promises: of a file that is looked at only the first line is read. Deliberately holds no bytes.

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::system::disk::{Disk, File};

/// A head has the other side's own words, which are bounded where they come from, and a topic.
const HEAD_MAX: u64 = 256 * 1024;
/// The usual head is shorter than this.
const HEAD_FIRST: u64 = 2 * 1024;

pub struct KeptFile {
    file: File,
    pub head: Value,
    /// Where the bytes behind the head begin.
    start: u64,
    /// How many they are.
    pub bytes: u64,
}

impl KeptFile {
    pub(super) fn of(disk: &Disk, path: &Path) -> io::Result<KeptFile> {
        let file = disk.open_to_read(path)?;
        let length = file.length()?;
        let line = first_line(&file, length)?;

        let head = serde_json::from_slice(&line).map_err(|_| not_ours())?;
        let start = line.len() as u64 + 1;
        Ok(KeptFile {
            file,
            head,
            start,
            bytes: length.saturating_sub(start),
        })
    }

    /// So many bytes from there on, as far as there are.
    pub fn read(&self, from: u64, bytes: u64) -> io::Result<Vec<u8>> {
        let bytes = bytes.min(self.bytes.saturating_sub(from));
        let mut read = vec![0; usize::try_from(bytes).unwrap_or(0)];
        self.file.read_exact_at(&mut read, self.start + from)?;
        Ok(read)
    }

    pub fn read_all(&self) -> io::Result<Vec<u8>> {
        self.read(0, self.bytes)
    }
}

/// Without its line feed.
fn first_line(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut wanted = HEAD_FIRST;
    loop {
        let bytes = wanted.min(length);
        let mut text = vec![0; usize::try_from(bytes).unwrap_or(0)];
        file.read_exact_at(&mut text, 0)?;

        if let Some(end) = memchr::memchr(b'\n', &text) {
            text.truncate(end);
            return Ok(text);
        }
        if bytes == length || wanted >= HEAD_MAX {
            return Err(not_ours());
        }
        wanted *= 8;
    }
}

fn not_ours() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "its first line is no head of ours",
    )
}
