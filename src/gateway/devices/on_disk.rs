//! `data_dir/devices`: the table between two runs, and for `boxbridge devices` while no gateway runs.
//!
//! Promises: the file is replaced as a whole; one that is damaged or cannot be read is said, and begun anew. Deliberately loses up to a minute
//! after a crash: it is knowledge, and no event.

use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::row::Row;
use crate::system::disk::Disk;
use boxbridge_event::Timestamp;

const FILE: &str = "devices";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Saved {
    pub saved_at: Timestamp,
    pub devices: Vec<Row>,
}

pub(super) struct OnDisk {
    disk: Disk,
    path: PathBuf,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    /// Up to which moment of the table the file is; `None`: it is to be written in any case.
    through: Option<u64>,
    /// The last write failed, and that was logged.
    is_failing: bool,
}

/// What the last run wrote; `None` if there was none.
pub fn saved(disk: &Disk, data_dir: &Path) -> io::Result<Option<Saved>> {
    let bytes = disk.read_if_there(&data_dir.join(FILE))?;
    let saved = bytes.map(|bytes| serde_json::from_slice(&bytes));
    Ok(saved.transpose()?)
}

impl OnDisk {
    pub fn new(disk: &Disk, data_dir: &Path) -> OnDisk {
        OnDisk {
            disk: disk.clone(),
            path: data_dir.join(FILE),
            written: Mutex::default(),
        }
    }

    pub fn read(&self) -> Vec<Row> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        match saved(&self.disk, folder) {
            Ok(saved) => saved.map_or_else(Vec::new, |saved| saved.devices),
            Err(error) => {
                tracing::warn!(%error, path = %self.path.display(), "what was known of devices cannot be read: it begins anew");
                Vec::new()
            }
        }
    }

    /// Writes the rows, unless they were written at this moment of the table.
    pub fn write(&self, moment: u64, rows: impl FnOnce() -> Vec<Row>) -> io::Result<()> {
        let mut written = self.written.lock();
        if written.through == Some(moment) {
            return Ok(());
        }

        let saved = Saved {
            saved_at: Timestamp::now(),
            devices: rows(),
        };
        let done = serde_json::to_vec(&saved)
            .map_err(io::Error::from)
            .and_then(|text| self.disk.replace(&self.path, &text));
        written.ended(done.as_ref().map(|()| moment), &self.path);
        done
    }
}

impl Written {
    fn ended(&mut self, done: Result<u64, &io::Error>, path: &Path) {
        match done {
            Ok(moment) => {
                self.through = Some(moment);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(path = %path.display(), "what is known of devices is kept again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(%error, path = %path.display(), "what is known of devices cannot be kept: it is tried again");
                }
            }
        }
    }
}
