//! The topic `boxbridge.aside`: what a destination refused for good, where no disk of a gateway is to keep it.
//!
//! Promises: a message counts as set aside once every in-sync replica has it. Its key, payload and headers are those that it had, and headers
//! that begin with `boxbridge_` say who refused it, where and why. One at a time, each bounded in time. Deliberately repeats nothing: the caller
//! does, so a message may stand there twice.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::Producer as _;
use tokio::sync::{Mutex, mpsc};
use tokio::time::timeout;

use super::batch::BATCH_BYTES;
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
/// What our headers may add to a message, with a reason of [`DETAIL_MAX`].
const HEADERS_BYTES: usize = 16 << 10;
/// The other side's words may be long.
const DETAIL_MAX: usize = 1_000;

/// A message that a destination refused.
#[derive(Clone, Debug)]
pub struct LeftAside {
    pub destination: Arc<str>,
    pub lane: Lane,
    /// A word of [`crate::send::Reason`].
    pub reason: &'static str,
    /// The other side's own words.
    pub detail: String,
    pub attempts: u32,
    /// Where it was refused; `None` where it did not get that far.
    pub topic: Option<String>,
    /// Its key, attributes and payload, as they were.
    pub message: Message,
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
    pub async fn put(&self, left: &LeftAside) -> Result<(), String> {
        let mut open = self.open.lock().await;
        let put = self.put_by(&mut open, left).await;
        if put.is_err() {
            *open = None;
        }
        let cluster = self.cluster();
        put.map_err(|detail| cluster.of_brokers(&format!("topic {ASIDE_TOPIC}: {detail}")))
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

    async fn put_by(&self, open: &mut Option<Open>, left: &LeftAside) -> Result<(), String> {
        let open = match open {
            Some(open) => open,
            None => open.insert(Open::start(&self.cluster()).await?),
        };
        open.send(left)?;
        match timeout(ANSWER_WITHIN, open.reports.recv()).await {
            Ok(Some(Report::Delivered(_))) => Ok(()),
            Ok(Some(Report::Failed { code, .. })) => Err(code.to_string()),
            Ok(Some(Report::Fatal(reason))) => Err(reason),
            Ok(None) => Err("the producer is gone".to_owned()),
            Err(_) => Err(format!(
                "no answer for {ANSWER_WITHIN:?}{}",
                open.last_error()
            )),
        }
    }
}

impl Open {
    async fn start(shared: &Arc<Shared>) -> Result<Open, String> {
        let name = ASIDE_TOPIC.to_owned();
        let keeps = Keeps::Large(shared.config.max_message_bytes + HEADERS_BYTES);
        let found = topics::look_up_for(shared, vec![name], shared.missing(), keeps).await;
        let found = found.map_err(|error| error.message)?;
        if let Some(Topic::Refused { detail, .. }) = found.topics.get(ASIDE_TOPIC) {
            return Err(detail.clone());
        }

        // librdkafka reads certificates and starts its threads before it comes back.
        let making = Arc::clone(shared);
        let made = tokio::task::spawn_blocking(move || Open::make(&making)).await;
        made.unwrap_or_else(|_| Err(format!("the producer was not made: {Fault}")))
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

    fn send(&self, left: &LeftAside) -> Result<(), String> {
        let Some(producer) = &self.producer else {
            return Err("the producer is gone".to_owned());
        };
        let message = Message {
            topic: ASIDE_TOPIC.to_owned(),
            // By which it is kept as long as its topic keeps anything.
            timestamp: Timestamp::now(),
            ..left.message.clone()
        };
        let record = record(Sequence(0), &message).headers(left.headers());
        producer
            .send(record)
            .map_err(|(error, _)| error.to_string())
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

impl LeftAside {
    /// Those of the message, and behind them why it lies here.
    fn headers(&self) -> OwnedHeaders {
        let detail: String = self.detail.chars().take(DETAIL_MAX).collect();
        let attempts = self.attempts.to_string();
        let ours = [
            ("boxbridge_destination", Some(&*self.destination)),
            ("boxbridge_lane", Some(self.lane.as_str())),
            ("boxbridge_reason", Some(self.reason)),
            ("boxbridge_detail", Some(&*detail)),
            ("boxbridge_attempts", Some(&*attempts)),
            ("boxbridge_topic", self.topic.as_deref()),
        ];
        let there = ours
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)));
        there.fold(headers(&self.message), |headers, (key, value)| {
            headers.insert(Header {
                key,
                value: Some(value.as_bytes()),
            })
        })
    }
}
