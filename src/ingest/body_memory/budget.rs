//! Memory for bodies, from their first byte until their answer is written: what they cost, not what their text measures.
//!
//! Promises: as long as there is memory anyone gets it. The last quarter is for sources that hold less than a quarter, and half of that for
//! those that hold little: a source that floods leaves room for the others, and many that flood still leave some for a usual event. A slow sender
//! holds twice what it has sent at most. Deliberately does not know what a body costs: its caller says so before it works on it.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Limit, wait_for_room};
use boxbridge_config::Current;
use boxbridge_event::{Code, Refusal, ShareKey};

/// Large enough that a usual body takes a few steps, small enough that a share is not taken by headers alone.
const STEP: usize = 64 * 1024;

pub struct Budget {
    pub limit: Current<Limit>,
    in_use: Mutex<InUse>,
    released: Notify,
}

#[derive(Default)]
struct InUse {
    total: usize,
    by_source: HashMap<ShareKey, usize>,
}

/// Memory held for one body; dropping it gives it back.
pub struct Held {
    budget: Arc<Budget>,
    source: ShareKey,
    bytes: Mutex<usize>,
}

impl Budget {
    pub fn new(limit: Limit) -> Arc<Budget> {
        Arc::new(Budget {
            limit: Current::new(limit),
            in_use: Mutex::default(),
            released: Notify::new(),
        })
    }

    pub fn hold(self: &Arc<Budget>, source: ShareKey) -> Arc<Held> {
        Arc::new(Held {
            budget: Arc::clone(self),
            source,
            bytes: Mutex::new(0),
        })
    }

    fn shares(&self) -> Shares {
        Shares {
            limit: self.limit.now().bytes,
        }
    }

    fn try_take(&self, source: ShareKey, bytes: usize) -> Result<(), Code> {
        let mut in_use = self.in_use.lock();
        let of_source = in_use.by_source.get(&source).copied().unwrap_or(0);
        let shares = self.shares();
        if in_use.total + bytes > shares.open_to(of_source + bytes) {
            return Err(match of_source + bytes > shares.each() {
                true => Code::SourceOverBudget,
                false => Code::OverBudget,
            });
        }

        in_use.total += bytes;
        in_use.by_source.insert(source, of_source + bytes);
        Ok(())
    }

    fn refusal(&self, code: Code) -> Refusal {
        let limit = self.shares().limit;
        let message = match code {
            Code::SourceOverBudget => {
                format!("this source holds its share of the {limit} bytes that may be in flight")
            }
            _ => format!("all {limit} bytes that may be in flight are in use"),
        };
        Refusal::new(code, message)
    }

    fn give_back(&self, source: ShareKey, bytes: usize) {
        let mut in_use = self.in_use.lock();
        in_use.total = in_use.total.saturating_sub(bytes);

        let of_source = in_use.by_source.get(&source).copied().unwrap_or(0);
        match of_source.saturating_sub(bytes) {
            0 => in_use.by_source.remove(&source),
            left => in_use.by_source.insert(source, left),
        };

        drop(in_use);
        self.released.notify_waiters();
    }
}

/// How all there is is shared out.
#[derive(Clone, Copy)]
struct Shares {
    limit: usize,
}

impl Shares {
    /// What one source may hold when there is no more than that left, and what others leave it before.
    fn each(self) -> usize {
        self.limit / 4
    }

    /// The most that one source can ever have.
    fn most(self) -> usize {
        self.limit - self.each()
    }

    /// Up to which total a source may take what makes it hold `bytes`.
    fn open_to(self, bytes: usize) -> usize {
        match bytes {
            little if little <= (self.each() / 8).max(STEP) => self.limit,
            fair if fair <= self.each() => self.limit - self.each() / 2,
            _ => self.most(),
        }
    }
}

