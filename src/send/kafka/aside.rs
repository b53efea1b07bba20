//! The topic `boxbridge.aside`: what was refused for good, where no disk of a gateway is to keep it.
//!
//! Promises: a message counts as set aside once every in-sync replica has it. Its key, payload and headers are those that it had, and headers
//! that begin with `boxbridge_` say who refused it, where and why. One at a time, each bounded in time. Deliberately repeats nothing: the caller
//! does, so a message may stand there twice.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::Producer as _;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::batch::BATCH_BYTES;
use super::failure::{About, about};
use super::producer::Producer;
use super::record::{headers, record};
use super::report::Report;
use super::topics::{self, Keeps, Topic};
use super::{Kafka, Shared};
use crate::system::fault::Fault;
use boxbridge_event::{Lane, Message, Sequence, Timestamp};

/// Part of the contract with operators, so no setting.
pub const ASIDE_TOPIC: &str = "boxbridge.aside";

/// For one message, from the producer to all replicas: the delivery waits for it.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// What our headers may add to a message.
const HEADERS_BYTES: usize = 16 << 10;
/// The other side's words may be long.
const VALUE_MAX: usize = 1_000;
const PREFIX: &str = "boxbridge_";

/// What was refused.
#[derive(Clone, Debug)]
pub struct LeftAside {
    /// Why it lies there, as headers: their names without `boxbridge_`.
    pub about: Vec<(&'static str, String)>,
    /// Its key, attributes and payload, as they were.
    pub message: Message,
}

/// What is said of a message that a destination refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    pub destination: &'a str,
    pub lane: Lane,
    /// A word of [`crate::send::Reason`].
    pub reason: &'a str,
    /// The other side's own words.
    pub detail: &'a str,
    pub attempts: u32,
    /// Where it was refused; `None` where it did not get that far.
    pub topic: Option<&'a str>,
}

/// Why something may not be there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPut {
    /// This message is refused, now and later.
    #[error("{0}")]
    Message(String),
    /// Every message is, until somebody changes the topic, or our rights.
    #[error("{0}")]
    Topic(String),
    #[error("{0}")]
    NotNow(String),
}

/// The topic of one cluster. Its producer is made by the first message, and anew after a failure.
pub struct AsideTopic {
    /// Other settings count from the next producer on.
    cluster: parking_lot::Mutex<Arc<Shared>>,
    open: Mutex<Option<Open>>,
}

struct Open {
    /// Taken at the end.
    producer: Option<Producer>,
    reports: mpsc::Receiver<Report>,
}

impl Kafka {
    pub fn aside_topic(&self) -> AsideTopic {
        AsideTopic {
            cluster: parking_lot::Mutex::new(Arc::clone(&self.shared)),
            open: Mutex::default(),
        }
    }
}

impl AsideTopic {
    /// It is on all in-sync replicas when this returns; or why it may not be.
    pub async fn put(&self, left: &LeftAside) -> Result<(), NotPut> {
        let mut open = self.open.lock().await;
        let put = self.put_by(&mut open, left).await;
        // A message that is refused takes nothing with it.
        if matches!(put, Err(NotPut::Topic(_) | NotPut::NotNow(_))) {
            *open = None;
        }

        let cluster = self.cluster();
        put.map_err(|why| {
            why.said(|detail| cluster.of_brokers(&format!("topic {ASIDE_TOPIC}: {detail}")))
        })
    }

    /// Goes on with other settings of the same cluster.
    pub fn adopt(&self, kafka: &Kafka) {
        *self.cluster.lock() = Arc::clone(&kafka.shared);
        // One that is at work meanwhile was made by the settings before, and goes with its first failure.
        if let Ok(mut open) = self.open.try_lock() {
            *open = None;
        }
    }

    fn cluster(&self) -> Arc<Shared> {
        Arc::clone(&self.cluster.lock())
    }

    async fn put_by(&self, open: &mut Option<Open>, left: &LeftAside) -> Result<(), NotPut> {
        let open = match open {
            Some(open) => open,
            None => open.insert(Open::start(&self.cluster()).await?),
        };
        open.send(left)?;

        match timeout(ANSWER_WITHIN, open.reports.recv()).await {
            Ok(Some(Report::Delivered(_))) => Ok(()),
            Ok(Some(Report::Failed { code, .. })) => Err(NotPut::of(code)),
            Ok(Some(Report::Fatal(reason))) => Err(NotPut::NotNow(reason)),
            Ok(None) => Err(gone()),
            Err(_) => Err(NotPut::NotNow(format!(
                "no answer for {ANSWER_WITHIN:?}{}",
                open.last_error()
            ))),
        }
    }
}

