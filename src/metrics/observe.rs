//! Copies what the log and the cursors count; they keep it across restarts.
//!
//! Promises: what one scrape shows of a destination is of one moment, so that its ledger adds up. Deliberately counts nothing itself.

use std::time::Duration;

use metrics::{counter, gauge};

use super::names::*;
use crate::queue::{SpaceUsed, Status, SubscriptionStatus};
use boxbridge_event::{Lane, Timestamp};

/// The brokers deleted records before a consumer group of ours had read them.
pub const KAFKA_RETENTION: &str = "kafka_retention";
/// Every rule by which a record can expire: the queue is full, the picture store is full, the log is rotten where the record was, and that one.
const EXPIRY_RULES: [&str; 4] = ["on_full", "max_bytes", "rotten", KAFKA_RETENTION];

/// Sets everything to what the queue says now.
pub fn observe(queue: &Status, age: impl Fn(Timestamp) -> Duration) {
    space(queue);
    gauge!(OUTAGES).set(queue.outages.len() as f64);

    for subscription in &queue.subscriptions {
        let oldest = subscription.oldest_waiting.map_or(Duration::ZERO, &age);
        destination(subscription, oldest);
    }

    let of_store = queue
        .subscriptions
        .iter()
        .filter(|subscription| subscription.destination == boxbridge_config::STORE);
    let waiting: u64 = of_store.map(|subscription| subscription.waiting).sum();
    gauge!(PICTURES_WAITING).set(waiting as f64);
}

fn space(queue: &Status) {
    let SpaceUsed {
        waiting,
        kept,
        free,
        limit,
    } = queue.bytes;
    for (state, bytes) in [("waiting", waiting), ("kept", kept), ("free", free)] {
        gauge!(BYTES, "state" => state).set(bytes as f64);
    }
    gauge!(BYTES_MAX).set(limit as f64);

    let available = queue.disk_available.map_or(f64::NAN, |bytes| bytes as f64);
    gauge!(DISK_AVAILABLE).set(available);
    let full_in = queue
        .time_to_full
        .map_or(f64::INFINITY, |time| time.as_secs_f64());
    gauge!(TIME_TO_FULL).set(full_in);
}

fn destination(subscription: &SubscriptionStatus, oldest: Duration) {
    let labels = [
        ("destination", subscription.destination.clone()),
        ("lane", subscription.lane.to_string()),
    ];
    let with = |name: &'static str, value: &str| {
        let all = labels.clone().into_iter().chain([(name, value.to_owned())]);
        all.collect::<Vec<_>>()
    };

    counter!(ACCEPTED, &labels).absolute(subscription.accepted);
    gauge!(WAITING, &labels).set(subscription.waiting as f64);
    gauge!(REPLAYING, &labels).set(subscription.replaying as f64);
    gauge!(OLDEST, &labels).set(oldest.as_secs_f64());

    let tally = &subscription.tally;
    let ended = [
        ("delivered", tally.delivered),
        ("set_aside", tally.set_aside),
        ("expired", tally.expired_total()),
    ];
    for (outcome, count) in ended {
        counter!(RECORDS, &with("outcome", outcome)).absolute(count);
    }

    for rule in EXPIRY_RULES {
        let count = tally.expired.get(rule).copied().unwrap_or(0);
        counter!(EXPIRED, &with("rule", rule)).absolute(count);
    }
}

/// How far a destination's group is behind, by partition. Of partitions that other gateways have now, nothing is said.
pub fn group_lags(destination: &str, lane: Lane, lags: &[(String, i32, u64)]) {
    for (topic, partition, records) in lags {
        let labels = [
            ("destination", destination.to_owned()),
            ("lane", lane.to_string()),
            ("topic", topic.clone()),
            ("partition", partition.to_string()),
        ];
        gauge!(GROUP_LAG, &labels).set(*records as f64);
    }
}
