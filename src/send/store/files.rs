//! The file store: a folder that is kept within its budget and its age.
//!
//! Promises: a picture is synced, with every folder above it, before it counts as stored, and never stands under its name in
//! part; the folder is ours alone (0700) if we made it; pictures go only when they are older than `keep` and nothing we sent in that
//! time named them; a clock that jumps deletes nothing. Deliberately never makes room for a new picture by removing an old one.

use std::collections::HashSet;
use std::fs::{DirBuilder, DirEntry, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::known::{Known, REMEMBERED};
use crate::send::ConnectError;

pub(super) struct Files {
    root: PathBuf,
    store: LocalFileSystem,
    keep: Duration,
    max_bytes: u64,
    /// Bytes in the folder: what the last sweep counted, and what came and went since.
    used: AtomicU64,
    /// Bytes that came while a sweep counts.
    came: AtomicU64,
    /// Folders below the root that are there and synced.
    folders: Mutex<HashSet<PathBuf>>,
    /// When the last sweep began, by both clocks.
    swept: Mutex<Option<(Instant, SystemTime)>>,
}

/// Room for one picture; given back when dropped, unless it was used.
pub(super) struct Room {
    files: Arc<Files>,
    /// What the picture adds.
    bytes: u64,
    /// What it replaces.
    replaced: u64,
    used: bool,
}

pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// What a crash left half-written is removed when nobody can be writing it any more.
const LEFT_BEHIND: Duration = Duration::from_secs(86_400);
/// The wall clock is believed if it went as far as the other one since the last sweep, give or take.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(3_600);
/// Folders that are remembered: 256 of enrolled photos, three for each day.
const FOLDERS_MAX: usize = 1_024;
/// Keys have at most five parts; a sweep goes no deeper.
const DEPTH_MAX: usize = 6;

impl Files {
    pub(super) fn open(root: &Path, keep: Duration, max_bytes: u64) -> Result<Files, ConnectError> {
        let failed =
            |error: &dyn std::fmt::Display| ConnectError { message: format!("store: cannot use {}: {error}", root.display()) };
        make_root(root).map_err(|error| failed(&error))?;
        let store = LocalFileSystem::new_with_prefix(root).map_err(|error| failed(&error))?.with_fsync(true);
        let (used, came) = (AtomicU64::new(0), AtomicU64::new(0));
        let (folders, swept) = (Mutex::default(), Mutex::default());
        Ok(Files { root: root.to_owned(), store, keep, max_bytes, used, came, folders, swept })
    }

    pub(super) fn store(&self) -> &dyn ObjectStore {
        &self.store
    }

    /// The root is there; made again if someone removed it.
    pub(super) fn prepare(&self) -> io::Result<()> {
        if !self.root.is_dir() {
            self.folders.lock().unwrap_or_else(PoisonError::into_inner).clear();
            make_root(&self.root)?;
        }
        Ok(())
    }

    /// The folder of `key`, and room for so many bytes; `None` if the store is full. Blocks on the disk.
    pub(super) fn make_room(self: Arc<Files>, key: &str, bytes: u64) -> io::Result<Option<Room>> {
        let path = self.root.join(key);
        if let Some(folder) = path.parent() {
            self.make_folder(folder)?;
        }
        let replaced = path.metadata().map_or(0, |metadata| metadata.len());
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        let fits = before + bytes <= self.max_bytes + replaced;
        let room = Room { files: self, bytes, replaced, used: false };
        Ok(fits.then_some(room))
    }

    /// Made and synced here, one at a time: of two uploads into a new folder, the second must not be done before the folder is.
    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
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
            make(path)?;
            folders.insert(path.to_owned());
        }
        Ok(())
    }

    /// Counts what is there and removes what is too old. Blocks for as long as it takes to look at every file.
    pub(super) fn sweep(&self, known: &Known) -> io::Result<()> {
        let now = SystemTime::now();
        let mut sweep = Sweep { files: self, known, now, believed: self.clock_is_believed(now), kept: 0, removed: 0 };
        self.came.store(0, Ordering::Relaxed);
        sweep.folder(&self.root, 0)?;
        self.used.store(sweep.kept + self.came.load(Ordering::Relaxed), Ordering::Relaxed);
        tracing::info!(bytes = sweep.kept, removed = sweep.removed, "picture store swept");
        Ok(())
    }

    /// A jump of the wall clock, and the first sweep after the start, delete nothing: the next sweep does, if the clock went on evenly.
    fn clock_is_believed(&self, now: SystemTime) -> bool {
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((instant, time)) = swept.replace((Instant::now(), now)) else { return false };
        let expected = time + instant.elapsed();
        let difference = now.duration_since(expected).or_else(|_| expected.duration_since(now)).unwrap_or(Duration::MAX);
        difference <= CLOCK_TOLERANCE
    }
}