impl Open {
    async fn start(shared: &Arc<Shared>) -> Result<Open, NotPut> {
        let name = ASIDE_TOPIC.to_owned();
        let keeps = Keeps::Large(shared.config.max_message_bytes + HEADERS_BYTES);
        let found = topics::look_up_for(shared, vec![name], shared.missing(), keeps).await;
        let found = found.map_err(|error| NotPut::NotNow(error.message))?;
        if let Some(Topic::Refused { reason, detail }) = found.topics.get(ASIDE_TOPIC) {
            return Err(match reason.passes() {
                true => NotPut::NotNow(detail.clone()),
                false => NotPut::Topic(detail.clone()),
            });
        }

        // librdkafka reads certificates and starts its threads before it comes back.
        let making = Arc::clone(shared);
        let made = tokio::task::spawn_blocking(move || Open::make(&making)).await;
        let made = made.unwrap_or_else(|_| Err(format!("the producer was not made: {Fault}")));
        made.map_err(NotPut::NotNow)
    }

    fn make(shared: &Shared) -> Result<Open, String> {
        // One message, and `Report::Fatal`.
        let (sender, reports) = mpsc::channel(2);
        // Urgent: nothing comes behind it that a batch could wait for.
        let mut settings = shared.producer(Lane::Urgent, BATCH_BYTES);
        settings
            .set("client.id", "boxbridge-aside")
            .set("message.timeout.ms", ANSWER_WITHIN.as_millis().to_string());
        let producer = Producer::start(&settings, shared.listener(Some(sender)))?;
        Ok(Open {
            producer: Some(producer),
            reports,
        })
    }

    fn send(&self, left: &LeftAside) -> Result<(), NotPut> {
        let producer = self.producer.as_ref().ok_or_else(gone)?;
        let message = Message {
            topic: ASIDE_TOPIC.to_owned(),
            // By which it is kept as long as its topic keeps anything.
            timestamp: Timestamp::now(),
            ..left.message.clone()
        };

        let record = record(Sequence(0), &message).headers(left.headers());
        producer.send(record).map_err(|(error, _)| match error {
            KafkaError::MessageProduction(code) => NotPut::of(code),
            error => NotPut::NotNow(error.to_string()),
        })
    }

    fn last_error(&self) -> String {
        let producer = self.producer.as_ref();
        producer.map_or_else(String::new, |it| it.client().context().last_error())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        Producer::end(self.producer.take());
    }
}

impl Refused<'_> {
    /// As a message lies there with it.
    pub fn about(&self) -> Vec<(&'static str, String)> {
        let always = [
            ("destination", self.destination.to_owned()),
            ("lane", self.lane.to_string()),
            ("reason", self.reason.to_owned()),
            ("detail", self.detail.to_owned()),
            ("attempts", self.attempts.to_string()),
        ];
        let topic = self.topic.map(|topic| ("topic", topic.to_owned()));
        always.into_iter().chain(topic).collect()
    }
}

impl LeftAside {
    /// What is said of it, where it is itself too much for this topic.
    pub fn without_content(mut self, why: String) -> LeftAside {
        self.about.push(("left_out", why));
        self.message.attributes.clear();
        self.message.payload.clear();
        self
    }

    /// Those of the message, and behind them why it lies here.
    fn headers(&self) -> OwnedHeaders {
        let about = self.about.iter();
        about.fold(headers(&self.message), |headers, (name, value)| {
            let value: String = value.chars().take(VALUE_MAX).collect();
            headers.insert(Header {
                key: &format!("{PREFIX}{name}"),
                value: Some(value.as_bytes()),
            })
        })
    }
}

impl NotPut {
    fn of(code: Code) -> NotPut {
        let detail = code.to_string();
        match about(code) {
            About::Record(_) | About::Size => NotPut::Message(detail),
            About::Topic(_, remedy) => NotPut::Topic(format!("{detail}{remedy}")),
            About::TopicSettings(remedy) | About::Cluster(remedy) => {
                NotPut::Topic(format!("{detail}: {remedy}"))
            }
            About::Missing | About::Time | About::Passing | About::Producer => {
                NotPut::NotNow(detail)
            }
        }
    }

    fn said(self, say: impl FnOnce(&str) -> String) -> NotPut {
        match self {
            NotPut::Message(detail) => NotPut::Message(say(&detail)),
            NotPut::Topic(detail) => NotPut::Topic(say(&detail)),
            NotPut::NotNow(detail) => NotPut::NotNow(say(&detail)),
        }
    }
}

fn gone() -> NotPut {
    NotPut::NotNow("the producer is gone".to_owned())
}
