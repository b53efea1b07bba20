//! The retained messages, by topic.
//!
//! Promises: the topics are bounded, and a message of one more is told to be refused; an empty payload removes a topic's message. Deliberately knows
//! no clients: only the gateway retains anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::packet::publication::Message;
use super::super::topic_filter;

/// Topics with a retained message: the gateway's own status, and those of its devices.
pub(super) const TOPICS_MAX: usize = 16_384;

#[derive(Default)]
pub(super) struct RetainedMessages {
    /// With their QoS.
    by_topic: BTreeMap<String, (Arc<Message>, u8)>,
}

impl RetainedMessages {
    /// Whether there was room for it.
    pub fn put(&mut self, message: &Arc<Message>, qos: u8) -> bool {
        if message.payload.is_empty() {
            self.by_topic.remove(&message.topic);
            return true;
        }
        if self.by_topic.len() >= TOPICS_MAX && !self.by_topic.contains_key(&message.topic) {
            return false;
        }

        let kept = (Arc::clone(message), qos);
        self.by_topic.insert(message.topic.clone(), kept);
        true
    }

    /// Those whose topics match, with their QoS.
    pub fn matching(&self, filter: &str) -> impl Iterator<Item = (&Arc<Message>, u8)> {
        let matching = self
            .by_topic
            .values()
            .filter(move |(message, _)| topic_filter::matches(filter, &message.topic));
        matching.map(|(message, qos)| (message, *qos))
    }
}
