//! Record → window: what the window has to know of it, and what it waits for.
//!
//! Promises: a record that holds no event, or repeatedly kills the connection, is set aside instead.

use std::time::{Duration, Instant};

use super::backlog::Admitted;
use super::{Delivery, Records, now};
use crate::gateway::Render;
use crate::queue::Verdicts;
use crate::send::window::{Awaits, Replayed, Traits};
use crate::send::{Destination, Reason, Rejection};
use boxbridge_config::PictureWait;
use boxbridge_event::{Event, PictureVerdict, Record};

impl<D, R, S> Delivery<D, R, S>
where
    D: Destination,
    R: Render<Message = D::Message>,
    S: Records,
{
    pub(super) async fn admit(&mut self, record: Record) {
        let event = match self.events.of(&record) {
            Ok(event) => event,
            Err(error) => return self.set_unreadable_aside(record, &error).await,
        };
        if self.is_condemned(&record) {
            return self.condemn(Admitted::new(record, event)).await;
        }

        let awaits = self.awaits(&record, &event);
        let device = event.device.id.clone();
        let traits = Traits {
            sequence: record.sequence,
            device: &device,
            person_type: record.person_type,
            replayed: replayed(&record),
            act_before: self.render.act_before(&event, record.replay.as_deref()),
            // As text and parsed.
            held_bytes: record.event.len() * 3,
        };
        self.backlog
            .admit(traits, awaits, Admitted::new(record, event), now());
    }

    /// One that was set aside before is not tried as often as others: it stays there.
    fn is_condemned(&self, record: &Record) -> bool {
        let window = self.backlog.window();
        let is_held_back = record.resent.is_some() && window.is_suspect(record.sequence);
        is_held_back || window.is_condemned(record.sequence)
    }

    fn awaits(&self, record: &Record, event: &Event) -> Awaits {
        if record.resent.is_some() {
            // It waited before it was set aside, and the store may know nothing of it any more.
            return Awaits::Nothing;
        }
        let wait = self
            .render
            .waits(event)
            .filter(|_| settled(self.verdicts.as_ref(), record).is_none());
        let wait = match wait {
            None => return Awaits::Nothing,
            Some(PictureWait::For(wait)) => wait,
            Some(_) => return Awaits::Pictures,
        };

        // Counted from when it came: a restart or a replay does not start it again.
        match wait.checked_sub(self.backlog.age(record)) {
            None | Some(Duration::ZERO) => Awaits::Nothing,
            Some(left) => Awaits::PicturesUntil(Instant::now() + left),
        }
    }

    async fn set_unreadable_aside(&mut self, record: Record, error: &serde_json::Error) {
        // Not in the parser's words: they quote what it found, which may be a name.
        let detail = format!("{:?} error at byte {}", error.classify(), error.column());
        let rejection = Rejection {
            reason: Reason::Unreadable,
            detail,
            verdict: PictureVerdict::default(),
        };
        let ending = self.backlog.unreadable(record);
        self.set_aside(ending, &rejection).await;
    }

    /// It repeatedly kills the connection, and others of its type do not.
    async fn condemn(&mut self, admitted: Admitted) {
        let message = self
            .message(&admitted, now().clock, Duration::ZERO)
            .ok()
            .flatten();
        let topic = message
            .as_ref()
            .and_then(|message| self.render.topic(message));
        let bytes = message
            .as_ref()
            .map_or(0, |message| self.render.size(message) as u64);

        // As base64, where it has them with it: to know how large it was they need not be read again.
        let Admitted { record, event, .. } = admitted;
        let has_pictures = self.render.needs_pictures(&event);
        let bytes = bytes
            + if has_pictures {
                record.pictures_bytes().div_ceil(3) * 4
            } else {
                0
            };

        let name = topic.as_deref().unwrap_or_default();
        let detail = format!(
            "the connection died on it again and again, and not on others of its type: topic {name}, {bytes} bytes"
        );
        let rejection = Rejection {
            reason: Reason::Poison,
            detail,
            verdict: PictureVerdict::default(),
        };
        let ending = self.backlog.condemned(record, topic);
        self.set_aside(ending, &rejection).await;
    }
}

/// What the store has made of its pictures.
pub(super) fn settled(verdicts: Option<&Verdicts>, record: &Record) -> Option<PictureVerdict> {
    verdicts?.of(record.sequence_in_log()?, record.lane, record.person_type)
}

fn replayed(record: &Record) -> Replayed {
    match (&record.resent, &record.replay) {
        (Some(_), _) => Replayed::SetAside,
        (None, Some(_)) => Replayed::Yes,
        (None, None) => Replayed::No,
    }
}
