//! How many messages wait for each subscriber: what a publisher is held back by.
//!
//! The broker itself acknowledges at once and drops when a subscriber's queue is full, so that a backlog of ours, published at full speed,
//! would be lost on anyone slower. Promises: a publication waits while a subscriber of it is [`FULL`] and takes at least [`PACE`] messages
//! a second; one that is slower is not waited for again until it has caught up.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmqtt::types::ClientId;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

/// Messages waiting for a subscriber at which publishers wait for it: far from the 1,000 of its queue, few enough that a live alert
/// behind them is still live.
const FULL: usize = 64;
/// A person's screen or a gate takes more. Clients take them in bursts, so they are counted over a second.
const PACE: usize = 20;
const SECOND: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Backlog {
    subscribers: Mutex<HashMap<ClientId, Waiting>>,
    moved: Notify,
}

struct Waiting {
    messages: usize,
    /// Messages it took since then.
    taken: usize,
    since: Instant,
    given_up: bool,
}

impl Backlog {
    /// Waits until each of these has room, within reason, and counts one message more for each.
    pub async fn enter(&self, subscribers: &[ClientId]) {
        loop {
            let moved = self.moved.notified();
            if !self.holds_back(subscribers) {
                break;
            }
            // Whether it moved or the second is over, the next look tells.
            drop(timeout(SECOND, moved).await);
        }
        let mut waiting = self.lock();
        for subscriber in subscribers {
            waiting.entry(subscriber.clone()).or_insert_with(Waiting::new).messages += 1;
        }
    }

    /// One message was handed to this subscriber, or dropped.
    pub fn leave(&self, subscriber: &ClientId) {
        if let Some(waiting) = self.lock().get_mut(subscriber) {
            waiting.leave();
        }
        self.moved.notify_waiters();
    }

    /// This subscriber and its queue are gone.
    pub fn forget(&self, subscriber: &ClientId) {
        self.lock().remove(subscriber);
        self.moved.notify_waiters();
    }

    fn holds_back(&self, subscribers: &[ClientId]) -> bool {
        let mut waiting = self.lock();
        subscribers.iter().any(|subscriber| waiting.get_mut(subscriber).is_some_and(Waiting::holds_back))
    }

    /// Counts stay true whatever panicked while they were held.
    fn lock(&self) -> MutexGuard<'_, HashMap<ClientId, Waiting>> {
        self.subscribers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn new() -> Waiting {
        Waiting { messages: 0, taken: 0, since: Instant::now(), given_up: false }
    }

    fn leave(&mut self) {
        // A retained message was not counted when it came.
        self.messages = self.messages.saturating_sub(1);
        self.taken += 1;
        if self.messages < FULL / 2 {
            self.given_up = false;
        }
    }

    fn holds_back(&mut self) -> bool {
        if self.messages < FULL {
            // Its pace counts only while someone waits for it.
            (self.taken, self.since) = (0, Instant::now());
            return false;
        }
        if self.since.elapsed() >= SECOND {
            self.given_up |= self.taken < PACE;
            (self.taken, self.since) = (0, Instant::now());
        }
        !self.given_up
    }
}
