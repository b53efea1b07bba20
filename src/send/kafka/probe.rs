//! Whether the brokers would take our messages: a produce that leaves nothing behind, for `check --online`.
//!
//! The brokers answer for topics whatever we may do with them; only a produce shows that they take our compression and idempotent writes, and that
//! we may write. So one record is sent in the way of events, idempotent and compressed, into the first routed topic whose limit is known, and made
//! **larger than that limit**: a broker judges our right to the topic, the producer and the compression's name, then the size, and refuses it before a
//! byte is written. No consumer ever sees it, no topic of its own is needed, and no offset moves. (A record that says "only a probe" would be read by
//! consumers that expect events; a topic for probes would have to be made and granted; an aborted transaction needs rights that we do not need.)
//! Where no limit can be read nothing is sent, and only the producer's own findings are seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseRecord, Producer as _};
use tokio::sync::mpsc;

use super::Shared;
use super::batch::{BATCH_BYTES, FRAME_BYTES};
use super::failure::{About, about};
use super::producer::Producer;
use super::report::Report;
use super::session::fatal_error;
use super::topics::{ANY_TOPIC, Found, Topic};
use boxbridge_event::Lane;

/// The brokers' view of us, for a person to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// `host:port` of every broker of the cluster.
    pub brokers: Vec<String>,
    /// Those of events, and the one that refused events go to.
    pub topics: Vec<TopicProbe>,
    /// The one that no event goes to.
    pub beside: Option<TopicProbe>,
    /// Where boxes are answered from them: topics that say a record is there when one broker alone has it.
    pub on_one_broker: Vec<String>,
    /// Whether they would take our messages, as far as that could be tried.
    pub produce: Produce,
}

/// The result of a produce that leaves nothing behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Produce {
    /// Into this topic; refused for its size alone, as it was meant to be.
    Would { topic: String },
    /// Against its own limit this topic took the record that it was to refuse, and now holds it.
    Kept { topic: String },
    /// They would take nothing, and why.
    Refused(String),
    /// Nothing was sent, since no topic with a limit that we know is there.
    Untried,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicProbe {
    pub name: String,
    pub is_missing: bool,
    /// Why nothing can be sent to it now; a missing topic may still be made at start.
    pub problem: Option<String>,
    /// `max.message.bytes` of the topic, where it exists and we may read it.
    pub max_message_bytes: Option<usize>,
}

/// A limit over this is not tried: nobody wants so much sent by a check.
const LIMIT_MAX: usize = 4 << 20;
/// For the answer; a slow line may take a few seconds for a megabyte.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// Where nothing is sent: a producer without the right to idempotent writes learns it by then.
const FATAL_WITHIN: Duration = Duration::from_secs(3);

/// Of the record, should a broker ever keep it.
const KEY: &str = "boxbridge/check";

impl Probe {
    pub(super) fn of(found: Found, beside: Option<(String, Topic)>, produce: Produce) -> Probe {
        let mut topics: Vec<_> = found.topics.into_iter().map(TopicProbe::of).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Probe {
            brokers: found.brokers,
            topics,
            beside: beside.map(TopicProbe::of),
            on_one_broker: found.on_one_broker,
            produce,
        }
    }
}

impl TopicProbe {
    fn of((name, topic): (String, Topic)) -> TopicProbe {
        TopicProbe {
            name,
            max_message_bytes: topic.max_bytes(),
            is_missing: topic.is_missing(),
            problem: match topic {
                Topic::There { .. } => None,
                Topic::Refused { detail, .. } => Some(detail),
            },
        }
    }
}

/// A topic, and its limit.
type Target = (String, usize);

