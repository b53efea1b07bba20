//! How much of what was written is on the disk, where a sync covers many files at once.
//!
//! Shared by those who write, the one who syncs, and those who wait. Promises: what counts as durable
//! was synced after it was written; a sync that failed is told to everybody. Deliberately does no IO.

use std::sync::atomic::{AtomicU64, Ordering};

/// Files in the order in which they were written, by their count.
#[derive(Debug, Default)]
pub struct Written {
    count: AtomicU64,
    durable: AtomicU64,
    losses: AtomicU64,
}

impl Written {
    /// One more was written.
    pub fn add(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    /// So many were written until now.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Whether the first `count` are on the disk.
    pub fn is_durable(&self, count: u64) -> bool {
        count <= self.durable.load(Ordering::Acquire)
    }

    /// A sync that began after the first `count` were written has succeeded.
    pub fn synced(&self, count: u64) {
        self.durable.fetch_max(count, Ordering::AcqRel);
    }

    /// A sync failed: whatever is not durable yet may be gone, although it can still be read.
    pub fn lost(&self) {
        self.losses.fetch_add(1, Ordering::AcqRel);
    }

    /// How often that happened.
    pub fn losses(&self) -> u64 {
        self.losses.load(Ordering::Acquire)
    }
}
