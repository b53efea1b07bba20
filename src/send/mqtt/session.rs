//! One session: records in, answers out, over one connection.
//!
//! Promises: every submitted record is answered once, or [`Lost`] stands for all that were not; nothing is sent twice. No more is on its way
//! than the broker allows. A broker that takes bytes and answers nothing is noticed (the client library does not notice it). Giving up
//! tells nothing of a record, unless the broker answered a ping behind it. Deliberately does not reconnect: the gateway makes a new session and
//! submits again from the lowest record that has no answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use crate::send::patience::{Patience, until};
use crate::send::window;
use crate::send::{Answer, Lost, Reason};
use boxbridge_config::MqttVersion;
use boxbridge_event::{Message, Sequence};

use super::connection::{Cause, Connection, Culprit, Loss, Notice, Verdict};
use super::learned_size::LearnedSize;
use super::ledger::{Cargo, Ledger};
use super::namesake::{End, Namesake};
use super::publish_check::{check, check_learned, refused};
use super::status::{Presence, Status};

pub struct Session {
    connection: Connection,
    connected_at: Instant,
    terms: Terms,
    ledger: Ledger,
    /// Submitted, but the broker has no room yet. The caller keeps it within [`window::Limits`].
    backlog: VecDeque<(Sequence, Message)>,
    /// Answers that the caller has not asked for yet; no more than were submitted.
    answers: VecDeque<Answer>,
    /// When something last went out or came back.
    progress: Instant,
    /// How long nothing may go out or come back while the broker owes an answer.
    patience: Duration,
    /// The first ping that has no answer.
    pinged: Option<Instant>,
    /// The last ping that was answered: the broker has read all that was written before it.
    ponged: Option<Instant>,
    /// The broker's words, where its last answer was a refusal.
    refused: Option<String>,
    /// Where this connection carries it.
    status: Option<Status>,
    lost: Option<Lost>,
}

/// The limits of a session, and the memories that outlive it.
#[derive(Clone)]
pub(super) struct Terms {
    pub version: MqttVersion,
    /// Bytes of one packet.
    pub packet_max: usize,
    /// For an answer to a ping, where nothing else is owed.
    pub keep_alive: Duration,
    /// For an answer to a publication.
    pub patience: Arc<Patience>,
    /// Which size a broker that announces no limit was seen to refuse.
    pub learned_size: Arc<LearnedSize>,
    /// Who else may use our client id.
    pub namesake: Arc<Namesake>,
    /// What an orderly stop says of the gateway.
    pub at_a_stop: Presence,
    /// The destination's name, for the log.
    pub destination: Arc<str>,
    /// The broker's URL, for messages.
    pub broker: String,
}

const HANGS_UP: &str =
    "the broker hangs up after it refused an event (as mosquitto does with max_queued_messages 0)";

impl Session {
    /// `ledger` says how many publications may be without an answer.
    pub(super) fn new(connection: Connection, ledger: Ledger, terms: Terms) -> Session {
        Session {
            connection,
            connected_at: Instant::now(),
            patience: terms.patience.now(),
            terms,
            ledger,
            backlog: VecDeque::new(),
            answers: VecDeque::new(),
            progress: Instant::now(),
            pinged: None,
            ponged: None,
            refused: None,
            status: None,
            lost: None,
        }
    }

    /// Says "online" and waits for the answer: if the connection dies before, it died on the status and on no record.
    pub(super) async fn greet(&mut self, status: Status) -> Result<(), Lost> {
        self.status = Some(status);
        self.say(Presence::Online);
        self.settle().await;

        match &self.lost {
            None => Ok(()),
            Some(lost) => Err(lost.clone()),
        }
    }

    fn say(&mut self, presence: Presence) {
        if let Some(status) = &self.status {
            let accepted = self.connection.publish_status(status, presence);
            self.submitted(Cargo::Status, accepted);
        }
    }

    /// Publishes the backlog, as far as the broker has room.
    fn publish(&mut self) {
        while self.ledger.has_room()
            && let Some((sequence, message)) = self.backlog.pop_front()
        {
            let bytes = message.payload.len();
            let accepted = self.connection.publish(message);
            self.submitted(Cargo::Record { sequence, bytes }, accepted);
        }
    }

    fn submitted(&mut self, cargo: Cargo, accepted: bool) {
        if self.ledger.is_empty() {
            self.progress = Instant::now();
        }

        if accepted {
            self.ledger.submitted(cargo);
        } else if self.lost.is_none() {
            self.lost = Some(Lost::unexplained(
                self.of_broker("the connection takes nothing more"),
            ));
        }
    }

    /// Waits for the next notice and books it. Cancel-safe: it waits before it books.
    async fn advance(&mut self) {
        let deadline = self.deadline();
        let notice = tokio::select! {
            biased;
            notice = self.connection.next() => notice,
            () = until(deadline) => Notice::Lost(self.give_up()),
        };

        match notice {
            Notice::Published(packet_id) => {
                // It was flushed: a large message on a thin line is progress.
                self.progress = Instant::now();
                self.ledger.published(packet_id);
            }
            Notice::Answered { packet_id, verdict } => self.answered(packet_id, verdict),
            Notice::Pinged => drop(self.pinged.get_or_insert_with(Instant::now)),
            Notice::Ponged => self.ponged = self.pinged.take().or(self.ponged),
            Notice::Lost(loss) => self.lose(loss),
            Notice::Connected(_) | Notice::Disconnected => {}
        }
    }

