//! How the writer is doing, for others to see without asking it.
//!
//! Deliberately judges nothing: the status does.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use boxbridge_event::Timestamp;

#[derive(Default)]
pub struct Gauges {
    /// The last append found no room.
    pub full: AtomicBool,
    pub last_sync: LastSync,
    /// What the writer is at: every call that it makes, and every lock that it waits for.
    pub writing: UnderWay,
}

/// Since when something has been under way.
#[derive(Default)]
pub struct UnderWay {
    since: Mutex<Option<Instant>>,
}

impl UnderWay {
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        *self.since.lock() = Some(Instant::now());
        let done = work();
        *self.since.lock() = None;
        done
    }

    /// For how long it has been.
    pub fn elapsed(&self) -> Duration {
        let since = *self.since.lock();
        since.map(|since| since.elapsed()).unwrap_or_default()
    }
}

/// How the last sync of a group went.
#[derive(Default)]
pub struct LastSync {
    at: AtomicI64,
    micros: AtomicU64,
}

impl LastSync {
    pub fn took(&self, took: Duration) {
        self.at.store(Timestamp::now().0, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.store(micros, Ordering::Relaxed);
        crate::metrics::queue_synced(took);
    }

    /// When it ended and how long it took.
    pub fn get(&self) -> Option<(Timestamp, Duration)> {
        let at = self.at.load(Ordering::Relaxed);
        let took = Duration::from_micros(self.micros.load(Ordering::Relaxed));
        (at != 0).then_some((Timestamp(at), took))
    }
}
