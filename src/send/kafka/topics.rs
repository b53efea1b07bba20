//! Looks topics up, and makes those that are missing.
//!
//! Promises: asks for each topic by its name, so that one we may not see is told from one that is not there; one bad topic spoils
//! no other. Deliberately changes no topic that exists.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxbridge_connect::tls;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::{Metadata, MetadataBroker};
use rdkafka::producer::{BaseProducer, Producer as _};
use tokio::runtime::Handle;

use super::failure::{LOGIN, MECHANISM, SECURITY, TOKEN, WRITE};
use super::report::Listener;
use super::{CONNECT_TIMEOUT, Shared};
use crate::send::{ConnectError, Reason};
use crate::system::fault::Fault;

mod limits;
mod unfit;

pub(super) use unfit::UnfitTopics;

/// Asked for where there is no topic of ours to ask for: every cluster has it or may have it, and nothing makes it by being asked.
pub(super) const ANY_TOPIC: &str = "__consumer_offsets";

/// How many times as long as connecting took we wait for the limits: some brokers never answer that, librdkafka's mock for one.
const PATIENCE: u32 = 10;
/// But so long in any case.
const LIMITS_WITHIN: Duration = Duration::from_secs(1);

/// A topic as the brokers have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    /// Its `max.message.bytes`; `None` where we may not read it.
    There { max_bytes: Option<usize> },
    /// Nothing can be sent to it, and why.
    Refused { reason: Reason, detail: String },
}

/// Whether a missing topic is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    Make,
    Report,
}

/// What a topic that is made keeps.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeps {
    /// For as long as the brokers keep anything.
    All,
    /// The newest of each key.
    Newest,
    /// All, in messages of so many bytes: they are larger than those that they tell of.
    Large(usize),
    /// For an hour, with the time at which the broker wrote it.
    BrokersTime,
}

impl Keeps {
    fn largest(self) -> String {
        match self {
            Keeps::Large(bytes) => bytes.to_string(),
            Keeps::All | Keeps::Newest | Keeps::BrokersTime => String::new(),
        }
    }
}

pub(super) struct Found {
    pub topics: HashMap<String, Topic>,
    /// `host:port` of every broker of the cluster.
    pub brokers: Vec<String>,
    /// Topics that say a record is there when one broker alone has it, by their name.
    pub on_one_broker: Vec<String>,
}

impl Topic {
    pub(super) fn max_bytes(&self) -> Option<usize> {
        match self {
            Topic::There { max_bytes } => *max_bytes,
            Topic::Refused { .. } => None,
        }
    }

    fn refused(reason: Reason, detail: String) -> Topic {
        Topic::Refused { reason, detail }
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(
            self,
            Topic::Refused {
                reason: Reason::TopicInvalid,
                ..
            }
        )
    }
}

/// Each of `names` as the brokers have it; an error if none of them answers. Takes at most [`CONNECT_TIMEOUT`] and a little.
pub(super) async fn look_up(
    shared: &Arc<Shared>,
    names: Vec<String>,
    missing: Missing,
) -> Result<Found, ConnectError> {
    look_up_for(shared, names, missing, Keeps::All).await
}

/// The same for topics that are to keep so much if they are made.
pub(super) async fn look_up_for(
    shared: &Arc<Shared>,
    names: Vec<String>,
    missing: Missing,
    keeps: Keeps,
) -> Result<Found, ConnectError> {
    let _permit = shared.lookups.acquire().await;
    let asker = Asker {
        shared: Arc::clone(shared),
        runtime: Handle::current(),
        keeps,
        deadline: Instant::now() + CONNECT_TIMEOUT,
    };

    // All of it on a thread that may block: the calls, and the end of the clients, which waits for librdkafka's threads.
    let asked = tokio::task::spawn_blocking(move || asker.look_up(&names, missing)).await;
    let found = asked.unwrap_or_else(|_| Err(format!("the topics were not looked up: {Fault}")));
    let found = found.map_err(|detail| ConnectError {
        message: shared.of_brokers(&detail),
    })?;

    shared.unfit.lock().note(&found.topics);
    Ok(found)
}

