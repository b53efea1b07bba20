//! The way to the file system: every call that keeps a record, a refused body, a count or a picture.
//!
//! Promises: each call can be made to fail by a test ([`Disk::failing`]); an interrupted one is made again, and so is a read that got
//! no answer; where the process has no descriptor left, whoever has spare ones gives one up for the open that needs it. [`is_full`] and
//! [`is_passing`] are the one place that says what an error means. Deliberately decides nothing beyond that: whether a failure is
//! refused, waited out or the end is its caller's. What a close could report was reported by the sync before it, so nobody asks.

use std::fs::Metadata;
use std::io;
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

mod file;

pub use file::File;

/// What is asked of the file system; tests make each of them fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    Open,
    Create,
    Read,
    Write,
    Sync,
    SyncDirectory,
    Allocate,
    Punch,
    SetLength,
    Stat,
    /// How much room a file system has.
    Room,
    Rename,
    Remove,
    MakeDirectory,
    ListDirectory,
    Lock,
}

type Failure = dyn Fn(Call, &Path) -> io::Result<()> + Send + Sync;
type Unreadable = dyn Fn(&Path, Range<u64>) -> bool + Send + Sync;

/// The file system. Clones share what it keeps.
#[derive(Clone, Default)]
pub struct Disk {
    failure: Option<Arc<Failure>>,
    unreadable: Option<Arc<Unreadable>>,
    spare: Option<Arc<Mutex<Vec<std::fs::File>>>>,
}

/// Room that an unprivileged process can still use (`f_bavail`, not `f_bfree`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub bytes: u64,
    /// `None` where the file system has no limit on their number.
    pub files: Option<Files>,
}

/// How many more files there can be, of how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Files {
    pub available: u64,
    pub in_all: u64,
}

/// A call that is interrupted so often is interrupted for another reason than a signal.
const INTERRUPTED_MAX: usize = 100;
/// A read without an answer is asked again so often, with so long in between, before anybody hears of it.
const READ_ATTEMPTS: usize = 3;
const READ_PAUSE: Duration = Duration::from_millis(20);
/// Each roll of the log takes one for good: half a gigabyte of events may come while others hold all that there are.
const SPARE: usize = 8;

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("failing", &self.failure.is_some()).finish_non_exhaustive()
    }
}

impl Disk {
    /// A disk whose calls fail where `failure` says so, instead of being made. Asked again for each attempt.
    pub fn failing(failure: impl Fn(Call, &Path) -> io::Result<()> + Send + Sync + 'static) -> Disk {
        Disk { failure: Some(Arc::new(failure)), ..Disk::default() }
    }

    /// The same disk with bad sectors: a read of bytes that this names fails with EIO. It runs before the read, and may block like one.
    pub fn with_bad_places(self, are_bad: impl Fn(&Path, Range<u64>) -> bool + Send + Sync + 'static) -> Disk {
        Disk { unreadable: Some(Arc::new(are_bad)), ..self }
    }

    /// The same, with some descriptors of its own for when there are none left: nobody else's open takes them.
    pub fn with_spare_descriptors(&self) -> Disk {
        let disk = Disk { spare: Some(Arc::default()), ..self.clone() };
        disk.keep_spare_descriptors();
        disk
    }

    /// Takes those again that were given up, where it has some. Fewer than wanted is no failure: it is asked again.
    pub fn keep_spare_descriptors(&self) {
        let Some(spare) = &self.spare else { return };
        let mut spare = spare.lock().unwrap_or_else(PoisonError::into_inner);
        while spare.len() < SPARE {
            let Ok(file) = std::fs::File::open("/dev/null") else { return };
            spare.push(file);
        }
    }

