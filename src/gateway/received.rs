//! Events at the door by outcome, counted across restarts.
//!
//! Promises: accepted is exact, since it is counted from the log itself beyond the last save; duplicates and quarantined ones may lack
//! those of the last seconds before a kill. Deliberately keeps no refused and no aborted request: they start at 0 with the process.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::metrics::{self, Outcome};
use crate::queue::Queue;
use crate::system::disk::Disk;
use boxbridge_event::{Feed, Sequence};

pub struct ReceivedCounts {
    disk: Disk,
    path: PathBuf,
    queue: Queue,
    counts: Mutex<Counts>,
}

#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Counts {
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
            .and_then(|bytes| serde_json::from_slice::<Counts>(&bytes).ok());
        let of_this_log = found.filter(|counts| counts.epoch == queue.epoch());

        let mut counts = of_this_log.unwrap_or_default();
        counts.epoch = queue.epoch().to_owned();
        counts.catch_up(&queue)?;
        counts.tell();
        Ok(ReceivedCounts {
            disk,
            path,
            queue,
            counts: Mutex::new(counts),
        })
    }

    pub fn duplicate(&self, feed: Feed) {
        *self.counts.lock().duplicate.entry(feed).or_default() += 1;
    }

    pub fn quarantined(&self, feed: Feed) {
        *self.counts.lock().quarantined.entry(feed).or_default() += 1;
    }

    /// Writes the counts, if they changed. Blocks for a sync.
    pub fn save(&self) -> io::Result<()> {
        let mut counts = self.counts.lock();
        let before = counts.clone();
        counts.catch_up(&self.queue)?;
        if *counts == before && self.disk.stat(&self.path).is_ok() {
            return Ok(());
        }

        let text = serde_json::to_vec(&*counts)?;
        drop(counts);
        self.disk.replace(&self.path, &text)
    }
}

impl Counts {
    fn catch_up(&mut self, queue: &Queue) -> io::Result<()> {
        let (through, by_feed) = queue.accepted_after(Sequence(self.through))?;
        self.through = through.0;

        let counted = Feed::ALL.iter().zip(by_feed);
        for (feed, count) in counted.filter(|(_, count)| *count > 0) {
            *self.accepted.entry(*feed).or_default() += count;
        }
        Ok(())
    }

    /// Sets the metrics to them.
    fn tell(&self) {
        let outcomes = [
            (Outcome::Accepted, &self.accepted),
            (Outcome::Duplicate, &self.duplicate),
            (Outcome::Quarantined, &self.quarantined),
        ];
        for (outcome, counts) in outcomes {
            for feed in Feed::ALL {
                let count = counts.get(feed).copied().unwrap_or(0);
                metrics::events_before(*feed, outcome, count);
            }
        }
    }
}
