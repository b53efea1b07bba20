//! One producer for one lane: what was submitted, what the brokers say of it.
//!
//! Promises: the messages of a topic leave in the order they were submitted, also those that wait until the topic has been looked up;
//! a refusal names the broker's own words; a topic that is not answered for `stall_timeout`, while others are, waits alone; brokers that answer
//! nothing for so long end the session. Deliberately lets librdkafka repeat what is worth repeating, and repeats nothing itself.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::failure::{About, about, out_of_time};
use super::in_flight::{InFlight, Sent, Silent};
use super::record::{headers, wire_bytes};
use super::report::{Listener, Report};
use super::topics::{self, Found, Topic};
use super::{NAMES_MAX, Shared, WINDOWS};
use crate::send::window;
use crate::send::{Answer, ConnectError, Lost, Reason, Rejection};
use boxbridge_event::{Lane, Message, PictureVerdict, Sequence};

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
    ready: VecDeque<Result<Answer, Lost>>,
    /// Submitted to the producer and not yet reported.
    in_flight: InFlight,
    lane: Lane,
    /// [`Lost`] is among the answers.
    is_lost: bool,
    /// What waits for the one that is tried, where the brokers refused us, or a batch of this topic.
    held: VecDeque<(Sequence, Message)>,
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
    pub(super) fn start(
        shared: Arc<Shared>,
        lane: Lane,
        topics: HashMap<String, Topic>,
    ) -> Result<Session, ConnectError> {
        // As many as the producer takes, and one more, for `Report::Fatal`.
        let (sender, reports) = mpsc::channel(shared.limits.window_records * WINDOWS + 1);
        let batch_bytes = shared.batch_bytes();
        let producer = shared
            .producer(lane, batch_bytes)
            .create_with_context(Listener::new(Some(sender)))
            .map_err(|error: KafkaError| ConnectError {
                message: format!("kafka: the producer cannot be made: {error}"),
            })?;

        let now = Instant::now();
        let topics = topics
            .into_iter()
            .map(|(name, topic)| (name, Place::Known { topic, since: now }))
            .collect();
        Ok(Session {
            shared,
            producer: Some(producer),
            batch_bytes,
            reports,
            topics,
            lookups: JoinSet::new(),
            ready: VecDeque::new(),
            in_flight: InFlight::default(),
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
            Some(Place::Known {
                topic: Topic::There { max_bytes: None },
                ..
            }) => usize::MAX,
            Some(Place::Known {
                topic: Topic::There {
                    max_bytes: Some(limit),
                },
                since,
            }) if bytes <= *limit || since.elapsed() <= BELIEVED => *limit,
            Some(Place::Known {
                topic: Topic::Refused { reason, detail },
                since,
            }) if since.elapsed() <= BELIEVED => {
                let (reason, detail) = (*reason, detail.clone());
                return self.reject(sequence, reason, detail);
            }
            // Never seen, or refused so long ago that it may have changed.
            _ => return self.look_up(sequence, message),
        };

        let ours = self.shared.config.max_message_bytes;
        if bytes > ours {
            let detail = format!(
                "message of {bytes} bytes is larger than send.kafka.max_message_bytes, {ours} bytes"
            );
            return self.reject(sequence, Reason::TooLarge, detail);
        }
        if bytes > limit {
            let detail = format!(
                "message of {bytes} bytes is larger than max.message.bytes of {}, {limit} bytes",
                message.topic
            );
            return self.reject(sequence, Reason::TooLarge, detail);
        }

        if self.must_wait(&message.topic) {
            return self.held.push_back((sequence, message));
        }
        self.produce(sequence, &message);
    }

    /// One at a time where the brokers refused us last: what they refuse for our rights they refuse for all. The same for a topic of which they
    /// refused a batch.
    fn must_wait(&self, topic: &str) -> bool {
        let is_refused = self.shared.is_refused(self.lane) && !self.in_flight.is_empty();
        is_refused || (self.in_flight.is_one_by_one(topic) && self.in_flight.has(topic))
    }

    fn produce(&mut self, sequence: Sequence, message: &Message) {
        let Some(producer) = &self.producer else {
            return;
        };
        // Every platform with a disk queue has 64 bits.
        let record = BaseRecord::with_opaque_to(&message.topic, sequence.0 as usize)
            .key(message.key.as_bytes())
            .payload(message.payload.as_ref())
            .headers(headers(message))
            .timestamp(message.timestamp.0);
        let refused = producer.send(record).map_err(|(error, _)| error);

        let is_single =
            self.shared.is_refused(self.lane) || self.in_flight.is_one_by_one(&message.topic);
        let sent = Sent {
            topic: message.topic.clone(),
            timestamp: message.timestamp,
            is_alone: is_single || refused.is_err(),
        };
        match refused {
            Ok(()) => self.in_flight.sent(sequence, sent, Instant::now()),
            Err(error) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                self.fail(sequence, &sent, code, wire_bytes(message));
            }
        }
    }

    fn look_up(&mut self, sequence: Sequence, message: Message) {
        let name = message.topic.clone();
        self.shared.remember(&name);
        if self.topics.len() >= NAMES_MAX {
            self.topics
                .retain(|_, place| matches!(place, Place::LookedUp { .. }));
        }
        self.topics.insert(
            name.clone(),
            Place::LookedUp {
                waiting: VecDeque::from([(sequence, message)]),
            },
        );
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
            Err(error) if self.in_flight.is_empty() => {
                return self.ready.push_back(Err(Lost::unexplained(error.message)));
            }
            // What is on its way says whether the brokers are there: a full line may keep this one question from them.
            Err(error) => return self.give_back(&name, &error.message),
        };
        let topic = topic.unwrap_or(Topic::There { max_bytes: None });
        if topic
            .max_bytes()
            .is_some_and(|limit| limit < self.batch_bytes)
        {
            self.shared.fit_batches([&topic]);
            // This producer's batches are too large for it; the next session knows the topic from the start.
            let error = format!("kafka: topic {name} takes smaller batches, connecting again");
            return self.ready.push_back(Err(Lost::unexplained(error)));
        }
        let waiting = self.topics.insert(
            name,
            Place::Known {
                topic,
                since: Instant::now(),
            },
        );
        if let Some(Place::LookedUp { waiting }) = waiting {
            for (sequence, message) in waiting {
                self.place(sequence, message);
            }
        }
    }

    /// A topic could not be looked up: what waited for it waits with its type.
    fn give_back(&mut self, name: &str, error: &str) {
        let Some(Place::LookedUp { waiting }) = self.topics.remove(name) else {
            return;
        };
        for (sequence, _) in waiting {
            self.reject(
                sequence,
                Reason::TopicUnfit,
                format!("topic {name} was not looked up: {error}"),
            );
        }
    }

    /// What the brokers or librdkafka refuse, by what can be done about it.
    fn fail(&mut self, sequence: Sequence, sent: &Sent, code: RDKafkaErrorCode, bytes: usize) {
        let topic = sent.topic.as_str();
        let detail = format!("topic {topic}: {code}");
        match about(code) {
            // Where several of a batch were refused, librdkafka says this of each of them, whatever the brokers said: a wrong clock, for one.
            About::Record(_) if !sent.is_alone => {
                self.in_flight.send_one_by_one(topic);
                self.reject(
                    sequence,
                    Reason::Passing,
                    format!("{detail} (one of a batch): one at a time will show why"),
                );
            }
            About::Record(reason) => self.reject(sequence, reason, detail),
            About::Size if self.shared.shrink_batches(bytes) => {
                self.lose(format!("{detail} (the batch)"))
            }
            About::Size => self.reject(
                sequence,
                Reason::TooLarge,
                format!("{detail}: {bytes} bytes"),
            ),
            About::Topic(reason) => {
                self.forget(topic);
                self.reject(sequence, reason, detail);
            }
            About::Missing => {
                // Where we may make it: deleted under our feet, and the next message of this topic makes it again.
                let reason = if self.shared.config.create_topics {
                    Reason::Passing
                } else {
                    Reason::TopicInvalid
                };
                self.forget(topic);
                self.reject(sequence, reason, detail);
            }
            About::Passing => self.reject(sequence, Reason::Passing, detail),
            About::Time => self.reject(
                sequence,
                Reason::TopicUnfit,
                format!("{detail}: {}", out_of_time(topic, sent.timestamp)),
            ),
            About::TopicSettings(hint) => {
                self.reject(sequence, Reason::TopicUnfit, format!("{detail}: {hint}"))
            }
            About::Cluster(hint) => self.refuse_us(format!("{detail}: {hint}")),
            // A producer without rights gives up all its messages first, and says why behind them.
            About::Producer => self.fatal(detail),
        }
    }

    /// Nothing is wrong with a record: everything waits, and one is tried from time to time.
    fn refuse_us(&mut self, detail: String) {
        self.shared.set_refused(self.lane, true);
        self.lose(detail);
    }

    /// One was taken where the brokers had refused us, or a batch of its topic: the others follow.
    fn taken(&mut self, topic: &str) {
        self.shared.set_refused(self.lane, false);
        self.in_flight.taken(topic);
        self.place_held();
    }

    fn place_held(&mut self) {
        for (sequence, message) in std::mem::take(&mut self.held) {
            self.place(sequence, message);
        }
    }

    fn reject(&mut self, sequence: Sequence, reason: Reason, detail: String) {
        let rejection = Rejection {
            reason,
            detail,
            verdict: PictureVerdict::default(),
        };
        self.ready.push_back(Ok(Answer::Rejected {
            sequence,
            rejection,
        }));
    }

    fn lose(&mut self, detail: String) {
        self.is_lost = true;
        self.ready
            .push_back(Err(Lost::unexplained(format!("kafka: {detail}"))));
    }

    /// The next message of this topic looks it up again.
    fn forget(&mut self, topic: &str) {
        if let Some(Place::Known { .. }) = self.topics.get(topic) {
            self.topics.remove(topic);
        }
    }

    fn reported(&mut self, report: Report) -> Option<Answer> {
        let now = Instant::now();
        match report {
            Report::Delivered(sequence) => {
                let sent = self.in_flight.answered(sequence, now)?;
                if !self.held.is_empty()
                    || self.in_flight.is_one_by_one(&sent.topic)
                    || self.shared.is_refused(self.lane)
                {
                    self.taken(&sent.topic);
                }
                return Some(Answer::Acknowledged {
                    sequence,
                    heard: true,
                });
            }
            Report::Failed {
                sequence,
                code,
                bytes,
            } => {
                if let Some(sent) = self.in_flight.answered(sequence, now) {
                    self.fail(sequence, &sent, code, bytes);
                }
            }
            Report::Fatal(reason) => self.fatal(reason),
        }

        // Refused for itself, or to be tried again: the next may be the one that is taken.
        if !self.is_lost {
            self.place_held();
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

    /// A topic was silent for too long. If all are, the session is given up, later each time. Else the topic waits: the producer goes on with what it
    /// has, so that a large batch on a thin line gets the time it takes.
    fn stalled(&mut self) {
        let stall_timeout = self.shared.limits.stall_timeout;
        let patience = self.shared.patience(self.lane).now();
        let topic = match self.in_flight.silent(stall_timeout, Instant::now()) {
            None => return,
            Some(Silent::All(_, silent_for)) if silent_for >= patience => {
                return self.give_up(patience);
            }
            Some(Silent::All(topic, _) | Silent::Topic(topic)) => topic,
        };

        let detail = format!(
            "topic {topic}: no answer for {stall_timeout:?}: has it a leader, and as many replicas as min.insync.replicas says?"
        );
        for sequence in self.in_flight.leave_behind(&topic) {
            self.reject(sequence, Reason::TopicUnfit, detail.clone());
        }
        self.place_held();
    }

    fn give_up(&mut self, patience: Duration) {
        self.shared.patience(self.lane).given_up(patience);
        let cause = self
            .producer
            .as_ref()
            .and_then(|producer| producer.client().context().error());
        let cause = cause.map_or_else(String::new, |cause| format!(", last error: {cause}"));
        let submitted = self.in_flight.len();
        self.lose(format!(
            "nothing acknowledged for {patience:?} with {submitted} submitted{cause}"
        ));
    }
}

impl crate::send::Session for Session {
    type Message = Message;

    fn window(&self) -> window::Limits {
        window::Limits {
            records: self.shared.limits.window_records,
            bytes: self.shared.limits.window_bytes,
        }
    }

    fn submit(&mut self, sequence: Sequence, message: Message) {
        if !self.in_flight.takes_up(sequence, Instant::now()) {
            self.place(sequence, message);
        }
    }

    async fn next(&mut self) -> Result<Answer, Lost> {
        loop {
            if let Some(answer) = self.ready.pop_front() {
                return answer;
            }

            let stalled_at = self.in_flight.deadline(self.shared.limits.stall_timeout);
            let report = tokio::select! {
                biased;
                report = self.reports.recv() => report,
                Some(Ok((name, found))) = self.lookups.join_next() => {
                    self.looked_up(name, found);
                    continue;
                }
                () = tokio::time::sleep_until(stalled_at.unwrap_or_else(Instant::now)), if stalled_at.is_some() => {
                    self.stalled();
                    continue;
                }
            };

            // The sender lives in the producer, and the producer as long as the session.
            let Some(report) = report else {
                return Err(Lost::unexplained("kafka: the producer is gone"));
            };
            if let Some(answer) = self.reported(report) {
                return Ok(answer);
            }
        }
    }
}

impl Drop for Session {
    /// The producer's own end flushes for up to half a second and joins its threads: not on a thread of the runtime.
    fn drop(&mut self) {
        let Some(producer) = self.producer.take() else {
            return;
        };
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
        About::Cluster(hint) => Some(format!("{words}: {hint}")),
        _ => None,
    }
}
