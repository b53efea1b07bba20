//! The way in: bytes → event → durable record → receipt.

use std::sync::Arc;

use bytes::Bytes;

use crate::config::Config;
use crate::event::{Act, Code, Feed, Receipt, Refusal, Reply, Revision, Source, document};
use crate::ingest::Accept;
use crate::metrics::{self, Outcome};
use crate::normalize::{Batch, Context, Elements, Limits, Normalized, Room, normalize};
use crate::queue::quarantine::Quarantine;
use crate::queue::received::Received;
use crate::queue::{AppendError, Appended, Entry, Queue};
use crate::route::Router;

/// What the boxes' side of the process works with.
pub struct Gateway {
    pub config: Arc<Config>,
    pub queue: Queue,
    pub quarantine: Arc<Quarantine>,
    pub router: Arc<Router>,
    pub received: Arc<Received>,
    /// Starting, draining: whether boxes should come here at all.
    pub is_serving: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Accept for Gateway {
    /// The straight line of the way in.
    async fn accept(&self, source: Source, body: Bytes) -> Result<Reply, Refusal> {
        match normalize(&body, &self.context(&source)) {
            Ok(Batch::One(normalized)) => {
                // Its pictures are decoded by now: one copy in memory is enough while the disk works.
                let body = normalized.unread.is_some().then_some(body);
                Ok(Reply::One(self.append(&source, normalized, body).await?))
            }
            Ok(Batch::Many(elements)) => self.many(&source, elements).await,
            Err(refusal) => self.refuse(source.clone(), body, refusal).await,
        }
    }

    async fn refuse(&self, source: Source, body: Bytes, refusal: Refusal) -> Result<Reply, Refusal> {
        let is_history = source.feed == Feed::History;
        let quarantine = Arc::clone(&self.quarantine);
        let why = refusal.clone();
        let kept = tokio::task::spawn_blocking(move || quarantine.keep(&source, &why, &body)).await;
        let not_kept = match kept {
            Ok(Ok(())) if is_history => {
                metrics::event(Feed::History, Outcome::Quarantined);
                self.received.quarantined(Feed::History);
                return Ok(Reply::Quarantined(refusal));
            }
            Ok(Ok(())) => return Err(refusal),
            Ok(Err(not_kept)) => not_kept.into_refusal(),
            Err(_) => Refusal::new(Code::QuarantineFull, "quarantine failed"),
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
    async fn many(&self, source: &Source, elements: Elements<'_>) -> Result<Reply, Refusal> {
        let mut parts = Vec::with_capacity(elements.len());
        for (text, element) in elements {
            let part = match element {
                Ok(normalized) => self.append(source, normalized, Some(text)).await,
                Err(refusal) => match self.refuse(source.clone(), text, refusal).await {
                    Ok(Reply::Quarantined(refusal)) | Err(refusal) => Err(refusal),
                    Ok(_) => continue,
                },
            };
            let is_over = part.as_ref().is_err_and(|refusal| refusal.code.is_pressure());
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
        for (place, refusal) in refusals().enumerate().filter(|(place, _)| Some(*place) != answer) {
            if source.feed == Feed::Realtime {
                metrics::refused(source.feed.as_str(), refusal.code);
            }
            tracing::debug!(place, code = refusal.code.as_str(), "an event of an array was refused");
        }
        match answer.and_then(|place| refusals().nth(place)) {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(Reply::Many(parts)),
        }
    }

    /// `body` is kept beside an event of which something could not be read.
    async fn append(&self, source: &Source, normalized: Normalized, body: Option<Bytes>) -> Result<Receipt, Refusal> {
        let Normalized { mut event, pictures, content, unread } = normalized;
        event.decide(self.router.decide(&event), &content);
        let live_revision = (event.act_before == Act::Never).then(|| Revision::live(&content));
        let (feed, event_id, person_type) = (event.feed, event.id, event.person_type);
        let document = document::opened(&event, |_, _| Some(String::new()));
        for warning in &event.warnings {
            metrics::warning(warning.code);
        }
        for (kind, picture) in event.pictures.iter() {
            metrics::picture(kind, picture.state);
        }
        let lane = self.router.lane(&event);
        let appended = self.queue.append(Entry { event, pictures, lane, live_revision }).await.map_err(refusal)?;
        let is_duplicate = matches!(appended, Appended::Duplicate(_));
        metrics::event(feed, if is_duplicate { Outcome::Duplicate } else { Outcome::Accepted });
        if is_duplicate {
            self.received.duplicate(feed);
        } else {
            metrics::accepted(person_type);
        }
        if let (Some(why), Some(body), false) = (unread, body, is_duplicate) {
            self.keep_beside(source.clone(), why, body).await;
        }
        Ok(Receipt { event_id, is_duplicate, document })
    }

    /// The event is on disk by now, so where there is no room for its body, only what could not be read is gone.
    async fn keep_beside(&self, source: Source, why: Refusal, body: Bytes) {
        let quarantine = Arc::clone(&self.quarantine);
        let kept = tokio::task::spawn_blocking(move || quarantine.keep(&source, &why, &body)).await;
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "the body of an event that could not be read whole is not kept");
        }
    }

    fn context<'a>(&'a self, source: &'a Source) -> Context<'a> {
        Context {
            source,
            site: &self.config.site,
            gateway: &self.config.gateway,
            settings: &self.config.normalize,
            limits: Limits::of(&self.config.ingest),
            room: Room(&|_bytes| true),
        }
    }
}

fn refusal(error: AppendError) -> Refusal {
    let code = match error {
        AppendError::Full { .. } => Code::QueueFull,
        AppendError::Poisoned => Code::QueuePoisoned,
        AppendError::Closed => Code::Draining,
        AppendError::Unwritable => Code::EventUnrecognized,
    };
    Refusal::new(code, error.to_string())
}
