//! The counts of events at the door that outlive the process.
//!
//! Promises: accepted is exact, since it is counted from the log itself beyond the last save; duplicates and quarantined ones may lack those of
//! the last seconds before a kill. Refused and aborted requests are not kept: they start at 0 with the process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::metrics::{self, Outcome};
use crate::queue::Queue;
use crate::system::disk::Disk;
use boxbridge_event::{Feed, Sequence};

pub struct ReceivedCounts {
    disk: Disk,
    path: PathBuf,
    queue: Queue,
    kept: Mutex<Kept>,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    epoch: String,
    /// Everything up to here is in `accepted`.
    through: u64,
    accepted: BTreeMap<Feed, u64>,
    duplicate: BTreeMap<Feed, u64>,
    quarantined: BTreeMap<Feed, u64>,
}

impl ReceivedCounts {
    /// Takes up the counts where they were, and sets the metrics to them. A file of another log, or none, counts from the log alone.
    pub fn open(disk: Disk, data_dir: &Path, queue: Queue) -> io::Result<ReceivedCounts> {
        let path = data_dir.join("queue/received.json");
        let found = disk
            .read_if_there(&path)?
            .and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok());
        let mut kept = found
            .filter(|kept| kept.epoch == queue.epoch())
            .unwrap_or_default();
        kept.epoch = queue.epoch().to_owned();
        kept.catch_up(&queue)?;
        for (outcome, counts) in [
            (Outcome::Accepted, &kept.accepted),
            (Outcome::Duplicate, &kept.duplicate),
            (Outcome::Quarantined, &kept.quarantined),
        ] {
            for feed in Feed::ALL {
                metrics::events_before(*feed, outcome, counts.get(feed).copied().unwrap_or(0));
            }
        }
        Ok(ReceivedCounts {
            disk,
            path,
            queue,
            kept: Mutex::new(kept),
        })
    }

    pub fn duplicate(&self, feed: Feed) {
        *self.kept().duplicate.entry(feed).or_default() += 1;
    }

    pub fn quarantined(&self, feed: Feed) {
        *self.kept().quarantined.entry(feed).or_default() += 1;
    }

    /// Writes the counts, if they changed. Blocks for a sync.
    pub fn save(&self) -> io::Result<()> {
        let mut kept = self.kept();
        let before = kept.clone();
        kept.catch_up(&self.queue)?;
        if *kept == before && self.disk.stat(&self.path).is_ok() {
            return Ok(());
        }
        let text = serde_json::to_vec(&*kept)?;
        drop(kept);
        self.disk.replace(&self.path, &text)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn catch_up(&mut self, queue: &Queue) -> io::Result<()> {
        let (through, by_feed) = queue.accepted_after(Sequence(self.through))?;
        self.through = through.0;
        for (feed, count) in Feed::ALL
            .iter()
            .zip(by_feed)
            .filter(|(_, count)| *count > 0)
        {
            *self.accepted.entry(*feed).or_default() += count;
        }
        Ok(())
    }
}
