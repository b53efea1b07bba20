//! What the settings of topics say of the messages that they take.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, ConfigResource, ConfigResourceResult, OwnedResourceSpecifier, ResourceSpecifier,
};
use rdkafka::error::RDKafkaErrorCode as Code;

use super::{Asker, Found, Listener, Topic, names};

/// Before a broker is asked again that has not heard yet of a topic which was just made.
const PAUSE: Duration = Duration::from_millis(100);

impl Asker {
    /// Where we may not read them, they stay unknown.
    pub(super) fn read_limits(
        &self,
        admin: &AdminClient<Listener>,
        found: &mut Found,
        patience: Duration,
    ) {
        let mut unread = names(&found.topics, |topic| matches!(topic, Topic::There { .. }));
        let until = Instant::now() + patience.max(super::LIMITS_WITHIN);
        while !unread.is_empty() {
            let described = self.describe(admin, &unread, patience);
            let is_unheard_of =
                |it: &ConfigResourceResult| matches!(it, Err(Code::UnknownTopicOrPartition));
            let are_unheard_of = described.iter().any(is_unheard_of);

            for resource in described.into_iter().flatten() {
                let read = found.note(resource);
                unread.retain(|name| Some(name) != read.as_ref());
            }
            if !are_unheard_of || Instant::now() >= until {
                break;
            }
            thread::sleep(PAUSE);
        }
        found.on_one_broker.sort();
    }

    fn describe(
        &self,
        admin: &AdminClient<Listener>,
        topics: &[String],
        patience: Duration,
    ) -> Vec<ConfigResourceResult> {
        let topics = topics.iter().map(|name| ResourceSpecifier::Topic(name));
        let topics: Vec<_> = topics.collect();
        let options = self.options(patience);
        let described = admin.describe_configs(&topics, &options);
        self.runtime.block_on(described).unwrap_or_default()
    }
}

impl Found {
    /// The topic whose settings these are.
    fn note(&mut self, settings: ConfigResource) -> Option<String> {
        let max_bytes = number(&settings, "max.message.bytes");
        let is_on_one_broker = number(&settings, "min.insync.replicas") == Some(1);
        let OwnedResourceSpecifier::Topic(name) = settings.specifier else {
            return None;
        };

        let on_one_broker = is_on_one_broker.then(|| name.clone());
        self.on_one_broker.extend(on_one_broker);
        self.topics.insert(name.clone(), Topic::There { max_bytes });
        Some(name)
    }
}

fn number(settings: &ConfigResource, name: &str) -> Option<usize> {
    settings.get(name)?.value.as_ref()?.parse().ok()
}
