//! A bounded folder of things that are kept whole, one file each: a line of JSON that says what it is, then the bytes.
//!
//! Promises: what [`Folder::put`] returned for is on disk, file and directory synced; a name is taken once, so that a crash between
//! writing and the next step cannot keep a thing twice; a half-written file never has a name. The files occupy no more than the quota,
//! and those of one owner no more than its share, also while many write at once. A put costs the same however many files there are,
//! and waits for nobody else's sync. Unknown files are left alone. Deliberately decides nothing: `aside` and `quarantine` know what is
//! kept, and what gives way when it is full.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::system::disk::Disk;
use crate::system::volume::{self, Rank};
use boxbridge_config::Current;
use boxbridge_event::Size;

/// The ending of a file that is being written; such files are removed at start.
const UNFINISHED: &str = ".unfinished";
/// Names are held in memory, about 100 bytes each.
const FILES_MAX: usize = 250_000;
/// Files that a review looks at between two moments in which others may put.
const REVIEW_AT_ONCE: usize = 500;

pub struct Folder {
    disk: Disk,
    directory: PathBuf,
    quota: Current<Quota>,
    owner: Owner,
    contents: Mutex<Contents>,
}

/// Whose a name is; `None` if it is not one of ours.
pub type Owner = fn(&str) -> Option<Cow<'_, str>>;

/// How much may be kept, counted as it occupies the disk.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    pub max_bytes: u64,
    /// Of one owner.
    pub share_bytes: u64,
    pub rank: Rank,
}

#[derive(Default)]
struct Contents {
    /// The order of names is the order of keeping.
    files: BTreeMap<String, FileState>,
    /// Of all of them, also of those being written.
    bytes: u64,
    /// Owner → bytes.
    shares: HashMap<String, u64>,
}

#[derive(Clone, Copy)]
enum FileState {
    /// Room is taken for it.
    Unfinished {
        bytes: u64,
    },
    Kept {
        bytes: u64,
    },
}

/// Why there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error("{} of {} used", Size(*.used), Size(*.limit))]
    Bytes { used: u64, limit: u64 },
    #[error("{} of {} used by this one source", Size(*.used), Size(*.limit))]
    Share { used: u64, limit: u64 },
    #[error("{limit} files are kept, and no more can be")]
    Files { limit: usize },
    #[error("the file system can hold no more files")]
    Inodes,
}

