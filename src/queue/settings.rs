//! What the queue is told.
//!
//! Promises: a queue of any size has a bounded number of segments, so of open files.

use std::path::PathBuf;
use std::time::Duration;

use super::append::{DiskLimits, Rules};
use super::format::BLOCK;
use crate::system::disk::Disk;
use boxbridge_config::{Config, Destination, OnFull, PicturePolicy};

/// What the queue needs to know. Every bound that is not here stands beside what it bounds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `queue/` and `lock` are made below it.
    pub data_dir: PathBuf,
    /// All segments together.
    pub max_bytes: u64,
    /// One segment, a multiple of 4096; a record that is larger gets a larger one.
    pub segment_bytes: u64,
    /// How long a delivered record stays, room permitting.
    pub replay_window: Duration,
    pub on_full: OnFull,
    /// Zero: nothing is a duplicate.
    pub dedupe_window: Duration,
    pub dedupe_max_events: usize,
    /// A route sends pictures inline: they are never punched out.
    pub keep_pictures: bool,
    /// Destinations that get the pictures, besides the one called `store`: none is punched out before they have it.
    pub copies: Vec<String>,
    /// How often room is given back: holes punched, segments deleted.
    pub upkeep_interval: Duration,
    /// How long a place is asked again that the disk does not read while it reads others; then what stood there is lost.
    pub unread_max: Duration,
    /// Of the newest records so much stays in memory, for cursors that keep up.
    pub recent_event_bytes: usize,
    pub recent_picture_bytes: usize,
    pub disk: Disk,
}

/// Large enough that making one costs nothing, small enough that a finished one gives room back soon.
const SEGMENT_BYTES: u64 = 64 << 20;
/// At most so many: each is an open file, and 10 TiB must not need more than a process may have.
const SEGMENTS_MAX: u64 = 512;
/// A cable, a path or a controller that fails is back by then, and takes all of a disk with it: one place that fails for so long is a
/// sector that has lost its bytes. Until then nothing else of its lane goes, alerts included, for nobody knows of which device it tells.
const UNREAD_MAX: Duration = Duration::from_secs(600);
/// Half a second of 700 events.
const RECENT_EVENT_BYTES: usize = 512 << 10;
/// What some groups hold: the store is at them within milliseconds, or it is behind and reads the disk.
const RECENT_PICTURE_BYTES: usize = 4 << 20;
/// At least so many fit into `max_bytes`, so that one that is still needed holds back little of it.
const SEGMENTS_MIN: u64 = 16;

impl Settings {
    /// Settings for tests and tools: so many bytes below `data_dir`, everything else as by default.
    pub fn new(data_dir: impl Into<PathBuf>, max_bytes: u64) -> Settings {
        Settings {
            data_dir: data_dir.into(),
            max_bytes,
            segment_bytes: segment_bytes(max_bytes),
            replay_window: Duration::from_secs(24 * 3600),
            on_full: OnFull::Refuse,
            dedupe_window: Duration::from_secs(600),
            dedupe_max_events: 200_000,
            keep_pictures: false,
            copies: Vec::new(),
            upkeep_interval: Duration::from_secs(1),
            unread_max: UNREAD_MAX,
            recent_event_bytes: RECENT_EVENT_BYTES,
            recent_picture_bytes: RECENT_PICTURE_BYTES,
            disk: Disk::default(),
        }
    }

    /// As many files may be open for segments: a full log, and one beyond it that is being made.
    pub fn segments_max(&self) -> usize {
        usize::try_from(self.max_bytes.div_ceil(self.segment_bytes.max(1)) + 1)
            .unwrap_or(usize::MAX)
    }

    pub(super) fn disk_limits(&self) -> DiskLimits {
        DiskLimits {
            max_bytes: self.max_bytes,
            segment_bytes: self.segment_bytes,
            reserve_bytes: self.reserve_bytes(),
        }
    }

    /// What a reload may change of these.
    pub(super) fn rules(&self) -> Rules {
        Rules {
            replay_window: self.replay_window,
            on_full: self.on_full,
            dedupe_window: self.dedupe_window,
            dedupe_max_events: self.dedupe_max_events,
            keep_pictures: self.keep_pictures,
        }
    }

    /// What stays free on the file system for cursors, verdicts and set-aside records.
    fn reserve_bytes(&self) -> u64 {
        (self.max_bytes / SEGMENTS_MIN).min(64 << 20)
    }
}

fn segment_bytes(max_bytes: u64) -> u64 {
    let wanted = SEGMENT_BYTES
        .min(max_bytes / SEGMENTS_MIN)
        .max(max_bytes / SEGMENTS_MAX);
    (wanted / BLOCK * BLOCK).max(4 * BLOCK)
}

fn sends_inline(destination: &Destination) -> bool {
    destination.is_bus()
        && destination
            .routes
            .iter()
            .any(|(_, route)| route.pictures == PicturePolicy::Inline)
}

impl From<&Config> for Settings {
    fn from(config: &Config) -> Settings {
        Settings {
            replay_window: config.queue.replay_window,
            on_full: config.queue.on_full,
            dedupe_window: config.normalize.dedupe_window,
            dedupe_max_events: config.normalize.dedupe_max_events,
            keep_pictures: config.send.destinations.iter().any(sends_inline),
            copies: config
                .send
                .destinations
                .iter()
                .filter(|other| !other.is_bus())
                .map(|copy| copy.name.to_string())
                .collect(),
            ..Settings::new(&config.data_dir, config.queue.max_bytes)
        }
    }
}
