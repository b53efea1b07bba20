//! A bounded folder of things that are kept whole, one file each: a line of JSON that says what it is, then the bytes.
//!
//! Promises: what [`Folder::put`] returned for is on disk, file and directory synced; a name is taken once, so that a crash between
//! writing and the next step cannot keep a thing twice; a half-written file never has a name. The files occupy no more than the quota,
//! and those of one owner no more than its share, also while many write at once. A put costs the same however many files there are,
//! and waits for nobody else's sync. Looking at one reads its first line and no other file. Unknown files are left alone. Deliberately decides nothing: `aside` and `quarantine` know what is
//! kept, and what gives way when it is full.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;

use crate::system::disk::Disk;
use crate::system::volume::{self, Rank};
use boxbridge_config::Current;
use boxbridge_event::Size;

mod contents;
mod file;
mod reserved;
mod walk;

pub use file::KeptFile;
pub use walk::Page;

use contents::{Contents, FileState};
use reserved::Reserved;

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
        let mut names = self.names_after(None, REVIEW_AT_ONCE);
        while let Some(last) = names.last().cloned() {
            names.retain(|name| self.is_gone(name, is_over(name)));

            let mut contents = self.contents.lock();
            for name in &names {
                contents.forget(name, self.owner);
            }
            drop(contents);
            names = self.names_after(Some(&last), REVIEW_AT_ONCE);
        }
    }

    /// The last name of all.
    pub fn last_name(&self) -> Option<String> {
        let contents = self.contents.lock();
        contents.files.keys().next_back().cloned()
    }

    /// Opens a file to read; `None` if no file has this name.
    pub fn read(&self, name: &str) -> io::Result<Option<KeptFile>> {
        if !self.contents.lock().is_kept(name) {
            return Ok(None);
        }
        match KeptFile::of(&self.disk, &self.directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.contents.lock().forget(name, self.owner);
                Ok(None)
            }
            read => read.map(Some),
        }
    }

    /// Removes a file; false if there was none. It is gone from the disk when the names of its folder are synced, and may be there again
    /// after a power cut.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        if !self.contents.lock().is_kept(name) {
            return Ok(false);
        }
        let removed = self.disk.remove(&self.directory.join(name));
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => {
                self.contents.lock().forget(name, self.owner);
                Ok(removed.is_ok())
            }
        }
    }

    /// Makes it durable that files were removed.
    pub fn sync(&self) -> io::Result<()> {
        self.disk.sync_directory(&self.directory)
    }

    /// Writes another head before what a file keeps. After a crash it has the old one or the new one; where there is no room for both, it
    /// keeps the old one.
    pub fn say_anew(&self, name: &str, head: &serde_json::Value) -> io::Result<()> {
        let Some(file) = self.read(name)? else {
            return Ok(());
        };
        let body = file.read_all()?;
        let head = format!("{head}\n");
        reserved::replace(&self.disk, &self.directory, name, &[head.as_bytes(), &body])
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