#[derive(Debug, thiserror::Error)]
pub enum PutError {
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Folder {
    /// Opens it, made where it is missing. Files that other users could read are theirs no more.
    pub fn open(disk: &Disk, directory: &Path, quota: Quota, owner: Owner) -> io::Result<Folder> {
        volume::private_folder(disk, directory)?;
        let mut contents = Contents::default();
        for path in disk.list(directory)? {
            contents.find(disk, &path?, owner)?;
        }

        Ok(Folder {
            disk: disk.clone(),
            directory: directory.to_owned(),
            quota: Current::new(quota),
            owner,
            contents: Mutex::new(contents),
        })
    }

    /// From now on so much may be kept; what is there already stays.
    pub fn limit(&self, quota: Quota) {
        self.quota.replace(quota);
    }

    /// How many files there are, and what they occupy.
    pub fn usage(&self) -> (usize, u64) {
        let contents = self.contents.lock();
        (contents.files.len(), contents.bytes)
    }

    /// Writes `head` as one line and `parts` behind it, and syncs file and directory. A name that is there stays as it is.
    pub fn put(
        &self,
        name: &str,
        head: &serde_json::Value,
        parts: &[&[u8]],
    ) -> Result<(), PutError> {
        let head = format!("{head}\n");
        let parts_bytes: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let cost = volume::cost(head.len() as u64 + parts_bytes);

        if let Some(reserved) = self.reserve(name, cost)? {
            reserved.fill(head.as_bytes(), parts)?;
        }
        Ok(())
    }

    /// Room for a file that will occupy so much; `None` if it is there already.
    fn reserve<'a>(&'a self, name: &'a str, bytes: u64) -> Result<Option<Reserved<'a>>, PutError> {
        let owner = (self.owner)(name).unwrap_or_default();
        let mut contents = self.contents.lock();
        match contents.files.get(name) {
            Some(FileState::Kept { .. }) => return Ok(None),
            Some(FileState::Unfinished { .. }) => {
                return Err(io::Error::from(io::ErrorKind::ResourceBusy).into());
            }
            None => {}
        }

        let quota = self.quota.now();
        contents.has_room(&owner, bytes, &quota)?;
        if !volume::has_inodes(&self.disk, &self.directory, quota.rank) {
            return Err(Full::Inodes.into());
        }

        contents.charge(&owner, bytes);
        let unfinished = FileState::Unfinished { bytes };
        contents.files.insert(name.to_owned(), unfinished);
        Ok(Some(Reserved {
            folder: self,
            name,
            is_kept: false,
        }))
    }

    /// Removes the files that `is_over` says, and forgets those that an operator has removed by hand. Others may put meanwhile.
    pub fn review(&self, is_over: impl Fn(&str) -> bool) {
        let mut names = self.names_after(Bound::Unbounded);
        while let Some(last) = names.last().cloned() {
            names.retain(|name| self.is_gone(name, is_over(name)));

            let mut contents = self.contents.lock();
            for name in &names {
                contents.forget(name, self.owner);
            }
            drop(contents);
            names = self.names_after(Bound::Excluded(last));
        }
    }

    fn names_after(&self, after: Bound<String>) -> Vec<String> {
        let contents = self.contents.lock();
        let files = contents.files.range((after, Bound::Unbounded));
        let finished = files.filter(|(_, state)| matches!(state, FileState::Kept { .. }));
        let names = finished.map(|(name, _)| name.clone());
        names.take(REVIEW_AT_ONCE).collect()
    }

    /// Whether a file is not there any more, once it was removed where it is over.
    fn is_gone(&self, name: &str, is_over: bool) -> bool {
        let path = self.directory.join(name);
        let is_missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        if !is_over {
            return self.disk.stat(&path).is_err_and(|error| is_missing(&error));
        }

        match self.disk.remove(&path) {
            Err(error) if !is_missing(&error) => {
                tracing::warn!(%error, file = %name, "what is over its time could not be removed");
                false
            }
            _ => true,
        }
    }
}

impl Contents {
    /// Takes a file that is there at start; one that was not finished is removed.
    fn find(&mut self, disk: &Disk, path: &Path, owner: Owner) -> io::Result<()> {
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

    fn has_room(&self, owner: &str, bytes: u64, quota: &Quota) -> Result<(), Full> {
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

    fn share(&self, owner: &str) -> u64 {
        self.shares.get(owner).copied().unwrap_or(0)
    }

    fn charge(&mut self, owner: &str, bytes: u64) {
        self.bytes += bytes;
        *self.shares.entry(owner.to_owned()).or_default() += bytes;
    }

    fn forget(&mut self, name: &str, owner: Owner) {
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

/// A name that is taken and not written yet; given back when dropped, unless it was filled.
struct Reserved<'a> {
    folder: &'a Folder,
    name: &'a str,
    is_kept: bool,
}

impl Reserved<'_> {
    fn fill(mut self, head: &[u8], parts: &[&[u8]]) -> io::Result<()> {
        let Folder {
            disk, directory, ..
        } = self.folder;
        let path = directory.join(self.name);
        let unfinished = directory.join(format!("{}{UNFINISHED}", self.name));

        let write = || {
            let occupied = write(disk, &unfinished, head, parts)?;
            disk.rename(&unfinished, &path)?;
            disk.sync_directory(directory)?;
            Ok(occupied)
        };
        match write() {
            Ok(occupied) => {
                self.keep(occupied);
                Ok(())
            }
            Err(error) => {
                // What is not known to be on disk is not kept: nobody counts it, and it may come again.
                let _ = disk.remove(&unfinished).or_else(|_| disk.remove(&path));
                Err(error)
            }
        }
    }

    /// The bytes that it really occupies count from now on.
    fn keep(&mut self, occupied: u64) {
        self.is_kept = true;
        let owner = self.folder.owner;
        let mut contents = self.folder.contents.lock();

        contents.forget(self.name, owner);
        contents.charge(&owner(self.name).unwrap_or_default(), occupied);
        let kept = FileState::Kept { bytes: occupied };
        contents.files.insert(self.name.to_owned(), kept);
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.folder
                .contents
                .lock()
                .forget(self.name, self.folder.owner);
        }
    }
}

/// What it occupies.
fn write(disk: &Disk, path: &Path, head: &[u8], parts: &[&[u8]]) -> io::Result<u64> {
    let file = disk.create(path)?;
    let mut pieces: Vec<_> = std::iter::once(head)
        .chain(parts.iter().copied())
        .map(io::IoSlice::new)
        .collect();
    file.write_pieces_at(&mut pieces, 0)?;
    file.sync()?;
    Ok(volume::occupied(&file.stat()?))
}
