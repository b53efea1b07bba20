//! One producer for one lane: records in, the brokers' answers out.
//!
//! Promises: the messages of a topic leave in the order they were submitted, also those that wait until the topic has been looked up;
//! a refusal names the broker's own words (`refusals`); a topic that is not answered for `stall_timeout`, while others are, waits alone; brokers that
//! answer nothing for so long end the session. Deliberately repeats nothing itself: librdkafka does.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer as _;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::producer::Producer;
use super::record::{record, wire_bytes};
use super::report::Report;
use super::topics::{Found, Topic};
use super::{Shared, WINDOWS};
use crate::send::patience::until;
use crate::send::window;
use crate::send::{Answer, ConnectError, Lost, Reason};
use boxbridge_event::{Lane, Message, Sequence};

mod in_flight;
mod known_topics;
mod refusals;
#[cfg(test)]
mod tests;

use in_flight::{InFlight, Sent, Silent};
use known_topics::{Judgement, KnownTopics, Waiting};

pub(super) use refusals::fatal_error;

/// An orderly end waits for answers so long; brokers that are well take milliseconds.
const FAREWELL: Duration = Duration::from_secs(1);

/// One connection of ours to the brokers, for one lane.
pub struct Session {
    shared: Arc<Shared>,
    lane: Lane,
    /// Taken when the session ends.
    producer: Option<Producer>,
    /// The largest batch that this producer makes.
    batch_bytes: usize,
    reports: mpsc::Receiver<Report>,
    topics: KnownTopics,
    /// Submitted to the producer and not yet reported.
    in_flight: InFlight,
    /// Where the brokers refused us, or a batch of this topic: these wait for the one that is tried.
    held: Waiting,
    /// Answers that the caller has not asked for yet.
    answers: VecDeque<Answer>,
    lost: Option<Lost>,
}

impl Session {
    pub(super) fn start(
        shared: Arc<Shared>,
        lane: Lane,
        topics: HashMap<String, Topic>,
    ) -> Result<Session, ConnectError> {
        // As many as the producer takes, and one more, for `Report::Fatal`.
        let (sender, reports) = mpsc::channel(shared.limits.window_records * WINDOWS + 1);
        let batch_bytes = shared.largest_batch.bytes();
        let settings = shared.producer(lane, batch_bytes);
        let producer = Producer::start(&settings, shared.listener(Some(sender)));
        let producer = producer.map_err(|error| ConnectError {
            message: shared.of_brokers(&error),
        })?;

        Ok(Session {
            shared,
            lane,
            producer: Some(producer),
            batch_bytes,
            reports,
            topics: KnownTopics::new(topics),
            in_flight: InFlight::default(),
            held: Waiting::new(),
            answers: VecDeque::new(),
            lost: None,
        })
    }

    /// Produces it, refuses it, or lets it wait.
    fn place(&mut self, sequence: Sequence, message: Message) {
        let bytes = wire_bytes(&message);
        let limit = match self.topics.judge(&message.topic, bytes) {
            Judgement::Takes(limit) => limit,
            Judgement::Refused(reason, detail) => return self.reject(sequence, reason, detail),
            Judgement::Unknown => return self.topics.wait(&self.shared, sequence, message),
        };
        if let Some(detail) = self.oversize(&message.topic, bytes, limit) {
            return self.reject(sequence, Reason::TooLarge, detail);
        }

        if self.must_wait(&message.topic) {
            self.held.push_back((sequence, message));
        } else {
            self.produce(sequence, message);
        }
    }

    /// Why a message of so many bytes is too large, for us or for its topic.
    fn oversize(&self, topic: &str, bytes: usize, limit: usize) -> Option<String> {
        let ours = self.shared.config.max_message_bytes;
        if bytes > ours {
            return Some(format!(
                "message of {bytes} bytes is larger than send.kafka.max_message_bytes, {ours} bytes"
            ));
        }
        (bytes > limit).then(|| {
            format!(
                "message of {bytes} bytes is larger than max.message.bytes of {topic}, {limit} bytes"
            )
        })
    }

    /// Where the brokers refused us last, one record is tried at a time: a missing right is missing for all of them. The same for a topic of which
    /// they refused a batch.
    fn must_wait(&self, topic: &str) -> bool {
        let is_refused = self.is_refused() && !self.in_flight.is_empty();
        is_refused || (self.in_flight.is_one_by_one(topic) && self.in_flight.has(topic))
    }

    fn is_refused(&self) -> bool {
        self.shared.is_refused(self.lane)
    }

