//! One round over the folder of the file store: what it holds is counted, and what is over its time is removed.
//!
//! Promises: a picture goes only if it is older than `keep`, by a clock whose jumps do not count, and nothing that we sent in that time named
//! it. Deliberately neither counts nor touches what is not ours.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::{Files, UNFINISHED, is_ours};
use crate::send::store::known::{Known, REMEMBERED};
use crate::system::clock::Clock;
use crate::system::volume;
use boxbridge_event::Timestamp;

/// A file that a crash left half-written is removed once nobody can be writing it any more.
const LEFT_BEHIND: Duration = Duration::from_secs(86_400);
/// Keys have at most five parts; a sweep goes no deeper.
const DEPTH_MAX: usize = 6;

/// One round over the folder.
pub(super) struct Sweep<'a> {
    pub(super) files: &'a Files,
    pub(super) known: &'a Known,
    pub(super) clock: &'a Clock,
    pub(super) kept: u64,
    pub(super) removed: u64,
}

impl Sweep<'_> {
    pub(super) fn folder(&mut self, folder: &Path, depth: usize) -> io::Result<()> {
        for path in self.files.disk.list(folder)? {
            // A file that vanishes under us is no error, and neither is one that we may not touch.
            let Ok(path) = path else { continue };
            let Ok(metadata) = self.files.disk.stat(&path) else {
                continue;
            };
            if depth == 0 && !is_ours(&path) {
                continue;
            }

            if metadata.is_dir() && depth < DEPTH_MAX {
                let _ = self.folder(&path, depth + 1);
                if !self.remove_if_empty(&path) {
                    self.kept += volume::occupied(&metadata);
                }
            } else if metadata.is_file() {
                self.file(&path, &metadata);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, metadata: &Metadata) {
        let is_unfinished = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().contains(&(UNFINISHED as u8)));
        let limit = if is_unfinished {
            LEFT_BEHIND
        } else {
            self.files.limits.now().keep + REMEMBERED
        };
        let is_over = written(metadata).is_some_and(|written| self.clock.age(written) > limit);

        if is_over && self.remove(path, metadata) {
            self.removed += 1;
        } else {
            self.kept += volume::occupied(metadata);
        }
    }

    fn remove(&self, path: &Path, seen: &Metadata) -> bool {
        let Some(key) = path
            .strip_prefix(&self.files.root)
            .ok()
            .and_then(Path::to_str)
        else {
            return false;
        };
        // Held until the file is gone: an upload of the same picture waits for us.
        let Some(_claim) = self.known.claim_to_remove(key) else {
            return false;
        };
        let is_unchanged = self
            .files
            .disk
            .stat(path)
            .is_ok_and(|now| written(&now) == written(seen));
        is_unchanged && self.files.disk.remove(path).is_ok()
    }

    fn remove_if_empty(&self, folder: &Path) -> bool {
        let mut folders = self.files.folders();
        let is_removed = self.files.disk.remove_directory(folder).is_ok();
        if is_removed {
            folders.remove(folder);
        }
        is_removed
    }
}

/// When a file was written, by the wall clock of that time.
fn written(metadata: &Metadata) -> Option<Timestamp> {
    let since_1970 = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    i64::try_from(since_1970.as_millis()).ok().map(Timestamp)
}