    /// When we give up, if nothing happens before.
    fn deadline(&self) -> Option<Instant> {
        if !self.ledger.is_empty() {
            return Some(self.progress + self.patience);
        }
        self.pinged.map(|pinged| pinged + self.terms.keep_alive)
    }

    /// A line that stands still, or is too slow for its load, is no record's fault. A broker that answers a ping, and not the record that it read
    /// before, does not answer this record.
    fn give_up(&self) -> Loss {
        if self.ledger.is_empty() {
            let keep_alive = self.terms.keep_alive;
            return Loss::elsewhere(format!(
                "the broker did not answer a ping for {keep_alive:?}"
            ));
        }

        let patience = self.patience;
        if self.ponged.is_some_and(|ponged| ponged > self.progress) {
            return Loss::of(format!(
                "no answer for {patience:?}, though the broker answers pings"
            ));
        }

        self.terms.patience.given_up(patience);
        Loss::elsewhere(format!(
            "no progress for {patience:?}, and the broker owes an answer"
        ))
    }

    fn answered(&mut self, packet_id: u16, verdict: Verdict) {
        self.terms.patience.answered(self.progress.elapsed());
        self.progress = Instant::now();

        match self.ledger.answered(packet_id) {
            Some(Cargo::Record { sequence, bytes }) => self.record(sequence, bytes, verdict),
            Some(Cargo::Status) => self.check_status(&verdict),
            None => {}
        }
        self.publish();
    }

    fn record(&mut self, sequence: Sequence, bytes: usize, verdict: Verdict) {
        let answer = match verdict {
            Verdict::Taken { heard } => {
                self.terms.learned_size.takes(bytes);
                self.refused = None;
                Answer::Acknowledged { sequence, heard }
            }
            Verdict::Refused(reason, detail) => {
                self.refused = Some(detail.clone());
                Answer::Rejected {
                    sequence,
                    rejection: refused(reason, detail),
                }
            }
        };
        self.answers.push_back(answer);
    }

    fn check_status(&self, verdict: &Verdict) {
        let (Verdict::Refused(_, detail), Some(status)) = (verdict, &self.status) else {
            return;
        };
        let destination = &*self.terms.destination;
        warn!(
            destination.name = destination,
            topic = status.topic,
            "the status message was not taken, nobody is told whether this gateway is there: {detail}. \
             Does the broker allow the topic of send.{destination}.status_topic?"
        );
    }

    fn lose(&mut self, loss: Loss) {
        let mut error = loss.error;
        // A broker that hangs up while it owes an answer, or behind a refusal, does so for the record, not for another client.
        let end = match (loss.end, &self.refused) {
            (End::HungUp, _) if self.ledger.is_owed() => End::Other,
            (End::HungUp, Some(refused)) => {
                error = format!("{HANGS_UP}: {refused}");
                End::Other
            }
            (end, _) => end,
        };
        if let Some(said) = self.terms.namesake.ended(end, self.connected_at.elapsed()) {
            error = said;
        }

        if let Cause::Publication(culprit, reason) = loss.cause {
            self.blame(culprit, reason, &error);
        }
        self.lost = Some(Lost {
            error: self.of_broker(&error),
            is_explained: matches!(loss.cause, Cause::Elsewhere),
        });
    }

    /// The broker ended the connection for one publication: its record is refused, if we know which.
    fn blame(&mut self, culprit: Culprit, reason: Reason, error: &str) {
        let cargo = match culprit {
            Culprit::Oldest => self.ledger.oldest(),
            Culprit::Only => self.ledger.only(),
        };
        let Some(Cargo::Record { sequence, bytes }) = cargo else {
            return;
        };

        if reason == Reason::TooLarge {
            self.terms.learned_size.refuses(bytes);
        }
        self.answers.push_back(Answer::Rejected {
            sequence,
            rejection: refused(reason, error.to_owned()),
        });
    }

    fn of_broker(&self, error: &str) -> String {
        format!("{}: {error}", self.terms.broker)
    }

    /// Until the ledger is empty or the connection over.
    async fn settle(&mut self) {
        while self.lost.is_none() && !self.ledger.is_empty() {
            self.advance().await;
        }
    }

    /// Messages for which the broker had no room are left to the next session.
    async fn say_goodbye(&mut self) {
        self.backlog.clear();
        self.settle().await;
        self.say(self.terms.at_a_stop);
        self.settle().await;

        if self.lost.is_none() {
            self.connection.leave().await;
        }
    }
}

impl crate::send::Session for Session {
    type Message = Message;

    fn window(&self) -> window::Limits {
        window::Limits {
            records: self.ledger.limit(),
            bytes: usize::MAX,
        }
    }

    fn resumed(&mut self) {
        self.terms.learned_size.forget();
    }

    fn submit(&mut self, sequence: Sequence, message: Message) {
        let checked = check(&message, self.terms.version, self.terms.packet_max);
        match checked.and_then(|()| check_learned(&message, self.terms.learned_size.refused())) {
            Ok(()) => self.backlog.push_back((sequence, message)),
            Err(rejection) => self.answers.push_back(Answer::Rejected {
                sequence,
                rejection,
            }),
        }

        if self.lost.is_none() {
            self.publish();
        }
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

    async fn finish(&mut self) {
        let goodbye = tokio::time::timeout(super::FAREWELL, self.say_goodbye());
        if goodbye.await.is_err() {
            debug!(
                destination.name = &*self.terms.destination,
                "the broker did not answer the goodbye"
            );
        }

        self.lost
            .get_or_insert_with(|| Lost::unexplained("the session is finished"));
    }
}
