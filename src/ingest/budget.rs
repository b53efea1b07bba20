//! Bytes of bodies in memory, taken in steps as they arrive: a cap for all, and a quarter of it for one source.
//!
//! A slow sender so holds only what it has sent, and a flooding one leaves room for the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::event::{Code, Refusal};

/// Large enough that a usual body takes a few steps, small enough that a share is not taken by headers alone.
const STEP: usize = 64 * 1024;

pub struct Budget {
    limit: usize,
    /// Of one source.
    share: usize,
    wait: Duration,
    in_use: Mutex<InUse>,
    released: Notify,
}

#[derive(Default)]
struct InUse {
    total: usize,
    by_source: HashMap<IpAddr, usize>,
}

/// Bytes held for one body; dropping it gives them back.
pub struct Held {
    budget: Arc<Budget>,
    source: IpAddr,
    bytes: usize,
}

impl Budget {
    pub fn new(limit: usize, share: usize, wait: Duration) -> Arc<Budget> {
        Arc::new(Budget { limit, share, wait, in_use: Mutex::default(), released: Notify::new() })
    }

    pub fn hold(self: &Arc<Budget>, source: IpAddr) -> Held {
        Held { budget: Arc::clone(self), source, bytes: 0 }
    }

    fn try_take(&self, source: IpAddr, bytes: usize) -> Result<(), Code> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        let of_source = in_use.by_source.get(&source).copied().unwrap_or(0);
        if of_source + bytes > self.share {
            return Err(Code::SourceOverBudget);
        }
        if in_use.total + bytes > self.limit {
            return Err(Code::OverBudget);
        }
        in_use.total += bytes;
        in_use.by_source.insert(source, of_source + bytes);
        Ok(())
    }

    fn give_back(&self, source: IpAddr, bytes: usize) {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        in_use.total = in_use.total.saturating_sub(bytes);
        let left = in_use.by_source.get(&source).copied().unwrap_or(0).saturating_sub(bytes);
        if left == 0 {
            in_use.by_source.remove(&source);
        } else {
            in_use.by_source.insert(source, left);
        }
        drop(in_use);
        self.released.notify_waiters();
    }
}

impl Held {
    /// Makes room for a body of `bytes` so far; waits at most the budget's patience for others to finish.
    pub async fn grow_to(&mut self, bytes: usize) -> Result<(), Refusal> {
        if bytes <= self.bytes {
            return Ok(());
        }
        let more = (bytes - self.bytes).next_multiple_of(STEP);
        let deadline = tokio::time::Instant::now() + self.budget.wait;
        loop {
            let released = self.budget.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            match self.budget.try_take(self.source, more) {
                Ok(()) => {
                    self.bytes += more;
                    return Ok(());
                }
                Err(code) => {
                    if tokio::time::timeout_at(deadline, released).await.is_err() {
                        return Err(self.refusal(code));
                    }
                }
            }
        }
    }

    fn refusal(&self, code: Code) -> Refusal {
        let Budget { limit, share, .. } = *self.budget;
        Refusal::new(
            code,
            match code {
                Code::SourceOverBudget => format!("this source has its {share} of the {limit} bytes that may be in flight"),
                _ => format!("all {limit} bytes that may be in flight are in use"),
            },
        )
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.give_back(self.source, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 19));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 20));

    #[tokio::test]
    async fn one_source_gets_a_quarter_and_leaves_room_for_others() {
        let budget = Budget::new(16 * STEP, 4 * STEP, Duration::ZERO);
        let mut greedy = budget.hold(BOX);
        greedy.grow_to(4 * STEP).await.unwrap();
        assert_eq!(greedy.grow_to(5 * STEP).await.unwrap_err().code, Code::SourceOverBudget);
        budget.hold(OTHER).grow_to(STEP).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_dropped_is_given_back_and_waiters_wake() {
        let budget = Budget::new(4 * STEP, STEP, Duration::from_secs(60));
        let mut first = budget.hold(BOX);
        first.grow_to(1).await.unwrap();
        let waiting = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.hold(BOX).grow_to(STEP).await }
        });
        tokio::task::yield_now().await;
        drop(first);
        waiting.await.unwrap().unwrap();
        assert_eq!(budget.in_use.lock().unwrap().total, 0);
        assert!(budget.in_use.lock().unwrap().by_source.is_empty());
    }
}