struct Asker {
    shared: Arc<Shared>,
    runtime: Handle,
    keeps: Keeps,
    deadline: Instant,
}

impl Asker {
    fn look_up(&self, names: &[String], missing: Missing) -> Result<Found, String> {
        let began = Instant::now();
        let mut found = self.find(names)?;
        let patience = began.elapsed() * PATIENCE;

        // Where we may not make or read something, it stays as it is.
        if let Ok(admin) = self.admin() {
            if missing == Missing::Make {
                self.make(&admin, &mut found.topics);
            }
            self.read_limits(&admin, &mut found, patience);
        }
        Ok(found)
    }

    fn admin(&self) -> Result<AdminClient<Listener>, String> {
        let listener = self.shared.listener(None);
        let admin = self.shared.client().create_with_context(listener);
        let admin: AdminClient<Listener> = admin.map_err(|error| error.to_string())?;
        // It would never ask for one.
        self.shared.show_token(admin.inner())?;
        Ok(admin)
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Which topics there are, and who the brokers are.
    fn find(&self, names: &[String]) -> Result<Found, String> {
        let client: BaseProducer<Listener> = self
            .shared
            .client()
            .create_with_context(self.shared.listener(None))
            .map_err(|error| format!("the client cannot be made: {error}"))?;
        // A token is had here.
        client.poll(Duration::ZERO);
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
            topics.insert(name.clone(), topic(name, &metadata));
        }
        Ok(Found {
            topics,
            brokers,
            on_one_broker: Vec::new(),
        })
    }

    fn ask(&self, client: &BaseProducer<Listener>, topic: &str) -> Result<Metadata, String> {
        // In steps: a wrong password is known long before the time is up. Longer ones on a slow line, where one takes more.
        let mut step = Duration::from_millis(500);
        loop {
            let asked = client.client();
            let error = match asked.fetch_metadata(Some(topic), self.left().min(step)) {
                Ok(metadata) => return Ok(metadata),
                Err(error) => error,
            };

            // The error comes behind log lines: a moment to hear all of it.
            client.poll(Duration::from_millis(50));
            let listener = client.client().context();
            if listener.is_refused() || self.left().is_zero() {
                self.shared.tokens.iter().for_each(|tokens| tokens.forget());
                let cause = listener.error().unwrap_or_else(|| error.to_string());
                return Err(format!(
                    "no broker answers: {}{}",
                    brief(&cause),
                    remedy(&cause)
                ));
            }
            step *= 2;
        }
    }

    fn options(&self, at_most: Duration) -> AdminOptions {
        let timeout = self.left().min(at_most).max(LIMITS_WITHIN);
        AdminOptions::new()
            .request_timeout(Some(timeout))
            .operation_timeout(Some(timeout))
    }

    fn make(&self, admin: &AdminClient<Listener>, topics: &mut HashMap<String, Topic>) {
        let missing = names(topics, Topic::is_missing);
        if missing.is_empty() {
            return;
        }

        let config = &self.shared.config;
        let replication = || TopicReplication::Fixed(config.replication);
        let new = |name| NewTopic::new(name, config.partitions, replication());
        let largest = self.keeps.largest();
        let wanted: Vec<_> = missing
            .iter()
            .map(|name| match self.keeps {
                Keeps::All => new(name),
                Keeps::Newest => new(name).set("cleanup.policy", "compact"),
                Keeps::Large(_) => new(name).set("max.message.bytes", &largest),
                Keeps::BrokersTime => new(name)
                    .set("message.timestamp.type", "LogAppendTime")
                    .set("retention.ms", "3600000"),
            })
            .collect();
        let options = self.options(CONNECT_TIMEOUT);
        let created = self
            .runtime
            .block_on(admin.create_topics(&wanted, &options));
        match created {
            Ok(results) => topics.extend(results.into_iter().map(|result| self.made(result))),
            Err(error) => topics.extend(missing.into_iter().map(|name| {
                let detail = format!("topic {name} is missing and could not be made: {error}");
                (name, Topic::refused(Reason::Passing, detail))
            })),
        }
    }

