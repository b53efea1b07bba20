//! Looks topics up, and makes those that are missing.
//!
//! Promises: asks for each topic by its name, so that one we may not see is told from one that is not there; one bad topic spoils
//! no other. Deliberately changes no topic that exists.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxbridge_connect::tls;
use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication, TopicResult,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::metadata::{Metadata, MetadataBroker};
use rdkafka::producer::{BaseProducer, Producer as _};
use tokio::runtime::Handle;

use super::report::Listener;
use super::{CONNECT_TIMEOUT, Shared};
use crate::fault::Fault;
use crate::send::{ConnectError, Reason};

/// Asked for where there is no topic of ours to ask for: every cluster has it or may have it, and nothing makes it by being asked.
pub(super) const ANY_TOPIC: &str = "__consumer_offsets";

/// A broker that does not answer for the limits within so many times what connecting took will not: librdkafka's mock, for one.
const PATIENCE: u32 = 10;

/// A topic as the brokers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Its `max.message.bytes`; `None` where we may not read it.
    There { max_bytes: Option<usize> },
    /// Nothing can be sent to it, and why.
    Refused { reason: Reason, detail: String },
}

/// What the brokers say, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `host:port` of every broker of the cluster.
    pub brokers: Vec<String>,
    pub topics: Vec<TopicProbe>,
    /// Whether they would take what we send, as far as that could be tried.
    pub produce: Produce,
}

/// What a produce that leaves nothing behind has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Produce {
    /// Into this topic; refused for its size alone, as it was meant to be.
    Would { topic: String },
    /// Against its own limit this topic took what was to be refused, and now holds it.
    Kept { topic: String },
    /// They would take nothing, and why.
    Refused(String),
    /// Nothing was sent, since no topic with a limit that we know is there.
    Untried,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicProbe {
    pub name: String,
    /// Why nothing can be sent to it now; a missing topic may still be made at start.
    pub problem: Option<String>,
    /// `max.message.bytes` of the topic, where it exists and we may read it.
    pub max_message_bytes: Option<usize>,
}

/// Whether a missing topic is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Report,
}

pub(super) struct Found {
    pub(super) topics: HashMap<String, Topic>,
    brokers: Vec<String>,
}

impl Topic {
    pub(super) fn max_bytes(&self) -> Option<usize> {
        match self {
            Topic::There { max_bytes } => *max_bytes,
            Topic::Refused { .. } => None,
        }
    }

    fn invalid(detail: String) -> Topic {
        Topic::Refused {
            reason: Reason::TopicInvalid,
            detail,
        }
    }
}

impl Found {
    pub(super) fn into_probe(self) -> Probe {
        let mut topics: Vec<_> = self
            .topics
            .into_iter()
            .map(|(name, topic)| match topic {
                Topic::There { max_bytes } => TopicProbe {
                    name,
                    problem: None,
                    max_message_bytes: max_bytes,
                },
                Topic::Refused { detail, .. } => TopicProbe {
                    name,
                    problem: Some(detail),
                    max_message_bytes: None,
                },
            })
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Probe {
            brokers: self.brokers,
            topics,
            produce: Produce::Untried,
        }
    }
}

/// What the brokers say of each of `names`; an error if none of them answers. Takes at most [`CONNECT_TIMEOUT`] and a little.
pub(super) async fn look_up(
    shared: &Arc<Shared>,
    names: Vec<String>,
    missing: Missing,
) -> Result<Found, ConnectError> {
    let _permit = shared.lookups.acquire().await;
    let (shared, runtime) = (Arc::clone(shared), Handle::current());
    // All of it on a thread that may block: the calls, and the end of the clients, which waits for librdkafka's threads.
    let asked = tokio::task::spawn_blocking(move || {
        let start = Instant::now();
        let asker = Asker {
            shared,
            runtime,
            deadline: start + CONNECT_TIMEOUT,
        };
        let mut found = asker.find(&names)?;
        asker.administer(&mut found.topics, missing, start.elapsed() * PATIENCE);
        Ok(found)
    });
    asked.await.unwrap_or_else(|_| {
        Err(ConnectError {
            message: format!("kafka: the topics were not looked up: {Fault}"),
        })
    })
}

struct Asker {
    shared: Arc<Shared>,
    runtime: Handle,
    deadline: Instant,
}

impl Asker {
    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Which topics there are, and who the brokers are.
    fn find(&self, names: &[String]) -> Result<Found, ConnectError> {
        let client: BaseProducer<Listener> = self
            .shared
            .client()
            .create_with_context(Listener::new(None))
            .map_err(|error| ConnectError {
                message: format!("kafka: the client cannot be made: {error}"),
            })?;
        let metadata = self.ask(&client, names.first().map_or(ANY_TOPIC, String::as_str))?;
        let address = |broker: &MetadataBroker| format!("{}:{}", broker.host(), broker.port());
        let brokers = metadata.brokers().iter().map(address).collect();

        let mut topics = HashMap::new();
        for name in names {
            // On a slow line, the rest is looked up when a message names it.
            if self.left() < CONNECT_TIMEOUT / 2 {
                break;
            }
            let metadata = self.ask(&client, name)?;
            let topic = match metadata.topics().first().and_then(|topic| topic.error()) {
                None => Topic::There { max_bytes: None },
                Some(error) => refused(name, error.into()),
            };
            topics.insert(name.clone(), topic);
        }
        Ok(Found { topics, brokers })
    }

