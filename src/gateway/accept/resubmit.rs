//! Bodies in quarantine that are handed in again: as if each came once more as history.
//!
//! Promises: dedupe, limits, turns and books are those of history. A body goes from quarantine once every event in it is on disk; one that is refused
//! again stays, and says why now. Where there is no room the body waits. Deliberately never live: nobody may act on an event so late.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::parse::{Parsed, ParsedEvent, Parser, Part};
use super::{Gateway, Quarantine, Taken};
use crate::gateway::kept::{QuarantineFilter, QuarantineHead};
use crate::ingest::{BodyMemory, Service};
use crate::system::fault::Fault;
use boxbridge_event::{Feed, Refusal, Reply, Source, Timestamp};

/// How long a gateway that is under pressure is left alone.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Names that are taken at once.
const NAMES_AT_ONCE: usize = 200;

/// Hands bodies in again.
pub struct Resubmit {
    pub gateway: Arc<Gateway>,
    pub service: Arc<Service<Gateway>>,
}

/// What became of the bodies that were meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resubmitted {
    /// They are gone from quarantine: all their events are on disk.
    pub accepted: u64,
    /// Of these, bodies without a new event.
    pub duplicate: u64,
    /// They stay in quarantine.
    pub refused: u64,
}

impl Resubmitted {
    pub fn done(&self) -> u64 {
        self.accepted + self.refused
    }
}

/// What became of one body.
enum Course {
    Accepted {
        is_new: bool,
    },
    Refused(Refusal),
    /// There is no room for it now.
    Again,
    /// It is not there any more.
    Gone,
}

impl Resubmit {
    /// Hands in all that are meant, until that is done or `cancelled`. Tells after each how far it is.
    pub async fn carry_out(
        &self,
        filter: QuarantineFilter,
        cancelled: CancellationToken,
        tell: impl Fn(Resubmitted),
    ) -> io::Result<Resubmitted> {
        let quarantine = &self.gateway.quarantine;
        let end = quarantine.last_name();
        let (mut last, mut all) = (None::<String>, Resubmitted::default());
        loop {
            let names = quarantine.names_after(last.as_deref(), NAMES_AT_ONCE);
            for name in names.iter().filter(|name| Some(*name) <= end.as_ref()) {
                let handed_in = self.until_done(&filter, name);
                let Some(course) = cancelled.run_until_cancelled(handed_in).await else {
                    return Ok(all);
                };
                all.add(&course?);
                tell(all);
            }

            last = match names.into_iter().next_back() {
                Some(name) if Some(&name) < end.as_ref() => Some(name),
                _ => return Ok(all),
            };
        }
    }

    /// Waits for as long as there is no room.
    async fn until_done(&self, filter: &QuarantineFilter, name: &str) -> io::Result<Course> {
        let is_meant = {
            let (filter, name) = (filter.clone(), name.to_owned());
            self.in_quarantine(move |quarantine| quarantine.is_meant(&filter, &name))
        };
        if !is_meant.await? {
            return Ok(Course::Gone);
        }

        loop {
            match self.hand_in(name).await? {
                Course::Again => tokio::time::sleep(ASK_AGAIN).await,
                course => return self.end(name, course).await,
            }
        }
    }

    async fn hand_in(&self, name: &str) -> io::Result<Course> {
        let of_name = name.to_owned();
        let read = self.in_quarantine(move |quarantine| quarantine.read(&of_name));
        let Some(kept) = read.await? else {
            return Ok(Course::Gone);
        };

        let bytes = usize::try_from(kept.len()).unwrap_or(usize::MAX);
        let turn = match self.service.history_turn(bytes).await {
            Ok(turn) => turn,
            Err(refusal) => return Ok(Course::of(refusal)),
        };
        let head = kept.head.clone();
        let body = self.in_quarantine(move |_| kept.bytes()).await?;

        // Cancelled, it is half done: the event is on disk or not, and the body is still kept.
        let (gateway, memory) = (Arc::clone(&self.gateway), turn.memory.clone());
        let work = async move { gateway.resubmit(&head, body, &memory).await };
        let reply = tokio::spawn(work)
            .await
            .map_err(|_| io::Error::other(Fault))?;
        Ok(match reply {
            Ok(reply) => Course::of_reply(reply),
            Err(refusal) => Course::of(refusal),
        })
    }

