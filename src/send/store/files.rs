//! The file store: a folder that is kept within its budget and its age.
//!
//! Promises: a picture counts as stored once it stands whole under its name, and as durable once it is synced, with every folder
//! above it: in batches (`batch.rs`), or at once where the kernel does not tell what a batch lost. Nobody but us can read it (files 0600, folders 0700); a root that is open and not ours to close is said in the log. All pictures
//! occupy no more than the budget, and leave the file system some inodes. A picture is removed only when it is older than `keep`, by a clock
//! whose jumps do not count, and nothing we sent in that time named it. Files that are not ours are neither counted nor touched.
//! Deliberately never makes room for a new picture by removing an old one.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};

use super::batch::{Batch, Write};
use super::known::Known;
use crate::send::ConnectError;
use crate::system::clock::Clock;
use crate::system::disk::{Disk, File};
use crate::system::volume::{self, Rank};
use crate::system::written::Written;
use boxbridge_config::Current;

mod sweep;

use sweep::Sweep;

pub(super) struct Files {
    disk: Disk,
    root: PathBuf,
    limits: Current<Limits>,
    /// Bytes that the folder occupies: counted by the last sweep, corrected by each write and removal since.
    used: AtomicU64,
    /// Bytes that were written while a sweep counts.
    came: AtomicU64,
    /// Folders below the root that are there and synced.
    folders: Mutex<HashSet<PathBuf>>,
    /// Tells unfinished files of one picture apart.
    unfinished: AtomicU64,
    /// What is synced together; without it each picture is synced by itself.
    batch: Option<Batch>,
}

/// How long a picture stays, and what all of them may occupy.
struct Limits {
    keep: Duration,
    max_bytes: u64,
}

pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Stands in the name of a picture that is being written, and in no key.
const UNFINISHED: char = '#';
/// Folders that are remembered: 256 of enrolled photos, three for each day.
const FOLDERS_MAX: usize = 1_024;
/// What we put at the top of the folder, beside the probe.
const OURS: [&str; 4] = ["registered", "scene", "face", "infrared"];

impl Files {
    pub(super) fn open(
        disk: &Disk,
        root: &Path,
        keep: Duration,
        max_bytes: u64,
        written: Option<Arc<Written>>,
    ) -> Result<Files, ConnectError> {
        let failed = |error: &dyn std::fmt::Display| ConnectError {
            message: format!("store: cannot use {}: {error}", root.display()),
        };
        make_root(disk, root).map_err(|error| failed(&error))?;

        let (used, came, unfinished) = Default::default();
        Ok(Files {
            disk: disk.clone(),
            root: root.to_owned(),
            limits: Current::new(Limits { keep, max_bytes }),
            used,
            came,
            folders: Mutex::default(),
            unfinished,
            batch: written.map(|written| Batch::new(disk, root, written)),
        })
    }

    /// Holds for every picture that comes from now on, and for the next sweep.
    pub(super) fn limit(&self, keep: Duration, max_bytes: u64) {
        self.limits.replace(Limits { keep, max_bytes });
    }

    pub(super) fn batch(&self) -> Option<&Batch> {
        self.batch.as_ref()
    }

