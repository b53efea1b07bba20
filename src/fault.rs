//! Catches faults of ours: a panic ends one piece of work instead of the process.
//!
//! Promises: a panic is logged and counted once, with its place in the source. Its message is logged only if it is a constant of the
//! program: a formatted one may hold personal data. A task that must live as long as the process is started again. Deliberately repairs
//! nothing: the caller drops the state that the work had.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use crate::metrics;

/// The pause before the first restart; doubled with each restart that follows soon.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A task that ran for this long is restarted with the first pause.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// A panic was caught. The log says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault of ours ended it: the log says where, please report it")]
pub struct Fault;

/// From now on a panic is logged.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        metrics::fault();
        let place = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(
            place,
            words = own_words(panic),
            thread = thread.name().unwrap_or_default(),
            "a fault of ours: please report it"
        );
    }));
}

/// The message of a panic if it is a constant; a message with a value in it is made at run time.
fn own_words(panic: &PanicHookInfo<'_>) -> &'static str {
    panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("not said: they may hold what somebody sent")
}

/// Awaits a future and catches its panic. After a panic the future is dropped half done.
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

    use parking_lot::Mutex;

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

    #[test]
    fn the_words_of_a_panic_are_said_only_where_they_are_the_programs() {
        static SEEN: Mutex<Vec<&str>> = Mutex::new(Vec::new());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|panic| {
            // Other tests panic beside this one.
            if std::thread::current().name() == Some("canary") {
                SEEN.lock().push(own_words(panic));
            }
        }));
        let name = String::from("小明");
        let thread = std::thread::Builder::new().name("canary".to_owned());
        let panics = move || {
            let _ = in_one_go(|| panic!("no name for {name}"));
            let _ = in_one_go(|| panic!("no name"));
        };
        thread.spawn(panics).unwrap().join().unwrap();
        std::panic::set_hook(before);
        let seen = SEEN.lock().clone();
        assert!(
            !seen[0].contains("小明") && seen[0].starts_with("not said"),
            "{seen:?}"
        );
        assert_eq!(seen[1], "no name");
    }
}
