//! What the log asks of the file system: positioned writes, syncs, room, holes.
//!
//! Promises: every call that can fail on a bad or full disk goes through here, so that a test can make any of them fail
//! ([`Disk::failing`]); [`is_full`] is the one place that tells a full disk from a broken one. Deliberately holds no state and
//! retries nothing: what an error means is decided by whoever called.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::Errno;

/// Pictures and groups start on these, so that a hole can be punched and a synced block is never written again.
pub(super) const BLOCK: u64 = 4096;

/// The system calls that tests make fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Write,
    Sync,
    Allocate,
}

type Failure = dyn Fn(Call) -> io::Result<()> + Send + Sync;

/// The way to the disk.
#[derive(Clone, Default)]
pub struct Disk {
    failure: Option<Arc<Failure>>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("failing", &self.failure.is_some()).finish()
    }
}

impl Disk {
    /// A disk whose calls fail where `failure` says so, instead of being made.
    pub fn failing(failure: impl Fn(Call) -> io::Result<()> + Send + Sync + 'static) -> Disk {
        Disk { failure: Some(Arc::new(failure)) }
    }

    pub(super) fn write(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.allowed(Call::Write)?;
        file.write_all_at(bytes, offset)
    }

    /// The pieces one after the other, from where they lie.
    pub(super) fn write_pieces(&self, file: &File, mut pieces: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        self.allowed(Call::Write)?;
        while !pieces.is_empty() {
            let written = match rustix::io::pwritev(file, pieces, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset += written as u64;
            IoSlice::advance_slices(&mut pieces, written);
        }
        Ok(())
    }

    /// fdatasync: the bytes and the length, not the times.
    pub(super) fn sync(&self, file: &File) -> io::Result<()> {
        self.allowed(Call::Sync)?;
        file.sync_data()
    }

    pub(super) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.allowed(Call::Sync)?;
        File::open(path)?.sync_all()
    }

    /// Makes room for `bytes` from the start, so that a full disk shows now. Where the file system cannot, zeros are written.
    pub(super) fn allocate(&self, file: &File, bytes: u64) -> io::Result<()> {
        self.allowed(Call::Allocate)?;
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::OPNOTSUPP) => self.fill(file, 0, bytes),
            result => Ok(result?),
        }
    }

    /// Zeros from `offset` to `end`.
    pub(super) fn fill(&self, file: &File, mut offset: u64, end: u64) -> io::Result<()> {
        static ZEROS: [u8; 64 << 10] = [0; 64 << 10];
        while offset < end {
            let length = (end - offset).min(ZEROS.len() as u64);
            self.write(file, ZEROS.get(..length as usize).unwrap_or(&ZEROS), offset)?;
            offset += length;
        }
        Ok(())
    }
}

impl Disk {
    fn allowed(&self, call: Call) -> io::Result<()> {
        self.failure.as_ref().map_or(Ok(()), |failure| failure(call))
    }
}

/// Gives the blocks of a range back. The range reads as zeros afterwards.
pub(super) fn punch(file: &File, offset: u64, bytes: u64) -> io::Result<()> {
    Ok(rustix::fs::fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, bytes)?)
}

/// What a file occupies, holes not counted.
pub(super) fn allocated(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.blocks().saturating_mul(512))
}

/// What an unprivileged process can still allocate on the file system of `path` (`f_bavail`, not `f_bfree`).
pub(super) fn available(path: &Path) -> io::Result<u64> {
    let room = rustix::fs::statvfs(path)?;
    Ok(room.f_bavail.saturating_mul(room.f_frsize))
}

/// Drops what the page cache holds of a file, so that the next read sees what the disk has: after a failed sync the cache shows
/// bytes that never got there. Pages not yet written stay; advice that is not taken costs nothing.
pub(super) fn forget_cached(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, Advice::DontNeed);
}

/// Whether an error says "no room" (disk, quota, file size) and not "broken".
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// The next block boundary at or after `offset`.
pub(super) const fn block_after(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK)
}
