//! The last deliveries of a stop: what waits is delivered while the destinations' loops still run, and what lies beside the log is rescued.
//!
//! Promises: takes no longer than `queue.drain_limit`; what is left at the end of the stop is said once, with its counts.
//! Deliberately hurries nobody: the loops deliver at their own pace and in their own order.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::rescue::{Rescue, SoFar};
use crate::app::data_dir::DataDir;
use crate::gateway::Consumed;
use crate::send::kafka::ASIDE_TOPIC;
use boxbridge_event::Lane;

/// How often it is asked whether something waits: a look costs a few locks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a stop may still do.
pub(in crate::app) struct Drain {
    pub limit: Duration,
    /// Brokers that get their events out of Kafka.
    pub consumed: Vec<Arc<Consumed>>,
    /// Where the disk may go with the gateway.
    pub rescue: Option<Rescue>,
}

/// What a drain has come to; a stop that was hurried has none.
#[derive(Default)]
pub(in crate::app) struct Drained {
    took: Duration,
    /// `None` where nothing is rescued.
    rescued: Option<SoFar>,
}

impl Drain {
    /// Until nothing waits and nothing more can be rescued, or the limit is over.
    pub async fn run(mut self, data: &DataDir) -> Drained {
        let began = Instant::now();
        let emptied = tokio::time::timeout(self.limit, self.until_empty(data));
        tokio::select! {
            _ = emptied => {}
            // Nothing more comes of a log that cannot be trusted.
            () = data.queue.poisoned() => {}
        }

        self.consumed.iter().for_each(|it| say_held(it));
        Drained {
            took: began.elapsed(),
            rescued: self.rescue.map(|rescue| rescue.so_far),
        }
    }

    async fn until_empty(&mut self, data: &DataDir) {
        loop {
            // What the last deliveries set aside is rescued as well.
            let is_empty = data.queue.waiting().is_empty() && !data.queue.makes_good();
            let is_rescued = match &mut self.rescue {
                Some(rescue) => rescue.go_through().await,
                None => true,
            };
            if is_empty && is_rescued {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// What they repeat was delivered once, but for those of a lost cursor.
fn say_replays(data: &DataDir) {
    let lanes = data.queue.status().subscriptions.into_iter();
    let replaying: Vec<_> = lanes
        .filter(|lane| lane.replaying > 0)
        .map(|lane| (lane.destination, lane.lane, lane.replaying))
        .collect();
    if !replaying.is_empty() {
        tracing::warn!(
            replaying = listed(replaying),
            "the stop ends replays: they go on where they are with the next start on this disk"
        );
    }
}

/// `mqtt normal 3, mqtt urgent 1`.
fn listed(lanes: Vec<(String, Lane, u64)>) -> String {
    let lanes = lanes.into_iter();
    let lanes: Vec<String> = lanes
        .map(|(destination, lane, records)| format!("{destination} {lane} {records}"))
        .collect();
    lanes.join(", ")
}

/// Not left behind: it stands on Kafka.
fn say_held(consumed: &Consumed) {
    let groups = consumed.groups.iter();
    let held: usize = groups.map(|(_, group)| group.held()).sum();
    if held > 0 {
        tracing::info!(
            destination.name = &*consumed.counted.destination,
            held,
            "what was read out of Kafka and has no answer yet is left to the other gateways of the group"
        );
    }
}

impl Drained {
    /// What this gateway still has that nobody else does: once nothing comes any more, for a body may have arrived behind the drain.
    pub fn say(&self, data: &DataDir) {
        self.say_rescued();
        say_replays(data);
        let (waiting, took) = (data.queue.waiting(), self.took);
        let (set_aside, in_quarantine) = (data.aside.usage().0, data.quarantine.usage().0);
        if waiting.is_empty() && set_aside == 0 && in_quarantine == 0 {
            return tracing::info!(?took, "everything that waited is delivered");
        }

        tracing::warn!(
            waiting = listed(waiting),
            set_aside,
            in_quarantine,
            because = self.rescued.as_ref().and_then(SoFar::because),
            topic_trouble = self.rescued.as_ref().and_then(|it| it.trouble.as_deref()),
            ?took,
            "the stop leaves events behind: they are on this disk alone"
        );
    }

    fn say_rescued(&self) {
        let rescued = self.rescued.as_ref();
        if let Some(SoFar { events, bodies, .. }) = rescued
            && events + bodies > 0
        {
            tracing::info!(
                set_aside = events,
                from_quarantine = bodies,
                topic = ASIDE_TOPIC,
                "what lay beside the log lies on Kafka now"
            );
        }
    }
}