    /// What its course means for the file.
    async fn end(&self, name: &str, course: Course) -> io::Result<Course> {
        let name = name.to_owned();
        match &course {
            Course::Accepted { .. } => {
                let remove = self.in_quarantine(move |quarantine| quarantine.remove(&name));
                remove.await?;
            }
            Course::Refused(refusal) => {
                let refusal = refusal.clone();
                let say = move |quarantine: &Quarantine| quarantine.refused_again(&name, &refusal);
                if let Err(error) = self.in_quarantine(say).await {
                    tracing::warn!(%error, "a body stays in quarantine, under its first reason");
                }
            }
            Course::Again | Course::Gone => {}
        }
        Ok(course)
    }

    async fn in_quarantine<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Quarantine) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let quarantine = Arc::clone(&self.gateway.quarantine);
        let done = tokio::task::spawn_blocking(move || work(&quarantine)).await;
        done.unwrap_or_else(|_| Err(io::Error::other(Fault)))
    }
}

impl Gateway {
    /// The straight line of the way in, for a body that is kept already.
    async fn resubmit(
        &self,
        head: &QuarantineHead,
        body: Bytes,
        memory: &BodyMemory,
    ) -> Result<Reply, Refusal> {
        let source = head.source(Timestamp::now());
        let parser = Parser::new(self, &source, memory, false);
        match parser.parse(Part::Whole(body)).await? {
            Parsed::Event(event) => self.resubmit_event(&source, event, head).await,
            Parsed::Array(elements) => self.array(&source, elements, &parser).await,
            Parsed::Refused(refusal, _) => {
                self.counter.quarantined(Feed::History);
                Ok(Reply::Quarantined(refusal))
            }
        }
    }

    /// An event of which something still cannot be read was accepted when it came, and its body stays for what is missing.
    async fn resubmit_event(
        &self,
        source: &Source,
        mut event: Box<ParsedEvent>,
        head: &QuarantineHead,
    ) -> Result<Reply, Refusal> {
        let unread = event.normalized.unread.take();
        if let Some(why) = &unread
            && (why.code.as_str(), &why.field) == (head.code.as_str(), &head.field)
        {
            return Ok(Reply::Quarantined(why.clone()));
        }

        let patience = self.patience();
        let Taken { receipt, on_disk } = self.append(source, event).await?;
        self.confirm(source.feed, &[on_disk], patience).await?;
        Ok(unread.map_or(Reply::One(receipt), Reply::Quarantined))
    }
}

impl Resubmitted {
    fn add(&mut self, course: &Course) {
        match course {
            Course::Accepted { is_new } => {
                self.accepted += 1;
                self.duplicate += u64::from(!is_new);
            }
            Course::Refused(_) => self.refused += 1,
            Course::Again | Course::Gone => {}
        }
    }
}

impl Course {
    fn of(refusal: Refusal) -> Course {
        match refusal.code.is_pressure() {
            true => Course::Again,
            false => Course::Refused(refusal),
        }
    }

    /// Elements of an array that were refused lie in quarantine by themselves.
    fn of_reply(reply: Reply) -> Course {
        match reply {
            Reply::One(receipt) => Course::Accepted {
                is_new: !receipt.is_duplicate,
            },
            Reply::Many(parts) => Course::Accepted {
                is_new: parts.iter().flatten().any(|receipt| !receipt.is_duplicate),
            },
            Reply::Quarantined(refusal) => Course::Refused(refusal),
            Reply::Status => Course::Accepted { is_new: false },
        }
    }
}
