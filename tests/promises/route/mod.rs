//! What leaves for an event, as of the moment it is sent: topic, key, attributes and payload.

use std::time::Duration;

use boxbridge::app::destinations::picture_store;
use boxbridge::normalize::Normalized;
use boxbridge::route::{PicturesNow, RedactKey, Router, Sending};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{Feed, Lane, Message, PictureVerdict, Sequence, Timestamp};
use serde_json::{Value, json};

use crate::normalize;
use crate::normalize::documents;

mod contract;
mod live;
mod onward;
mod pictures;
mod redaction;
mod topics;
mod vendors_shape;

const RECEIVED: i64 = 1_795_341_600_123;
const KEY: &[u8] = b"of these tests";

pub fn router(settings: &[(&str, &str)]) -> Router {
    let mut settings = settings.to_vec();
    settings.insert(0, ("send.store.url", "file:///srv/pictures of ours"));
    let config = config(&settings);
    Router::new(
        &config.routes,
        picture_store::configured(&config),
        "b81f",
        boxbridge::normalize::table,
        RedactKey::new(KEY),
    )
}

fn config(settings: &[(&str, &str)]) -> Config {
    let flags = settings
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    Config::load(&Layers {
        flags,
        ..Layers::default()
    })
    .expect("the settings are good")
}

pub fn at(milliseconds_later: i64) -> Sending<'static> {
    Sending {
        sequence: Sequence(123),
        epoch: None,
        lane: Lane::Normal,
        now: Timestamp(RECEIVED + milliseconds_later),
        age: Duration::from_millis(u64::try_from(milliseconds_later).unwrap_or(0)),
        replay: None,
        pictures: PicturesNow::Settled(PictureVerdict::default()),
        links: &[],
        inline: &[],
    }
}

fn payload(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).expect("a payload is JSON")
}

fn attribute<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message
        .attributes
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.as_str())
}

/// The vendor's sample with two pictures.
fn pictured() -> Normalized {
    let mut document = documents::sample();
    document["reg_pic"] = json!("/9j/AAAA/9k=");
    document["ext_data"]["spot_pic"] = json!("AAAA");
    normalize::one(
        document.to_string().as_bytes(),
        &normalize::source(Feed::Realtime),
    )
}
