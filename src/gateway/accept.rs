//! The way in: bytes → event → durable record → receipt.
//!
//! Promises: a receipt is given only for an event that is on disk. A refused body is kept in quarantine, since a box never sends it again.
//! Deliberately knows nothing of HTTP and of destinations.

use std::sync::Arc;

use bytes::Bytes;

use super::count::Counter;
use super::devices::Devices;
use super::kept::{NotKept, Quarantine};
use crate::ingest::{self, Accept, BodyMemory, Received as Body};
use crate::metrics;
use crate::normalize::{self, Limits, Normalized};
use crate::queue::{AppendError, Appended, Entry, Queue};
use crate::route::Router;
use boxbridge_config::{Config, Current};
use boxbridge_event::{Act, Code, Event, Feed, Receipt, Refusal, Reply, Revision, Source};

mod array;
mod confirm;
mod holders;
mod parse;
mod resubmit;
mod workers;

pub use holders::{Holder, Holders};
pub use resubmit::{Resubmit, Resubmitted};
pub use workers::Workers;

use holders::OnDisk;
use parse::{Parsed, ParsedEvent, Parser, Part};

/// The gateway as the boxes' side of the process sees it.
pub struct Gateway {
    pub config: Current<Config>,
    pub queue: Queue,
    pub quarantine: Arc<Quarantine>,
    pub router: Current<Router>,
    pub counter: Counter,
    pub devices: Arc<Devices>,
    /// They parse bodies.
    pub parsers: Arc<Workers>,
    /// They write bodies into quarantine.
    pub quarantine_workers: Arc<Workers>,
    /// Who has to have an event before its box is answered; `None` = the disk alone has to.
    pub holders: Option<Arc<Holders>>,
    /// Whether boxes should come here at all: not while starting or draining.
    pub is_serving: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// An event that is on disk, and its receipt, which is given once those have it who have to.
struct Taken {
    receipt: Receipt,
    on_disk: OnDisk,
}

impl Accept for Gateway {
    /// The straight line of the way in.
    async fn accept(
        &self,
        source: Source,
        body: Body,
        memory: BodyMemory,
    ) -> Result<Reply, Refusal> {
        let patience = self.patience();
        let parser = Parser::new(self, &source, &memory, body.may_be_short());
        match parser.parse(Part::Whole(body.bytes)).await? {
            Parsed::Event(event) => {
                let lasting = event.lasting;
                let Taken { receipt, on_disk } = self.append(&source, event).await?;
                if self.holders.is_some() {
                    // It may be a while: other bodies need the room.
                    memory.keep(lasting);
                }
                self.confirm(source.feed, &[on_disk], patience).await?;
                Ok(Reply::One(receipt))
            }
            // What is rare is kept out of the task that every body is moved with.
            Parsed::Array(elements) => Box::pin(self.array(&source, elements, &parser)).await,
            Parsed::Refused(refusal, body) => Box::pin(self.refuse(source, body, refusal)).await,
        }
    }

    async fn refuse(
        &self,
        source: Source,
        body: Bytes,
        refusal: Refusal,
    ) -> Result<Reply, Refusal> {
        self.devices.refused(&source);
        let feed = source.feed;
        let not_kept = match self.keep(source, refusal.clone(), body).await {
            Some(Ok(())) if feed == Feed::History => {
                self.counter.quarantined(feed);
                return Ok(Reply::Quarantined(refusal));
            }
            Some(Ok(())) => return Err(refusal),
            Some(Err(not_kept)) => not_kept.into_refusal(),
            None => Refusal::new(Code::QuarantineFull, "quarantine failed"),
        };

        // A box would send refused history for ever: only pressure asks it to come again.
        Err(match feed {
            Feed::History => not_kept,
            _ => refusal,
        })
    }

    async fn status_report(&self, source: Source, body: Bytes) {
        let limits = Limits::of(&self.config.now().ingest);
        let charset = source.charset.clone();
        let read = move || normalize::status_report(&body, charset.as_deref(), &limits);

        match self
            .parsers
            .run_short(source.share_key(), read)
            .await
            .flatten()
        {
            Some(report) => self.devices.reported(&source, &report),
            None => self.devices.report_unread(&source),
        }
    }

