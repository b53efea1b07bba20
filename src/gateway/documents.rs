//! A record as consumers would get its event now, for people to look at.
//!
//! Promises: rendered by the code that renders what leaves, in our own shape, whatever the routes say, or as a destination's message. Deliberately sends nothing.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Ages, Gateway, Preview};
use crate::links::Links;
use crate::queue::Verdicts;
use crate::route::{PicturesNow, Sending};
use boxbridge_config::PictureWait;
use boxbridge_event::{Event, PictureKind, Record, Timestamp};

pub struct Documents {
    /// Its routes are those that hold now.
    pub gateway: Arc<Gateway>,
    /// What the store has settled.
    pub verdicts: Verdicts,
    pub ages: Arc<Ages>,
    pub links: Arc<Links>,
}

impl Documents {
    /// `None` where the record holds no event.
    pub fn of(&self, record: &Record) -> Option<Box<RawValue>> {
        let event: Event = serde_json::from_slice(&record.event).ok()?;
        let links = self
            .links
            .of(&event, Some(record.sequence), Timestamp::now());
        let sending = self.sending(record, &links);
        let payload = self.gateway.router.now().document(&event, &sending);
        let text = String::from_utf8(payload.into()).ok()?;
        RawValue::from_string(text).ok()
    }

    /// The message in which a destination got it at a moment, by the routes of now and without the bytes of inline pictures; `None` where it got
    /// nothing. `was_aside` where an operator had it sent again.
    pub fn message_at(
        &self,
        record: &Record,
        preview: &Preview,
        at: Timestamp,
        was_aside: bool,
    ) -> Option<Value> {
        let event: Event = serde_json::from_slice(&record.event).ok()?;
        let links = self.links.of(&event, Some(record.sequence), at);
        let now = self.sending(record, &links);
        let since = u64::try_from(now.now.since(at)).unwrap_or(0);
        let then = Sending {
            now: at,
            age: now.age.saturating_sub(Duration::from_millis(since)),
            replay: was_aside.then_some("aside"),
            ..now
        };
        preview.of(&event, &then)
    }

    fn sending<'l>(&self, record: &Record, links: &'l [(PictureKind, String)]) -> Sending<'l> {
        Sending {
            sequence: record.sequence,
            epoch: None,
            lane: record.lane,
            now: Timestamp::now(),
            age: self.ages.of(record),
            replay: None,
            pictures: self.pictures(record),
            links,
            inline: &[],
        }
    }

    fn pictures(&self, record: &Record) -> PicturesNow {
        let settled = self
            .verdicts
            .of(record.sequence, record.lane, record.person_type);
        settled.map_or(PicturesNow::Pending, PicturesNow::Settled)
    }

    /// Whether a record still waits for the store to have its pictures: beyond `picture_wait` nothing does.
    pub fn awaits_pictures(&self, record: &Record) -> bool {
        let config = self.gateway.config.now();
        let is_over = match config.routes.of(record.person_type).picture_wait {
            PictureWait::For(wait) => self.ages.of(record) >= wait,
            PictureWait::Forever => false,
        };
        record.has_pictures && !is_over && self.pictures(record) == PicturesNow::Pending
    }
}
