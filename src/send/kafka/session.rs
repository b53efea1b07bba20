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

use super::failure::{About, about};
use super::report::{Listener, Report};
use super::topics::{self, Found, Topic};
use super::{FRAME_BYTES, NAMES_MAX, Shared};
use crate::event::{Lane, Message, PictureVerdict, Sequence, Timestamp};
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
    in_flight: HashMap<Sequence, Sent>,
    /// When something last moved: the session is stalled `stall_timeout` after it.
    moved: Instant,
    lane: Lane,
    /// `Lost` is among the answers.
    is_lost: bool,
    /// What waits for the one that is tried, where the brokers refused us.
    held: VecDeque<(Sequence, Message)>,
}

/// What was submitted.
#[derive(Clone, Copy)]
struct Sent {
    timestamp: Timestamp,
    /// Nothing else was on its way, so nothing else was in its batch.
    is_alone: bool,
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

/// A timestamp that is no older is one of now, as far as limits of brokers go: they are hours and days.
const FRESH_MS: i64 = 60_000;

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
            in_flight: HashMap::new(),
            moved: now,
            lane,
            is_lost: false,
            held: VecDeque::new(),
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
        if self.must_wait() {
            return self.held.push_back((sequence, message));
        }
        self.produce(sequence, &message);
    }

    /// One at a time where the brokers refused us last: what they refuse for our settings they refuse for all.
    fn must_wait(&self) -> bool {
        !self.in_flight.is_empty() && self.shared.is_refused(self.lane)
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
                if self.in_flight.is_empty() {
                    self.moved = Instant::now();
                }
                let is_alone = self.shared.is_refused(self.lane);
                self.in_flight.insert(sequence, Sent { timestamp: message.timestamp, is_alone });
            }
            Err(error) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                let sent = Sent { timestamp: message.timestamp, is_alone: true };
                self.fail((sequence, sent), code, &message.topic, wire_bytes(message));
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
    fn fail(&mut self, (sequence, sent): (Sequence, Sent), code: RDKafkaErrorCode, topic: &str, bytes: usize) {
        let detail = format!("topic {topic}: {code}");
        match about(code) {
            // Where several of a batch were refused, librdkafka says this of each of them, whatever the brokers said: a wrong clock, for one.
            About::Record(_) if !sent.is_alone => self.refuse_us(format!("{detail} (one of a batch): one at a time will show why")),
            About::Record(reason) => self.reject(sequence, reason, detail),
            About::Size if self.shared.shrink_batches(bytes) => self.lose(format!("{detail} (the batch)")),
            About::Size => self.reject(sequence, Reason::TooLarge, format!("{detail}: {bytes} bytes")),
            About::Topic(reason) => {
                self.forget(topic);
                self.reject(sequence, reason, detail);
            }
            About::Missing => {
                // Where we may make it: deleted under our feet, and the next message of this topic makes it again.
                let reason = if self.shared.config.create_topics { Reason::Passing } else { Reason::TopicInvalid };
                self.forget(topic);
                self.reject(sequence, reason, detail);
            }
            About::Passing => self.reject(sequence, Reason::Passing, detail),
            About::Time => self.fail_for_time(sequence, topic, detail, sent.timestamp),
            About::Settings(hint) => self.refuse_us(format!("{detail}: {hint}")),
            // A producer without rights gives up all its messages first, and says why behind them.
            About::Producer => self.fatal(detail),
        }
    }

    /// The timestamp was refused. A fresh one says that our clock and the brokers' do not agree, and that is so for all; an old one, that
    /// this topic takes no backlog, and that is so for this record.
    fn fail_for_time(&mut self, sequence: Sequence, topic: &str, detail: String, timestamp: Timestamp) {
        let now = Timestamp::now();
        if now.since(timestamp) > FRESH_MS {
            let hint = format!("{detail}: it is older than message.timestamp.before.max.ms of {topic} allows");
            return self.reject(sequence, Reason::Passing, hint);
        }
        self.refuse_us(format!(
            "{detail}: this gateway's clock says {now}; set it right, or the brokers' clocks, or message.timestamp.after.max.ms of {topic}"
        ));
    }

    /// Nothing is wrong with a record: everything waits, and one is tried from time to time.
    fn refuse_us(&mut self, detail: String) {
        self.shared.set_refused(self.lane, true);
        self.lose(detail);
    }

    /// One was taken where the brokers had refused us: the others follow.
    fn taken(&mut self) {
        self.shared.set_refused(self.lane, false);
        for (sequence, message) in std::mem::take(&mut self.held) {
            self.place(sequence, message);
        }
    }

    fn reject(&mut self, sequence: Sequence, reason: Reason, detail: String) {
        let rejection = Rejection { reason, detail, verdict: PictureVerdict::default() };
        self.ready.push_back(Answer::Rejected { sequence, rejection });
    }

    fn lose(&mut self, detail: String) {
        self.is_lost = true;
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
        match report {
            Report::Delivered(sequence) => {
                self.in_flight.remove(&sequence);
                if self.shared.is_refused(self.lane) {
                    self.taken();
                }
                return Some(Answer::Acknowledged { sequence, heard: true });
            }
            Report::Failed { sequence, code, topic, bytes } => {
                let unknown = Sent { timestamp: Timestamp::now(), is_alone: false };
                let sent = self.in_flight.remove(&sequence).unwrap_or(unknown);
                self.fail((sequence, sent), code, &topic, bytes);
            }
            Report::Fatal(reason) => self.fatal(reason),
        }
        // Refused for itself, or to be tried again: the next may be the one that is taken.
        while !self.is_lost
            && !self.must_wait()
            && let Some((sequence, message)) = self.held.pop_front()
        {
            self.place(sequence, message);
        }
        None
    }

    /// The producer is of no more use; librdkafka may know why.
    fn fatal(&mut self, detail: String) {
        match self.producer.as_ref().and_then(fatal_error) {
            Some(words) => self.refuse_us(words),
            None => self.lose(detail),
        }
    }

    fn stalled(&mut self) -> Answer {
        let cause = self.producer.as_ref().and_then(|producer| producer.client().context().error());
        let cause = cause.map_or_else(String::new, |cause| format!(", last error: {cause}"));
        let error = format!(
            "kafka: nothing acknowledged for {:?} with {} submitted{cause}",
            self.shared.limits.stall_timeout,
            self.in_flight.len()
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
                () = tokio::time::sleep_until(stalled_at), if !self.in_flight.is_empty() => return self.stalled(),
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

/// What ended a producer for good, where that is about how we are set up.
pub(super) fn fatal_error(producer: &ThreadedProducer<Listener>) -> Option<String> {
    let (code, words) = producer.client().fatal_error()?;
    match about(code) {
        About::Settings(hint) => Some(format!("{words}: {hint}")),
        _ => None,
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
