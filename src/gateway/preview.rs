//! An event as its message leaves for one destination, to look at.
//!
//! Promises: rendered by the code that renders what leaves, so it is what consumers would get; pictures are shown by their size. Deliberately sends
//! nothing, and asks no store.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::kept::KeptRecord;
use crate::links::Links;
use crate::route::{PicturesNow, Router, Sending};
use boxbridge_config::KindName;
use boxbridge_event::{Event, Message, Sequence, Timestamp};

/// Where records of one destination go.
pub struct Preview {
    pub destination: Arc<str>,
    pub kind: KindName,
    pub router: Router,
    pub links: Arc<Links>,
}

impl Preview {
    /// What would leave of a set-aside record; `None` where nothing would. `replay` is the name that it would bear.
    /// `pictures` is what the store has settled.
    pub fn of_kept(&self, kept: &KeptRecord, replay: &str, pictures: PicturesNow) -> Option<Value> {
        let event: Event = serde_json::from_slice(&kept.event).ok()?;
        let (sequence, now) = (Sequence(kept.head.sequence), Timestamp::now());
        let record = kept.epoch().is_none().then_some(sequence);
        let links = self.links.of(&event, record, now);
        let sending = Sending {
            sequence,
            epoch: kept.epoch(),
            lane: kept.head.lane,
            now,
            age: Duration::ZERO,
            replay: Some(replay),
            pictures,
            links: &links,
            inline: &[],
        };
        self.of(&event, &sending)
    }

    /// What leaves of an event at this moment; `None` where nothing does.
    pub fn of(&self, event: &Event, sending: &Sending<'_>) -> Option<Value> {
        match self.kind {
            KindName::Mqtt => self.router.mqtt(event, sending).map(message),
            KindName::Kafka => self.router.kafka(event, sending).map(message),
            KindName::Store => Some(objects(event)).filter(|_| self.router.stores(event)),
        }
    }
}

fn message(message: Message) -> Value {
    let payload: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
    let key = Some(message.key).filter(|key| !key.is_empty());
    let attributes: serde_json::Map<_, _> = message
        .attributes
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into()))
        .collect();
    json!({
        "topic": message.topic,
        "key": key,
        "attributes": attributes,
        "bytes": message.payload.len(),
        "payload": payload,
    })
}

/// The keys of the objects, without the store's prefix.
fn objects(event: &Event) -> Value {
    let object = |(kind, picture): (_, &boxbridge_event::PictureReference)| {
        json!({
            "kind": kind,
            "key": picture.key,
            "bytes": picture.bytes,
            "media_type": picture.media_type,
        })
    };
    let objects: Vec<_> = event.pictures.iter().map(object).collect();
    json!({ "objects": objects })
}