    /// To read and write; it must be there.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        self.open_with(Call::Open, path, std::fs::File::options().read(true).write(true))
    }

    /// To read; a directory too.
    pub fn open_to_read(&self, path: &Path) -> io::Result<File> {
        self.open_with(Call::Open, path, std::fs::File::options().read(true))
    }

    /// Empty, whatever was there. Ours alone.
    pub fn create(&self, path: &Path) -> io::Result<File> {
        let mut options = std::fs::File::options();
        self.open_with(Call::Create, path, options.read(true).write(true).create(true).truncate(true).mode(0o600))
    }

    /// Empty, and an error where there is one. Ours alone.
    pub fn create_new(&self, path: &Path) -> io::Result<File> {
        let mut options = std::fs::File::options();
        self.open_with(Call::Create, path, options.read(true).write(true).create_new(true).mode(0o600))
    }

    /// As it is, made where it is missing. Ours alone.
    pub fn open_or_create(&self, path: &Path) -> io::Result<File> {
        let mut options = std::fs::File::options();
        self.open_with(Call::Create, path, options.read(true).write(true).create(true).truncate(false).mode(0o600))
    }

    /// All of a small file.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = self.open_to_read(path)?;
        let length = file.length()?;
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    /// Writes a small file anew, synced: after a crash it is as it was, or as it is to be.
    pub fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.create(&path.with_extension("unfinished"))?;
        file.write_at(bytes, 0)?;
        file.sync()?;
        file.rename(path)?;
        path.parent().map_or(Ok(()), |directory| self.sync_directory(directory))
    }

    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename, from, || std::fs::rename(from, to))
    }

    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, path, || std::fs::remove_file(path))
    }

    /// Only an empty one goes.
    pub fn remove_directory(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, path, || std::fs::remove_dir(path))
    }

    /// With all above it that are missing; ours alone. One that is there is no error.
    pub fn make_directories(&self, path: &Path) -> io::Result<()> {
        self.call(Call::MakeDirectory, path, || std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path))
    }

    /// One, that must not be there.
    pub fn make_directory(&self, path: &Path) -> io::Result<()> {
        self.call(Call::MakeDirectory, path, || std::fs::DirBuilder::new().mode(0o700).create(path))
    }

    /// What is in a directory, in no order, one after the other: a day of a busy site is millions of pictures.
    pub fn list(&self, path: &Path) -> io::Result<impl Iterator<Item = io::Result<PathBuf>> + use<>> {
        let entries = self.call(Call::ListDirectory, path, || std::fs::read_dir(path))?;
        Ok(entries.map(|entry| Ok(entry?.path())))
    }

    /// Whether there is a directory, be it by a link.
    pub fn is_directory(&self, path: &Path) -> io::Result<bool> {
        match self.call(Call::Stat, path, || std::fs::metadata(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            found => Ok(found?.is_dir()),
        }
    }

    /// Of the file itself, not of where a link leads.
    pub fn stat(&self, path: &Path) -> io::Result<Metadata> {
        self.call(Call::Stat, path, || std::fs::symlink_metadata(path))
    }

    /// On the file system of `path`.
    pub fn room(&self, path: &Path) -> io::Result<Room> {
        self.call(Call::Room, path, || {
            let room = rustix::fs::statvfs(path)?;
            // Some report none in all: those make them as they need them.
            let files = (room.f_files > 0).then_some(Files { available: room.f_favail, in_all: room.f_files });
            Ok(Room { bytes: room.f_bavail.saturating_mul(room.f_frsize), files })
        })
    }

    /// Makes names durable: what was made, renamed and removed in it.
    pub fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.open_to_read(path)?.sync_directory()
    }

    fn open_with(&self, call: Call, path: &Path, options: &std::fs::OpenOptions) -> io::Result<File> {
        let file = self.call(call, path, || options.open(path))?;
        Ok(File::new(self.clone(), file, path.to_owned()))
    }

    /// Every call comes by here.
    fn call<T>(&self, call: Call, path: &Path, mut make: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        let (mut interruptions, mut reads) = (0, 1);
        loop {
            let allowed = self.failure.as_ref().map_or(Ok(()), |failure| failure(call, path));
            let error = match allowed.and_then(|()| make()) {
                Ok(made) => return Ok(made),
                Err(error) => error,
            };
            if error.kind() == io::ErrorKind::Interrupted && interruptions < INTERRUPTED_MAX {
                interruptions += 1;
            } else if is_out_of_descriptors(&error) && self.give_up_spare() {
                tracing::warn!(path = %path.display(), %error, "a spare descriptor was given up");
            } else if call == Call::Read && error.kind() != io::ErrorKind::UnexpectedEof && reads < READ_ATTEMPTS {
                reads += 1;
                std::thread::sleep(READ_PAUSE);
            } else {
                return Err(error);
            }
        }
    }

    fn give_up_spare(&self) -> bool {
        let spare = self.spare.as_ref();
        spare.is_some_and(|spare| spare.lock().unwrap_or_else(PoisonError::into_inner).pop().is_some())
    }
}

/// Whether an error says "no room" (disk, quota, inodes, file size) and not "broken".
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

/// Whether an error says "not now": it tells of the moment, or of what an operator can change, and nothing of what lies on the disk.
pub fn is_passing(error: &io::Error) -> bool {
    const PASSING: [Errno; 9] = [
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOMEM,
        Errno::NOBUFS,
        Errno::ACCESS,
        Errno::PERM,
        Errno::INTR,
        Errno::AGAIN,
        Errno::BUSY,
    ];
    is_full(error) || error.raw_os_error().is_some_and(|code| PASSING.iter().any(|errno| errno.raw_os_error() == code))
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    [Errno::MFILE, Errno::NFILE].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
