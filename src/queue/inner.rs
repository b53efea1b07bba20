//! What the handle, the cursors and the two threads of the queue share.
//!
//! Promises: once poisoned, nothing is acknowledged any more. Deliberately has no logic beyond that.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::follower::Follower;
use super::intake::Intake;
use super::lock::Lock;
use super::log::Log;
use super::manifest::Manifest;
use super::settings::Settings;
use super::slots::Slots;
use boxbridge_event::{Lane, Timestamp};

pub(super) struct Inner {
    pub settings: Settings,
    pub log: Log,
    pub followers: Vec<Arc<Follower>>,
    pub intake: Intake,
    pub poisoned: watch::Sender<bool>,
    /// The last append found no room.
    pub full: AtomicBool,
    pub syncing: Syncing,
    /// What the writer is at: every call that it makes, and every lock that it waits for.
    pub writing: UnderWay,
    /// The last sequence that was there at start.
    pub last_at_start: u64,
    pub was_clean: bool,
    pub manifest: Mutex<(Manifest, Slots)>,
    /// Held until closed.
    pub lock: Mutex<Option<Lock>>,
    pub closing: Closing,
    pub growth: Mutex<super::status::Growth>,
}

impl Inner {
    pub(super) fn follower(&self, destination: &str, lane: Lane) -> Option<&Arc<Follower>> {
        self.followers
            .iter()
            .find(|follower| follower.destination == destination && follower.lane == lane)
    }

    pub(super) fn is_poisoned(&self) -> bool {
        *self.poisoned.borrow()
    }

    /// The disk failed in a way that nothing on it can be trusted until it was read again.
    pub(super) fn poison(&self, error: &std::io::Error) {
        if !self.poisoned.send_replace(true) {
            tracing::error!(%error, path = %self.log.directory.display(), "the log is poisoned: nothing is acknowledged any more");
        }
    }
}

/// Since when something has been under way.
#[derive(Default)]
pub(super) struct UnderWay {
    since: Mutex<Option<Instant>>,
}

impl UnderWay {
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.set(Some(Instant::now()));
        let done = work();
        self.set(None);
        done
    }

    /// For how long it has been.
    pub(super) fn elapsed(&self) -> Duration {
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.map(|since| since.elapsed()).unwrap_or_default()
    }

    fn set(&self, since: Option<Instant>) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

/// How the last sync of a group went.
#[derive(Default)]
pub(super) struct Syncing {
    last_at: AtomicI64,
    last_micros: AtomicU64,
}

impl Syncing {
    pub(super) fn took(&self, took: Duration) {
        self.last_at.store(Timestamp::now().0, Ordering::Relaxed);
        self.last_micros.store(
            u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        crate::metrics::queue_synced(took);
    }

    /// When the last one ended and how long it took.
    pub(super) fn last(&self) -> Option<(Timestamp, Duration)> {
        let at = self.last_at.load(Ordering::Relaxed);
        (at != 0).then(|| {
            (
                Timestamp(at),
                Duration::from_micros(self.last_micros.load(Ordering::Relaxed)),
            )
        })
    }
}

/// Tells the keeper to end.
#[derive(Default)]
pub(super) struct Closing {
    closed: Mutex<bool>,
    told: Condvar,
}

impl Closing {
    pub(super) fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Waits that long, or until closed: true if closed.
    pub(super) fn wait(&self, at_most: Duration) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *self
            .told
            .wait_timeout_while(closed, at_most, |closed| !*closed)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}
