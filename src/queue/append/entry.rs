//! What is appended, and what comes of it.

use boxbridge_event::{Event, Lane, Picture, Revision, Sequence, Size};

/// What goes into the queue. A kind of picture has one place: of two with the same kind the last counts.
#[derive(Clone, Debug)]
pub struct Entry {
    pub event: Event,
    pub pictures: Vec<Picture>,
    pub lane: Lane,
    /// For one that nobody may act on: the revision that its content would have had live.
    pub live_revision: Option<Revision>,
    /// The number of its sender's pass: beside the sender's address, whose share it takes.
    pub pass: Option<u64>,
}

/// Where an entry is. Durable in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Stored(Sequence),
    /// It repeats this record.
    Duplicate(Original),
}

/// A record that another one repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original {
    pub sequence: Sequence,
    pub lane: Lane,
    pub has_pictures: bool,
}

/// Why an entry is not in the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("queue is full: {} of {} used", Size(*.used), Size(*.limit))]
    Full { used: u64, limit: u64 },
    /// `max_bytes` is not used up, and the disk is.
    #[error("queue is full: {reason}")]
    DiskFull { reason: String },
    /// The disk does not take it at the moment, and nothing is wrong with what it holds: to be tried again.
    #[error("the disk does not take it now: {reason}")]
    NotNow { reason: String },
    #[error("the log is poisoned by a failed write or sync")]
    Poisoned,
    #[error("the queue is closed")]
    Closed,
    /// Never for an event that was read from JSON.
    #[error("the event cannot be written as JSON")]
    Unwritable,
}
