//! One producer for one lane: what was submitted, what the brokers say of it.
//!
//! Promises: the messages of a topic leave in the order they were submitted, also those that wait until the topic has been looked up;
//! a refusal names the broker's own words; silence for `stall_timeout` with something submitted ends the session. Deliberately
//! lets librdkafka repeat what is worth repeating, and repeats nothing itself.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::report::{Listener, Report};
use super::topics::{self, Found, Topic};
use super::{FRAME_BYTES, NAMES_MAX, Shared};
use crate::event::{Lane, Message, PictureVerdict, Sequence};
use crate::send::{Answer, ConnectError, Reason, Rejection, Window};

/// One connection of ours to the brokers, for one lane.
pub struct Session {
    shared: Arc<Shared>,
    /// Taken when the session ends.
    producer: Option<ThreadedProducer<Listener>>,
    /// The largest batch that this producer makes.
    batch_bytes: usize,
    reports: mpsc::Receiver<Report>,
    topics: HashMap<String, Place>,
    /// Topics that are being looked up; each knows its name.
    lookups: JoinSet<(String, Result<Found, ConnectError>)>,
    /// Answers that need no broker.
    ready: VecDeque<Answer>,
    /// Submitted to the producer and not yet reported.
    in_flight: usize,
    /// When something last moved: the session is stalled `stall_timeout` after it.
    moved: Instant,
}

/// What we know of a topic.
enum Place {
    Known {
        topic: Topic,
        since: Instant,
    },
    /// Being looked up; its messages wait here, so that none overtakes.
    LookedUp {
        waiting: VecDeque<(Sequence, Message)>,
    },
}

/// A refusal is believed for so long before the topic is looked up again: a person may have made it, or raised its limit.
const BELIEVED: Duration = Duration::from_secs(5);

impl Session {
    pub(super) fn start(shared: Arc<Shared>, lane: Lane, topics: HashMap<String, Topic>) -> Result<Session, ConnectError> {
        // One more than the window, for `Report::Fatal`.
        let (sender, reports) = mpsc::channel(shared.limits.window_records + 1);
        let batch_bytes = shared.batch_bytes();
        let producer = shared
            .producer(lane, batch_bytes)
            .create_with_context(Listener::new(Some(sender)))
            .map_err(|error: KafkaError| ConnectError { message: format!("kafka: the producer cannot be made: {error}") })?;
        let now = Instant::now();
        let topics = topics.into_iter().map(|(name, topic)| (name, Place::Known { topic, since: now })).collect();
        Ok(Session {
            shared,
            producer: Some(producer),
            batch_bytes,
            reports,
            topics,
            lookups: JoinSet::new(),
            ready: VecDeque::new(),
            in_flight: 0,
            moved: now,
        })
    }

    /// Produces it, refuses it, or lets it wait for its topic.
    fn place(&mut self, sequence: Sequence, message: Message) {
        let bytes = wire_bytes(&message);
        let limit = match self.topics.get_mut(&message.topic) {
            Some(Place::LookedUp { waiting }) => return waiting.push_back((sequence, message)),
            Some(Place::Known { topic: Topic::There { max_bytes: None }, .. }) => usize::MAX,
            Some(Place::Known { topic: Topic::There { max_bytes: Some(limit) }, since })
                if bytes <= *limit || since.elapsed() <= BELIEVED =>
            {
                *limit
            }
            Some(Place::Known { topic: Topic::Refused { reason, detail }, since }) if since.elapsed() <= BELIEVED => {
                let (reason, detail) = (*reason, detail.clone());
                return self.reject(sequence, reason, detail);
            }
            // Never seen, or refused so long ago that it may have changed.
            _ => return self.look_up(sequence, message),
        };
        let ours = self.shared.config.max_message_bytes;
        if bytes > ours {
            let detail = format!("message of {bytes} bytes is larger than send.kafka.max_message_bytes, {ours} bytes");
            return self.reject(sequence, Reason::TooLarge, detail);
        }
        if bytes > limit {
            let detail = format!("message of {bytes} bytes is larger than max.message.bytes of {}, {limit} bytes", message.topic);
            return self.reject(sequence, Reason::TooLarge, detail);
        }
        self.produce(sequence, &message);
    }

