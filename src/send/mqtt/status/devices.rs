//! Tells a broker of devices, and first of all what else it is to keep: retained messages, over a connection of their own.
//!
//! Promises: nothing here is in an event's way, and no event answers for it: a broker that hangs up on these topics costs this connection
//! alone. Nothing is dialled before there is something to tell; after a loss all is told again, later each time. Deliberately best effort:
//! what a broker refuses is said once and left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::connection::{Connection, Notice, Verdict};
use super::super::dial::Dial;
use super::super::ledger::{Cargo, Ledger};
use super::super::{Mqtt, client_id};
use crate::send::board::{Board, Reader, ToMessage};
use crate::send::patience::until;
use boxbridge_event::{Message, Timestamp};

/// Under way at once: enough for ten thousand on a slow line, and no burden for a broker.
const WINDOW: u16 = 16;
/// Before the first attempt to connect again; doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);
/// After connections that died on a message: somebody may allow the topic meanwhile.
const OFF: Duration = Duration::from_secs(600);
/// So many of them, one after the other.
const DEATHS_MAX: u32 = 2;
const LANE: &str = "devices";

/// Why a connection ended.
enum End {
    /// It did not come about, or ended with nothing owed.
    Lost(String),
    /// It ended while a message was without an answer.
    Died(String),
}

impl Mqtt {
    /// Tells `first`, and then all that the board says, for as long as it is polled; each connection begins anew. If the settings want no
    /// status messages, it tells of no device.
    pub async fn announce(&self, first: &[Message], mut reader: Reader, to_message: ToMessage) {
        if self.config.status_topic.is_none() {
            // On this one nothing is ever said.
            reader = Arc::new(Board::default()).reader();
        }

        let (mut failures, mut deaths) = (0, 0);
        loop {
            if first.is_empty() {
                reader.wait().await;
            }
            let began = Instant::now();
            let end = self.tell(first, &mut reader, to_message).await;
            reader.begin_again();

            if began.elapsed() > PAUSE_LAST {
                (failures, deaths) = (0, 0);
            }
            failures += 1;
            let pause = match end {
                End::Lost(error) => {
                    tracing::debug!(
                        destination.name = &*self.identity.destination,
                        error,
                        "devices are told of later"
                    );
                    PAUSE_FIRST
                        .saturating_mul(2_u32.saturating_pow(failures))
                        .min(PAUSE_LAST)
                }
                End::Died(error) => {
                    deaths += 1;
                    self.died(deaths, &error)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn died(&self, deaths: u32, error: &str) -> Duration {
        if deaths < DEATHS_MAX {
            return PAUSE_FIRST;
        }
        if deaths == DEATHS_MAX {
            let destination = &*self.identity.destination;
            tracing::warn!(
                destination.name = destination,
                error,
                "the connection died on the status of a device twice: it is tried again every ten minutes. \
                 Does the broker allow {}? send.{destination}.status_topic = \"\" switches it off",
                self.retained_topics()
            );
        }
        OFF
    }

    /// What the broker has to allow.
    fn retained_topics(&self) -> String {
        let devices = "boxbridge/+/devices/+/status";
        match &self.config.discovery_prefix {
            Some(prefix) => format!("{devices} and {prefix}/#"),
            None => devices.to_owned(),
        }
    }

    /// One connection, to its end.
    async fn tell(&self, first: &[Message], reader: &mut Reader, to_message: ToMessage) -> End {
        let client_id = client_id(&self.config, &self.identity, LANE);
        let dialled = match self.dial(&client_id, None) {
            Ok(dial) => {
                Dial {
                    window: WINDOW,
                    ..dial
                }
                .open()
                .await
            }
            Err(error) => Err(error),
        };
        let (connection, offer) = match dialled {
            Ok(dialled) => dialled,
            Err(error) => return End::Lost(error.to_string()),
        };

        let mut telling = Telling {
            connection,
            ledger: Ledger::new(WINDOW.min(offer.receive_maximum).into()),
            progress: Instant::now(),
            stall_timeout: self.stall_timeout,
            destination: Arc::clone(&self.identity.destination),
            topics: self.retained_topics(),
            is_refused: false,
        };
        telling.run(first, reader, to_message).await
    }
}

/// A connection that tells of devices.
struct Telling {
    connection: Connection,
    ledger: Ledger,
    /// When something last went out or came back.
    progress: Instant,
    stall_timeout: Duration,
    destination: Arc<str>,
    /// See [`Mqtt::retained_topics`].
    topics: String,
    /// The broker refused one, and that was said.
    is_refused: bool,
}

impl Telling {
    async fn run(&mut self, first: &[Message], reader: &mut Reader, to_message: ToMessage) -> End {
        let mut first = first.iter().cloned();
        let mut next = |reader: &mut Reader| {
            let of_device = || Some(to_message(&reader.read()?, Timestamp::now()));
            first.next().or_else(of_device)
        };

        loop {
            while self.ledger.has_room()
                && let Some(message) = next(reader)
            {
                if !self.publish(message) {
                    return self.ended("the connection takes nothing more".to_owned());
                }
            }

            let owed_until = (!self.ledger.is_empty()).then(|| self.progress + self.stall_timeout);
            tokio::select! {
                notice = self.connection.next() => {
                    if let Some(error) = self.take(notice) {
                        return self.ended(error);
                    }
                }
                () = reader.wait(), if self.ledger.has_room() => {}
                () = until(owed_until) => return End::Lost("no answer".to_owned()),
            }
        }
    }

    fn publish(&mut self, message: Message) -> bool {
        if self.ledger.is_empty() {
            self.progress = Instant::now();
        }
        self.ledger.submitted(Cargo::Status);
        self.connection.publish_retained(message)
    }

    /// Books what happened; an error if that was the end.
    fn take(&mut self, notice: Notice) -> Option<String> {
        match notice {
            Notice::Published(packet_id) => self.ledger.published(packet_id),
            Notice::Answered { packet_id, verdict } => {
                self.ledger.answered(packet_id);
                self.judge(verdict);
            }
            Notice::Lost(loss) => return Some(loss.error),
            Notice::Connected(_) | Notice::Pinged | Notice::Ponged | Notice::Disconnected => {
                return None;
            }
        }
        self.progress = Instant::now();
        None
    }

    fn judge(&mut self, verdict: Verdict) {
        let Verdict::Refused(_, detail) = verdict else {
            return;
        };
        if !std::mem::replace(&mut self.is_refused, true) {
            let destination = &*self.destination;
            tracing::warn!(
                destination.name = destination,
                "the status of a device was not taken: {detail}. Does the broker allow {}? \
                 send.{destination}.status_topic = \"\" switches it off",
                self.topics
            );
        }
    }

    fn ended(&self, error: String) -> End {
        match self.ledger.is_owed() {
            true => End::Died(error),
            false => End::Lost(error),
        }
    }
}
