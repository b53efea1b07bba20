//! A look into a broker: its topics, and what a consumer gets from one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::parts::child::PATIENCE;
use crate::parts::contract;

/// A message as a consumer gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    pub partition: i32,
    pub key: String,
    pub payload: Vec<u8>,
    pub timestamp: i64,
    pub headers: BTreeMap<String, String>,
}

impl Received {
    /// Against the contract. Of what was set aside, our own headers say why.
    fn check(&self, topic: &str) {
        let headers = self.headers.iter();
        let attributes: Vec<_> = headers
            .filter(|(name, _)| !name.starts_with("boxbridge_"))
            .map(|(name, value)| match name.as_str() {
                "content-type" => ("datacontenttype", value.as_str()),
                name => (name.strip_prefix("ce_").unwrap_or(name), value.as_str()),
            })
            .collect();
        contract::check_message(topic, &self.payload, &attributes);
    }
}

pub fn client(address: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", address)
        .set("allow.auto.create.topics", "false")
        .set("log_level", "2");
    config
}

pub fn consumer(address: &str) -> BaseConsumer {
    client(address)
        .set("group.id", "tests")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap()
}

/// How many nodes it knows of; none while it does not answer.
pub fn nodes(address: &str) -> usize {
    consumer(address)
        .fetch_metadata(None, Duration::from_secs(2))
        .map_or(0, |metadata| metadata.brokers().len())
}

pub fn partitions(consumer: &BaseConsumer, topic: &str) -> Option<usize> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let topic = metadata
        .topics()
        .first()
        .filter(|topic| topic.error().is_none())?;
    Some(topic.partitions().len()).filter(|count| *count > 0)
}

pub fn members(address: &str, group: &str) -> usize {
    let groups = consumer(address).fetch_group_list(Some(group), PATIENCE);
    let groups = groups.unwrap();
    groups.groups().first().map_or(0, |it| it.members().len())
}

pub fn read_until(
    address: &str,
    topic: &str,
    what: &str,
    enough: impl Fn(&[Received]) -> bool,
) -> Vec<Received> {
    let deadline = Instant::now() + PATIENCE;
    let consumer = consumer(address);
    let mut count = None;
    while count.is_none() {
        assert!(Instant::now() < deadline, "topic {topic} is not there");
        count = partitions(&consumer, topic);
    }

    let mut assignment = TopicPartitionList::new();
    for partition in 0..count.unwrap() {
        assignment
            .add_partition_offset(topic, partition as i32, Offset::Beginning)
            .unwrap();
    }
    consumer.assign(&assignment).unwrap();

    let mut messages = Vec::new();
    while !enough(&messages) {
        assert!(
            Instant::now() < deadline,
            "topic {topic}: {what} did not come, only {}",
            messages.len()
        );
        // A broker that restarts is an error here and no more.
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(200)) {
            let received = received(&message);
            received.check(topic);
            messages.push(received);
        }
    }
    messages
}

fn received(message: &impl Message) -> Received {
    let headers = message.headers().map_or_else(BTreeMap::new, |headers| {
        let text =
            |value: Option<&[u8]>| String::from_utf8(value.unwrap_or_default().to_vec()).unwrap();
        headers
            .iter()
            .map(|header| (header.key.to_owned(), text(header.value)))
            .collect()
    });

    Received {
        partition: message.partition(),
        key: String::from_utf8(message.key().unwrap_or_default().to_vec()).unwrap(),
        payload: message.payload().unwrap_or_default().to_vec(),
        timestamp: message.timestamp().to_millis().unwrap_or(-1),
        headers,
    }
}
