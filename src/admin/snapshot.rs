//! The answer of `/api/status`: a gateway at one moment, as JSON. `boxbridge status` reads the same types.
//!
//! Promises: per lane, accepted = delivered + waiting + set aside + expired; nothing personal. Members are only ever added, and a
//! reader ignores members that it does not know. Totals, not rates: two looks give both.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::health::Health;
use super::history::Lately;
use crate::metrics::{Buckets, COUNTS, Outcome};
use crate::queue::{Status, SubscriptionStatus};
use crate::send::contact::{Finding, Waits};
use boxbridge_event::Timestamp;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Of the program.
    pub version: String,
    /// Whether boxes should come here.
    pub ready: bool,
    /// All that is wrong, also if it does not keep boxes away.
    pub reasons: Vec<String>,
    /// The same, each with a word for programs.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Warnings about the settings, and what was refused within the hour.
    pub notes: Vec<String>,
    #[serde(default)]
    pub lately: Lately,
    /// Events by outcome; received is their sum. Refused and aborted count since the process started.
    pub events: BTreeMap<String, u64>,
    /// Accepted events by person type, since the process started.
    #[serde(default)]
    pub person_types: BTreeMap<String, u64>,
    /// Reports of boxes about themselves; they are no events.
    pub status_reports: u64,
    /// Refused events by reason, since the process started.
    pub refusals: BTreeMap<String, u64>,
    pub answers: Answers,
    pub pictures: Pictures,
    /// Absent until it is open.
    pub queue: Option<Queue>,
    /// By destination; the urgent lane first.
    pub lanes: Vec<Lane>,
}

/// Since the process started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answers {
    /// From the last body byte to the answer.
    pub seconds: Buckets,
    /// One sync of the queue to disk, which answers wait for.
    pub sync_seconds: Buckets,
    /// Events answered 503 and committed all the same.
    pub late: u64,
    /// Events answered from the disk, since Kafka and the store did not have them in time, by reason.
    #[serde(default)]
    pub from_disk: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pictures {
    /// Taken out of events, by the state they came in, since the process started.
    pub taken: BTreeMap<String, u64>,
    /// Records whose pictures wait for the store.
    pub waiting: u64,
    pub saved_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    pub waiting_bytes: u64,
    pub kept_bytes: u64,
    /// The bytes that can be written now: the smaller of the rest of `max_bytes` and what the file system has. 0 when it is full: less than a
    /// segment is of no use.
    pub free_bytes: u64,
    pub max_bytes: u64,
    /// Absent where it cannot be told.
    pub disk_available_bytes: Option<u64>,
    /// Absent while it does not grow; 0 when it is full.
    pub full_in_seconds: Option<f64>,
}

/// One destination in one lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lane {
    pub destination: String,
    /// Of the destination: `mqtt`, `kafka` or `store`; absent where nothing is sent there any more.
    #[serde(default)]
    pub kind: Option<String>,
    pub lane: String,
    /// Of the destination: whether every lane is connected.
    pub up: bool,
    /// Person types of which events wait since the destination refused them.
    pub paused_types: Vec<PausedType>,
    pub accepted: u64,
    pub delivered: u64,
    pub waiting: u64,
    /// Events that a replay has still to deliver; they count as nothing else.
    #[serde(default)]
    pub replaying: u64,
    pub set_aside: u64,
    /// Of these, so many lie in data_dir/aside now; absent where that is not known.
    #[serde(default)]
    pub aside: Option<u64>,
    pub expired: u64,
    /// Age of the oldest that waits or is to be replayed; 0 where none is.
    pub oldest_seconds: f64,
    /// From received to acknowledged, since the process started.
    pub lag_seconds: Buckets,
    /// Where it gets its events out of Kafka, those that this gateway has now.
    #[serde(default)]
    pub partitions: Vec<Partition>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    pub topic: String,
    pub partition: i32,
    /// Records behind the place of its group, by the brokers' own offsets.
    pub waiting: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PausedType {
    pub person_type: String,
    /// The destination's own words.
    pub reason: String,
    /// `live` or `late`.
    #[serde(default)]
    pub topic: String,
    /// On how many devices; absent where the whole type waits.
    #[serde(default)]
    pub devices: Option<usize>,
    #[serde(default)]
    pub since: Timestamp,
    /// When one of them was refused last.
    #[serde(default)]
    pub refused_at: Timestamp,
    /// On this topic; absent where that is not known.
    #[serde(default)]
    pub refused_topic: Option<String>,
    /// Events that wait for this, as far as they were read: at least so many.
    #[serde(default)]
    pub waiting: usize,
}

impl Health {
    pub fn snapshot(&self) -> Snapshot {
        let queue = self.status();
        let (ready, findings) = self.readiness(queue.as_ref());

        let mut subscriptions: Vec<_> = queue
            .iter()
            .flat_map(|queue| &queue.subscriptions)
            .collect();
        subscriptions.sort_by_key(|subscription| (&subscription.destination, subscription.lane));
        let lanes = subscriptions
            .into_iter()
            .map(|subscription| self.lane(subscription));
        let lanes: Vec<Lane> = lanes.collect();

        Snapshot {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ready,
            reasons: findings.iter().map(|it| it.message.clone()).collect(),
            findings,
            notes: self.notes(),
            lately: Lately::default(),
            events: events(),
            person_types: COUNTS.person_types(),
            status_reports: COUNTS.status_reports.get(),
            refusals: COUNTS.refusals(),
            answers: Answers::counted(),
            pictures: Pictures::counted(&lanes),
            queue: queue.as_ref().map(Queue::of),
            lanes,
        }
    }

