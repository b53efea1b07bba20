//! A membership's consumer, and where a new group begins.
//!
//! Promises: a group that is new begins at the end of the partitions that are there, and only then; what comes later is read from its beginning.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::member::Member;
use super::{Inner, Membership, TopicNames};
use crate::send::kafka::client::milliseconds;
use crate::send::kafka::report::Listener;
use crate::send::kafka::topics;
use crate::send::kafka::{Kafka, Shared};
use crate::send::{ConnectError, kafka};
use crate::system::fault::Fault;

/// A member that died without a word is missed after so long: the least that brokers allow by default.
const SESSION_TIMEOUT: Duration = Duration::from_secs(6);
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A topic that is made later is found within this.
const TOPICS_EVERY: Duration = Duration::from_secs(5);
/// What librdkafka reads ahead for us, beside what is held here.
const AHEAD_KIB: usize = 2_048;
const FETCH_BYTES: usize = 2 << 20;

impl Inner {
    pub(super) fn consumer(self: &Arc<Inner>) -> Result<BaseConsumer<Member>, KafkaError> {
        let cluster = Arc::clone(&self.cluster.lock());
        let member = Member::new(Arc::clone(self), &cluster);
        let consumer: BaseConsumer<Member> = cluster
            .consumer(&self.membership.group)
            .create_with_context(member)?;

        let topics: Vec<_> = self.topics.lock().iter().map(TopicNames::pattern).collect();
        consumer.subscribe(&topics.iter().map(String::as_str).collect::<Vec<_>>())?;
        Ok(consumer)
    }
}

impl Kafka {
    /// Looks the group up, and begins it where it is new. The topics that can be named are made before, as for sending.
    pub async fn begin(&self, membership: &Membership) -> Result<(), ConnectError> {
        let shared = Arc::clone(&self.shared);
        topics::look_up(&shared, shared.names(), shared.missing()).await?;

        let (asking, membership) = (Arc::clone(&shared), membership.clone());
        let begun = tokio::task::spawn_blocking(move || begin(&asking, &membership)).await;
        let begun = begun.unwrap_or_else(|_| Err(Fault.to_string()));
        begun.map_err(|detail| ConnectError {
            message: shared.of_brokers(&detail),
        })
    }
}

fn begin(shared: &Shared, membership: &Membership) -> Result<(), String> {
    let group = &membership.group;
    let said = |error: KafkaError| format!("group {group}: {error}");
    let asking = Asking {
        consumer: shared.asker(group)?,
        membership,
    };
    begin_at_the_end(&asking).map_err(said)
}

/// What a gateway asks the brokers of a group that may be new, and tells them.
trait Offsets {
    type Ends;

    /// Of the partitions that are there; `None` where none is.
    fn ends(&self) -> Result<Option<Self::Ends>, KafkaError>;

    /// Whether somebody has committed one of these.
    fn has_begun(&self, ends: &Self::Ends) -> Result<bool, KafkaError>;

    /// Where the group has no member yet: nobody has read anything of it.
    fn commit(&self, ends: &Self::Ends) -> Result<(), KafkaError>;
}

/// The ends are read before it is asked whether somebody has begun: who finds that nobody has, then commits no end that lies behind what
/// another gateway, which begins in the same moment, leaves to the group already.
fn begin_at_the_end<O: Offsets>(offsets: &O) -> Result<(), KafkaError> {
    let Some(ends) = offsets.ends()? else {
        return Ok(());
    };
    if offsets.has_begun(&ends)? {
        return Ok(());
    }

    match offsets.commit(&ends) {
        // Another gateway was first, and is a member by now.
        Err(error) if is_of_members(&error) => Ok(()),
        committed => committed,
    }
}

struct Asking<'a> {
    consumer: BaseConsumer<Listener>,
    membership: &'a Membership,
}

impl Offsets for Asking<'_> {
    type Ends = TopicPartitionList;

    fn ends(&self) -> Result<Option<TopicPartitionList>, KafkaError> {
        let partitions = partitions(&self.consumer, &self.membership.topics)?;
        let ends = ends(&self.consumer, &partitions)?;
        Ok(Some(ends).filter(|ends| ends.count() > 0))
    }

    fn has_begun(&self, ends: &TopicPartitionList) -> Result<bool, KafkaError> {
        let committed = self
            .consumer
            .committed_offsets(ends.clone(), kafka::CONNECT_TIMEOUT)?;
        let is_known = |offset: &Offset| matches!(offset, Offset::Offset(_));
        Ok(committed.to_topic_map().values().any(is_known))
    }

    fn commit(&self, ends: &TopicPartitionList) -> Result<(), KafkaError> {
        self.consumer.commit(ends, CommitMode::Sync)
    }
}

/// Those that are there, of the topics that are meant.
pub(super) fn partitions(
    consumer: &BaseConsumer<Listener>,
    topics: &[TopicNames],
) -> Result<TopicPartitionList, KafkaError> {
    let metadata = consumer.fetch_metadata(None, kafka::CONNECT_TIMEOUT)?;
    let mut list = TopicPartitionList::new();
    for topic in metadata.topics() {
        if topics.iter().any(|names| names.mean(topic.name())) {
            let partitions = topic.partitions().iter();
            partitions.for_each(|it| {
                list.add_partition(topic.name(), it.id());
            });
        }
    }
    Ok(list)
}

fn ends(
    consumer: &BaseConsumer<Listener>,
    partitions: &TopicPartitionList,
) -> Result<TopicPartitionList, KafkaError> {
    let mut ends = TopicPartitionList::new();
    for element in partitions.elements() {
        let (topic, partition) = (element.topic(), element.partition());
        let (_, end) = consumer.fetch_watermarks(topic, partition, kafka::CONNECT_TIMEOUT)?;
        ends.add_partition_offset(topic, partition, Offset::Offset(end))?;
    }
    Ok(ends)
}

fn is_of_members(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    matches!(
        code,
        Some(
            RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress
        )
    )
}

impl Shared {
    /// It asks the brokers about a group, and is no member of it.
    pub(super) fn asker(&self, group: &str) -> Result<BaseConsumer<Listener>, String> {
        let asker = self
            .consumer(group)
            .create_with_context(self.listener(None));
        let asker: BaseConsumer<Listener> =
            asker.map_err(|error| format!("group {group}: {error}"))?;
        // Nobody polls it, so it would not ask for one.
        self.show_token(asker.client())?;
        Ok(asker)
    }

    pub(super) fn consumer(&self, group: &str) -> rdkafka::ClientConfig {
        let mut client = self.client();
        client
            .set("client.id", group)
            .set("group.id", group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", milliseconds(SESSION_TIMEOUT))
            .set("heartbeat.interval.ms", milliseconds(HEARTBEAT))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // No gateway writes in a transaction. One that somebody begins and does not end would hold back every alert behind it.
            .set("isolation.level", "read_uncommitted")
            // What is new to the group has to be delivered from its beginning.
            .set("auto.offset.reset", "earliest")
            .set(
                "topic.metadata.refresh.interval.ms",
                milliseconds(TOPICS_EVERY),
            )
            .set("queued.max.messages.kbytes", AHEAD_KIB.to_string())
            .set("fetch.max.bytes", FETCH_BYTES.to_string())
            // A partition that goes on is fetched with the next question, and that waits for so long where there is no news; by default half a second.
            .set("fetch.wait.max.ms", "100")
            // While it is full it looks again after this; by default after a second.
            .set("fetch.queue.backoff.ms", "50");
        client
    }
}

#[cfg(test)]
mod tests;
