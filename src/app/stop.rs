//! How the gateway stops: in the reverse of the order in which it starts.
//!
//! Promises: every accepted event is on disk afterwards, all ports are free, and the queue's directory is. The same stop ends a start that
//! failed, however far it had come. Deliberately waits for no broker, unless the settings say for how long (`drain`): what waits is delivered
//! after the next start.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::App;
use super::data_dir::DataDir;
use super::destinations::LaneThreads;
use super::embedded_broker::EmbeddedBroker;
use super::tasks::Tasks;
use super::upkeep;
use crate::admin::Phase;
use crate::ingest;
use crate::queue::Queue;
use crate::send::store::Store;

mod drain;
mod rescue;

pub(super) use drain::{Drain, Drained};
pub(super) use rescue::{Folders, Rescue, SoFar};

/// From the end of `drain_delay`, or of a drain, to the exit; the queue's last sync fits in the rest of the ten seconds that are promised.
const DRAIN: Duration = Duration::from_secs(7);
/// For an answer to be written whose event is on disk, and for a last look at health and metrics.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// What runs, in the order in which it starts.
#[derive(Default)]
pub(super) struct Running {
    pub admin: Tasks,
    pub queue: Option<Queue>,
    pub data: Option<DataDir>,
    pub embedded: Option<EmbeddedBroker>,
    /// What they have written may not be synced yet.
    pub stores: Vec<Arc<Store>>,
    pub threads: Option<LaneThreads>,
    pub deliveries: Tasks,
    pub ingest: Tasks,
    /// Bodies that have arrived and are being made durable.
    pub commits: TaskTracker,
    /// Once cancelled, every answer is its connection's last.
    pub leaving: CancellationToken,
}

impl App {
    /// Not ready, `drain_delay` more of accepting, up to `drain_limit` more of delivering, then a stop.
    pub async fn stop(self) {
        self.health.enter(Phase::Draining);
        self.running.leaving.cancel();
        let config = self.reload.config();
        tokio::time::sleep(config.ingest.drain_delay).await;

        self.running.stop(self.reload.drain()).await;
    }
}

impl Running {
    /// `None`: what waits is delivered after the next start.
    pub async fn stop(self, drain: Option<Drain>) {
        let mut deadline = Instant::now() + DRAIN;
        self.stop_accepting(deadline).await;
        let mut drained = None;
        if let Some((data, drain)) = self.data.as_ref().zip(drain) {
            drained = Some((drain.run(data).await, data));
            deadline = Instant::now() + DRAIN;
        }
        self.deliveries.end(deadline).await;
        self.sync_pictures(deadline).await;

        if let Some(data) = &self.data {
            upkeep::save(&data.received).await;
            upkeep::keep(&data.devices).await;
        }
        if let Some(queue) = &self.queue {
            queue.shutdown().await;
        }
        if let Some((drained, data)) = drained {
            drained.say(data);
        }
        if let Some(embedded) = self.embedded {
            embedded.stop().await;
        }
        self.admin.end(Instant::now() + LAST_WORDS).await;
    }

    /// What is not synced in time is put again after the next start.
    async fn sync_pictures(&self, deadline: Instant) {
        for store in &self.stores {
            let _ = tokio::time::timeout_at(deadline, store.sync()).await;
        }
    }

    /// The listener first; what has arrived is committed, and its answer written.
    async fn stop_accepting(&self, deadline: Instant) {
        self.ingest.end(Instant::now() + ingest::STOP_MAX).await;

        self.commits.close();
        let _ = tokio::time::timeout_at(deadline, self.commits.wait()).await;

        self.ingest.end(Instant::now() + LAST_WORDS).await;
    }
}