    fn count(&self, feed: &'static str, ended: ingest::Ended) {
        self.counter.ended(feed, ended);
    }

    fn is_ready(&self) -> bool {
        (self.is_serving)()
    }
}

impl Gateway {
    /// Holds for every event that comes from now on.
    pub fn adopt(&self, config: &Arc<Config>, router: Router) {
        self.config.replace(Arc::clone(config));
        self.router.replace(router);
    }

    /// Makes an event durable, on this disk.
    async fn append(&self, source: &Source, parsed: Box<ParsedEvent>) -> Result<Taken, Refusal> {
        let ParsedEvent {
            normalized,
            echo,
            body,
            lasting: _,
        } = *parsed;
        let unread = normalized.unread.clone().zip(body);
        let entry = Box::new(self.decided(source, normalized));
        self.devices.sent(source, &entry.event);
        let (feed, event_id, person_type) =
            (entry.event.feed, entry.event.id, entry.event.person_type);
        let (lane, has_pictures) = (entry.lane, !entry.pictures.is_empty());

        let appended = self.queue.append(entry).await.map_err(refusal)?;
        let is_duplicate = matches!(appended, Appended::Duplicate(_));
        if is_duplicate {
            self.counter.duplicate(feed);
        } else {
            self.counter.accepted(feed, person_type);
            if let Some((why, body)) = unread {
                Box::pin(self.keep_unread(source, why, body)).await;
            }
        }

        Ok(Taken {
            receipt: Receipt {
                event_id,
                is_duplicate,
                document: echo,
            },
            on_disk: match appended {
                Appended::Stored(sequence) => OnDisk {
                    sequence,
                    lane,
                    person_type,
                    has_pictures,
                    is_repeated: false,
                },
                Appended::Duplicate(original) => OnDisk {
                    sequence: original.sequence,
                    lane: original.lane,
                    person_type,
                    has_pictures: original.has_pictures,
                    is_repeated: true,
                },
            },
        })
    }

    /// Decides until when one may act on the event, and in which lane it travels.
    fn decided(&self, source: &Source, normalized: Normalized) -> Entry {
        let Normalized {
            mut event,
            pictures,
            content,
            document: _,
            unread: _,
        } = normalized;
        let router = self.router.now();
        event.decide(router.decide(&event), &content);
        let live_revision = (event.act_before == Act::Never).then(|| Revision::live(&content));

        count_oddities(&event);
        Entry {
            lane: router.lane(&event),
            event,
            pictures,
            live_revision,
            pass: source.pass.number,
        }
    }

    /// Keeps the body of an event that is on disk by now, if something in it could not be read. If there is no room, only that is gone.
    async fn keep_unread(&self, source: &Source, why: Refusal, body: Bytes) {
        if let Some(Err(error)) = self.keep(source.clone(), why, body).await {
            tracing::warn!(%error, "the body of an event that could not be read whole is not kept");
        }
    }

    /// Keeps a body in quarantine, on disk; `None` if that failed by a fault of ours.
    async fn keep(&self, source: Source, why: Refusal, body: Bytes) -> Option<Result<(), NotKept>> {
        let quarantine = Arc::clone(&self.quarantine);
        let share_key = source.share_key();
        self.quarantine_workers
            .run(share_key, move || quarantine.keep(&source, &why, &body))
            .await
    }
}

fn count_oddities(event: &Event) {
    for warning in &event.warnings {
        metrics::warning(warning.code);
    }
    for (kind, picture) in event.pictures.iter() {
        metrics::picture(kind, picture.state);
    }
}

fn refusal(error: AppendError) -> Refusal {
    let code = match error {
        AppendError::Full { .. } | AppendError::DiskFull { .. } => Code::QueueFull,
        AppendError::NotNow { .. } => Code::QueueRefused,
        AppendError::Poisoned => Code::QueuePoisoned,
        AppendError::Closed => Code::Draining,
        AppendError::Unwritable => Code::EventUnrecognized,
    };
    Refusal::new(code, error.to_string())
}
