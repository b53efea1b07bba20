//! A bounded folder of things that are kept whole, one file each: a line of JSON that says what it is, then the bytes.
//!
//! Promises: what [`Folder::put`] returned for is on disk, file and directory synced; a name is taken once, so that a crash between
//! writing and whatever follows cannot keep a thing twice; a half-written file never has a name; what is kept occupies no more than
//! the quota, and of one owner no more than his share, also while many write at once. A put costs the same however many files there
//! are, and waits for nobody else's sync. Unknown files are left alone. Deliberately decides nothing: what is kept, and what gives
//! way when it is full, is for `aside` and `quarantine`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::system::disk::Disk;
use crate::system::volume::{self, Rank};
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
    quota: Quota,
    owner: Owner,
    kept: Mutex<Kept>,
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
struct Kept {
    /// The order of names is the order of keeping.
    files: BTreeMap<String, Stage>,
    /// Of all of them, also of those being written.
    bytes: u64,
    /// Owner → bytes.
    shares: HashMap<String, u64>,
}

#[derive(Clone, Copy)]
enum Stage {
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
    /// Opens it, made where it is missing. What other users could read is theirs no more.
    pub fn open(disk: &Disk, directory: &Path, quota: Quota, owner: Owner) -> io::Result<Folder> {
        volume::private_folder(disk, directory)?;
        let mut kept = Kept::default();
        for path in disk.list(directory)? {
            let path = path?;
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if name.ends_with(UNFINISHED) {
                // Nobody counts it; the next start tries again.
                if let Err(error) = disk.remove(&path) {
                    tracing::warn!(%error, path = %path.display(), "what was not finished could not be removed");
                }
            } else if let Some(owner) = owner(name) {
                let bytes = volume::occupied(&disk.stat(&path)?);
                kept.charge(&owner, bytes);
                kept.files.insert(name.to_owned(), Stage::Kept { bytes });
            }
        }
        Ok(Folder {
            disk: disk.clone(),
            directory: directory.to_owned(),
            quota,
            owner,
            kept: Mutex::new(kept),
        })
    }

    /// How many files there are, and what they occupy.
    pub fn usage(&self) -> (usize, u64) {
        let kept = self.kept();
        (kept.files.len(), kept.bytes)
    }

    /// Writes `head` as one line and `parts` behind it, and syncs file and directory. A name that is there stays as it is.
    pub fn put(
        &self,
        name: &str,
        head: &serde_json::Value,
        parts: &[&[u8]],
    ) -> Result<(), PutError> {
        let head = format!("{head}\n");
        let bytes = parts
            .iter()
            .fold(head.len() as u64, |bytes, part| bytes + part.len() as u64);
        let Some(room) = self.take_room(name, volume::cost(bytes))? else {
            return Ok(());
        };
        room.fill(head.as_bytes(), parts)?;
        Ok(())
    }

    /// Room for a file that will occupy so much; `None` if it is there already.
    fn take_room<'a>(&'a self, name: &'a str, bytes: u64) -> Result<Option<Room<'a>>, PutError> {
        let owner = (self.owner)(name).unwrap_or_default();
        let mut kept = self.kept();
        match kept.files.get(name) {
            Some(Stage::Kept { .. }) => return Ok(None),
            Some(Stage::Unfinished { .. }) => {
                return Err(io::Error::from(io::ErrorKind::ResourceBusy).into());
            }
            None => {}
        }
        kept.has_room(&owner, bytes, &self.quota)?;
        if !volume::has_inodes(&self.disk, &self.directory, self.quota.rank) {
            return Err(Full::Inodes.into());
        }
        kept.charge(&owner, bytes);
        kept.files
            .insert(name.to_owned(), Stage::Unfinished { bytes });
        Ok(Some(Room {
            folder: self,
            name,
            is_kept: false,
        }))
    }

    /// Removes what `is_over` says, and forgets what an operator has removed by hand. Others may put meanwhile.
    pub fn review(&self, is_over: impl Fn(&str) -> bool) {
        let mut names = self.names_after(Bound::Unbounded);
        while let Some(last) = names.last().cloned() {
            names.retain(|name| self.is_gone(name, is_over(name)));
            let mut kept = self.kept();
            names.iter().for_each(|name| kept.forget(name, self.owner));
            drop(kept);
            names = self.names_after(Bound::Excluded(last));
        }
    }

    fn names_after(&self, after: Bound<String>) -> Vec<String> {
        let kept = self.kept();
        let finished = kept
            .files
            .range((after, Bound::Unbounded))
            .filter(|(_, stage)| matches!(stage, Stage::Kept { .. }));
        finished
            .map(|(name, _)| name.clone())
            .take(REVIEW_AT_ONCE)
            .collect()
    }

    /// Whether a file is not there any more, once it was removed where it is over.
    fn is_gone(&self, name: &str, is_over: bool) -> bool {
        let path = self.directory.join(name);
        if is_over && let Err(error) = self.disk.remove(&path) {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(%error, file = %name, "what is over its time could not be removed");
            }
            return error.kind() == io::ErrorKind::NotFound;
        }
        is_over
            || self
                .disk
                .stat(&path)
                .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn has_room(&self, owner: &str, bytes: u64, quota: &Quota) -> Result<(), Full> {
        let of_owner = self.shares.get(owner).copied().unwrap_or(0);
        if self.bytes + bytes > quota.max_bytes {
            return Err(Full::Bytes {
                used: self.bytes,
                limit: quota.max_bytes,
            });
        }
        if of_owner + bytes > quota.share_bytes {
            return Err(Full::Share {
                used: of_owner,
                limit: quota.share_bytes,
            });
        }
        if self.files.len() >= FILES_MAX {
            return Err(Full::Files { limit: FILES_MAX });
        }
        Ok(())
    }

    fn charge(&mut self, owner: &str, bytes: u64) {
        self.bytes += bytes;
        *self.shares.entry(owner.to_owned()).or_default() += bytes;
    }

    fn forget(&mut self, name: &str, owner: Owner) {
        let Some(Stage::Kept { bytes } | Stage::Unfinished { bytes }) = self.files.remove(name)
        else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(bytes);
        let owner = owner(name).unwrap_or_default();
        let left = self
            .shares
            .get(&*owner)
            .copied()
            .unwrap_or(0)
            .saturating_sub(bytes);
        match left {
            0 => self.shares.remove(&*owner),
            left => self.shares.insert(owner.into_owned(), left),
        };
    }
}

/// A name that is taken and not written yet; given back when dropped, unless it was filled.
struct Room<'a> {
    folder: &'a Folder,
    name: &'a str,
    is_kept: bool,
}

impl Room<'_> {
    fn fill(mut self, head: &[u8], parts: &[&[u8]]) -> io::Result<()> {
        let Folder {
            disk, directory, ..
        } = self.folder;
        let (path, unfinished) = (
            directory.join(self.name),
            directory.join(format!("{}{UNFINISHED}", self.name)),
        );
        let written = write(disk, &unfinished, head, parts)
            .and_then(|occupied| disk.rename(&unfinished, &path).map(|()| occupied))
            .and_then(|occupied| disk.sync_directory(directory).map(|()| occupied));
        match written {
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

    /// What it really occupies counts from now on.
    fn keep(&mut self, occupied: u64) {
        self.is_kept = true;
        let mut kept = self.folder.kept();
        kept.forget(self.name, self.folder.owner);
        kept.charge(
            &(self.folder.owner)(self.name).unwrap_or_default(),
            occupied,
        );
        kept.files
            .insert(self.name.to_owned(), Stage::Kept { bytes: occupied });
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.folder.kept().forget(self.name, self.folder.owner);
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
