//! The memory of one body: on the live budget, which is shared by source, or on that of history.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use boxbridge_event::Refusal;

mod budget;
mod history;

pub(super) use budget::Budget;
pub(super) use history::History;

/// How much bodies may hold in all, and how long one waits for others to give some back.
pub(super) struct Limit {
    pub bytes: usize,
    pub wait: Duration,
}

impl Limit {
    pub fn live(settings: &boxbridge_config::Ingest) -> Limit {
        Limit {
            bytes: settings.in_flight_max_bytes,
            wait: settings.in_flight_wait,
        }
    }

    /// One body of the largest size, and 1 MiB so that others can come meanwhile.
    pub fn of_history(settings: &boxbridge_config::Ingest) -> Limit {
        Limit {
            bytes: settings.history_body_max_bytes + (1 << 20),
            wait: settings.in_flight_wait,
        }
    }
}

/// Clones hold the same memory; the last that is dropped gives it back.
#[derive(Clone)]
pub enum BodyMemory {
    Live(Arc<budget::Held>),
    /// One body at a time is worked on, taken apart element by element.
    History(Arc<history::Held>),
}

impl BodyMemory {
    /// For `bytes` of text that have come.
    pub(super) async fn grow_to(&self, bytes: usize) -> Result<(), Refusal> {
        match self {
            BodyMemory::Live(held) => held.grow_to(bytes).await,
            BodyMemory::History(held) => held.grow_to(bytes).await,
        }
    }

    /// Resolves when a body that is still coming has to end.
    pub(super) async fn ended(&self) -> Refusal {
        match self {
            BodyMemory::Live(_) => std::future::pending().await,
            BodyMemory::History(held) => held.ended().await,
        }
    }

    /// For work that takes `bytes` in all, if there is room at once.
    pub fn try_work(&self, bytes: usize) -> Result<(), Refusal> {
        match self {
            BodyMemory::Live(held) => held.try_grow_to(bytes),
            BodyMemory::History(held) => {
                held.work(bytes);
                Ok(())
            }
        }
    }

    /// The same, waiting for others to finish, as long as a body may wait.
    pub async fn work(&self, bytes: usize) -> Result<(), Refusal> {
        match self {
            BodyMemory::Live(held) => held.grow_to(bytes).await,
            BodyMemory::History(_) => self.try_work(bytes),
        }
    }

    /// The work is done, and `bytes` of what it took are still there. History keeps all: nobody else works meanwhile.
    pub fn keep(&self, bytes: usize) {
        if let BodyMemory::Live(held) = self {
            held.shrink_to(bytes);
        }
    }
}

/// Asks for room again whenever some is given back, for at most so long: then the last refusal stands.
async fn wait_for_room(
    released: &Notify,
    patience: Duration,
    ask: impl Fn() -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    let deadline = Instant::now() + patience;
    loop {
        let released = released.notified();
        tokio::pin!(released);
        released.as_mut().enable();

        match ask() {
            Ok(()) => return Ok(()),
            Err(refusal) if timeout_at(deadline, released).await.is_err() => return Err(refusal),
            Err(_) => {}
        }
    }
}