    fn produce(&mut self, sequence: Sequence, message: &Message) {
        let Some(producer) = &self.producer else { return };
        // Every platform with a disk queue has 64 bits.
        let record = BaseRecord::with_opaque_to(&message.topic, sequence.0 as usize)
            .key(message.key.as_bytes())
            .payload(message.payload.as_ref())
            .headers(headers(message))
            .timestamp(message.timestamp.0);
        let refused = producer.send(record).map_err(|(error, _)| error);
        match refused {
            Ok(()) => {
                if self.in_flight == 0 {
                    self.moved = Instant::now();
                }
                self.in_flight += 1;
            }
            Err(error) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                self.fail(sequence, code, &message.topic, wire_bytes(message));
            }
        }
    }

    fn look_up(&mut self, sequence: Sequence, message: Message) {
        let name = message.topic.clone();
        self.shared.remember(&name);
        if self.topics.len() >= NAMES_MAX {
            self.topics.retain(|_, place| matches!(place, Place::LookedUp { .. }));
        }
        self.topics.insert(name.clone(), Place::LookedUp { waiting: VecDeque::from([(sequence, message)]) });
        let shared = Arc::clone(&self.shared);
        self.lookups.spawn(async move {
            let found = topics::look_up(&shared, vec![name.clone()], shared.missing()).await;
            (name, found)
        });
    }

    /// A topic has been looked up: what waited for it goes on.
    fn looked_up(&mut self, name: String, found: Result<Found, ConnectError>) {
        let topic = match found {
            Ok(mut found) => found.topics.remove(&name),
            Err(error) => return self.ready.push_back(Answer::Lost { error: error.message }),
        };
        let topic = topic.unwrap_or(Topic::There { max_bytes: None });
        if topic.max_bytes().is_some_and(|limit| limit < self.batch_bytes) {
            self.shared.fit_batches([&topic]);
            // This producer's batches are too large for it; the next session knows the topic from the start.
            let error = format!("kafka: topic {name} takes smaller batches, connecting again");
            return self.ready.push_back(Answer::Lost { error });
        }
        let waiting = self.topics.insert(name, Place::Known { topic, since: Instant::now() });
        if let Some(Place::LookedUp { waiting }) = waiting {
            for (sequence, message) in waiting {
                self.place(sequence, message);
            }
        }
    }

    /// What the brokers or librdkafka refuse, by what can be done about it.
    fn fail(&mut self, sequence: Sequence, code: RDKafkaErrorCode, topic: &str, bytes: usize) {
        use RDKafkaErrorCode as Code;
        let detail = format!("topic {topic}: {code}");
        match code {
            Code::TopicAuthorizationFailed => {
                self.forget(topic);
                self.reject(sequence, Reason::NotAuthorised, detail);
            }
            Code::MessageSizeTooLarge if self.shared.shrink_batches(bytes) => self.lose(format!("{detail} (the batch)")),
            Code::MessageSizeTooLarge => self.reject(sequence, Reason::TooLarge, format!("{detail}: {bytes} bytes")),
            Code::InvalidRecord | Code::InvalidMessage | Code::InvalidTimestamp | Code::PolicyViolation => {
                self.reject(sequence, Reason::PayloadRefused, detail);
            }
            Code::InvalidTopic => self.reject(sequence, Reason::TopicInvalid, detail),
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition if !self.shared.config.create_topics => {
                self.forget(topic);
                self.reject(sequence, Reason::TopicInvalid, detail);
            }
            Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                // Deleted under our feet: the next message of this topic makes it again.
                self.forget(topic);
                self.reject(sequence, Reason::Passing, detail);
            }
            Code::QueueFull => self.reject(sequence, Reason::Passing, detail),
            // Fenced, out of sequence, purged: no message of this producer can be relied on now.
            _ => self.lose(detail),
        }
    }

    fn reject(&mut self, sequence: Sequence, reason: Reason, detail: String) {
        let rejection = Rejection { reason, detail, verdict: PictureVerdict::default() };
        self.ready.push_back(Answer::Rejected { sequence, rejection });
    }

    fn lose(&mut self, detail: String) {
        self.ready.push_back(Answer::Lost { error: format!("kafka: {detail}") });
    }

    /// The next message of this topic looks it up again.
    fn forget(&mut self, topic: &str) {
        if let Some(Place::Known { .. }) = self.topics.get(topic) {
            self.topics.remove(topic);
        }
    }

    fn reported(&mut self, report: Report) -> Option<Answer> {
        self.moved = Instant::now();
        self.in_flight = self.in_flight.saturating_sub(1);
        match report {
            Report::Delivered(sequence) => return Some(Answer::Acknowledged { sequence, heard: true }),
            Report::Failed { sequence, code, topic, bytes } => self.fail(sequence, code, &topic, bytes),
            Report::Fatal(reason) => self.lose(reason),
        }
        None
    }

    fn stalled(&mut self) -> Answer {
        let cause = self.producer.as_ref().and_then(|producer| producer.client().context().error());
        let cause = cause.map_or_else(String::new, |cause| format!(", last error: {cause}"));
        let error = format!(
            "kafka: nothing acknowledged for {:?} with {} submitted{cause}",
            self.shared.limits.stall_timeout, self.in_flight
        );
        Answer::Lost { error }
    }
}

