//! `data_dir/handover-<name>`: where a destination's log ends and Kafka begins, and since when the log delivers again, from one run to the next.
//!
//! Promises: what is written is synced. Deliberately forgets no handover when the log takes over again: its cursor has passed over what went to Kafka.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::system::disk::Disk;
use boxbridge_event::{Sequence, Timestamp};

pub(super) struct Note {
    disk: Disk,
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Noted {
    /// Of the log.
    epoch: String,
    through: u64,
    /// When the log took over again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back: Option<Timestamp>,
}

/// The last record that a destination got out of this log; `None` where it gets all of them. Reads a file.
pub fn handed_over(data_dir: &Path, destination: &str, epoch: &str) -> Option<Sequence> {
    Note::of(&Disk::default(), data_dir, destination).read(epoch)
}

impl Note {
    pub fn of(disk: &Disk, data_dir: &Path, destination: &str) -> Note {
        Note {
            disk: disk.clone(),
            path: data_dir.join(format!("handover-{destination}")),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `None` where it never was, or of another log.
    pub fn read(&self, epoch: &str) -> Option<Sequence> {
        let noted = self.noted()?;
        (noted.epoch == epoch).then_some(Sequence(noted.through))
    }

    /// When the log took over again; `None` where that is not known.
    pub fn back(&self) -> Option<Timestamp> {
        self.noted()?.back
    }

    /// Blocks for a sync.
    pub fn write(&self, epoch: &str, through: Sequence) -> io::Result<()> {
        self.replace(&Noted {
            epoch: epoch.to_owned(),
            through: through.0,
            back: None,
        })
    }

    /// The log delivers from now on, unless it did before. Blocks for a sync.
    pub fn taken_back(&self) {
        let noted = self.noted().filter(|noted| noted.back.is_none());
        self.note_back(noted, Some(Timestamp::now()));
    }

    /// Kafka delivers again. Blocks for a sync.
    pub fn given_back(&self) {
        let noted = self.noted().filter(|noted| noted.back.is_some());
        self.note_back(noted, None);
    }

    /// Where it cannot be written, more is counted than was left behind: no harm in that.
    fn note_back(&self, noted: Option<Noted>, back: Option<Timestamp>) {
        let Some(noted) = noted else {
            return;
        };
        let replaced = self.replace(&Noted { back, ..noted });
        if let Err(error) = replaced {
            tracing::warn!(%error, path = %self.path.display(), "where its events come from is not noted");
        }
    }

    fn noted(&self) -> Option<Noted> {
        let text = self.disk.read_if_there(&self.path).ok()??;
        serde_json::from_slice(&text).ok()
    }

    fn replace(&self, noted: &Noted) -> io::Result<()> {
        self.disk.replace(&self.path, &serde_json::to_vec(noted)?)
    }
}
