//! Whether the brokers would take what we send: a produce that leaves nothing behind, for `check --online`.
//!
//! The brokers answer for topics whatever we may do with them; only a produce shows that they take our compression and idempotent writes, and that
//! we may write. So one record is sent in the way of events, idempotent and compressed, into the first routed topic whose limit is known, and made
//! **larger than that limit**: a broker judges our right to the topic, the producer and the compression's name, then the size, and refuses it before a
//! byte is written. No consumer ever sees it, no topic of its own is needed, and no offset moves. (A record that says "only a probe" would be read by
//! consumers that expect events; a topic for probes would have to be made and granted; an aborted transaction needs rights that we do not need.)
//! Where no limit can be read nothing is sent, and only what the producer itself finds out on its way is seen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use tokio::sync::mpsc;

use super::failure::{About, about};
use super::report::{Listener, Report};
use super::session::fatal_error;
use super::topics::{ANY_TOPIC, Produce, Topic};
use super::{FRAME_BYTES, Shared};
use boxbridge_event::Lane;

/// A limit over this is not tried: nobody wants so much sent by a check.
const LIMIT_MAX: usize = 4 << 20;
/// For the answer; a slow line may take a few seconds for a megabyte.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// Where nothing is sent: a producer without the right to idempotent writes learns it by then.
const FATAL_WITHIN: Duration = Duration::from_secs(3);

/// Of the record, should a broker ever keep it.
const KEY: &str = "boxbridge/check";

pub(super) async fn produce(shared: &Arc<Shared>, topics: &HashMap<String, Topic>) -> Produce {
    let limits = topics
        .iter()
        .filter_map(|(name, topic)| Some((name.clone(), topic.max_bytes()?)));
    let target = limits.filter(|(_, limit)| *limit <= LIMIT_MAX).min();
    let shared = Arc::clone(shared);
    let tried = tokio::task::spawn_blocking(move || attempt(&shared, target));
    tried
        .await
        .unwrap_or_else(|error| Produce::Refused(format!("nothing could be sent: {error}")))
}

/// On a thread that may block, as everything does that ends a client.
fn attempt(shared: &Shared, target: Option<(String, usize)>) -> Produce {
    let (sender, mut reports) = mpsc::channel(2);
    let mut settings = shared.producer(Lane::Urgent, super::BATCH_BYTES);
    settings.set("client.id", "boxbridge-check");
    settings
        .set("message.max.bytes", (2 * LIMIT_MAX).to_string())
        .set(
            "queue.buffering.max.kbytes",
            (4 * LIMIT_MAX / 1024).to_string(),
        );
    let producer: ThreadedProducer<Listener> =
        match settings.create_with_context(Listener::new(Some(sender))) {
            Ok(producer) => producer,
            Err(error) => return Produce::Refused(format!("the producer cannot be made: {error}")),
        };

    let payload = target.as_ref().map(|(_, limit)| oversized(*limit));
    if let (Some((topic, _)), Some(payload)) = (&target, &payload) {
        let record = BaseRecord::<str, [u8], usize>::with_opaque_to(topic, 0)
            .key(KEY)
            .payload(payload.as_slice());
        if let Err((error, _)) = producer.send(record) {
            return Produce::Refused(format!("topic {topic}: {error}"));
        }
    }
    if target.is_none() {
        // A producer with nothing to send connects to nobody.
        let _ = producer
            .client()
            .fetch_metadata(Some(ANY_TOPIC), FATAL_WITHIN);
    }
    let report = wait(
        &mut reports,
        if target.is_some() {
            ANSWER_WITHIN
        } else {
            FATAL_WITHIN
        },
    );
    // What is not answered is not to be sent by the end of the producer either.
    producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
    judge(&producer, report, target)
}

fn judge(
    producer: &ThreadedProducer<Listener>,
    report: Option<Report>,
    target: Option<(String, usize)>,
) -> Produce {
    if let Some(words) = fatal_error(producer) {
        return Produce::Refused(words);
    }
    match (report, target) {
        (Some(Report::Fatal(reason)), _) => Produce::Refused(reason),
        (Some(Report::Failed { code, .. }), Some((topic, _))) => match about(code) {
            About::Size => Produce::Would { topic },
            About::TopicSettings(hint) | About::Cluster(hint) => {
                Produce::Refused(format!("topic {topic}: {code}: {hint}"))
            }
            _ => Produce::Refused(format!("topic {topic}: {code}")),
        },
        (Some(Report::Delivered(_)), Some((topic, _))) => Produce::Kept { topic },
        (None, Some((topic, _))) => {
            let cause = producer
                .client()
                .context()
                .error()
                .map_or_else(String::new, |cause| format!(", last error: {cause}"));
            Produce::Refused(format!(
                "topic {topic}: no answer to a produce for {ANSWER_WITHIN:?}{cause}"
            ))
        }
        (_, None) => Produce::Untried,
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

/// More than `limit` bytes, compressed or not: noise that does not compress, and blanks behind it, so that the whole compresses a little (what does
/// not is sent as it is, and would show nothing of the compression).
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
