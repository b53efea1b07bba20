//! How far each partition of ours has come, by the brokers' own offsets: a thread beside the one that reads.
//!
//! Promises: a broker that does not answer keeps no record waiting; until it does, the lags of the last look stay.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::member::Member;
use super::{Inner, Lag, Place};

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// One question to the brokers. The end of a consumer waits for it.
const ASK_FOR: Duration = Duration::from_secs(1);

impl Inner {
    /// Looks until `is_over` is set. Who sets it wakes this thread.
    pub(super) fn look_again_and_again(
        &self,
        consumer: &BaseConsumer<Member>,
        is_over: &AtomicBool,
    ) {
        while !is_over.load(Ordering::Acquire) {
            self.look(consumer);
            thread::park_timeout(LOOK_EVERY);
        }
    }

    fn look(&self, consumer: &BaseConsumer<Member>) {
        let places: Vec<_> = self.holdings.lock().places().cloned().collect();
        if places.is_empty() {
            return self.lags.lock().clear();
        }
        let mut ends = TopicPartitionList::with_capacity(places.len());
        for (topic, partition) in &places {
            let _ = ends.add_partition_offset(topic, *partition, Offset::End);
        }
        let Ok(ends) = consumer.offsets_for_times(ends, ASK_FOR) else {
            return;
        };
        let ends = ends.to_topic_map();

        let holdings = self.holdings.lock();
        let lag = |place: Place| {
            let Some(Offset::Offset(end)) = ends.get(&(place.0.to_string(), place.1)) else {
                return None;
            };
            let at = holdings.offset(&place).unwrap_or(*end);
            let records = u64::try_from(end - at).unwrap_or(0);
            Some(Lag { place, records })
        };
        let lags = places.into_iter().filter_map(lag).collect();
        drop(holdings);
        *self.lags.lock() = lags;
    }
}
