//! How much space the log may take on disk, and the rules by which it keeps and forgets.

use std::time::Duration;

use boxbridge_config::OnFull;

#[derive(Clone, Copy, Debug)]
pub struct DiskLimits {
    /// Of all segments together.
    pub max_bytes: u64,
    /// Of one; a record that is larger gets a larger one.
    pub segment_bytes: u64,
    /// Stays free on the file system.
    pub reserve_bytes: u64,
}

/// What a reload may change of an open queue.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// How long a delivered record stays, room permitting.
    pub replay_window: Duration,
    pub on_full: OnFull,
    /// Zero: nothing is a duplicate.
    pub dedupe_window: Duration,
    pub dedupe_max_events: usize,
    /// A route sends pictures inline: they are never punched out.
    pub keep_pictures: bool,
}
