//! Messages → Kafka topics, over librdkafka; the only place that knows rdkafka.
//!
//! Promises: a record is acknowledged when every in-sync replica has it (idempotent, `acks=all`); what the brokers refuse for good is
//! told apart from what may pass later; a message that is too large is refused with both numbers before it is sent, since
//! librdkafka would let it time out; topics that are missing are made, or reported. Deliberately has no time limit of its own for
//! a message (the queue decides how long to wait) and no retries but librdkafka's, which keep the order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use tokio::sync::Semaphore;

use super::patience::Patience;
use super::{ConnectError, Destination};
use crate::fault::Fault;
use boxbridge_event::{Lane, Message};

mod failure;
mod in_flight;
mod probe;
mod record;
mod report;
mod session;
mod topics;

pub use session::Session;
pub use topics::{Probe, Produce, TopicProbe};

use topics::{Missing, Topic};

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
    /// The largest batch that the topics take; see [`Shared::shrink_batches`].
    batch_bytes: Mutex<usize>,
    /// How many look-ups may run at once: each is a client of its own, with threads.
    lookups: Semaphore,
    /// In this lane the brokers refuse what is about us, not about a record: one at a time, until one is taken.
    is_refused: [AtomicBool; Lane::ALL.len()],
    /// How long brokers may be silent, by lane.
    patience: [Patience; Lane::ALL.len()],
}

/// librdkafka's own default; a batch is never asked to be larger.
const BATCH_BYTES: usize = 1_000_000;
/// What a batch of one message may weigh beyond key, value and headers: frame, lengths, timestamps.
const FRAME_BYTES: usize = 128;
/// How many topics are remembered, whatever sites the boxes name; those beyond it are looked up again and again.
const NAMES_MAX: usize = 1_000;
const LOOKUPS_MAX: usize = 4;
/// One for each person type, and two.
const WINDOWS: usize = 8;
/// How long connecting may take in all, and one question to the brokers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The same for one address, until TLS and password are through: librdkafka tries a name's addresses one after the other, and each look-up begins with
/// the first. Of three, two may be silent; a line with half a second of delay still gets through.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(4);

impl Kafka {
    /// `topics` are those that the routes can name in advance: they are looked up, or made, at each connect.
    pub fn new(config: boxbridge_config::Kafka, topics: Vec<String>, limits: Limits) -> Kafka {
        Kafka {
            shared: Arc::new(Shared::new(config, topics, limits)),
        }
    }

    /// What `check --online` shows: the brokers, each topic as they have it, and whether they would take what we send. Makes nothing.
    pub async fn probe(&self) -> Result<Probe, ConnectError> {
        let found = topics::look_up(&self.shared, self.shared.names(), Missing::Report).await?;
        let produce = probe::produce(&self.shared, &found.topics).await;
        Ok(Probe {
            produce,
            ..found.into_probe()
        })
    }
}

impl Destination for Kafka {
    type Message = Message;
    type Session = Session;

    async fn connect(&self, lane: Lane) -> Result<Session, ConnectError> {
        let shared = Arc::clone(&self.shared);
        let found = topics::look_up(&shared, shared.names(), shared.missing()).await?;
        shared.fit_batches(found.topics.values());
        // librdkafka reads certificates and starts its threads before it comes back.
        let started =
            tokio::task::spawn_blocking(move || Session::start(shared, lane, found.topics)).await;
        started.unwrap_or_else(|_| {
            Err(ConnectError {
                message: format!("kafka: the producer was not made: {Fault}"),
            })
        })
    }
}

impl Shared {
    fn new(config: boxbridge_config::Kafka, topics: Vec<String>, limits: Limits) -> Shared {
        let (names, batch_bytes) = (Mutex::new(topics), Mutex::new(BATCH_BYTES));
        let lookups = Semaphore::new(LOOKUPS_MAX);
        let patience = std::array::from_fn(|_| Patience::new(limits.stall_timeout));
        Shared {
            config,
            limits,
            names,
            batch_bytes,
            lookups,
            is_refused: Default::default(),
            patience,
        }
    }

    fn is_refused(&self, lane: Lane) -> bool {
        self.is_refused[usize::from(lane.number())].load(Ordering::Relaxed)
    }

    fn set_refused(&self, lane: Lane, is_refused: bool) {
        self.is_refused[usize::from(lane.number())].store(is_refused, Ordering::Relaxed);
    }

    fn patience(&self, lane: Lane) -> &Patience {
        &self.patience[usize::from(lane.number())]
    }

    fn missing(&self) -> Missing {
        if self.config.create_topics {
            Missing::Make
        } else {
            Missing::Report
        }
    }

