//! One session: records in, answers out, over one connection.
//!
//! Promises: every submitted record is answered once, or [`Lost`] stands for all that were not; nothing is sent twice. What is on its way
//! stays within what the broker allows. A broker that takes bytes and answers nothing is noticed (the client library does not). That we gave up
//! waiting tells nothing of a record, unless the broker answered a ping behind it. Deliberately does not reconnect: the gateway makes a new session and submits again from the lowest record that has no answer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use crate::send::patience::Patience;
use crate::send::window;
use crate::send::{Answer, Lost, Reason};
use boxbridge_config::MqttVersion;
use boxbridge_event::{Message, Sequence};

use super::admission::{check, check_learned, refused};
use super::connection::{Cause, Connection, Culprit, Loss, Notice, Verdict};
use super::learned_size::LearnedSize;
use super::ledger::{Cargo, Ledger};
use super::status::{Presence, Status};

pub struct Session {
    connection: Connection,
    limits: Limits,
    ledger: Ledger,
    /// Submitted, but the broker has no room yet. The caller keeps it within [`Window`].
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
    status: Option<Status>,
    lost: Option<Lost>,
}

#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub version: MqttVersion,
    /// Publications without an answer.
    pub window: usize,
    /// Bytes of one packet.
    pub packet_max: usize,
    /// What a broker that announces no limit was seen to refuse.
    pub learned_size: Arc<LearnedSize>,
    /// For an answer to a publication.
    pub patience: Arc<Patience>,
    /// For an answer to a ping, where nothing else is owed.
    pub keep_alive: Duration,
    /// Its name, for the log.
    pub destination: Arc<str>,
}

impl Session {
    /// Says "online" first, where this connection carries the status, and waits for the answer: what the connection dies on before is the status
    /// and no record.
    pub(super) async fn start(
        connection: Connection,
        limits: Limits,
        status: Option<Status>,
    ) -> Result<Session, Lost> {
        let mut session = Session {
            connection,
            ledger: Ledger::new(limits.window),
            patience: limits.patience.now(),
            limits,
            backlog: VecDeque::new(),
            answers: VecDeque::new(),
            progress: Instant::now(),
            pinged: None,
            ponged: None,
            status,
            lost: None,
        };
        session.say(Presence::Online);
        session.settle().await;
        match session.lost.take() {
            None => Ok(session),
            Some(lost) => Err(lost),
        }
    }

    fn say(&mut self, presence: Presence) {
        if let Some(status) = &self.status {
            let accepted = self.connection.publish_status(status, presence);
            self.submitted(Cargo::Status, accepted);
        }
    }

    /// Publishes what waits, as far as the broker has room.
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
        } else {
            self.lost
                .get_or_insert_with(|| Lost::unexplained("the connection takes nothing more"));
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
            Notice::Pinged => drop(self.pinged.get_or_insert_with(Instant::now)),
            Notice::Ponged => self.ponged = self.pinged.take().or(self.ponged),
            Notice::Answered { packet_id, verdict } => {
                self.limits.patience.answered(self.progress.elapsed());
                self.progress = Instant::now();
                if let Some(cargo) = self.ledger.answered(packet_id) {
                    self.answered(cargo, verdict);
                }
                self.publish();
            }
            Notice::Lost(loss) => self.lose(loss),
            Notice::Connected(_) | Notice::Disconnected => {}
        }
    }

    /// When we give up, if nothing happens before.
    fn deadline(&self) -> Option<Instant> {
        if !self.ledger.is_empty() {
            return Some(self.progress + self.patience);
        }
        self.pinged.map(|pinged| pinged + self.limits.keep_alive)
    }

    /// A line that carries nothing, or not fast enough for what is on it, is no record's doing. A broker that answers a ping and not what it read
    /// before is one that does not answer this record.
    fn give_up(&self) -> Loss {
        if self.ledger.is_empty() {
            return Loss::elsewhere(format!(
                "the broker did not answer a ping for {:?}",
                self.limits.keep_alive
            ));
        }
        let patience = self.patience;
        if self.ponged.is_some_and(|ponged| ponged > self.progress) {
            return Loss::of(format!(
                "no answer for {patience:?}, though the broker answers pings"
            ));
        }

        self.limits.patience.given_up(patience);
        Loss::elsewhere(format!(
            "no progress for {patience:?}, and the broker owes an answer"
        ))
    }

    fn answered(&mut self, cargo: Cargo, verdict: Verdict) {
        match (cargo, verdict) {
            (Cargo::Record { sequence, bytes }, Verdict::Taken { heard }) => {
                self.limits.learned_size.takes(bytes);
                self.answers
                    .push_back(Answer::Acknowledged { sequence, heard });
            }
            (Cargo::Record { sequence, .. }, Verdict::Refused(reason, detail)) => {
                self.answers.push_back(Answer::Rejected {
                    sequence,
                    rejection: refused(reason, detail),
                });
            }
            (Cargo::Status, Verdict::Refused(_, detail)) => {
                warn!(
                    destination.name = &*self.limits.destination,
                    "the status message was not taken: {detail}"
                );
            }
            (Cargo::Status, Verdict::Taken { .. }) => {}
        }
    }

    fn lose(&mut self, loss: Loss) {
        let culprit = match loss.cause {
            Cause::Publication(Culprit::Oldest, reason) => {
                self.ledger.oldest().map(|oldest| (oldest, reason))
            }
            Cause::Publication(Culprit::Only, reason) => {
                self.ledger.only().map(|only| (only, reason))
            }
            Cause::Unknown | Cause::Elsewhere => None,
        };
        let is_explained = matches!(loss.cause, Cause::Elsewhere);
        if let Some((Cargo::Record { sequence, bytes }, reason)) = culprit {
            if reason == Reason::TooLarge {
                self.limits.learned_size.refuses(bytes);
            }
            self.answers.push_back(Answer::Rejected {
                sequence,
                rejection: refused(reason, loss.error.clone()),
            });
        }
        self.lost = Some(Lost {
            error: loss.error,
            is_explained,
        });
    }

    /// Until the ledger is empty or the connection over.
    async fn settle(&mut self) {
        while self.lost.is_none() && !self.ledger.is_empty() {
            self.advance().await;
        }
    }

    /// What the broker had no room for is left to the next session.
    async fn say_goodbye(&mut self) {
        self.backlog.clear();
        self.settle().await;
        self.say(Presence::Offline);
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
            records: self.limits.window,
            bytes: usize::MAX,
        }
    }

    fn submit(&mut self, sequence: Sequence, message: Message) {
        let checked = check(&message, self.limits.version, self.limits.packet_max);
        match checked.and_then(|()| check_learned(&message, self.limits.learned_size.refused())) {
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
        if tokio::time::timeout(super::FAREWELL, self.say_goodbye())
            .await
            .is_err()
        {
            debug!(
                destination.name = &*self.limits.destination,
                "the broker did not answer the goodbye"
            );
        }
        self.lost
            .get_or_insert_with(|| Lost::unexplained("the session is finished"));
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
