//! Catches faults of ours: a panic ends one piece of work instead of the process.
//!
//! Promises: a task that must live as long as the process is started again. Deliberately repairs nothing: the caller drops the state that
//! the work had. Says nothing of the panic itself: `app::logging` does, where it happens.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

/// The pause before the first restart; doubled with each restart that follows soon.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A task that ran for this long is restarted with the first pause.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// A panic was caught. The log says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault of ours ended it: the log says where, please report it")]
pub struct Fault;

/// Awaits a future and catches its panic. After a panic the future is dropped half done. A large one is better pinned before: it would be
/// moved here.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Fault> {
    let mut future = pin!(future);
    poll_fn(
        |context| match in_one_go(|| future.as_mut().poll(context)) {
            Ok(poll) => poll.map(Ok),
            Err(fault) => Poll::Ready(Err(fault)),
        },
    )
    .await
}

/// The same for work that does not wait.
pub fn in_one_go<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Fault)
}

/// What a task of ours came to. Its fault goes on in the caller; `None` where the runtime goes down.
pub fn joined<T>(ended: Result<T, JoinError>) -> Option<T> {
    match ended.map_err(JoinError::try_into_panic) {
        Ok(value) => Some(value),
        Err(Ok(fault)) => std::panic::resume_unwind(fault),
        Err(Err(_)) => None,
    }
}

/// Runs the task that `start` makes until it ends by itself. After a fault a new one is made.
pub async fn keep<F: Future<Output = ()>>(
    task: &'static str,
    stop: CancellationToken,
    mut start: impl FnMut() -> F,
) {
    let mut starts = Starts::of(task, stop);
    while starts.again(caught(start()).await).await {}
}

/// The restarts of a task that lives as long as the process: `while starts.again(caught(task()).await).await {}`.
pub struct Starts {
    task: &'static str,
    stop: CancellationToken,
    pause: Duration,
    last: Instant,
}

impl Starts {
    /// `task` is what the log calls it.
    pub fn of(task: &'static str, stop: CancellationToken) -> Starts {
        Starts {
            task,
            stop,
            pause: PAUSE_FIRST,
            last: Instant::now(),
        }
    }

    /// After a fault: waits for the pause, then true. False if the task ended by itself or is to stop.
    pub async fn again(&mut self, ended: Result<(), Fault>) -> bool {
        if ended.is_ok() || self.stop.is_cancelled() {
            return false;
        }
        if self.last.elapsed() > SOUND_AFTER {
            self.pause = PAUSE_FIRST;
        }

        tracing::error!(
            task = self.task,
            pause_ms = self.pause.as_millis() as u64,
            "a task ended by a fault is started again"
        );
        let waited = self
            .stop
            .run_until_cancelled(tokio::time::sleep(self.pause))
            .await;

        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.last = Instant::now();
        waited.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn what_panics_is_started_again_until_it_ends_by_itself() {
        let starts = AtomicU32::new(0);
        let task = || async {
            tokio::task::yield_now().await;
            assert!(starts.fetch_add(1, Ordering::Relaxed) >= 2, "a fault");
        };
        let mut again = Starts::of("test", CancellationToken::new());
        while again.again(caught(task()).await).await {}
        assert_eq!(starts.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_stop_ends_the_starts() {
        let stop = CancellationToken::new();
        stop.cancel();
        assert!(!Starts::of("test", stop).again(Err(Fault)).await);
    }
}