    fn names(&self) -> Vec<String> {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember(&self, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < NAMES_MAX && !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }

    fn batch_bytes(&self) -> usize {
        *self
            .batch_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A broker weighs the whole batch against the topic's limit, so no batch may be larger than the smallest topic takes. Batches
    /// never grow again: where we may not read the limits, what a refusal taught must not be forgotten.
    fn fit_batches<'a>(&self, topics: impl IntoIterator<Item = &'a Topic>) {
        let smallest = topics
            .into_iter()
            .filter_map(Topic::max_bytes)
            .min()
            .unwrap_or(BATCH_BYTES);
        let mut batch_bytes = self
            .batch_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *batch_bytes = smallest.clamp(FRAME_BYTES, *batch_bytes);
    }

    /// The brokers refused a batch as too large, and a message of `bytes` was in it. `true`: it can have been the batch; the next
    /// session makes smaller ones. `false`: the message was alone, and is too large itself.
    fn shrink_batches(&self, bytes: usize) -> bool {
        let mut batch_bytes = self
            .batch_bytes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let shared = bytes.saturating_mul(2) < *batch_bytes;
        if shared {
            *batch_bytes = (*batch_bytes / 4).max(FRAME_BYTES);
        }
        shared
    }

    /// What every client of ours is told: where the brokers are, and who we are.
    fn client(&self) -> ClientConfig {
        let config = &self.config;
        let mut client = ClientConfig::new();
        client
            .set("bootstrap.servers", &config.brokers)
            .set("client.id", "boxbridge")
            // A topic is made by us, with the partitions of the config, or not at all.
            .set("allow.auto.create.topics", "false")
            // Back within a second once the brokers are; the default doubles up to 10 s.
            .set("reconnect.backoff.max.ms", "1000")
            .set(
                "socket.connection.setup.timeout.ms",
                milliseconds(ADDRESS_TIMEOUT),
            )
            .set("socket.keepalive.enable", "true")
            .set("security.protocol", security_protocol(config));

        if let Some(sasl) = &config.sasl {
            client.set("sasl.mechanism", &sasl.mechanism);
            client.set("sasl.username", &sasl.username);
            client.set("sasl.password", sasl.password.expose());
        }
        if config.encrypted {
            let files = [
                ("ssl.ca.location", &config.tls.ca_file),
                ("ssl.certificate.location", &config.tls.cert_file),
                ("ssl.key.location", &config.tls.key_file),
            ];
            for (key, file) in files {
                if let Some(file) = file {
                    client.set(key, file.to_string_lossy());
                }
            }
        }
        client
    }

    /// What a producer is told on top of that.
    fn producer(&self, lane: Lane, batch_bytes: usize) -> ClientConfig {
        let linger = match lane {
            Lane::Urgent => Duration::ZERO,
            Lane::Normal => self.config.linger,
        };
        // librdkafka counts more than the payload, and keeps what it is about to report.
        let buffer_kib = (self.limits.window_bytes + self.config.max_message_bytes) / 512 + 1024;

        let mut client = self.client();
        client
            .set("client.id", format!("boxbridge-{lane}"))
            .set("enable.idempotence", "true")
            .set("acks", "all")
            // For ever: were A given up here and B of the same key delivered, the order would be broken.
            .set("message.timeout.ms", "0")
            // A large batch on a thin line takes longer than the default, a minute. Brokers that say nothing at all we notice ourselves.
            .set("socket.timeout.ms", "300000")
            // For so long a topic may be unknown before its messages fail; by default longer than a session may be silent.
            .set("topic.metadata.propagation.max.ms", "5000")
            // Ours is checked before producing; this one must only not be smaller, whatever the framing.
            .set(
                "message.max.bytes",
                (self.config.max_message_bytes + 64 * 1024)
                    .max(BATCH_BYTES)
                    .to_string(),
            )
            .set("batch.size", batch_bytes.to_string())
            // Each topic that answers nothing may leave a window of small messages behind.
            .set(
                "queue.buffering.max.messages",
                (self.limits.window_records * WINDOWS).to_string(),
            )
            .set("queue.buffering.max.kbytes", buffer_kib.to_string())
            .set("linger.ms", milliseconds(linger))
            .set("compression.type", &self.config.compression)
            // As Java's producers do it; librdkafka's own default puts the same key elsewhere, which breaks joins.
            .set("partitioner", "murmur2_random");
        client
    }
}

fn security_protocol(config: &boxbridge_config::Kafka) -> &'static str {
    match (config.encrypted, config.sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    }
}

fn milliseconds(duration: Duration) -> String {
    duration.as_millis().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared() -> Shared {
        let config = boxbridge_config::Kafka {
            brokers: "127.0.0.1:1".to_owned(),
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
        let limits = Limits {
            window_records: 60_000,
            window_bytes: 1 << 30,
            stall_timeout: Duration::from_secs(15),
        };
        Shared::new(config, Vec::new(), limits)
    }

    #[test]
    fn a_refused_batch_shrinks_until_the_message_is_alone_in_it() {
        let shared = shared();
        let mut sessions = 0;
        while shared.shrink_batches(2_000) {
            sessions += 1;
        }
        assert_eq!((sessions, shared.batch_bytes()), (4, 3906));
        shared.fit_batches([
            &Topic::There {
                max_bytes: Some(1_048_588),
            },
            &Topic::There { max_bytes: None },
        ]);
        assert_eq!(
            shared.batch_bytes(),
            3906,
            "what a refusal taught is not forgotten"
        );
    }

    #[test]
    fn librdkafka_takes_the_widest_settings() {
        for lane in Lane::ALL {
            shared()
                .producer(*lane, BATCH_BYTES)
                .create_native_config()
                .unwrap();
        }
        assert_eq!(
            shared()
                .producer(Lane::Urgent, BATCH_BYTES)
                .get("linger.ms"),
            Some("0")
        );
    }
}
