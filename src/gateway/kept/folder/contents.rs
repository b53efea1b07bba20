//! The names of a folder's files, and what they occupy: in memory, so that a put costs the same however many files there are.
//!
//! Promises: what is charged to an owner is given back with the file. Deliberately reads no file but at the start.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

use super::{FILES_MAX, Full, Owner, Quota, UNFINISHED};
use crate::system::disk::Disk;
use crate::system::volume;

#[derive(Default)]
pub(super) struct Contents {
    /// The order of names is the order of keeping.
    pub files: BTreeMap<String, FileState>,
    /// Of all of them, also of those being written.
    pub bytes: u64,
    /// Owner → bytes.
    shares: HashMap<String, u64>,
}

#[derive(Clone, Copy)]
pub(super) enum FileState {
    /// Room is taken for it.
    Unfinished {
        bytes: u64,
    },
    Kept {
        bytes: u64,
    },
}

impl Contents {
    /// Takes a file that is there at start; one that was not finished is removed.
    pub fn find(&mut self, disk: &Disk, path: &Path, owner: Owner) -> io::Result<()> {
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            return Ok(());
        };
        if name.ends_with(UNFINISHED) {
            // Nobody counts it; the next start tries again.
            if let Err(error) = disk.remove(path) {
                tracing::warn!(%error, path = %path.display(), "what was not finished could not be removed");
            }
            return Ok(());
        }

        if let Some(owner) = owner(name) {
            let bytes = volume::occupied(&disk.stat(path)?);
            self.charge(&owner, bytes);
            self.files
                .insert(name.to_owned(), FileState::Kept { bytes });
        }
        Ok(())
    }

    pub fn has_room(&self, owner: &str, bytes: u64, quota: &Quota) -> Result<(), Full> {
        let (used, limit) = (self.bytes, quota.max_bytes);
        if used + bytes > limit {
            return Err(Full::Bytes { used, limit });
        }

        let (used, limit) = (self.share(owner), quota.share_bytes);
        if used + bytes > limit {
            return Err(Full::Share { used, limit });
        }

        match self.files.len() < FILES_MAX {
            true => Ok(()),
            false => Err(Full::Files { limit: FILES_MAX }),
        }
    }

    /// Whether a file of this name is there, whole.
    pub fn is_kept(&self, name: &str) -> bool {
        matches!(self.files.get(name), Some(FileState::Kept { .. }))
    }

    fn share(&self, owner: &str) -> u64 {
        self.shares.get(owner).copied().unwrap_or(0)
    }

    pub fn charge(&mut self, owner: &str, bytes: u64) {
        self.bytes += bytes;
        *self.shares.entry(owner.to_owned()).or_default() += bytes;
    }

    pub fn forget(&mut self, name: &str, owner: Owner) {
        let removed = self.files.remove(name);
        let Some(FileState::Kept { bytes } | FileState::Unfinished { bytes }) = removed else {
            return;
        };

        self.bytes = self.bytes.saturating_sub(bytes);
        let owner = owner(name).unwrap_or_default();
        match self.share(&owner).saturating_sub(bytes) {
            0 => self.shares.remove(&*owner),
            left => self.shares.insert(owner.into_owned(), left),
        };
    }
}
