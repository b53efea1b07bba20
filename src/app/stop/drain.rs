//! The last deliveries of a stop: what waits is delivered while the destinations' loops still run, and what lies beside the log is rescued.
//!
//! Promises: takes no longer than `queue.drain_limit`; what is left then is said once, with its counts.
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

/// What a gateway still has that nobody else does.
struct Left {
    /// By destination and lane.
    waiting: Vec<(String, Lane, u64)>,
    set_aside: usize,
    in_quarantine: usize,
    /// `None` where nothing is rescued.
    rescued: Option<SoFar>,
}

/// What a stop may still do.
pub(in crate::app) struct Drain {
    pub limit: Duration,
    /// Brokers that get their events out of Kafka.
    pub consumed: Vec<Arc<Consumed>>,
    /// Where the disk may go with the gateway.
    pub rescue: Option<Rescue>,
}

impl Drain {
    /// Until nothing waits and nothing more can be rescued, or the limit is over.
    pub async fn run(mut self, data: &DataDir) {
        let began = Instant::now();
        let emptied = tokio::time::timeout(self.limit, self.until_empty(data));
        tokio::select! {
            _ = emptied => {}
            // Nothing more comes of a log that cannot be trusted.
            () = data.queue.poisoned() => {}
        }

        self.consumed.iter().for_each(|it| say_held(it));
        let so_far = self.rescue.map(|rescue| rescue.so_far);
        Left::of(data, so_far).say(began.elapsed());
    }

    async fn until_empty(&mut self, data: &DataDir) {
        loop {
            // What the last deliveries set aside is rescued as well.
            let is_empty = data.queue.waiting().is_empty();
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

impl Left {
    fn of(data: &DataDir, rescued: Option<SoFar>) -> Left {
        Left {
            rescued,
            waiting: data.queue.waiting(),
            set_aside: data.aside.usage().0,
            in_quarantine: data.quarantine.usage().0,
        }
    }

    fn say(&self, took: Duration) {
        self.say_rescued();
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
