//! What became of a destination's records out of Kafka, and how far its groups are behind: for those who look.
//!
//! Promises: a look has the same members as one at a destination of the queue, and the same sum. What was delivered counts since the process
//! started; what waits is what the brokers' own offsets say of the partitions that are ours. Deliberately keeps nothing on disk: the offsets are
//! Kafka's.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::intake::{Lately, Seen, Sources};
use super::until::Handover;
use crate::gateway::Answered;
use crate::metrics;
use crate::queue::{SubscriptionStatus, Tally};
use crate::send::kafka::group::Group;
use boxbridge_event::{ByLane, EventId, Lane, Outcome, Revision};

/// A destination that gets its events out of Kafka.
pub struct Consumed {
    pub destination: Arc<str>,
    /// The Kafka destination that it gets them out of.
    pub source: Arc<str>,
    /// Which events those are.
    pub handover: Arc<Handover>,
    /// Which of them may stand in which topic.
    pub sources: Arc<Sources>,
    pub counted: Arc<Counted>,
    pub groups: Arc<ByLane<Arc<Group>>>,
    /// What this gateway has read of them.
    pub lately: Arc<ByLane<Arc<Lately>>>,
}

/// An event that this gateway has read.
pub struct Found {
    pub lane: Lane,
    pub seen: Seen,
    pub standing: FoundStanding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundStanding {
    Answered(Answered),
    /// It has no answer yet.
    Held,
    /// It had none when its partition went to another gateway.
    Gone,
}

/// By lane and outcome.
pub struct Counted {
    /// As metrics and people call it.
    pub destination: Arc<str>,
    lanes: Mutex<ByLane<Tally>>,
    /// Partitions that the metrics have.
    shown: Mutex<ByLane<BTreeSet<(String, i32)>>>,
}

impl Consumed {
    /// An event by its id and revision on Kafka; `None` where this gateway has not read it lately.
    pub fn find(&self, id: EventId, revision: Revision) -> Option<Found> {
        let lanes = self.lately.iter();
        let mut seen = lanes.filter_map(|(lane, lately)| Some((lane, lately.of(id, revision)?)));
        let (lane, seen) = seen.next()?;

        let standing = match self.lately.of(lane).answer(seen.number) {
            Some(answered) => FoundStanding::Answered(answered),
            None if self.groups.of(lane).holds(seen.number) => FoundStanding::Held,
            None => FoundStanding::Gone,
        };
        Some(Found {
            lane,
            seen,
            standing,
        })
    }

    /// Both lanes, as a look at the queue shows those of others; what waits stands on Kafka.
    pub fn status(&self) -> Vec<SubscriptionStatus> {
        let lanes = Lane::ALL.iter();
        lanes
            .map(|lane| self.lane(*lane, self.waiting(*lane)))
            .collect()
    }

    /// The same without what waits: that goes to another gateway with its partition, and a counter never falls.
    pub fn ended(&self) -> Vec<SubscriptionStatus> {
        let lanes = Lane::ALL.iter();
        lanes.map(|lane| self.lane(*lane, 0)).collect()
    }

    fn lane(&self, lane: Lane, waiting: u64) -> SubscriptionStatus {
        let tally = self.counted.lanes.lock().of(lane).clone();
        SubscriptionStatus {
            destination: self.counted.destination.to_string(),
            lane,
            accepted: tally.total() + waiting,
            tally,
            waiting,
            oldest_waiting: self.groups.of(lane).oldest(),
            replays: 0,
            replaying: 0,
        }
    }

    fn waiting(&self, lane: Lane) -> u64 {
        let behind = self.lags(lane).iter().map(|(_, _, records)| records).sum();
        (self.groups.of(lane).held() as u64).max(behind)
    }

    /// Topic, partition and records behind, of the partitions that are ours.
    pub fn lags(&self, lane: Lane) -> Vec<(String, i32, u64)> {
        let lags = self.groups.of(lane).lags().into_iter();
        lags.map(|lag| (lag.place.0.to_string(), lag.place.1, lag.records))
            .collect()
    }

    /// To the metrics. A partition that is another gateway's by now is nothing to wait for here.
    pub fn observe(&self) {
        let mut shown = self.counted.shown.lock();
        for lane in Lane::ALL {
            let mut lags = self.lags(*lane);
            let shown = shown.of_mut(*lane);
            let is_ours = |it: &(String, i32)| {
                lags.iter()
                    .any(|(topic, partition, _)| (topic, partition) == (&it.0, &it.1))
            };
            let gone: Vec<_> = shown.iter().filter(|it| !is_ours(it)).cloned().collect();
            shown.extend(
                lags.iter()
                    .map(|(topic, partition, _)| (topic.clone(), *partition)),
            );

            lags.extend(
                gone.into_iter()
                    .map(|(topic, partition)| (topic, partition, 0)),
            );
            metrics::group_lags(&self.counted.destination, *lane, &lags);
        }
    }
}

impl Counted {
    pub fn of(destination: Arc<str>) -> Counted {
        Counted {
            destination,
            lanes: Mutex::default(),
            shown: Mutex::default(),
        }
    }

    pub(super) fn ended(&self, lane: Lane, outcome: Outcome) {
        match outcome {
            Outcome::Delivered => self.lanes.lock().of_mut(lane).delivered += 1,
            Outcome::SetAside => self.lanes.lock().of_mut(lane).set_aside += 1,
            Outcome::Expired { rule } => self.expired(lane, rule, 1),
        }
    }

    pub(super) fn expired(&self, lane: Lane, rule: &str, records: u64) {
        let mut lanes = self.lanes.lock();
        let expired = &mut lanes.of_mut(lane).expired;
        *expired.entry(rule.to_owned()).or_default() += records;
    }

    /// Nothing that is ours.
    pub(super) fn foreign(&self, lane: Lane) {
        metrics::passed_over(&self.destination, lane, "foreign");
    }

    pub(super) fn repeated(&self, lane: Lane) {
        metrics::passed_over(&self.destination, lane, "repeated");
    }
}
