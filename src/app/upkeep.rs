//! Work that nobody waits for: counts are saved, the clock is looked at, devices are judged, kept files are reviewed, each minute is taken down for
//! who looks later, and a change of readiness is logged.
//!
//! Promises: a failure is logged and tried again. Deliberately delays no event and no stop for longer than one write.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::data_dir::DataDir;
use crate::admin::Health;
use crate::gateway::{Devices, ReceivedCounts};

const EVERY: Duration = Duration::from_secs(5);
/// How often the table of devices is kept, and the files of quarantine and set-aside store are looked at: what is over its time goes.
const REVIEW: Duration = Duration::from_secs(60);

pub(super) struct Upkeep {
    pub health: Arc<Health>,
    pub data: DataDir,
}

impl Upkeep {
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut reviewed = Instant::now();
        let mut causes = Vec::new();
        self.health.remember();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => self.health.metrics.run_upkeep(),
            }

            self.data.ages.mark(self.data.queue.newest());
            self.data.devices.look();
            save(&self.data.received).await;
            self.say_readiness(&mut causes);
            self.health.remember();

            let is_due = reviewed.elapsed() > REVIEW;
            if is_due {
                reviewed = Instant::now();
                keep(&self.data.devices).await;
            }
            self.look(is_due).await;
        }
    }

    /// Logs why boxes are refused, and when that is over; `before` is what was logged last.
    fn say_readiness(&self, before: &mut Vec<String>) {
        let now = self.health.causes();
        if now == *before {
            return;
        }

        if now.is_empty() {
            tracing::info!("ready again");
        } else {
            tracing::warn!(causes = now.join(", "), "not ready: boxes may be refused");
        }
        *before = now;
    }

    /// Looks at the clock, and if `is_due` at every kept file.
    async fn look(&self, is_due: bool) {
        let (clock, quarantine, aside) = (
            Arc::clone(&self.data.clock),
            Arc::clone(&self.data.quarantine),
            Arc::clone(&self.data.aside),
        );

        let look = move || {
            clock.look();
            if is_due {
                quarantine.review(&clock);
                aside.review();
            }
        };
        let _ = tokio::task::spawn_blocking(look).await;
    }
}

/// Saves the counts of received events. A failure is logged, and the next save tries again: counts that are a few seconds old are better
/// than a gateway that waits for them.
pub(super) async fn save(received: &Arc<ReceivedCounts>) {
    let received = Arc::clone(received);
    if let Ok(Err(error)) = tokio::task::spawn_blocking(move || received.save()).await {
        tracing::warn!(%error, "the counts of received events could not be saved");
    }
}

/// Keeps the table of devices. It says itself if that does not work.
pub(super) async fn keep(devices: &Arc<Devices>) {
    let devices = Arc::clone(devices);
    let _ = tokio::task::spawn_blocking(move || devices.save()).await;
}