impl Room {
    pub(super) fn used(mut self) {
        self.used = true;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.used {
            self.files.came.fetch_add(self.bytes, Ordering::Relaxed);
        }
        let gone = if self.used { self.replaced } else { self.bytes };
        let _ = self.files.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| Some(used.saturating_sub(gone)));
    }
}

/// One round over the folder.
struct Sweep<'a> {
    files: &'a Files,
    known: &'a Known,
    now: SystemTime,
    /// Whether ages may be believed.
    believed: bool,
    kept: u64,
    removed: u64,
}

impl Sweep<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        for entry in folder.read_dir()? {
            // What vanishes under us is no error, and neither is one file we may not touch.
            let Ok(entry) = entry else { continue };
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth < DEPTH_MAX {
                let path = entry.path();
                let _ = self.folder(&path, depth + 1);
                self.remove_if_empty(&path);
            } else if kind.is_file() {
                self.file(&entry);
            }
        }
        Ok(())
    }

    fn file(&mut self, entry: &DirEntry) {
        let Ok(metadata) = entry.metadata() else { return };
        let path = entry.path();
        let bytes = metadata.len();
        let age = metadata.modified().ok().and_then(|modified| self.now.duration_since(modified).ok()).unwrap_or_default();
        let name = entry.file_name();
        // object_store writes to `name#1` and renames.
        let limit = if name.as_encoded_bytes().contains(&b'#') { LEFT_BEHIND } else { self.files.keep + REMEMBERED };
        if self.believed && age > limit && self.remove(&path) {
            self.removed += 1;
        } else {
            self.kept += bytes;
        }
    }

    fn remove(&self, path: &Path) -> bool {
        let Some(key) = path.strip_prefix(&self.files.root).ok().and_then(Path::to_str) else { return false };
        // Held until the file is gone: whoever wants to store it again does so after us.
        let Some(_claim) = self.known.claim_to_remove(key) else { return false };
        let unchanged = path.metadata().and_then(|metadata| metadata.modified()).is_ok_and(|modified| modified < self.now);
        unchanged && std::fs::remove_file(path).is_ok()
    }

    fn remove_if_empty(&self, folder: &Path) {
        let mut folders = self.files.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if self.believed && std::fs::remove_dir(folder).is_ok() {
            folders.remove(folder);
        }
    }
}

/// Ours alone if we make it: pictures of faces are not for every user of the machine.
fn make_root(root: &Path) -> io::Result<()> {
    if root.is_dir() {
        return Ok(());
    }
    if let Some(parent) = root.parent() {
        make_synced(parent)?;
    }
    DirBuilder::new().mode(0o700).create(root).or_else(|error| if root.is_dir() { Ok(()) } else { Err(error) })?;
    sync_parent(root)
}

fn make_synced(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_synced(parent)?;
    }
    make(folder)
}

/// There and synced; also one that is there already, since who made it may have died before syncing it.
fn make(folder: &Path) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_parent(folder),
    }
}

fn sync_parent(folder: &Path) -> io::Result<()> {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
