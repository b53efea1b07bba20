//! The second word on an event's pictures, once the store has settled them: `boxbridge.pictures.v1`.
//!
//! Promises: pure; the pictures in it are those of the event's own message, as of now; a bus on which a type has no topic hears nothing of it.
//! Deliberately takes no template: consumers find it where the contract says.

use super::payload::{self, SequenceInEpoch};
use super::{Router, Sending, topic};
use boxbridge_event::{Event, Message};

pub const KAFKA_TOPIC: &str = "boxbridge.pictures";
/// The contract of its payload, as JSON Schema.
pub const PICTURES_SCHEMA: &str = include_str!("pictures.schema.json");

/// For MQTT, never retained.
pub fn to_mqtt(router: &Router, event: &Event, sending: &Sending<'_>) -> Option<Message> {
    let route = router.routes.of(event.person_type);
    if route.mqtt_topic.is_none() && route.mqtt_late_topic.is_none() {
        return None;
    }

    let event = &*router.redacted(event, route);
    let topic = format!("boxbridge/{}/pictures/{}", event.origin.site, event.id);
    Some(message(router, event, sending, topic, String::new()))
}

/// With the key of the event, so that it comes behind the event's own.
pub fn to_kafka(router: &Router, event: &Event, sending: &Sending<'_>) -> Option<Message> {
    let route = router.routes.of(event.person_type);
    route.kafka_topic.as_ref()?;

    let event = &*router.redacted(event, route);
    let key = topic::render(&route.kafka_key, event);
    Some(message(router, event, sending, KAFKA_TOPIC.to_owned(), key))
}

fn message(
    router: &Router,
    event: &Event,
    sending: &Sending<'_>,
    topic: String,
    key: String,
) -> Message {
    let route = router.routes.of(event.person_type);
    let moment = router.moment(event, sending, route);
    Message {
        topic,
        key,
        attributes: attributes(event, &moment.sequence),
        payload: payload::told(event, moment),
        timestamp: sending.now,
        expires_in: None,
    }
}

/// As those of the event, as far as they are the same.
fn attributes(event: &Event, sequence: &SequenceInEpoch<'_>) -> Vec<(&'static str, String)> {
    let source = topic::source(&event.origin.site, &event.device.id);
    vec![
        ("specversion", "1.0".to_owned()),
        ("id", format!("{}.{}.pictures", event.id, event.revision)),
        ("type", payload::TOLD_SCHEMA.to_owned()),
        ("source", source),
        ("subject", event.person_type.to_string()),
        ("time", event.occurred_at.to_string()),
        ("datacontenttype", "application/json".to_owned()),
        ("dataschema", "urn:boxbridge:pictures:v1".to_owned()),
        ("persontype", event.person_type.to_string()),
        ("site", event.origin.site.clone()),
        ("sequence", format!("{:020}", sequence.number)),
    ]
}