impl crate::send::Session for Session {
    type Message = Message;

    fn window(&self) -> Window {
        Window { records: self.shared.limits.window_records, bytes: self.shared.limits.window_bytes }
    }

    fn submit(&mut self, sequence: Sequence, message: Message) {
        self.place(sequence, message);
    }

    async fn next(&mut self) -> Answer {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                return answer;
            }
            let stalled_at = self.moved + self.shared.limits.stall_timeout;
            let report = tokio::select! {
                biased;
                report = self.reports.recv() => report,
                Some(Ok((name, found))) = self.lookups.join_next() => {
                    self.looked_up(name, found);
                    continue;
                }
                () = tokio::time::sleep_until(stalled_at), if self.in_flight > 0 => return self.stalled(),
            };
            // The sender lives in the producer, and the producer as long as the session.
            let Some(report) = report else { return Answer::Lost { error: "kafka: the producer is gone".to_owned() } };
            if let Some(answer) = self.reported(report) {
                return answer;
            }
        }
    }
}

impl Drop for Session {
    /// The producer's own end flushes for up to half a second and joins its threads: not on a thread of the runtime.
    fn drop(&mut self) {
        let Some(producer) = self.producer.take() else { return };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || drop(producer))),
            Err(_) => drop(producer),
        }
    }
}

/// CloudEvents' binary mode: `ce_<name>`, and the media type under Kafka's own name.
fn headers(message: &Message) -> OwnedHeaders {
    let empty = OwnedHeaders::new_with_capacity(message.attributes.len());
    message.attributes.iter().fold(empty, |headers, (name, value)| {
        let key = header_name(name);
        headers.insert(Header { key: &key, value: Some(value.as_bytes()) })
    })
}

fn header_name(attribute: &str) -> String {
    match attribute {
        "datacontenttype" => "content-type".to_owned(),
        name => format!("ce_{name}"),
    }
}

/// What the brokers weigh if it is alone in its batch and does not compress: at least the bytes on the wire.
fn wire_bytes(message: &Message) -> usize {
    let attribute = |(name, value): &(&str, String)| name.len() + value.len() + 16;
    FRAME_BYTES + message.key.len() + message.payload.len() + message.attributes.iter().map(attribute).sum::<usize>()
}