    fn produce(&mut self, sequence: Sequence, message: Message) {
        let Some(producer) = &self.producer else {
            return;
        };
        let sent = producer.send(record(sequence, &message));
        let refused = sent.err().map(|(error, _)| error);

        let bytes = wire_bytes(&message);
        let is_single = self.is_refused() || self.in_flight.is_one_by_one(&message.topic);
        let sent = Sent {
            topic: message.topic,
            timestamp: message.timestamp,
            is_alone: is_single || refused.is_some(),
        };
        match refused {
            None => self.in_flight.sent(sequence, sent, Instant::now()),
            Some(error) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                self.fail(sequence, &sent, code, bytes);
            }
        }
    }

    /// Waits for the next thing that happens and books it. Cancel-safe: it waits before it books.
    async fn advance(&mut self) {
        let stalled_at = self.in_flight.deadline(self.shared.limits.stall_timeout);
        tokio::select! {
            biased;
            report = self.reports.recv() => match report {
                Some(report) => self.reported(report),
                // The sender lives in the producer, and the producer as long as the session.
                None => self.lose("the producer is gone"),
            },
            (name, found) = self.topics.found() => self.looked_up(name, found),
            () = until(stalled_at) => self.stalled(),
        }
    }

    /// A topic has been looked up: its messages go on.
    fn looked_up(&mut self, name: String, found: Result<Found, ConnectError>) {
        let topic = match found {
            Ok(mut found) => {
                self.shared.say_on_one_broker(&found.on_one_broker);
                found.topics.remove(&name)
            }
            Err(error) if self.in_flight.is_empty() => {
                self.lost.get_or_insert(Lost::unexplained(error.message));
                return;
            }
            // The records on their way will say whether the brokers are there: a full line may keep this one question from them.
            Err(error) => return self.give_back(&name, &error.message),
        };

        let topic = topic.unwrap_or(Topic::There { max_bytes: None });
        let limit = topic.max_bytes().unwrap_or(usize::MAX);
        if limit < self.batch_bytes {
            self.shared.largest_batch.fit([&topic]);
            // The next session knows the topic from the start.
            return self.lose(&format!(
                "topic {name} takes smaller batches, connecting again"
            ));
        }

        for (sequence, message) in self.topics.learn(name, topic) {
            self.place(sequence, message);
        }
    }

    /// A topic could not be looked up: its messages wait with their type.
    fn give_back(&mut self, name: &str, error: &str) {
        for (sequence, _) in self.topics.give_up(name) {
            let detail = format!("topic {name} was not looked up: {error}");
            self.reject(sequence, Reason::TopicUnfit, detail);
        }
    }

    fn reported(&mut self, report: Report) {
        let now = Instant::now();
        match report {
            Report::Delivered(sequence) => {
                if let Some(sent) = self.in_flight.answered(sequence, now) {
                    self.taken(sequence, &sent.topic);
                }
                return;
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
            Report::Fatal(reason) => self.fatal(&reason),
        }

        // Refused for itself, or to be tried again: the next may be the one that is taken.
        self.place_held();
    }

    /// One was taken. Where the brokers had refused us, or a batch of its topic, the others follow.
    fn taken(&mut self, sequence: Sequence, topic: &str) {
        self.answers.push_back(Answer::Acknowledged {
            sequence,
            heard: true,
        });

        if !self.held.is_empty() || self.in_flight.is_one_by_one(topic) || self.is_refused() {
            self.shared.set_refused(self.lane, false);
            self.in_flight.taken(topic);
            self.place_held();
        }
    }

    fn place_held(&mut self) {
        if self.lost.is_some() {
            return;
        }
        for (sequence, message) in std::mem::take(&mut self.held) {
            self.place(sequence, message);
        }
    }

    /// A topic was silent for too long. If all are, the session is given up, later each time. Else the topic waits: the producer goes on with its
    /// records, so that a large batch on a thin line gets the time it takes.
    fn stalled(&mut self) {
        let stall_timeout = self.shared.limits.stall_timeout;
        let patience = self.shared.patience.of(self.lane).now();
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

    async fn settle(&mut self) {
        while self.lost.is_none() && !self.in_flight.is_empty() {
            self.advance().await;
        }
    }

    fn give_up(&mut self, patience: Duration) {
        self.shared.patience.of(self.lane).given_up(patience);
        let submitted = self.in_flight.len();
        let cause = self.producer.as_ref().map_or_else(String::new, |producer| {
            producer.client().context().last_error()
        });
        self.lose(&format!(
            "nothing acknowledged for {patience:?} with {submitted} submitted{cause}"
        ));
    }

    /// The first reason stays.
    fn lose(&mut self, detail: &str) {
        let error = self.shared.of_brokers(detail);
        self.lost.get_or_insert(Lost::unexplained(error));
    }
}

impl crate::send::Session for Session {
    type Message = Message;

    /// The producer is made for so many.
    fn window(&self) -> window::Limits {
        window::Limits {
            records: self.shared.limits.window_records,
            bytes: self.shared.limits.window_bytes,
        }
    }

    fn resumed(&mut self) {
        self.topics.doubt();
    }

    fn submit(&mut self, sequence: Sequence, message: Message) {
        if !self.in_flight.takes_up(sequence, Instant::now()) {
            self.place(sequence, message);
        }
    }

    /// What is under way is waited for: its answers come within milliseconds, and without them it would be sent again.
    async fn finish(&mut self) {
        let _ = tokio::time::timeout(FAREWELL, self.settle()).await;
    }

    async fn next(&mut self) -> Result<Answer, Lost> {
        loop {
            if let Some(answer) = self.answers.pop_front() {
                return Ok(answer);
            }
            if let Some(lost) = &self.lost {
                return Err(lost.clone());
            }
            self.advance().await;
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        Producer::end(self.producer.take());
    }
}
