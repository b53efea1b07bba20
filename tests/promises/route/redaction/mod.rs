//! What a route leaves out of an event is nowhere in what leaves, and nothing that leaves lets it be computed back.

use boxbridge::normalize::Normalized;
use boxbridge::route::{PicturesNow, Router, Sending, pictures_told};
use boxbridge_event::Message;

use super::{at, router};

mod kept;
mod planted;
mod same;

/// The words of the setting.
const WORDS: [&str; 10] = [
    "identity.id",
    "identity.name",
    "match.score",
    "match.group",
    "pictures.registered",
    "pictures.scene",
    "pictures.face",
    "pictures.infrared",
    "quality",
    "extra",
];

/// A route that leaves this out.
fn redacting(redact: &str, more: &[(&str, &str)]) -> Router {
    let redact = ("route.default.redact", redact);
    router(&[&[redact], more].concat())
}

/// Everything that leaves for an event: for both buses, and the second words on its pictures.
fn messages(router: &Router, normalized: &Normalized, pictures: PicturesNow) -> Vec<Message> {
    let (event, links) = (&normalized.event, links(normalized));
    let sending = Sending {
        pictures,
        links: &links,
        inline: &normalized.pictures,
        ..at(0)
    };
    let told = [pictures_told::to_mqtt, pictures_told::to_kafka];
    let told = told.map(|told| told(router, event, &sending)).into_iter();
    let events = [router.mqtt(event, &sending), router.kafka(event, &sending)];
    events.into_iter().chain(told).flatten().collect()
}

/// As the gateway gives them along: of every picture.
fn links(normalized: &Normalized) -> Vec<(boxbridge_event::PictureKind, String)> {
    let pictures = normalized.event.pictures.iter();
    pictures
        .map(|(kind, picture)| (kind, format!("http://links/{}", picture.key)))
        .collect()
}

/// All of a message as one text.
fn text(message: &Message) -> String {
    let payload = std::str::from_utf8(&message.payload).expect("a payload is UTF-8");
    format!(
        "{}\n{}\n{:?}\n{payload}",
        message.topic, message.key, message.attributes
    )
}
