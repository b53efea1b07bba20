//! A fault of ours: a panic, which ends one thing instead of the process.
//!
//! Promises: a panic is logged and counted once, by its place: its words may hold what somebody sent, so only those that stand in the
//! program are said; what has to live as long as the process is started again. Deliberately mends nothing: whoever catches a fault
//! throws away what the fault was working on.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::metrics;

/// Before the first new start; doubled with each that follows soon.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// What ran for so long is started as if for the first time.
const SOUND_AFTER: Duration = Duration::from_secs(60);

/// Where a panic was, is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fault of ours ended it: the log says where, please report it")]
pub struct Fault;

/// From here on a panic is a line in the log.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        metrics::fault();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        tracing::error!(
            place,
            words = own_words(panic),
            thread = thread.name().unwrap_or_default(),
            "a fault of ours: please report it"
        );
    }));
}

/// A panic's words where they stand in the program as they are; with a value in them they are made at run time.
fn own_words(panic: &PanicHookInfo<'_>) -> &'static str {
    panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("not said: they may hold what somebody sent")
}

/// What the future comes to, or that it panicked; then it is dropped half done.
pub async fn caught<T>(future: impl Future<Output = T>) -> Result<T, Fault> {
    let mut future = pin!(future);
    poll_fn(|context| match in_one_go(|| future.as_mut().poll(context)) {
        Ok(poll) => poll.map(Ok),
        Err(fault) => Poll::Ready(Err(fault)),
    })
    .await
}

/// The same for what does not wait.
pub fn in_one_go<T>(work: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Fault)
}

/// Runs what `start` makes until it ends by itself: after a fault it is made anew.
pub async fn keep<F: Future<Output = ()>>(task: &'static str, stop: CancellationToken, mut start: impl FnMut() -> F) {
    let mut starts = Starts::of(task, stop);
    while starts.again(caught(start()).await).await {}
}

/// The starts of a task that lives as long as the process: `while starts.again(caught(task()).await).await {}`.
pub struct Starts {
    task: &'static str,
    stop: CancellationToken,
    pause: Duration,
    last: Instant,
}

impl Starts {
    /// `task` is what the log calls it.
    pub fn of(task: &'static str, stop: CancellationToken) -> Starts {
        Starts { task, stop, pause: PAUSE_FIRST, last: Instant::now() }
    }

    /// After a fault, and a pause: yes. No where it ended by itself, or is to stop.
    pub async fn again(&mut self, ended: Result<(), Fault>) -> bool {
        if ended.is_ok() || self.stop.is_cancelled() {
            return false;
        }
        if self.last.elapsed() > SOUND_AFTER {
            self.pause = PAUSE_FIRST;
        }
        tracing::error!(task = self.task, pause_ms = self.pause.as_millis() as u64, "a task ended by a fault is started again");
        let waited = self.stop.run_until_cancelled(tokio::time::sleep(self.pause)).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.last = Instant::now();
        waited.is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
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

    #[test]
    fn the_words_of_a_panic_are_said_only_where_they_are_the_programs() {
        static SEEN: Mutex<Vec<&str>> = Mutex::new(Vec::new());
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(|panic| {
            // Other tests panic beside this one.
            if std::thread::current().name() == Some("canary") {
                SEEN.lock().unwrap().push(own_words(panic));
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
        let seen = SEEN.lock().unwrap().clone();
        assert!(!seen[0].contains("小明") && seen[0].starts_with("not said"), "{seen:?}");
        assert_eq!(seen[1], "no name");
    }
}
