//! An open file whose calls all go through its [`Disk`].

use std::fs::Metadata;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, FallocateFlags};
use rustix::io::Errno;

use super::{Call, Disk};

/// An open file, or directory.
#[derive(Debug)]
pub struct File {
    disk: Disk,
    file: std::fs::File,
    path: PathBuf,
}

/// Zeros are written in pieces of this.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

impl File {
    pub(super) fn new(disk: Disk, file: std::fs::File, path: PathBuf) -> File {
        File { disk, file, path }
    }

    /// The path that we last gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn rename(&mut self, to: &Path) -> io::Result<()> {
        self.disk.rename(&self.path, to)?;
        self.path = to.to_owned();
        Ok(())
    }

    /// Fills `bytes`. [`io::ErrorKind::UnexpectedEof`] means that the file is too short; any other error that the disk did not answer.
    pub fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let range = offset..offset.saturating_add(bytes.len() as u64);
        let is_bad = |are_bad: &Arc<super::Unreadable>| are_bad(&self.path, range.clone());

        self.call(Call::Read, || {
            match self.disk.unreadable.as_ref().is_some_and(is_bad) {
                true => Err(Errno::IO.into()),
                false => self.file.read_exact_at(bytes, offset),
            }
        })
    }

    /// Fills `bytes`; false where the file ends before that. Any error is a disk that did not answer, and says nothing of the bytes.
    pub fn read_if_long_enough(&self, bytes: &mut [u8], offset: u64) -> io::Result<bool> {
        match self.read_exact_at(bytes, offset) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            read => read.map(|()| true),
        }
    }

    pub fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.call(Call::Write, || self.file.write_all_at(bytes, offset))
    }

    /// Writes the pieces one after the other, without copying them together.
    pub fn write_pieces_at(
        &self,
        mut pieces: &mut [IoSlice<'_>],
        mut offset: u64,
    ) -> io::Result<()> {
        while !pieces.is_empty() {
            let written = self.call(Call::Write, || {
                Ok(rustix::io::pwritev(&self.file, pieces, offset)?)
            })?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            offset += written as u64;
            IoSlice::advance_slices(&mut pieces, written);
        }
        Ok(())
    }

    /// fdatasync: the bytes and the length, not the times.
    pub fn sync(&self) -> io::Result<()> {
        self.call(Call::Sync, || self.file.sync_data())
    }

    /// For a directory: makes its names durable.
    pub fn sync_directory(&self) -> io::Result<()> {
        self.call(Call::SyncDirectory, || self.file.sync_all())
    }

    /// syncfs: everything that was written to the file system on which it lies. Since Linux 5.8 it fails if
    /// anything could not be written since this file was opened.
    pub fn sync_file_system(&self) -> io::Result<()> {
        self.call(Call::SyncFileSystem, || Ok(rustix::fs::syncfs(&self.file)?))
    }

    /// Allocates the first `bytes` bytes, so that a full disk shows now. If the file system cannot, zeros are written.
    pub fn allocate(&self, bytes: u64) -> io::Result<()> {
        let allocated = self.call(Call::Allocate, || {
            Ok(rustix::fs::fallocate(
                &self.file,
                FallocateFlags::empty(),
                0,
                bytes,
            )?)
        });
        match allocated {
            Err(error) if is_unsupported(&error) => self.fill(0, bytes),
            result => result,
        }
    }

    /// Writes zeros from `offset` to `end`.
    pub fn fill(&self, mut offset: u64, end: u64) -> io::Result<()> {
        while offset < end {
            let length = (end - offset).min(ZEROS.len() as u64);
            self.write_at(ZEROS.get(..length as usize).unwrap_or(&ZEROS), offset)?;
            offset += length;
        }
        Ok(())
    }

    /// Frees the blocks of a range, which reads as zeros afterwards; false if the file system has no holes.
    pub fn punch(&self, offset: u64, bytes: u64) -> io::Result<bool> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match self.call(Call::Punch, || {
            Ok(rustix::fs::fallocate(&self.file, flags, offset, bytes)?)
        }) {
            Err(error) if is_unsupported(&error) => Ok(false),
            result => result.map(|()| true),
        }
    }

    pub fn set_length(&self, bytes: u64) -> io::Result<()> {
        self.call(Call::SetLength, || self.file.set_len(bytes))
    }

    pub fn stat(&self) -> io::Result<Metadata> {
        self.call(Call::Stat, || self.file.metadata())
    }

    pub fn length(&self) -> io::Result<u64> {
        Ok(self.stat()?.len())
    }

    /// Bytes that it occupies, without its holes.
    pub fn allocated(&self) -> io::Result<u64> {
        Ok(self.stat()?.blocks().saturating_mul(512))
    }

    /// Locks the file for this process until it is closed; false if another process has it.
    pub fn lock(&self) -> io::Result<bool> {
        self.call(Call::Lock, || match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(std::fs::TryLockError::WouldBlock) => Ok(false),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        })
    }

    /// Drops the file's pages from the page cache, so that the next read comes from the disk: after a failed sync the cache shows bytes
    /// that never got there. Pages not yet written stay. The kernel may ignore this, which does no harm.
    pub fn forget_cached(&self) {
        let _ = rustix::fs::fadvise(&self.file, 0, None, Advice::DontNeed);
    }

    fn call<T>(&self, call: Call, make: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        self.disk.call(call, &self.path, make)
    }
}

fn is_unsupported(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::OPNOTSUPP.raw_os_error())
}
