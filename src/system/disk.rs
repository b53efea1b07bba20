//! The way to the file system: every call that keeps a record, a refused body, a count or a picture.
//!
//! Promises: a test can make each call fail ([`Disk::failing`]). An interrupted call is repeated, and so is a read that got no answer. If
//! the process has no descriptor left, a disk with spare ones gives one up for the open that needs it. [`is_full`] and [`is_passing`] are
//! the one place that says what an error means. Deliberately decides nothing else: the caller knows whether to refuse, wait or end. Errors
//! of a close are ignored: the sync before it has reported them.

use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

mod errors;
mod file;

pub use errors::{is_full, is_passing};
pub use file::File;

use errors::is_out_of_descriptors;

/// The calls to the file system. Tests make each of them fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    Open,
    Create,
    Read,
    Write,
    Sync,
    SyncDirectory,
    SyncFileSystem,
    Allocate,
    Punch,
    SetLength,
    Stat,
    /// How much space a file system has left.
    FreeSpace,
    Rename,
    Remove,
    MakeDirectory,
    ListDirectory,
    Lock,
}

type Failure = dyn Fn(Call, &Path) -> io::Result<()> + Send + Sync;
type Unreadable = dyn Fn(&Path, Range<u64>) -> bool + Send + Sync;

/// The file system. Clones share the spare descriptors.
#[derive(Clone, Default)]
pub struct Disk {
    failure: Option<Arc<Failure>>,
    unreadable: Option<Arc<Unreadable>>,
    spare: Option<Arc<Mutex<Vec<std::fs::File>>>>,
}

/// The space that an unprivileged process can still use (`f_bavail`, not `f_bfree`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeSpace {
    pub bytes: u64,
    /// `None` if the file system does not limit the number of files.
    pub files: Option<Files>,
}

/// How many more files there can be, and how many in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Files {
    pub available: u64,
    pub in_all: u64,
}

/// A call that is interrupted more often is interrupted by something other than signals.
const INTERRUPTED_MAX: usize = 100;
/// A read without an answer is tried this often, with a pause in between, before its caller sees the error.
const READ_ATTEMPTS: usize = 3;
const READ_PAUSE: Duration = Duration::from_millis(20);
/// Each roll of the log uses one up: enough for half a gigabyte of events while others hold all descriptors.
const SPARE: usize = 8;

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk")
            .field("failing", &self.failure.is_some())
            .finish_non_exhaustive()
    }
}

impl Disk {
    /// A disk whose calls fail if `failure` says so. It is asked before each attempt.
    pub fn failing(
        failure: impl Fn(Call, &Path) -> io::Result<()> + Send + Sync + 'static,
    ) -> Disk {
        Disk {
            failure: Some(Arc::new(failure)),
            ..Disk::default()
        }
    }

    /// The same disk with bad sectors: a read of bytes that `are_bad` names fails with EIO. It runs before the read, and may block like
    /// one.
    pub fn with_bad_places(
        self,
        are_bad: impl Fn(&Path, Range<u64>) -> bool + Send + Sync + 'static,
    ) -> Disk {
        Disk {
            unreadable: Some(Arc::new(are_bad)),
            ..self
        }
    }

    /// The same disk with spare descriptors of its own, for its opens when the process has none left.
    pub fn with_spare_descriptors(&self) -> Disk {
        let disk = Disk {
            spare: Some(Arc::default()),
            ..self.clone()
        };
        disk.keep_spare_descriptors();
        disk
    }

    /// Takes new spare descriptors for those that were given up. Fewer than wanted are no failure: this is called again.
    pub fn keep_spare_descriptors(&self) {
        let Some(spare) = &self.spare else { return };
        let mut spare = spare.lock();
        while spare.len() < SPARE {
            let Ok(file) = std::fs::File::open("/dev/null") else {
                return;
            };
            spare.push(file);
        }
    }

