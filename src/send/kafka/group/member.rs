//! librdkafka's questions to a member: partitions that come and go, errors, log lines.
//!
//! Promises: a partition that leaves is committed to where its lowest record without an outcome stands, after what is under way was waited for
//! [`LEAVE_WITHIN`]. A consumer that has parted touches nothing any more: its successor has the partitions. Deliberately runs on the reader's
//! thread: reading stands still meanwhile, delivery does not.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::super::Shared;
use super::super::report::Listener;
use super::{Inner, Place};

/// An alert of a partition that moves waits for so long at most.
const LEAVE_WITHIN: Duration = Duration::from_secs(1);
/// One question to the brokers, while reading stands still.
const ASK_FOR: Duration = Duration::from_secs(3);

pub(super) struct Member {
    inner: Arc<Inner>,
    pub listener: Listener,
    /// What comes and goes is another consumer's matter.
    has_parted: AtomicBool,
}

impl Member {
    pub(super) fn new(inner: Arc<Inner>, cluster: &Shared) -> Member {
        Member {
            inner,
            listener: cluster.listener(None),
            has_parted: AtomicBool::new(false),
        }
    }

    /// Gives back what is its own, and waits for no broker.
    pub(super) fn part(&self, consumer: &BaseConsumer<Member>) {
        if let Ok(list) = consumer.assignment() {
            self.leave(consumer, &list, CommitMode::Async);
        }
        self.has_parted.store(true, Ordering::Release);
    }

    fn begin(&self, consumer: &BaseConsumer<Member>, list: &TopicPartitionList) {
        let committed = consumer.committed_offsets(list.clone(), ASK_FOR);
        let offsets = committed.map(|list| list.to_topic_map());
        let offsets = offsets.unwrap_or_default();

        let mut holdings = self.inner.holdings.lock();
        for place in places(list) {
            let known = offsets.get(&(place.0.to_string(), place.1));
            let committed = known.and_then(|offset| match offset {
                Offset::Offset(offset) => Some(*offset),
                _ => None,
            });
            holdings.begin(place, committed);
        }
        tracing::info!(
            group = self.inner.membership.group,
            partitions = list.count(),
            "kafka: partitions come"
        );
    }

    fn leave(&self, consumer: &BaseConsumer<Member>, list: &TopicPartitionList, mode: CommitMode) {
        let places: Vec<_> = places(list).collect();
        let is_ours = !consumer.assignment_lost();
        self.wait_until_quiet(&places, is_ours && !self.inner.is_over());

        let offsets = self.inner.flow.let_go(&places, &self.inner.holdings);
        if is_ours && let Err(error) = commit(consumer, &offsets, mode) {
            tracing::warn!(
                group = self.inner.membership.group,
                %error,
                "kafka: offsets were not committed: another member sends a few records again"
            );
        }
        tracing::info!(
            group = self.inner.membership.group,
            partitions = places.len(),
            "kafka: partitions go"
        );
    }

    fn wait_until_quiet(&self, places: &[Place], is_to_wait: bool) {
        let deadline = Instant::now() + LEAVE_WITHIN;
        let mut holdings = self.inner.holdings.lock();
        places.iter().for_each(|place| holdings.leave(place));

        while is_to_wait && !holdings.are_quiet() {
            let waited = self.inner.settled.wait_until(&mut holdings, deadline);
            if waited.timed_out() {
                return;
            }
        }
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Member>, rebalance: &Rebalance<'_>) {
        if self.has_parted.load(Ordering::Acquire) {
            return;
        }
        match rebalance {
            Rebalance::Assign(list) => self.begin(consumer, list),
            Rebalance::Revoke(list) => self.leave(consumer, list, CommitMode::Sync),
            Rebalance::Error(error) => tracing::warn!(
                group = self.inner.membership.group,
                %error,
                "kafka: the group does not share out its partitions"
            ),
        }
    }
}

impl ClientContext for Member {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.listener.generate_oauth_token(config)
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.listener.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        ClientContext::error(&self.listener, error, reason);
    }
}

pub(super) fn commit(
    consumer: &BaseConsumer<Member>,
    offsets: &[(Place, i64)],
    mode: CommitMode,
) -> Result<(), KafkaError> {
    if offsets.is_empty() {
        return Ok(());
    }
    let mut list = TopicPartitionList::with_capacity(offsets.len());
    for ((topic, partition), offset) in offsets {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset))?;
    }
    consumer.commit(&list, mode)
}

fn places(list: &TopicPartitionList) -> impl Iterator<Item = Place> {
    let elements = list.elements().into_iter();
    elements.map(|element| (Arc::from(element.topic()), element.partition()))
}
