//! A record as consumers would get its event now, for people to look at.
//!
//! Promises: rendered by the code that renders what leaves, in our own shape, whatever the routes say. Deliberately sends nothing.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::{Ages, Gateway};
use crate::links::Links;
use crate::queue::Verdicts;
use crate::route::{PicturesNow, Sending};
use boxbridge_config::PictureWait;
use boxbridge_event::{Event, Record, Timestamp};

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
        let now = Timestamp::now();
        let links = self.links.of(&event, Some(record.sequence), now);
        let sending = Sending {
            sequence: record.sequence,
            epoch: None,
            lane: record.lane,
            now,
            age: self.ages.of(record),
            replay: None,
            pictures: self.pictures(record),
            links: &links,
            inline: &[],
        };

        let payload = self.gateway.router.now().document(&event, &sending);
        let text = String::from_utf8(payload.into()).ok()?;
        RawValue::from_string(text).ok()
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