    /// Opens a file to read and write; it must exist.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        self.open_with(
            Call::Open,
            path,
            std::fs::File::options().read(true).write(true),
        )
    }

    /// The same; `None` if there is no such file.
    pub fn open_if_there(&self, path: &Path) -> io::Result<Option<File>> {
        self.if_there(path, || self.open(path))
    }

    /// Opens a file or directory to read.
    pub fn open_to_read(&self, path: &Path) -> io::Result<File> {
        self.open_with(Call::Open, path, std::fs::File::options().read(true))
    }

    /// Creates a file, emptied if it exists; readable by our user alone.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        self.open_with(Call::Create, path, private().create(true).truncate(true))
    }

    /// Creates a file that must not exist; readable by our user alone.
    pub fn create_new(&self, path: &Path) -> io::Result<File> {
        self.open_with(Call::Create, path, private().create_new(true))
    }

    /// Opens a file, created if it is missing; readable by our user alone.
    pub fn open_or_create(&self, path: &Path) -> io::Result<File> {
        self.open_with(Call::Create, path, private().create(true).truncate(false))
    }

    /// Reads all of a small file; `None` if there is none.
    pub fn read_if_there(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        self.if_there(path, || self.read(path))
    }

    /// Reads all of a small file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open_to_read(path)?;
        let length = file.length()?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Replaces a small file and syncs it. After a crash it has either its old or its new content.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create(&path.with_extension("unfinished"))?;
        file.write_at(bytes, 0)?;
        file.sync()?;
        file.rename(path)?;
        path.parent()
            .map_or(Ok(()), |directory| self.sync_directory(directory))
    }

    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename, from, || std::fs::rename(from, to))
    }

    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, path, || std::fs::remove_file(path))
    }

    /// Removes a directory, if it is empty.
    pub fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, path, || std::fs::remove_dir(path))
    }

    /// Makes a directory and its missing parents; for our user alone. It may exist.
    pub fn make_directories(&self, path: &Path) -> io::Result<()> {
        self.call(Call::MakeDirectory, path, || {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
        })
    }

    /// Makes a directory that must not exist.
    pub fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.call(Call::MakeDirectory, path, || {
            std::fs::DirBuilder::new().mode(0o700).create(path)
        })
    }

    /// Lists a directory one entry at a time, in no order: a day of a busy site is millions of pictures.
    pub fn list(
        &self,
        path: &Path,
    ) -> io::Result<impl Iterator<Item = io::Result<PathBuf>> + use<>> {
        let entries = self.call(Call::ListDirectory, path, || std::fs::read_dir(path))?;
        Ok(entries.map(|entry| Ok(entry?.path())))
    }

    /// Whether there is a directory, or a link to one.
    pub fn is_directory(&self, path: &Path) -> io::Result<bool> {
        match self.call(Call::Stat, path, || std::fs::metadata(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            found => Ok(found?.is_dir()),
        }
    }

    /// The metadata of the file itself, not of a link's target.
    pub fn stat(&self, path: &Path) -> io::Result<Metadata> {
        self.call(Call::Stat, path, || std::fs::symlink_metadata(path))
    }

    /// The space left on the file system of `path`.
    pub fn free_space(&self, path: &Path) -> io::Result<FreeSpace> {
        self.call(Call::FreeSpace, path, || {
            let space = rustix::fs::statvfs(path)?;
            // Some file systems report no inodes in all: they make them as they need them.
            let files = (space.f_files > 0).then_some(Files {
                available: space.f_favail,
                in_all: space.f_files,
            });
            Ok(FreeSpace {
                bytes: space.f_bavail.saturating_mul(space.f_frsize),
                files,
            })
        })
    }

    /// Makes the names in a directory durable: files made, renamed and removed.
    pub fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.open_to_read(path)?.sync_directory()
    }

    /// `None` only where its folder does not list it either: a file that is listed and not found is a disk that does not answer.
    fn if_there<T>(&self, path: &Path, open: impl Fn() -> io::Result<T>) -> io::Result<Option<T>> {
        for attempt in 1..=READ_ATTEMPTS {
            match open() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                found => return found.map(Some),
            }
            if !self.is_listed(path)? {
                return Ok(None);
            }
            if attempt < READ_ATTEMPTS {
                std::thread::sleep(READ_PAUSE);
            }
        }
        Err(io::Error::other("its folder lists it, and it is not found"))
    }

    fn is_listed(&self, path: &Path) -> io::Result<bool> {
        let entries = match self.list(path.parent().unwrap_or(Path::new("/"))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries?,
        };
        for entry in entries {
            if entry?.file_name() == path.file_name() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn open_with(
        &self,
        call: Call,
        path: &Path,
        options: &std::fs::OpenOptions,
    ) -> io::Result<File> {
        let file = self.call(call, path, || options.open(path))?;
        Ok(File::new(self.clone(), file, path.to_owned()))
    }

    /// Makes a call, and repeats it where that is promised. Every call goes through here.
    fn call<T>(
        &self,
        call: Call,
        path: &Path,
        mut make: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        let (mut interruptions, mut reads) = (0, 1);

        loop {
            let allowed = self
                .failure
                .as_ref()
                .map_or(Ok(()), |failure| failure(call, path));
            let error = match allowed.and_then(|()| make()) {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };

            if error.kind() == io::ErrorKind::Interrupted && interruptions < INTERRUPTED_MAX {
                interruptions += 1;
            } else if is_out_of_descriptors(&error) && self.give_up_spare() {
                tracing::warn!(path = %path.display(), %error, "a spare descriptor was given up");
            } else if call == Call::Read
                && error.kind() != io::ErrorKind::UnexpectedEof
                && reads < READ_ATTEMPTS
            {
                reads += 1;
                std::thread::sleep(READ_PAUSE);
            } else {
                return Err(error);
            }
        }
    }

    fn give_up_spare(&self) -> bool {
        let spare = self.spare.as_ref();
        spare.is_some_and(|spare| spare.lock().pop().is_some())
    }
}

/// To read and write; a file that is made is for our user alone.
fn private() -> std::fs::OpenOptions {
    let mut options = std::fs::File::options();
    options.read(true).write(true).mode(0o600);
    options
}
