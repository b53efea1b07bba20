//! Messages → Kafka topics, over librdkafka; the only place that knows rdkafka.
//!
//! Promises: a record is acknowledged when every in-sync replica has it (idempotent, `acks=all`); a refusal for good is told apart from one that
//! may pass; a message that is too large is refused with both numbers before it is sent, since librdkafka would let it time out; missing topics
//! are made, or reported. What is told of devices has a producer of its own (`devices`). Deliberately has no time limit of its own for a message (the queue decides how long to wait) and no retries but
//! librdkafka's, which keep the order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::patience::Patience;
use super::{ConnectError, Destination};
use crate::system::fault::Fault;
use boxbridge_connect::token::Tokens;
use boxbridge_event::{ByLane, Lane, Message};

mod aside;
mod batch;
mod client;
mod devices;
mod failure;
pub mod group;
mod probe;
mod producer;
mod record;
mod report;
mod session;
mod topics;

pub use aside::{ASIDE_TOPIC, AsideTopic, LeftAside, NotPut, Refused};
pub use probe::{Probe, Produce, TopicProbe};
pub use record::header_name;
pub use session::Session;

use batch::LargestBatch;
use topics::{Missing, UnfitTopics};

/// The brokers and topics of `[send.kafka]`.
pub struct Kafka {
    shared: Arc<Shared>,
}

/// How much a session holds, and how long it waits for a sign of life.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub window_records: usize,
    pub window_bytes: usize,
    pub stall_timeout: Duration,
}

impl Limits {
    pub fn of(config: &boxbridge_config::Send) -> Limits {
        Limits {
            window_records: config.window_records,
            window_bytes: config.window_bytes,
            stall_timeout: config.stall_timeout,
        }
    }
}

struct Shared {
    config: boxbridge_config::Kafka,
    limits: Limits,
    /// Every topic seen so far: those that the routes can name in advance, and those that a message named since.
    names: Mutex<Vec<String>>,
    unfit: Mutex<UnfitTopics>,
    largest_batch: LargestBatch,
    /// How many look-ups may run at once: each is a client of its own, with threads.
    lookups: Arc<Semaphore>,
    /// Boxes are answered once it has their events.
    answers_boxes: bool,
    /// That one broker alone has them was said.
    is_said: AtomicBool,
    /// The brokers refuse us, whatever the record: one at a time, until one is taken.
    is_refused: ByLane<AtomicBool>,
    /// What they are shown, where that is a token.
    tokens: Option<Arc<Tokens>>,
    /// How long brokers may be silent.
    patience: ByLane<Patience>,
}

/// How many topics are remembered, whatever sites the boxes name; those beyond it are looked up again and again.
const NAMES_MAX: usize = 1_000;
const LOOKUPS_MAX: usize = 4;
/// A box waits: within so long events of the same moment meet in one batch, as they do in one sync of the log.
const LINGER_MAX: Duration = Duration::from_millis(2);
/// One for each person type, and two.
const WINDOWS: usize = 8;
/// How long connecting may take in all, and one question to the brokers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

impl Kafka {
    /// `topics` are those that the routes can name in advance: they are looked up, or made, at each connect.
    pub fn new(config: boxbridge_config::Kafka, topics: Vec<String>, limits: Limits) -> Kafka {
        Kafka {
            shared: Arc::new(Shared::new(config, topics, limits)),
        }
    }

