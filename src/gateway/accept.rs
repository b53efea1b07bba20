//! The way in: bytes → event → durable record → receipt.

use std::sync::Arc;

use bytes::Bytes;

use super::turns::Turns;
use super::work::{One, Part, Taken, Work};
use crate::gateway::ReceivedCounts;
use crate::gateway::kept::{NotKept, Quarantine};
use crate::ingest::{Accept, Received as Body, Room};
use crate::metrics::{self, Outcome};
use crate::normalize::{Element, Normalized};
use crate::queue::{AppendError, Appended, Entry, Queue};
use crate::route::Router;
use boxbridge_config::Config;
use boxbridge_event::{Act, Code, Feed, Receipt, Refusal, Reply, Revision, Source};

/// What the boxes' side of the process works with.
pub struct Gateway {
    pub config: Arc<Config>,
    pub queue: Queue,
    pub quarantine: Arc<Quarantine>,
    pub router: Arc<Router>,
    pub received: Arc<ReceivedCounts>,
    pub turns: Arc<Turns>,
    /// Bodies on their way into quarantine.
    pub keeping: Arc<Turns>,
    /// Starting, draining: whether boxes should come here at all.
    pub is_serving: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Accept for Gateway {
    /// The straight line of the way in.
    async fn accept(&self, source: Source, body: Body, room: Room) -> Result<Reply, Refusal> {
        let work = Work::new(self, &source, &room, body.may_be_short());
        match work.take_apart(Part::Whole(body.bytes)).await? {
            Taken::One(one) => Ok(Reply::One(self.append(&source, *one).await?)),
            Taken::Many(elements) => self.many(&source, elements, &work).await,
            Taken::None(refusal, body) => self.refuse(source, body, refusal).await,
        }
    }

    async fn refuse(
        &self,
        source: Source,
        body: Bytes,
        refusal: Refusal,
    ) -> Result<Reply, Refusal> {
        let is_history = source.feed == Feed::History;
        let not_kept = match self.keep(source, refusal.clone(), body).await {
            Some(Ok(())) if is_history => {
                metrics::event(Feed::History, Outcome::Quarantined);
                self.received.quarantined(Feed::History);
                return Ok(Reply::Quarantined(refusal));
            }
            Some(Ok(())) => return Err(refusal),
            Some(Err(not_kept)) => not_kept.into_refusal(),
            None => Refusal::new(Code::QuarantineFull, "quarantine failed"),
        };
        // A box would send refused history for ever: only pressure asks it to come again.
        Err(if is_history { not_kept } else { refusal })
    }

    fn is_ready(&self) -> bool {
        (self.is_serving)()
    }
}

impl Gateway {
    /// An array, one event after the other; pressure ends it, what is wrong with one does not.
    async fn many(
        &self,
        source: &Source,
        elements: Vec<Element>,
        work: &Work,
    ) -> Result<Reply, Refusal> {
        let mut parts = Vec::with_capacity(elements.len());
        let beside = elements.iter().map(|element| element.text.len()).sum();
        for element in elements {
            let part = match work.take_apart(Part::Element { element, beside }).await {
                Ok(Taken::One(one)) => self.append(source, *one).await,
                Ok(Taken::None(refusal, text)) => {
                    match self.refuse(source.clone(), text, refusal).await {
                        Ok(Reply::Quarantined(refusal)) | Err(refusal) => Err(refusal),
                        Ok(_) => continue,
                    }
                }
                Ok(Taken::Many(_)) => continue,
                Err(refusal) => Err(refusal),
            };
            let is_over = part
                .as_ref()
                .is_err_and(|refusal| refusal.code.is_pressure());
            parts.push(part);
            if is_over {
                break;
            }
        }
        let refusals = || parts.iter().filter_map(|part| part.as_ref().err());
        let pressure = refusals().position(|refusal| refusal.code.is_pressure());
        let is_all_refused = source.feed == Feed::Realtime && parts.iter().all(Result::is_err);
        // The one that is the whole answer is counted with it.
        let answer = pressure.or(is_all_refused.then_some(0));
        for (place, refusal) in refusals()
            .enumerate()
            .filter(|(place, _)| Some(*place) != answer)
        {
            if source.feed == Feed::Realtime {
                metrics::refused(source.feed.as_str(), refusal.code);
            }
            tracing::debug!(
                place,
                code = refusal.code.as_str(),
                "an event of an array was refused"
            );
        }
        match answer.and_then(|place| refusals().nth(place)) {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(Reply::Many(parts)),
        }
    }

    /// Makes an event durable.
    async fn append(&self, source: &Source, one: One) -> Result<Receipt, Refusal> {
        let One {
            normalized,
            echo: document,
            body,
        } = one;
        let Normalized {
            mut event,
            pictures,
            content,
            unread,
        } = normalized;
        event.decide(self.router.decide(&event), &content);
        let live_revision = (event.act_before == Act::Never).then(|| Revision::live(&content));
        let (feed, event_id, person_type) = (event.feed, event.id, event.person_type);
        for warning in &event.warnings {
            metrics::warning(warning.code);
        }
        for (kind, picture) in event.pictures.iter() {
            metrics::picture(kind, picture.state);
        }
        let lane = self.router.lane(&event);
        let appended = self
            .queue
            .append(Entry {
                event,
                pictures,
                lane,
                live_revision,
            })
            .await
            .map_err(refusal)?;
        let is_duplicate = matches!(appended, Appended::Duplicate(_));
        metrics::event(
            feed,
            if is_duplicate {
                Outcome::Duplicate
            } else {
                Outcome::Accepted
            },
        );
        if is_duplicate {
            self.received.duplicate(feed);
        } else {
            metrics::accepted(person_type);
        }
        if let (Some(why), Some(body), false) = (unread, body, is_duplicate) {
            self.keep_beside(source.clone(), why, body).await;
        }
        Ok(Receipt {
            event_id,
            is_duplicate,
            document,
        })
    }

    /// In quarantine, on disk; `None` if that failed by a fault of ours.
    async fn keep(&self, source: Source, why: Refusal, body: Bytes) -> Option<Result<(), NotKept>> {
        let quarantine = Arc::clone(&self.quarantine);
        let sharer = source.sharer();
        self.keeping
            .run(sharer, move || quarantine.keep(&source, &why, &body))
            .await
    }

    /// The event is on disk by now, so where there is no room for its body, only what could not be read is gone.
    async fn keep_beside(&self, source: Source, why: Refusal, body: Bytes) {
        if let Some(Err(error)) = self.keep(source, why, body).await {
            tracing::warn!(%error, "the body of an event that could not be read whole is not kept");
        }
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