pub(super) async fn produce(shared: &Arc<Shared>, topics: &HashMap<String, Topic>) -> Produce {
    let limits = topics
        .iter()
        .filter_map(|(name, topic)| Some((name.clone(), topic.max_bytes()?)));
    let target = limits.filter(|(_, limit)| *limit <= LIMIT_MAX).min();

    let shared = Arc::clone(shared);
    let tried = tokio::task::spawn_blocking(move || match target {
        Some(target) => attempt(&shared, &target),
        None => listen(&shared),
    });
    match tried.await {
        Ok(Ok(produce)) => produce,
        Ok(Err(why)) => Produce::Refused(why),
        Err(error) => Produce::Refused(format!("nothing could be sent: {error}")),
    }
}

/// Sends one record that is too large. On a thread that may block, as everything does that ends a client.
fn attempt(shared: &Shared, (topic, limit): &Target) -> Result<Produce, String> {
    let (producer, mut reports) = producer(shared)?;
    let payload = oversized(*limit);
    let record = BaseRecord::<str, [u8], usize>::with_opaque_to(topic, 0)
        .key(KEY)
        .payload(payload.as_slice());
    if let Err((error, _)) = producer.send(record) {
        return Err(format!("topic {topic}: {error}"));
    }

    let report = wait(&mut reports, ANSWER_WITHIN);
    judge(&producer, report, topic)
}

/// Sends nothing, and waits for the producer's own findings.
fn listen(shared: &Shared) -> Result<Produce, String> {
    let (producer, mut reports) = producer(shared)?;
    // A producer with nothing to send connects to nobody.
    let _ = producer
        .client()
        .fetch_metadata(Some(ANY_TOPIC), FATAL_WITHIN);

    let report = wait(&mut reports, FATAL_WITHIN);
    match (fatal_error(&producer), report) {
        (Some(words), _) | (None, Some(Report::Fatal(words))) => Err(words),
        (None, _) => Ok(Produce::Untried),
    }
}

fn producer(shared: &Shared) -> Result<(Producer, mpsc::Receiver<Report>), String> {
    let (sender, reports) = mpsc::channel(2);
    let buffer_kib = 4 * LIMIT_MAX / 1024;
    let mut settings = shared.producer(Lane::Urgent, BATCH_BYTES);
    settings
        .set("client.id", "boxbridge-check")
        .set("message.max.bytes", (2 * LIMIT_MAX).to_string())
        .set("queue.buffering.max.kbytes", buffer_kib.to_string());

    let producer = Producer::start(&settings, shared.listener(Some(sender)))?;
    Ok((producer, reports))
}

fn judge(producer: &Producer, report: Option<Report>, topic: &str) -> Result<Produce, String> {
    if let Some(words) = fatal_error(producer) {
        return Err(words);
    }

    let topic = topic.to_owned();
    match report {
        Some(Report::Delivered(_)) => Ok(Produce::Kept { topic }),
        Some(Report::Failed { code, .. }) => match about(code) {
            About::Size => Ok(Produce::Would { topic }),
            About::TopicSettings(hint) | About::Cluster(hint) => {
                Err(format!("topic {topic}: {code}: {hint}"))
            }
            About::Topic(_, hint) => Err(format!("topic {topic}: {code}{hint}")),
            _ => Err(format!("topic {topic}: {code}")),
        },
        Some(Report::Fatal(reason)) => Err(reason),
        None => Err(format!(
            "topic {topic}: no answer to a produce for {ANSWER_WITHIN:?}{}",
            producer.client().context().last_error()
        )),
    }
}

fn wait(reports: &mut mpsc::Receiver<Report>, at_most: Duration) -> Option<Report> {
    let deadline = Instant::now() + at_most;
    while Instant::now() < deadline {
        match reports.try_recv() {
            Ok(report) => return Some(report),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    None
}

/// More than `limit` bytes, compressed or not: noise that does not compress, and blanks behind it, so that the whole compresses a little. (Without
/// them it would be sent uncompressed, and show nothing of the compression.)
fn oversized(limit: usize) -> Vec<u8> {
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes: Vec<u8> = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 32) as u8
    })
    .take(limit + limit / 16 + FRAME_BYTES)
    .collect();
    bytes.resize(bytes.len() + limit / 4 + FRAME_BYTES, b' ');
    bytes
}