    fn ask(&self, client: &BaseProducer<Listener>, topic: &str) -> Result<Metadata, ConnectError> {
        // In steps: a wrong password is known long before the time is up. Longer ones on a slow line, where one takes more.
        let mut step = Duration::from_millis(500);
        loop {
            match client
                .client()
                .fetch_metadata(Some(topic), self.left().min(step))
            {
                Ok(metadata) => return Ok(metadata),
                Err(error) => {
                    step *= 2;
                    // What went wrong comes behind log lines: a moment to hear all of it.
                    client.poll(Duration::from_millis(50));
                    let listener = client.client().context();
                    if listener.is_refused() || self.left().is_zero() {
                        let cause = listener.error().unwrap_or_else(|| error.to_string());
                        let remedy = tls::remedy(&cause, "send.kafka");
                        return Err(ConnectError {
                            message: format!("kafka: no broker answers: {cause}{remedy}"),
                        });
                    }
                }
            }
        }
    }

    /// Makes what is missing, if so asked, and reads the limits; what we may not do or read stays as it is.
    fn administer(
        &self,
        topics: &mut HashMap<String, Topic>,
        missing: Missing,
        patience: Duration,
    ) {
        let Ok(admin) = self
            .shared
            .client()
            .create_with_context::<_, AdminClient<Listener>>(Listener::new(None))
        else {
            return;
        };
        if missing == Missing::Make {
            self.make(&admin, topics);
        }
        self.read_limits(&admin, topics, patience);
    }

    fn options(&self, at_most: Duration) -> AdminOptions {
        let timeout = self.left().min(at_most).max(Duration::from_secs(1));
        AdminOptions::new()
            .request_timeout(Some(timeout))
            .operation_timeout(Some(timeout))
    }

    fn make(&self, admin: &AdminClient<Listener>, topics: &mut HashMap<String, Topic>) {
        let config = &self.shared.config;
        let is_missing = |topic: &Topic| {
            matches!(
                topic,
                Topic::Refused {
                    reason: Reason::TopicInvalid,
                    ..
                }
            )
        };
        let names: Vec<String> = topics
            .iter()
            .filter(|(_, topic)| is_missing(topic))
            .map(|(name, _)| name.clone())
            .collect();
        if names.is_empty() {
            return;
        }
        let topic = |name| {
            NewTopic::new(
                name,
                config.partitions,
                TopicReplication::Fixed(config.replication),
            )
        };
        let wanted: Vec<_> = names.iter().map(|name| topic(name)).collect();
        match self
            .runtime
            .block_on(admin.create_topics(&wanted, &self.options(CONNECT_TIMEOUT)))
        {
            Ok(results) => topics.extend(results.into_iter().map(made)),
            Err(error) => topics.extend(names.into_iter().map(|name| {
                let detail = format!("topic {name} is missing and could not be made: {error}");
                (
                    name,
                    Topic::Refused {
                        reason: Reason::Passing,
                        detail,
                    },
                )
            })),
        }
    }

    fn read_limits(
        &self,
        admin: &AdminClient<Listener>,
        topics: &mut HashMap<String, Topic>,
        patience: Duration,
    ) {
        let there: Vec<String> = topics
            .iter()
            .filter(|(_, topic)| matches!(topic, Topic::There { .. }))
            .map(|(name, _)| name.clone())
            .collect();
        let wanted: Vec<_> = there
            .iter()
            .map(|name| ResourceSpecifier::Topic(name))
            .collect();
        if wanted.is_empty() {
            return;
        }
        let Ok(results) = self
            .runtime
            .block_on(admin.describe_configs(&wanted, &self.options(patience)))
        else {
            return;
        };
        for resource in results.into_iter().flatten() {
            let limit = resource
                .get("max.message.bytes")
                .and_then(|entry| entry.value.as_ref()?.parse().ok());
            if let OwnedResourceSpecifier::Topic(name) = resource.specifier {
                topics.insert(name, Topic::There { max_bytes: limit });
            }
        }
    }
}

fn made(result: TopicResult) -> (String, Topic) {
    use RDKafkaErrorCode as Code;
    let (name, code) = match result {
        Ok(name) => {
            tracing::info!(topic = name, "kafka: topic made");
            return (name, Topic::There { max_bytes: None });
        }
        // Another replica of ours was first.
        Err((name, Code::TopicAlreadyExists)) => return (name, Topic::There { max_bytes: None }),
        Err(failed) => failed,
    };
    let reason = match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => Reason::NotAuthorised,
        Code::InvalidTopic
        | Code::InvalidPartitions
        | Code::PolicyViolation
        | Code::InvalidConfig => Reason::TopicInvalid,
        // Too few brokers for the replication, no controller, no time: later it may work.
        _ => Reason::Passing,
    };
    let detail = format!("topic {name} is missing and could not be made: {code}");
    (name, Topic::Refused { reason, detail })
}

/// A topic whose metadata is an error. One without a leader is there: librdkafka waits for it.
fn refused(name: &str, code: RDKafkaErrorCode) -> Topic {
    match code {
        RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
            Topic::invalid(format!("topic {name} is missing"))
        }
        RDKafkaErrorCode::InvalidTopic => Topic::invalid(format!("{name} is no name of a topic")),
        RDKafkaErrorCode::TopicAuthorizationFailed => Topic::Refused {
            reason: Reason::NotAuthorised,
            detail: format!("topic {name}: {code}"),
        },
        _ => Topic::There { max_bytes: None },
    }
}