    fn made(&self, result: TopicResult) -> (String, Topic) {
        let (name, code) = match result {
            Ok(name) => {
                let brokers = &*self.shared.config.brokers;
                tracing::info!(topic = name, brokers, "kafka: topic made");
                return (name, Topic::There { max_bytes: None });
            }
            // Another replica of ours was first.
            Err((name, Code::TopicAlreadyExists)) => {
                return (name, Topic::There { max_bytes: None });
            }
            Err(failed) => failed,
        };

        let (reason, hint) = why_not_made(code);
        let detail = format!("topic {name} is missing and could not be made: {code}{hint}");
        (name, Topic::refused(reason, detail))
    }
}

fn names(topics: &HashMap<String, Topic>, which: impl Fn(&Topic) -> bool) -> Vec<String> {
    topics
        .iter()
        .filter(|(_, topic)| which(topic))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Of a certificate that is not trusted, librdkafka says the same in several ways, by turns: it is one cause.
fn brief(cause: &str) -> String {
    match cause.split_once(": ") {
        Some((broker, why)) if why.contains(NOT_TRUSTED) => format!("{broker}: {NOT_TRUSTED}"),
        _ => cause.to_owned(),
    }
}

/// OpenSSL's words.
const NOT_TRUSTED: &str = "certificate verify failed";

/// Which setting to look at where no broker answers.
fn remedy(cause: &str) -> String {
    let of_tls = tls::remedy(cause, "send.kafka");
    if !of_tls.is_empty() {
        return of_tls;
    }

    let settings = [
        ("mechanism handshake failed", MECHANISM),
        ("OAUTHBEARER", TOKEN),
        ("security.protocol", SECURITY),
        ("PLAINTEXT broker listener", SECURITY),
        ("wrong version number", SECURITY),
        ("SASL", LOGIN),
        // At our first question, or at the first that wants to know who we are.
        ("Disconnected", SECURITY),
    ];
    let named = settings.iter().find(|(words, _)| cause.contains(words));
    named.map_or_else(String::new, |(_, setting)| format!(" ({setting})"))
}

/// Whether making it again may help, and a remedy.
fn why_not_made(code: Code) -> (Reason, &'static str) {
    match code {
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => (
            Reason::NotAuthorised,
            " (allow Create to the user of send.kafka.username, or make the topic)",
        ),
        Code::InvalidTopic | Code::PolicyViolation | Code::InvalidConfig => {
            (Reason::TopicInvalid, "")
        }
        Code::InvalidPartitions => (Reason::TopicInvalid, " (send.kafka.partitions)"),
        // More replicas than brokers: later there may be more of them.
        Code::InvalidReplicationFactor => (Reason::Passing, " (send.kafka.replication)"),
        // No controller, no time: later it may work.
        _ => (Reason::Passing, ""),
    }
}

/// A topic by its metadata. One without a leader is there: librdkafka waits for it.
fn topic(name: &str, metadata: &Metadata) -> Topic {
    let error = metadata.topics().first().and_then(|topic| topic.error());
    match error.map(Code::from) {
        Some(Code::UnknownTopicOrPartition | Code::UnknownTopic) => {
            Topic::refused(Reason::TopicInvalid, format!("topic {name} is missing"))
        }
        Some(Code::InvalidTopic) => {
            let detail = format!("{name} is no name of a topic");
            Topic::refused(Reason::TopicInvalid, detail)
        }
        Some(code @ Code::TopicAuthorizationFailed) => {
            let detail = format!("topic {name}: {code}{WRITE}");
            Topic::refused(Reason::NotAuthorised, detail)
        }
        Some(_) | None => Topic::There { max_bytes: None },
    }
}
