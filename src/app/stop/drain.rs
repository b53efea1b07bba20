//! The last deliveries of a stop: what waits is delivered while the destinations' loops still run.
//!
//! Promises: takes no longer than `queue.drain_limit`; what is left then is said once, with its counts.
//! Deliberately hurries nobody: the loops deliver at their own pace and in their own order.

use std::time::Duration;

use tokio::time::Instant;

use crate::app::data_dir::DataDir;
use boxbridge_event::Lane;

/// How often it is asked whether something waits: a look costs a few locks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a gateway still has that nobody else does.
struct Left {
    /// By destination and lane.
    waiting: Vec<(String, Lane, u64)>,
    set_aside: usize,
    in_quarantine: usize,
}

/// Until nothing waits, or the limit is over.
pub(super) async fn drain(data: &DataDir, limit: Duration) {
    let began = Instant::now();
    let emptied = tokio::time::timeout(limit, until_empty(data));
    tokio::select! {
        _ = emptied => {}
        // Nothing more comes of a log that cannot be trusted.
        () = data.queue.poisoned() => {}
    }
    Left::of(data).say(began.elapsed());
}

async fn until_empty(data: &DataDir) {
    while !data.queue.waiting().is_empty() {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

impl Left {
    fn of(data: &DataDir) -> Left {
        Left {
            waiting: data.queue.waiting(),
            set_aside: data.aside.usage().0,
            in_quarantine: data.quarantine.usage().0,
        }
    }

    fn say(&self, took: Duration) {
        let (set_aside, in_quarantine) = (self.set_aside, self.in_quarantine);
        if self.waiting.is_empty() && set_aside == 0 && in_quarantine == 0 {
            return tracing::info!(?took, "everything that waited is delivered");
        }

        let waiting = self.waiting.iter();
        let waiting: Vec<String> = waiting
            .map(|(destination, lane, records)| format!("{destination} {lane} {records}"))
            .collect();
        tracing::warn!(
            waiting = waiting.join(", "),
            set_aside,
            in_quarantine,
            ?took,
            "the stop leaves events behind: they are on this disk alone"
        );
    }
}
