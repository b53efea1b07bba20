//! What becomes of a body: an event, its pictures taken out and named, or a refusal that says why.

use std::time::Duration;

use boxbridge::normalize::{Batch, Context, Limits, Normalized, RepairBudget, normalize};
use boxbridge_config::ScoreScale;
use boxbridge_event::{BoxPass, Event, Feed, Picture, Refusal, Source, Timestamp, document};
use bytes::Bytes;
use serde_json::Value;

mod any_body;
mod apart;
mod cases;
pub mod documents;
mod embeddings;
mod identity;
mod person_type;
mod repaired;

pub use cases::cases;

pub const LIMITS: Limits = Limits {
    depth_max: 64,
    events_max: 100,
    pictures_max: 16,
    event_max_bytes: 8 << 20,
};

pub const SETTINGS: boxbridge_config::Normalize = boxbridge_config::Normalize {
    dedupe_window: Duration::from_secs(600),
    dedupe_max_events: 200_000,
    score_scale: ScoreScale::Auto,
    picture_max_pixels: 100_000_000,
};

pub fn source(feed: Feed) -> Source {
    Source {
        peer: "192.168.1.19".to_owned(),
        feed,
        site: None,
        box_id: None,
        charset: None,
        received_at: Timestamp(1_795_341_600_123),
        pass: BoxPass::default(),
    }
}

pub fn context(source: &Source) -> Context<'_> {
    Context {
        source,
        site: "default",
        gateway: "edge-1",
        settings: &SETTINGS,
        limits: LIMITS,
        budget: RepairBudget(&|_| true),
    }
}

/// The body's events, or why there is none; one by one.
pub fn events(body: &[u8], source: &Source) -> Vec<Result<Normalized, Refusal>> {
    match normalize(&Bytes::copy_from_slice(body), &context(source)) {
        Ok(Batch::One(normalized)) => vec![Ok(normalized)],
        Ok(Batch::Many(elements)) => elements.map(|(_, element)| element).collect(),
        Err(refusal) => vec![Err(refusal)],
    }
}

pub fn event(document: &Value, feed: Feed) -> Event {
    one(document.to_string().as_bytes(), &source(feed)).event
}

pub fn one(body: &[u8], source: &Source) -> Normalized {
    let mut events = events(body, source);
    assert_eq!(events.len(), 1);
    events.remove(0).expect("the body is an event")
}

/// The document made again from an event and its pictures.
pub fn rebuilt(
    Normalized {
        event, pictures, ..
    }: &Normalized,
) -> Value {
    let bytes = |kind| {
        pictures
            .iter()
            .find(|picture: &&Picture| picture.kind == kind)
            .map(|picture| picture.bytes.clone())
    };
    let table = boxbridge::normalize::table(event.dialect);
    Value::Object(document::rebuild(table, event, |kind, picture| {
        bytes(kind).map(|bytes| document::picture_text(picture, &bytes))
    }))
}
