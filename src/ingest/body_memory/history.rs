//! Memory and turns of history bodies: any number may come at once, one after the other is worked on.
//!
//! Promises: a body takes its turn once it has arrived, so a slow one keeps nobody away. If it is all taken, the body that comes slowest
//! is ended, and comes again. What the work on a body costs counts too. Deliberately shares nothing by source: boxes send history for as
//! long as it takes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Limit, wait_for_room};
use boxbridge_config::Current;
use boxbridge_event::{Code, Refusal};

/// A body has had its chance to be fast after this.
const RATE_AFTER: Duration = Duration::from_secs(1);

pub struct History {
    pub limit: Current<Limit>,
    bodies: Mutex<Bodies>,
    released: Notify,
    turn: Arc<Semaphore>,
}

#[derive(Default)]
struct Bodies {
    next: u64,
    total: usize,
    coming: HashMap<u64, Coming>,
}

struct Coming {
    bytes: usize,
    since: Instant,
    has_arrived: bool,
    ended: CancellationToken,
}

/// A history body's memory; dropping it gives it back.
pub struct Held {
    history: Arc<History>,
    number: u64,
    ended: CancellationToken,
}

impl History {
    pub fn new(limit: Limit) -> Arc<History> {
        Arc::new(History {
            limit: Current::new(limit),
            bodies: Mutex::default(),
            released: Notify::new(),
            turn: Arc::new(Semaphore::new(1)),
        })
    }

    pub fn hold(self: &Arc<History>) -> Arc<Held> {
        let ended = CancellationToken::new();
        let coming = Coming {
            bytes: 0,
            since: Instant::now(),
            has_arrived: false,
            ended: ended.clone(),
        };

        let mut bodies = self.bodies();
        let number = bodies.next;
        bodies.next += 1;
        bodies.coming.insert(number, coming);
        Arc::new(Held {
            history: Arc::clone(self),
            number,
            ended,
        })
    }

    fn bodies(&self) -> MutexGuard<'_, Bodies> {
        self.bodies.lock()
    }
}

impl Bodies {
    /// How much more a body takes that is to hold `bytes` in all.
    fn more(&self, number: u64, bytes: usize) -> usize {
        let held = self.coming.get(&number);
        bytes.saturating_sub(held.map_or(0, |coming| coming.bytes))
    }

    fn grow(&mut self, number: u64, more: usize) {
        if let Some(coming) = self.coming.get_mut(&number) {
            coming.bytes += more;
            self.total += more;
        }
    }

    /// The one that comes slowest, if `number` is faster.
    fn slowest_but(&self, number: u64) -> Option<&Coming> {
        let is_new = |coming: &Coming| coming.since.elapsed() < RATE_AFTER;
        let rate = |coming: &Coming| {
            coming.bytes as f64 / coming.since.elapsed().max(RATE_AFTER).as_secs_f64()
        };

        let rivals = self.coming.values().filter(|coming| {
            !coming.has_arrived && !coming.ended.is_cancelled() && !is_new(coming)
        });
        let slowest = rivals.min_by(|a, b| rate(a).total_cmp(&rate(b)))?;
        let own = self.coming.get(&number)?;
        (is_new(own) || rate(slowest) < rate(own)).then_some(slowest)
    }
}

impl Held {
    /// Makes it `bytes` in all: the slowest other gives way, or it is waited for at most the budget's patience.
    pub async fn grow_to(&self, bytes: usize) -> Result<(), Refusal> {
        let wait = self.history.limit.now().wait;
        wait_for_room(&self.history.released, wait, || self.try_grow_to(bytes)).await
    }

    fn try_grow_to(&self, bytes: usize) -> Result<(), Refusal> {
        let mut bodies = self.history.bodies();
        let more = bodies.more(self.number, bytes);

        if bodies.total + more > self.history.limit.now().bytes {
            if let Some(slowest) = bodies.slowest_but(self.number) {
                slowest.ended.cancel();
            }
            let message = "other history bodies take all the room there is";
            return Err(Refusal::new(Code::HistoryBusy, message));
        }

        bodies.grow(self.number, more);
        Ok(())
    }

    /// Holds `bytes` in all for the work on this body, whose turn it is. It is given them at once, for nobody else works: while it holds
    /// more than there is, no other body grows.
    pub fn work(&self, bytes: usize) {
        let mut bodies = self.history.bodies();
        let more = bodies.more(self.number, bytes);
        bodies.grow(self.number, more);
    }

    /// Resolves when this body has to give way to faster ones.
    pub async fn ended(&self) -> Refusal {
        self.ended.cancelled().await;
        Refusal::new(
            Code::HistoryBusy,
            "faster history bodies take the room of this one",
        )
    }

    /// All of it is there: waits for its turn, and keeps it until the permit is dropped.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        if let Some(coming) = self.history.bodies().coming.get_mut(&self.number) {
            coming.has_arrived = true;
        }
        Arc::clone(&self.history.turn).acquire_owned().await.ok()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut bodies = self.history.bodies();
        let bytes = bodies
            .coming
            .remove(&self.number)
            .map_or(0, |coming| coming.bytes);
        bodies.total = bodies.total.saturating_sub(bytes);
        drop(bodies);
        self.history.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(wait: Duration) -> Arc<History> {
        History::new(Limit { bytes: 100, wait })
    }

    /// Has come for two seconds by now.
    fn for_two_seconds(history: &Arc<History>) -> Arc<Held> {
        let held = history.hold();
        let since = Instant::now().checked_sub(2 * RATE_AFTER).unwrap();
        history.bodies().coming.get_mut(&held.number).unwrap().since = since;
        held
    }

    #[tokio::test]
    async fn when_the_room_is_full_the_slowest_gives_way_and_an_arrived_one_never() {
        let history = history(Duration::from_secs(60));
        let [arrived, slow, slower] = [(); 3].map(|()| for_two_seconds(&history));
        arrived.grow_to(10).await.unwrap();
        let _turn = arrived.turn().await;
        slow.grow_to(60).await.unwrap();
        slower.grow_to(30).await.unwrap();

        let fast = history.hold();
        let ended = tokio::spawn(async move { slower.ended().await });
        fast.grow_to(30).await.unwrap();
        assert_eq!(ended.await.unwrap().code, Code::HistoryBusy);
        assert!(!slow.ended.is_cancelled() && !arrived.ended.is_cancelled());
    }

    #[tokio::test]
    async fn what_the_work_on_a_body_takes_is_taken_from_the_others_until_it_is_done() {
        let history = history(Duration::ZERO);
        let costly = history.hold();
        costly.grow_to(10).await.unwrap();
        let _turn = costly.turn().await;
        costly.work(500);
        costly.work(90);

        let other = history.hold();
        assert_eq!(other.grow_to(1).await.unwrap_err().code, Code::HistoryBusy);
        drop(costly);
        other.grow_to(100).await.unwrap();
        drop(other);
        assert_eq!(history.bodies().total, 0);
    }

    #[tokio::test]
    async fn who_is_slower_than_all_others_gives_way_itself() {
        let history = history(Duration::ZERO);
        let [fast, slow] = [(); 2].map(|()| for_two_seconds(&history));
        fast.grow_to(90).await.unwrap();
        slow.grow_to(5).await.unwrap();
        assert_eq!(slow.grow_to(20).await.unwrap_err().code, Code::HistoryBusy);
        assert!(!fast.ended.is_cancelled());
    }
}
