//! An open queue: the log, who follows it, what waits to be written, and what is let go of at the end.
//!
//! Deliberately has no logic but how its end is told: the handle, the keeper and the status share it.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Semaphore;

use super::append::{Gauges, Intake, Rules};
use super::follow::Subscriptions;
use super::growth::Growth;
use super::log::{Lock, Log, Manifest, Slots};
use super::settings::Settings;
use boxbridge_config::Current;

pub(super) struct OpenQueue {
    pub settings: Settings,
    /// What holds instead of the same in `settings`.
    pub rules: Arc<Current<Rules>>,
    pub log: Arc<Log>,
    pub subscriptions: Arc<Subscriptions>,
    pub intake: Arc<Intake>,
    pub gauges: Arc<Gauges>,
    pub growth: Mutex<Growth>,
    /// It was closed properly before.
    pub was_clean: bool,
    pub manifest: Mutex<(Manifest, Slots)>,
    /// Held until closed.
    pub lock: Mutex<Option<Lock>>,
    pub closing: Closing,
    /// Places for those who look records up: each holds a thread, and reads much.
    pub looks: Arc<Semaphore>,
}

/// So many look at once; others wait for their turn.
pub(super) const LOOKS_MAX: usize = 2;

/// Tells the keeper to end.
#[derive(Default)]
pub(super) struct Closing {
    closed: Mutex<bool>,
    told: Condvar,
}

impl Closing {
    pub(super) fn close(&self) {
        *self.closed.lock() = true;
        self.told.notify_all();
    }

    /// Waits that long, or until closed: true if closed.
    pub(super) fn wait(&self, at_most: Duration) -> bool {
        let mut closed = self.closed.lock();
        self.told
            .wait_while_for(&mut closed, |closed| !*closed, at_most);
        *closed
    }
}