    fn lane(&self, subscription: &SubscriptionStatus) -> Lane {
        let contact = self
            .contacts()
            .iter()
            .find(|contact| *contact.destination == *subscription.destination);
        let waits = contact
            .map(|contact| contact.waits(subscription.lane))
            .unwrap_or_default();
        let oldest = subscription
            .oldest_waiting
            .map_or(Duration::ZERO, |oldest| self.age(oldest));

        Lane {
            destination: subscription.destination.clone(),
            kind: contact.map(|contact| contact.kind().to_owned()),
            lane: subscription.lane.to_string(),
            up: contact.is_some_and(|contact| contact.is_up()),
            paused_types: waits.into_iter().map(PausedType::of).collect(),
            accepted: subscription.accepted,
            delivered: subscription.tally.delivered,
            waiting: subscription.waiting,
            replaying: subscription.replaying,
            set_aside: subscription.tally.set_aside,
            aside: None,
            expired: subscription.tally.expired_total(),
            oldest_seconds: oldest.as_secs_f64(),
            lag_seconds: COUNTS.lag(&subscription.destination, subscription.lane),
            partitions: self.partitions(subscription),
        }
    }
}

impl Health {
    fn partitions(&self, subscription: &SubscriptionStatus) -> Vec<Partition> {
        let of_it = self.consumed().iter();
        let of_it = of_it.filter(|it| *it.counted.destination == *subscription.destination);
        let lags = of_it.flat_map(|it| it.lags(subscription.lane));
        lags.map(|(topic, partition, waiting)| Partition {
            topic,
            partition,
            waiting,
        })
        .collect()
    }
}

fn events() -> BTreeMap<String, u64> {
    let counted = |outcome: Outcome| (outcome.as_str().to_owned(), COUNTS.events(outcome));
    Outcome::ALL.into_iter().map(counted).collect()
}

impl Answers {
    fn counted() -> Answers {
        Answers {
            seconds: COUNTS.answers.read(),
            sync_seconds: COUNTS.syncs.read(),
            late: COUNTS.answered_late.get(),
            from_disk: COUNTS.answered_from_disk(),
        }
    }
}

impl Pictures {
    fn counted(lanes: &[Lane]) -> Pictures {
        let of_store = lanes
            .iter()
            .filter(|lane| lane.destination == boxbridge_config::STORE);
        Pictures {
            taken: COUNTS.pictures(),
            waiting: of_store.map(|lane| lane.waiting).sum(),
            saved_bytes: COUNTS.pictures_saved_bytes.get(),
        }
    }
}

impl PausedType {
    pub fn of(waits: Waits) -> PausedType {
        PausedType {
            person_type: waits.class.person_type.to_string(),
            reason: waits.why,
            topic: waits.class.timeliness.as_str().to_owned(),
            devices: waits.devices,
            since: waits.since,
            refused_at: waits.refused_at,
            refused_topic: waits.refused_topic,
            waiting: waits.records,
        }
    }
}

impl Queue {
    fn of(status: &Status) -> Queue {
        let available = status.disk_available.unwrap_or(u64::MAX);
        let time_to_full = match status.is_full {
            true => Some(Duration::ZERO),
            false => status.time_to_full,
        };
        Queue {
            waiting_bytes: status.bytes.waiting,
            kept_bytes: status.bytes.kept,
            free_bytes: match status.is_full {
                true => 0,
                false => status.bytes.free.min(available),
            },
            max_bytes: status.bytes.limit,
            disk_available_bytes: status.disk_available,
            full_in_seconds: time_to_full.map(|time| time.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::SpaceUsed;
    use boxbridge_event::Sequence;

    fn status(disk_available: Option<u64>) -> Status {
        Status {
            bytes: SpaceUsed {
                waiting: 10,
                kept: 20,
                free: 70,
                limit: 100,
            },
            disk_available,
            time_to_full: Some(Duration::from_millis(1_500)),
            is_full: false,
            is_poisoned: false,
            is_stalled: false,
            is_refused: false,
            outages: Vec::new(),
            rotten_records: 0,
            last_sync: None,
            oldest: None,
            newest: Sequence(0),
            subscriptions: Vec::new(),
        }
    }

    #[test]
    fn free_is_what_can_be_written_also_where_the_disk_has_less_than_the_budget() {
        for (available, free) in [(Some(1_000), 70), (Some(5), 5), (Some(0), 0), (None, 70)] {
            assert_eq!(
                Queue::of(&status(available)).free_bytes,
                free,
                "{available:?}"
            );
        }
        let queue = Queue::of(&status(Some(5)));
        assert_eq!((queue.max_bytes, queue.full_in_seconds), (100, Some(1.5)));
    }

    #[test]
    fn a_full_queue_has_nothing_free_and_is_not_full_in_a_while() {
        let full = Queue::of(&Status {
            is_full: true,
            ..status(Some(5))
        });
        assert_eq!((full.free_bytes, full.full_in_seconds), (0, Some(0.0)));
    }
}