    /// Boxes are answered once it has their events: no batch waits for long, and topics that need one broker alone are said.
    pub fn answering_boxes(mut self) -> Kafka {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.answers_boxes = true;
            shared.config.linger = shared.config.linger.min(LINGER_MAX);
        }
        self
    }

    /// In the place of another: a look-up that the other has begun goes on, and counts.
    pub fn in_place_of(mut self, before: &Kafka) -> Kafka {
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            shared.lookups = Arc::clone(&before.shared.lookups);
        }
        self
    }

    /// What `check --online` shows: the brokers, each topic as they have it, and whether they would take our messages. Makes nothing.
    /// `beside` is a topic that no event goes to, `aside` one that refused events go to, where it is needed.
    pub async fn probe(&self, beside: &str, aside: Option<&str>) -> Result<Probe, ConnectError> {
        let others = [Some(beside), aside].into_iter().flatten();
        let names = self.shared.names().into_iter();
        let names = names.chain(others.map(str::to_owned)).collect();
        let mut found = topics::look_up(&self.shared, names, Missing::Report).await?;

        let aside = aside.and_then(|aside| found.topics.remove_entry(aside));
        let beside = found.topics.remove_entry(beside);
        let routed = &found.topics;
        found
            .on_one_broker
            .retain(|topic| self.shared.answers_boxes && routed.contains_key(topic));

        let produce = probe::produce(&self.shared, &found.topics).await;
        // As one of them from here on: it is to be there, and large enough.
        found.topics.extend(aside);
        Ok(Probe::of(found, beside, produce))
    }
}

impl Kafka {
    /// The same cluster, for what is told beside events.
    pub fn beside(&self) -> Kafka {
        Kafka {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Destination for Kafka {
    type Message = Message;
    type Session = Session;

    async fn connect(&self, lane: Lane) -> Result<Session, ConnectError> {
        let shared = Arc::clone(&self.shared);
        let found = topics::look_up(&shared, shared.names(), shared.missing()).await?;
        shared.largest_batch.fit(found.topics.values());
        shared.say_on_one_broker(&found.on_one_broker);

        // librdkafka reads certificates and starts its threads before it comes back.
        let start = move || Session::start(shared, lane, found.topics);
        let started = tokio::task::spawn_blocking(start).await;
        started.unwrap_or_else(|_| {
            let detail = format!("the producer was not made: {Fault}");
            Err(ConnectError {
                message: self.shared.of_brokers(&detail),
            })
        })
    }

    fn trouble(&self) -> Option<String> {
        self.shared.unfit.lock().sentence(self.shared.missing())
    }
}

impl Shared {
    fn new(config: boxbridge_config::Kafka, topics: Vec<String>, limits: Limits) -> Shared {
        Shared {
            tokens: Tokens::of(&config).map(Arc::new),
            config,
            limits,
            names: Mutex::new(topics),
            unfit: Mutex::default(),
            answers_boxes: false,
            is_said: AtomicBool::new(false),
            largest_batch: LargestBatch::new(),
            lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)),
            is_refused: ByLane::default(),
            patience: ByLane::new(|_| Patience::new(limits.stall_timeout)),
        }
    }

    fn is_refused(&self, lane: Lane) -> bool {
        self.is_refused.of(lane).load(Ordering::Relaxed)
    }

    fn set_refused(&self, lane: Lane, is_refused: bool) {
        self.is_refused
            .of(lane)
            .store(is_refused, Ordering::Relaxed);
    }

    /// Once: what they acknowledge may end with one disk.
    fn say_on_one_broker(&self, topics: &[String]) {
        let is_news = self.answers_boxes && !topics.is_empty();
        if is_news && !self.is_said.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                topics = topics.join(", "),
                "boxes are answered from topics with min.insync.replicas 1: one broker alone may have an event"
            );
        }
    }

    fn missing(&self) -> Missing {
        if self.config.create_topics {
            Missing::Make
        } else {
            Missing::Report
        }
    }

    fn names(&self) -> Vec<String> {
        self.names.lock().clone()
    }

    fn remember(&self, name: &str) {
        let mut names = self.names.lock();
        if names.len() < NAMES_MAX && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }

    /// A message to people names the brokers as the settings do.
    fn of_brokers(&self, detail: &str) -> String {
        format!("{}: {detail}", self.config.brokers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn shared(brokers: String, limits: Limits) -> Shared {
        let config = boxbridge_config::Kafka {
            brokers,
            create_topics: true,
            partitions: 1,
            replication: 1,
            encrypted: false,
            sasl: None,
            tls: boxbridge_config::Tls::default(),
            max_message_bytes: 1_000_000,
            linger: Duration::from_millis(5),
            compression: "lz4".to_owned(),
        };
        Shared::new(config, Vec::new(), limits)
    }
}
