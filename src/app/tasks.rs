//! Tasks that live as long as the gateway and end together.
//!
//! Promises: a fault ends none of them for good. Deliberately aborts nothing: what does not end in time is left to the runtime's end.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::system::fault;

/// Tasks, and the token that ends them. Clones are the same.
#[derive(Clone, Default)]
pub struct Tasks {
    pub tracker: TaskTracker,
    pub stop: CancellationToken,
}

impl Tasks {
    /// Runs the task that `start` makes until it ends by itself. After a fault a new one is made.
    pub fn keep<F>(&self, name: &'static str, start: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker
            .spawn(fault::keep(name, self.stop.clone(), start));
    }

    /// The same for work that has no end of its own: the stop ends it, wherever it waits.
    pub fn keep_on<F>(&self, name: &'static str, mut start: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let stop = self.stop.clone();
        self.keep(name, move || {
            let (work, stop) = (start(), stop.clone());
            async move { stop.run_until_cancelled(work).await.unwrap_or_default() }
        });
    }

    /// Asks all of them to end, and waits for that until the deadline.
    pub async fn end(&self, deadline: Instant) {
        self.stop.cancel();
        self.tracker.close();
        let _ = tokio::time::timeout_at(deadline, self.tracker.wait()).await;
    }
}