impl Held {
    /// Makes it `bytes` in all, if there is room at once; at most what one source can ever have, so that a costly body is taken alone
    /// instead of never.
    pub fn try_grow_to(&self, bytes: usize) -> Result<(), Refusal> {
        let mut held = self.bytes.lock();
        let bytes = bytes.next_multiple_of(STEP);
        let bytes = bytes.min(self.budget.shares().most());
        let Some(more) = bytes.checked_sub(*held).filter(|more| *more > 0) else {
            return Ok(());
        };

        let taken = self.budget.try_take(self.source, more);
        taken.map_err(|code| self.budget.refusal(code))?;
        *held = bytes;
        Ok(())
    }

    /// The same, waiting at most the budget's patience for others to finish.
    pub async fn grow_to(&self, bytes: usize) -> Result<(), Refusal> {
        let wait = self.budget.limit.now().wait;
        wait_for_room(&self.budget.released, wait, || self.try_grow_to(bytes)).await
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&self, bytes: usize) {
        let mut held = self.bytes.lock();
        let bytes = bytes.min(*held).next_multiple_of(STEP);
        if let Some(less) = held.checked_sub(bytes).filter(|less| *less > 0) {
            self.budget.give_back(self.source, less);
            *held = bytes;
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let bytes = *self.bytes.get_mut();
        if bytes > 0 {
            self.budget.give_back(self.source, bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn source(last: u8) -> ShareKey {
        ShareKey::of([192, 168, 1, last].into())
    }

    fn budget(steps: usize, wait: Duration) -> Arc<Budget> {
        let bytes = steps * STEP;
        Budget::new(Limit { bytes, wait })
    }

    #[tokio::test]
    async fn a_source_that_is_alone_may_have_more_than_its_share_and_leaves_room_for_others() {
        let budget = budget(16, Duration::ZERO);
        let code = async |held: &Held, steps: usize| {
            let grown = held.grow_to(steps * STEP).await;
            grown.map_err(|refusal| refusal.code)
        };

        let greedy = [budget.hold(source(19)), budget.hold(source(19))];
        assert_eq!(code(&greedy[0], 11).await, Ok(()));
        assert_eq!(code(&greedy[1], 2).await, Err(Code::SourceOverBudget));

        let others = [budget.hold(source(20)), budget.hold(source(20))];
        assert_eq!(code(&others[0], 3).await, Ok(()));
        assert_eq!(code(&others[1], 2).await, Err(Code::SourceOverBudget));
    }

    #[tokio::test]
    async fn many_who_flood_leave_some_room_for_who_holds_little() {
        let budget = budget(64, Duration::ZERO);
        let many: Vec<_> = (1..=8).map(|last| budget.hold(source(last))).collect();
        for held in &many {
            let _ = held.grow_to(8 * STEP).await;
        }

        let much = budget.hold(source(20)).grow_to(12 * STEP).await;
        assert_eq!(much.unwrap_err().code, Code::OverBudget);
        budget.hold(source(20)).grow_to(2 * STEP).await.unwrap();
    }

    #[tokio::test]
    async fn what_costs_more_than_there_is_is_taken_alone() {
        let budget = budget(32, Duration::ZERO);
        let costly = budget.hold(source(19));
        costly.grow_to(100 * STEP).await.unwrap();

        let more = budget.hold(source(19)).grow_to(1).await;
        assert_eq!(more.unwrap_err().code, Code::SourceOverBudget);
        budget.hold(source(20)).grow_to(1).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_not_kept_is_given_back_once() {
        let budget = budget(16, Duration::ZERO);
        let held = budget.hold(source(19));
        held.grow_to(8 * STEP).await.unwrap();
        held.shrink_to(2 * STEP - 1);
        held.shrink_to(4 * STEP);
        assert_eq!(budget.in_use.lock().total, 2 * STEP);
        drop(held);
        assert_eq!(budget.in_use.lock().total, 0);
    }

    #[tokio::test]
    async fn what_is_dropped_is_given_back_and_waiters_wake() {
        let budget = budget(4, Duration::from_secs(60));
        let first = budget.hold(source(19));
        first.grow_to(3 * STEP).await.unwrap();
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.hold(source(19)).grow_to(2 * STEP).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap().unwrap();
        assert_eq!(budget.in_use.lock().total, 0);
        assert!(budget.in_use.lock().by_source.is_empty());
    }
}
