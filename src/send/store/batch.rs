//! Pictures of the file store that are written and not yet synced: synced together.
//!
//! Promises: a second after a picture was written, or after [`BATCH_BYTES`], one `syncfs` covers it and
//! everything before it; a sync that fails is told to every session, and counted in [`Written`].
//! Deliberately keeps no list of files: where a kernel or a link to another file system would not let
//! `syncfs` answer for a file, that file is synced by itself.

use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::system::disk::{Disk, File};
use crate::system::volume;
use crate::system::written::Written;

/// A power cut makes us write so much again, and the log keeps so much longer.
pub(super) const BATCH_TIME: Duration = Duration::from_secs(1);
const BATCH_BYTES: u64 = 64 << 20;

pub(super) struct Batch {
    disk: Disk,
    root: PathBuf,
    state: Mutex<State>,
    written: Arc<Written>,
    has_begun: Notify,
    is_large: Notify,
    /// In the disk's words; changes with every failure.
    failure: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct State {
    /// Open since before the first write of the batch: the kernel reports a failed write to those who had
    /// a file open by then.
    root: Option<Root>,
    /// Writes that have begun and not ended.
    under_way: usize,
    bytes: u64,
}

#[derive(Clone)]
struct Root {
    folder: Arc<File>,
    /// The number of its file system.
    device: u64,
}

/// A write that has begun. It belongs to the batch once it is told to be [`done`](Write::done).
pub(super) struct Write<'a> {
    batch: &'a Batch,
    device: u64,
}

impl Batch {
    pub(super) fn new(disk: &Disk, root: &Path, written: Arc<Written>) -> Batch {
        Batch {
            disk: disk.clone(),
            root: root.to_owned(),
            state: Mutex::default(),
            written,
            has_begun: Notify::new(),
            is_large: Notify::new(),
            failure: watch::Sender::new(None),
        }
    }

    pub(super) fn failures(&self) -> watch::Receiver<Option<String>> {
        self.failure.subscribe()
    }

    /// To be called before the first byte is written.
    pub(super) fn begin(&self) -> io::Result<Write<'_>> {
        let mut state = self.state.lock();
        let device = match &state.root {
            Some(root) => root.device,
            None => {
                let folder = self.disk.open_to_read(&self.root)?;
                let device = volume::device(&folder.stat()?);
                let folder = Arc::new(folder);
                state.root = Some(Root { folder, device });
                device
            }
        };
        state.under_way += 1;
        Ok(Write {
            batch: self,
            device,
        })
    }

    /// When the next sync is due. Cancel-safe.
    pub(super) async fn due(&self) {
        while self.is_clean() {
            self.has_begun.notified().await;
        }
        let _ = tokio::time::timeout(BATCH_TIME, self.is_large.notified()).await;
    }

    fn is_clean(&self) -> bool {
        self.written.is_durable(self.written.count())
    }

    /// Syncs what is written by now. Blocks on the disk.
    pub(super) fn sync(&self, forget: impl FnOnce()) -> io::Result<()> {
        let Some((root, count)) = self.close() else {
            return Ok(());
        };

        let synced = root.folder.sync_file_system();
        match &synced {
            Ok(()) => self.written.synced(count),
            Err(error) => {
                // In this order: a session that hears of it must find no picture still known as stored.
                forget();
                self.written.lost();
                self.failure.send_replace(Some(error.to_string()));
            }
        }
        drop(root);
        self.rest();
        synced
    }

    /// What the next sync covers, and what it is called on.
    fn close(&self) -> Option<(Root, u64)> {
        let mut state = self.state.lock();
        state.bytes = 0;
        let count = self.written.count();
        state.root.clone().map(|root| (root, count))
    }

    /// While nothing is written, we hold no file of theirs: the file system can be unmounted.
    fn rest(&self) {
        let mut state = self.state.lock();
        if state.under_way == 0 && self.is_clean() {
            state.root = None;
        }
    }
}

impl Write<'_> {
    /// Whether the batch's sync covers a file of this file system.
    pub(super) fn covers(&self, metadata: &Metadata) -> bool {
        volume::device(metadata) == self.device
    }

    /// It stands under its name.
    pub(super) fn done(self, bytes: u64) {
        let batch = self.batch;
        let is_large = {
            let mut state = batch.state.lock();
            let before = state.bytes;
            state.bytes += bytes;
            batch.written.add();
            before < BATCH_BYTES && state.bytes >= BATCH_BYTES
        };

        batch.has_begun.notify_one();
        if is_large {
            batch.is_large.notify_one();
        }
    }
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        self.batch.state.lock().under_way -= 1;
    }
}

/// Whether `syncfs` tells what could not be written: since Linux 5.8.
pub(super) fn is_possible() -> bool {
    let system = rustix::system::uname();
    is_since_5_8(system.release().to_str().unwrap_or_default())
}

/// Whether a kernel of this release reports by `syncfs` what it could not write.
fn is_since_5_8(release: &str) -> bool {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    let mut number = || numbers.next().and_then(|digits| digits.parse::<u32>().ok());
    (number(), number()) >= (Some(5), Some(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syncfs_is_believed_since_linux_5_8() {
        for release in ["5.8.0", "5.10.0-28-amd64", "6.1.0", "10.0-rc1"] {
            assert!(is_since_5_8(release), "{release}");
        }
        for release in ["4.18.0-553.el8.x86_64", "5.7.19", "5", "", "unknown"] {
            assert!(!is_since_5_8(release), "{release}");
        }
    }
}
