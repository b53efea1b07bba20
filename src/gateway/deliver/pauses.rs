//! `data_dir/pauses`: which person types each destination refuses, from one run to the next.
//!
//! Promises: written as a whole and synced, whenever a type is paused or flows again; a write that fails is tried again. A file that cannot
//! be read is said, and every type begins to flow. Deliberately judges nothing: after a start the window tries one event of such a type.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use crate::send::window::TopicClass;
use crate::system::disk::Disk;
use crate::system::fault::Fault;
use boxbridge_event::{Lane, Timestamp};

const FILE: &str = "pauses";
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// A class of which nothing flows, since it was refused again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub class: TopicClass,
    /// The reason, and the other side's words.
    pub why: String,
    pub since: Timestamp,
}

/// Those of all destinations, and their file.
pub struct Pauses {
    disk: Disk,
    path: PathBuf,
    lanes: Mutex<Vec<OfLane>>,
    changed: Notify,
}

/// What one delivery has noted of its own.
pub struct Noted {
    pub(super) pauses: Arc<Pauses>,
    pub(super) classes: Vec<TopicClass>,
}

impl Noted {
    pub fn of(pauses: &Arc<Pauses>) -> Noted {
        Noted {
            pauses: Arc::clone(pauses),
            classes: Vec::new(),
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct OfLane {
    destination: String,
    lane: Lane,
    pauses: Vec<Pause>,
}

impl OfLane {
    fn is_of(&self, destination: &str, lane: Lane) -> bool {
        self.destination == destination && self.lane == lane
    }
}

impl Pauses {
    /// As the last run left them.
    pub fn open(disk: &Disk, data_dir: &Path) -> Pauses {
        let path = data_dir.join(FILE);
        let lanes = read(disk, &path).unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "which person types were refused cannot be read: each begins to flow");
            Vec::new()
        });

        Pauses {
            disk: disk.clone(),
            path,
            lanes: Mutex::new(lanes),
            changed: Notify::new(),
        }
    }

    pub(super) fn of(&self, destination: &str, lane: Lane) -> Vec<Pause> {
        let lanes = self.lanes.lock();
        let found = lanes.iter().find(|it| it.is_of(destination, lane));
        found.map_or_else(Vec::new, |it| it.pauses.clone())
    }

    pub(super) fn replace(&self, destination: &str, lane: Lane, pauses: Vec<Pause>) {
        let mut lanes = self.lanes.lock();
        lanes.retain(|it| !it.is_of(destination, lane));
        if !pauses.is_empty() {
            lanes.push(OfLane {
                destination: destination.to_owned(),
                lane,
                pauses,
            });
        }
        drop(lanes);
        self.changed.notify_one();
    }

    /// Writes every change, for as long as it is polled.
    pub async fn keep(self: Arc<Pauses>) {
        let mut is_failing = false;
        loop {
            self.changed.notified().await;
            while let Err(error) = self.write().await {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(%error, path = %self.path.display(), "which person types are refused cannot be kept: it is tried again");
                }
                tokio::time::sleep(TRY_AGAIN).await;
            }

            if std::mem::take(&mut is_failing) {
                tracing::info!("which person types are refused is kept again");
            }
        }
    }

    async fn write(self: &Arc<Pauses>) -> io::Result<()> {
        let pauses = Arc::clone(self);
        let write = move || {
            let text = serde_json::to_vec(&*pauses.lanes.lock())?;
            pauses.disk.replace(&pauses.path, &text)
        };
        let written = tokio::task::spawn_blocking(write).await;
        written.unwrap_or_else(|_| Err(io::Error::other(Fault)))
    }
}

fn read(disk: &Disk, path: &Path) -> io::Result<Vec<OfLane>> {
    let Some(text) = disk.read_if_there(path)? else {
        return Ok(Vec::new());
    };
    Ok(serde_json::from_slice(&text)?)
}