    pub(super) fn exists(&self, key: &str) -> io::Result<bool> {
        match self.disk.stat(&self.root.join(key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            found => found.map(|_| true),
        }
    }

    /// A file, if it has at most so many bytes.
    pub(super) fn read(&self, key: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
        let path = self.root.join(key);
        let bytes = self.disk.stat(&path)?.len();
        if bytes > bytes_max {
            let message = format!("the file has {bytes} bytes, which no picture of ours has");
            return Err(io::Error::other(message));
        }
        self.disk.read(&path)
    }

    pub(super) fn delete(&self, key: &str) -> io::Result<()> {
        self.disk.remove(&self.root.join(key))
    }

    /// The root is there; made again if someone removed it.
    fn prepare(&self) -> io::Result<()> {
        if !self.disk.is_directory(&self.root)? {
            self.folders().clear();
            make_root(&self.disk, &self.root)?;
        }
        Ok(())
    }

    /// Stores a picture; `false` if there is no room for it. It is synced when the batch is. Blocks on the
    /// disk.
    pub(super) fn put(&self, key: &str, bytes: &[u8]) -> io::Result<bool> {
        let path = self.root.join(key);
        let wanted = volume::cost(bytes.len() as u64);
        let replaced = self
            .disk
            .stat(&path)
            .map_or(0, |metadata| volume::occupied(&metadata));

        // Taken before it is written, so that two writers never share the same room.
        let before = self.used.fetch_add(wanted, Ordering::Relaxed);
        let limit = self.limits.now().max_bytes;
        let fits = before + wanted <= limit + replaced && self.has_inodes();
        let written = if fits {
            self.write(&path, bytes, self.batch())
        } else {
            Ok(0)
        };

        let occupied = written.as_ref().copied().unwrap_or(0);
        self.came.fetch_add(occupied, Ordering::Relaxed);
        self.used.fetch_add(occupied, Ordering::Relaxed);
        self.gone(if occupied > 0 {
            wanted + replaced
        } else {
            wanted
        });
        written.map(|_| fits)
    }

    /// Shows whether we may write.
    pub(super) fn write_probe(&self, key: &str, bytes: &[u8]) -> io::Result<()> {
        self.prepare()?;
        self.write(&self.root.join(key), bytes, None).map(|_| ())
    }

    pub(super) fn has_inodes(&self) -> bool {
        volume::has_inodes(&self.disk, &self.root, Rank::Last)
    }

    fn gone(&self, bytes: u64) {
        let _ = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                Some(used.saturating_sub(bytes))
            });
    }

    /// Writes a file whole: it is synced with the batch, or at once. The bytes that it occupies now.
    fn write(&self, path: &Path, bytes: &[u8], batch: Option<&Batch>) -> io::Result<u64> {
        let in_batch = batch.map(Batch::begin).transpose()?;
        let mut file = match self.begin(path) {
            // Somebody removed the folder that we remember.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.folders().clear();
                self.begin(path)?
            }
            begun => begun?,
        };

        let written = self.fill(&mut file, path, bytes, in_batch);
        if written.is_err() {
            let _ = self.disk.remove(file.path());
        }
        written
    }

    fn fill(
        &self,
        file: &mut File,
        path: &Path,
        bytes: &[u8],
        in_batch: Option<Write<'_>>,
    ) -> io::Result<u64> {
        file.write_at(bytes, 0)?;
        let metadata = file.stat()?;

        match in_batch.filter(|write| write.covers(&metadata)) {
            Some(write) => {
                file.rename(path)?;
                write.done(bytes.len() as u64);
            }
            None => {
                file.sync()?;
                file.rename(path)?;
                sync_parent(&self.disk, path)?;
            }
        }
        Ok(volume::occupied(&metadata))
    }

    /// A file that nobody else writes, beside where the picture will stand.
    fn begin(&self, path: &Path) -> io::Result<File> {
        if let Some(folder) = path.parent() {
            self.make_folder(folder)?;
        }

        loop {
            let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
            let mut name = path.as_os_str().to_owned();
            name.push(format!("{UNFINISHED}{number}"));
            let unfinished = PathBuf::from(name);
            match self.disk.create_new(&unfinished) {
                // Left behind by a process before us.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                file => return file,
            }
        }
    }

    fn folders(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.folders.lock()
    }

    /// Made and synced here, one at a time: of two uploads into a new folder, the second must not be done before the folder is.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut folders = self.folders();
        if folders.contains(folder) {
            return Ok(());
        }
        if folders.len() >= FOLDERS_MAX {
            folders.clear();
        }

        let below_root = |path: &&Path| path.starts_with(&self.root) && *path != self.root;
        let mut missing: Vec<&Path> = folder.ancestors().take_while(below_root).collect();
        missing.retain(|path| !folders.contains(*path));

        for path in missing.into_iter().rev() {
            if make(&self.disk, path)? {
                let occupied = volume::cost(0);
                self.came.fetch_add(occupied, Ordering::Relaxed);
                self.used.fetch_add(occupied, Ordering::Relaxed);
            }
            folders.insert(path.to_owned());
        }
        Ok(())
    }

    /// Counts what is there and removes what is too old. Blocks for as long as it takes to look at every file.
    pub(super) fn sweep(&self, known: &Known, clock: &Clock) -> io::Result<()> {
        clock.look();
        let mut sweep = Sweep {
            files: self,
            known,
            clock,
            kept: 0,
            removed: 0,
        };
        self.came.store(0, Ordering::Relaxed);
        sweep.folder(&self.root, 0)?;

        self.used.store(
            sweep.kept + self.came.load(Ordering::Relaxed),
            Ordering::Relaxed,
        );
        tracing::info!(
            bytes = sweep.kept,
            removed = sweep.removed,
            "picture store swept"
        );
        Ok(())
    }
}

/// Ours alone: pictures of faces are not for every user of the machine. One that is there already is closed to others, but only if
/// nothing in it is somebody else's.
fn make_root(disk: &Disk, root: &Path) -> io::Result<()> {
    if disk.is_directory(root)? {
        match disk
            .list(root)?
            .all(|path| path.is_ok_and(|path| is_ours(&path)))
        {
            true => volume::close(root),
            false => volume::warn_if_open(root),
        }
        return Ok(());
    }

    if let Some(parent) = root.parent() {
        make_synced(disk, parent)?;
    }
    make(disk, root).map(|_| ())
}

fn is_ours(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| OURS.contains(&name) || name.starts_with(super::shared::PROBE))
}

fn make_synced(disk: &Disk, folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || disk.is_directory(folder)? {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_synced(disk, parent)?;
    }
    make(disk, folder).map(|_| ())
}

/// Makes a folder and syncs it. One that is there already is synced too: the process that made it may have died before that. Whether it was made
/// now.
fn make(disk: &Disk, folder: &Path) -> io::Result<bool> {
    let made = match disk.make_directory(folder) {
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists && disk.is_directory(folder)? =>
        {
            false
        }
        made => made.map(|()| true)?,
    };
    sync_parent(disk, folder)?;
    Ok(made)
}

fn sync_parent(disk: &Disk, folder: &Path) -> io::Result<()> {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => disk.sync_directory(parent),
        _ => disk.sync_directory(Path::new(".")),
    }
}
