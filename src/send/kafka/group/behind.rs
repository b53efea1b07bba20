//! What consumer groups have still to read, for a gateway that is no member of them.
//!
//! Promises: reads only. No group begins, no offset moves, and a cluster without such a group is asked nothing more. Deliberately counts offsets,
//! not events: what a group would pass over counts as well.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::TopicNames;
use super::start::partitions;
use crate::send::kafka::report::Listener;
use crate::send::kafka::{CONNECT_TIMEOUT, Kafka, Shared};
use crate::system::fault::Fault;
use boxbridge_event::Timestamp;

/// How far groups are behind that share the records of their topics out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// At most: each partition counts once, by the group that is further behind.
    pub records: u64,
    /// Somebody reads on.
    pub has_members: bool,
}

/// By topic and partition.
type Places<T> = BTreeMap<(String, i32), T>;

impl Kafka {
    /// `None` where there is no such group. `until`: what came to Kafka later does not count.
    pub async fn behind(
        &self,
        groups: Vec<String>,
        topics: Vec<TopicNames>,
        until: Option<Timestamp>,
    ) -> Result<Option<Behind>, String> {
        let shared = Arc::clone(&self.shared);
        let asked = tokio::task::spawn_blocking(move || {
            let behind = of_groups(&shared, &groups, (&topics, until));
            behind.map_err(|error| shared.of_brokers(&error))
        });
        asked.await.unwrap_or_else(|_| Err(Fault.to_string()))
    }
}

fn of_groups(
    shared: &Shared,
    groups: &[String],
    read: (&[TopicNames], Option<Timestamp>),
) -> Result<Option<Behind>, String> {
    let (mut behind, mut has_members) = (None::<Places<u64>>, false);
    for group in groups {
        let said = |error: KafkaError| format!("group {group}: {error}");
        let consumer = shared.asker(group)?;
        let Some(members) = members(&consumer, group).map_err(said)? else {
            continue;
        };

        has_members |= members > 0;
        let places = behind.get_or_insert_default();
        for (place, records) in lags(&consumer, read).map_err(said)? {
            let most: &mut u64 = places.entry(place).or_default();
            *most = records.max(*most);
        }
    }
    Ok(behind.map(|places| Behind {
        records: places.values().sum(),
        has_members,
    }))
}

/// `None` where the brokers have no such group.
fn members(consumer: &BaseConsumer<Listener>, group: &str) -> Result<Option<usize>, KafkaError> {
    let groups = consumer.fetch_group_list(Some(group), CONNECT_TIMEOUT)?;
    let ours = groups.groups().iter().find(|it| it.name() == group);
    // They tell also of one that is no more.
    let ours = ours.filter(|it| it.state() != "Dead");
    Ok(ours.map(|it| it.members().len()))
}

/// Of each partition in which the group has come to something.
fn lags(
    consumer: &BaseConsumer<Listener>,
    (topics, until): (&[TopicNames], Option<Timestamp>),
) -> Result<Places<u64>, KafkaError> {
    let partitions = partitions(consumer, topics)?;
    let committed = consumer.committed_offsets(partitions.clone(), CONNECT_TIMEOUT)?;
    let committed = offsets(&committed);

    // What retention took is nothing to wait for.
    let firsts = found(consumer, &partitions, Offset::Beginning)?;
    let ends = found(consumer, &partitions, Offset::End)?;
    let later = match until {
        Some(Timestamp(moment)) => found(consumer, &partitions, Offset::Offset(moment))?,
        None => Places::new(),
    };

    let lag = |(place, offset): (&(String, i32), &i64)| {
        let first = firsts.get(place).copied().unwrap_or(0);
        let end = later.get(place).or_else(|| ends.get(place))?;
        let records = u64::try_from(end - first.max(*offset)).unwrap_or(0);
        Some((place.clone(), records))
    };
    Ok(committed.iter().filter_map(lag).collect())
}

/// The first, the last, or the first from a moment on: an offset that is a moment asks for that.
fn found(
    consumer: &BaseConsumer<Listener>,
    partitions: &TopicPartitionList,
    which: Offset,
) -> Result<Places<i64>, KafkaError> {
    let mut asked = partitions.clone();
    asked.set_all_offsets(which)?;
    let found = consumer.offsets_for_times(asked, CONNECT_TIMEOUT)?;
    Ok(offsets(&found))
}

fn offsets(list: &TopicPartitionList) -> Places<i64> {
    let known = |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
        let place = (element.topic().to_owned(), element.partition());
        match element.offset() {
            Offset::Offset(offset) => Some((place, offset)),
            _ => None,
        }
    };
    list.elements().into_iter().filter_map(known).collect()
}
