//! What was not taken: set aside, or kept waiting and said.
//!
//! Promises: a record is durably set aside before the cursor passes it; what waits is said once, with the other side's own words, and again
//! when it flows. Deliberately never an event's content, nor more of it than its topic.

use std::sync::Arc;
use std::time::Duration;

use super::{Delivery, Pictures, Work};
use crate::event::{Event, Picture, PictureVerdict, Sequence, Timestamp};
use crate::fault::Fault;
use crate::gateway::Render;
use crate::queue::aside::SetAside;
use crate::queue::{Outcome, Record};
use crate::send::window::{Consequence, Extent, News, Template, Timeliness, Window};
use crate::send::{Destination, Reason, Rejection};

/// How long a blocked set-aside store is left alone.
const ASIDE_PAUSE: Duration = Duration::from_secs(1);
/// Attempts that a condemned record had at least.
const CONDEMNED_ATTEMPTS: u32 = 3;

impl<D, R> Delivery<D, R>
where
    D: Destination,
    R: Render<Message = D::Message>,
{
    pub(super) async fn rejected(&mut self, sequence: Sequence, rejection: &Rejection, window: &mut Window<Work>) {
        let attempts = window.attempts(sequence);
        match window.refused(sequence, rejection.reason, std::time::Instant::now()) {
            Consequence::Wait(extent) => {
                // It may wait for long, and they are on disk.
                window.payload_mut(sequence).into_iter().for_each(|work| work.pictures = Pictures::default());
                if let Some(extent) = extent {
                    self.say_waiting(window.payload(sequence), rejection, extent);
                }
            }
            Consequence::SetAside => {
                let Some(work) = window.answered(sequence) else { return };
                self.set_aside(&work.record, rejection, work.topic, attempts, work.pictures.into_read()).await;
            }
        }
    }

    fn say_waiting(&self, work: Option<&Work>, rejection: &Rejection, extent: Extent) {
        let (reason, detail) = (rejection.reason.as_str(), &rejection.detail);
        match extent {
            Extent::Device => {
                let topic = work.and_then(|work| work.topic.as_deref());
                tracing::warn!(
                    destination.name = &*self.link.destination,
                    lane = %self.lane,
                    topic,
                    reason,
                    detail,
                    "refused for now: the event is tried again, and those of its device wait behind it"
                );
            }
            Extent::Template(template) => {
                self.link.paused(self.lane, template.person_type, format!("{reason}: {detail} ({} topic)", kind(template)));
            }
        }
    }

    /// Says what the window found out, and shows what waits.
    pub(super) fn tell(&self, window: &mut Window<Work>) {
        while let Some(news) = window.news() {
            match news {
                News::Held(template) => tracing::warn!(
                    destination.name = &*self.link.destination,
                    lane = %self.lane,
                    person_type = %template.person_type,
                    topic = kind(template),
                    "the connection dies on one event: it is held back, alone, and tried from time to time until another of its type decides"
                ),
                News::Paused(template) => {
                    let why = format!("the connection dies on them, and not on others ({} topic)", kind(template));
                    self.link.paused(self.lane, template.person_type, why);
                }
                News::TakenAgain(template) => tracing::info!(
                    destination.name = &*self.link.destination,
                    lane = %self.lane,
                    person_type = %template.person_type,
                    topic = kind(template),
                    "what was refused for now is taken"
                ),
            }
        }
        self.link.still_paused(self.lane, window.paused());
        let suspects: Vec<_> = window.suspects().map(|(template, records)| suspected(template, records)).collect();
        self.link.suspect(self.lane, suspects);
    }

    /// What the connection dies on.
    pub(super) async fn condemn(&mut self, record: &Record, event: &Event) {
        let work = Work::new(record.clone(), event.clone());
        let message = self.message(&work, Timestamp::now(), Duration::ZERO).ok().flatten();
        let topic = message.as_ref().and_then(|message| R::topic(message));
        // As base64, where it has them with it: to know how large it was they need not be read again.
        let pictures = if self.render.needs_pictures(event) { record.pictures_bytes().div_ceil(3) * 4 } else { 0 };
        let bytes = message.as_ref().map_or(0, |message| R::size(message) as u64) + pictures;
        let name = topic.as_deref().unwrap_or_default();
        let detail =
            format!("the connection died on it again and again, and not on others of its type: topic {name}, {bytes} bytes");
        let rejection = Rejection { reason: Reason::Poison, detail, verdict: PictureVerdict::default() };
        self.set_aside(record, &rejection, topic, CONDEMNED_ATTEMPTS, Vec::new()).await;
    }

    /// Durably set aside, then out of the cursor's way. A store that is full stops this destination: nothing is dropped.
    pub(super) async fn set_aside(
        &mut self,
        record: &Record,
        rejection: &Rejection,
        topic: Option<String>,
        attempts: u32,
        pictures: Vec<Picture>,
    ) {
        let aside = SetAside {
            destination: Arc::clone(&self.link.destination),
            lane: self.lane,
            sequence: record.sequence,
            at: Timestamp::now(),
            reason: rejection.reason.as_str(),
            detail: self.link.of_its_own(rejection.detail.clone()),
            attempts,
            topic,
            event: record.event.clone(),
            pictures,
        };
        let aside = Arc::new(aside);
        let mut is_said = false;
        loop {
            let (store, entry) = (Arc::clone(&self.aside), Arc::clone(&aside));
            let error = match tokio::task::spawn_blocking(move || store.put(&entry)).await {
                Ok(Ok(())) => break,
                Ok(Err(error)) => error.to_string(),
                Err(_) => Fault.to_string(),
            };
            is_said = true;
            self.link.down(self.lane, format!("a refused event cannot be set aside, and the destination stops: {error}"), 0);
            tokio::time::sleep(ASIDE_PAUSE).await;
        }
        if is_said {
            self.link.up(self.lane);
        }
        tracing::warn!(
            destination.name = &*self.link.destination,
            lane = %self.lane,
            sequence = record.sequence.0,
            person_type = %record.person_type,
            topic = aside.topic.as_deref(),
            reason = rejection.reason.as_str(),
            detail = rejection.detail,
            "event set aside"
        );
        self.cursor.settle(record.sequence, rejection.verdict, Outcome::SetAside);
    }
}

/// Which of the two topics of a type.
fn kind(template: Template) -> &'static str {
    match template.timeliness {
        Timeliness::Live => "live",
        Timeliness::Late => "late",
    }
}

fn suspected(template: Template, records: usize) -> String {
    let person_type = template.person_type;
    let events = if records == 1 { "1 event".to_owned() } else { format!("{records} events") };
    format!(
        "the connection dies on {events} of type {person_type} ({} topic): held back, and tried from time to time",
        kind(template)
    )
}
