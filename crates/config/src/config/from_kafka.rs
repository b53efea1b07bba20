//! `[send.<mqtt>] from`: what must hold where a broker gets its events out of a Kafka destination's topics.
//!
//! Promises: what the broker would get is on Kafka, in our own shape, and the same there. One line for each rule, with the first type that breaks it.

use boxbridge_event::PersonType;

use crate::reader::Reader;
use crate::route::{Format, Route};
use crate::send::{Destination, Kind, Send};

pub(super) fn check(destination: &Destination, destinations: &Send, read: &mut Reader) {
    let Kind::Mqtt(mqtt) = &destination.kind else {
        return;
    };
    let Some(from) = &mqtt.from else {
        return;
    };

    let key = format!("send.{}.from", destination.name);
    if mqtt.broker.is_none() {
        let url = format!("send.{}.url", destination.name);
        let problem = format!(
            "{key} shares events out among gateways: {url} must be a broker that all of them reach, not embedded"
        );
        read.joint(&[&key, &url], problem);
    }

    let source = destinations.named(from);
    match source.filter(|source| matches!(source.kind, Kind::Kafka(_))) {
        Some(source) => routes(&key, destination, source, read),
        None => {
            let allowed = "must be queue, or the name of a destination of kind kafka that is on";
            read.problem(&key, allowed);
        }
    }
}

/// What two routes of a type must have in common: the setting, and what the problem is.
type Rule = (&'static str, fn(&Route, &Route) -> bool, &'static str);

const RULES: [Rule; 4] = [
    (
        "kafka_topic",
        |_, of_kafka| of_kafka.kafka_topic.is_some(),
        "is empty, so there is nothing to read: give it a topic, or leave mqtt_topic and mqtt_late_topic empty",
    ),
    (
        "format",
        |of_mqtt, of_kafka| {
            of_mqtt.format == Format::Boxbridge && of_kafka.format == Format::Boxbridge
        },
        "must be \"boxbridge\" for both: messages pass as they are, and the box's own shape does not say until when one may act",
    ),
    (
        "pictures",
        |of_mqtt, of_kafka| of_mqtt.pictures == of_kafka.pictures,
        "must be the same for both: messages pass as they are",
    ),
    (
        "redact",
        |of_mqtt, of_kafka| of_mqtt.redaction == of_kafka.redaction,
        "must be the same for both, and so must pseudonym: messages pass as they are",
    ),
];

fn routes(key: &str, destination: &Destination, source: &Destination, read: &mut Reader) {
    for (setting, holds, problem) in RULES {
        let is_broken = |person_type: &PersonType| {
            let of_mqtt = destination.routes.of(*person_type);
            let goes_there = of_mqtt.mqtt_topic.is_some() || of_mqtt.mqtt_late_topic.is_some();
            goes_there && !holds(of_mqtt, source.routes.of(*person_type))
        };
        let Some(person_type) = PersonType::ALL.iter().copied().find(is_broken) else {
            continue;
        };

        let own = format!("route.{}.{person_type}.{setting}", destination.name);
        let of_kafka = format!("route.{}.{person_type}.{setting}", source.name);
        let named = match setting {
            "kafka_topic" => of_kafka.clone(),
            _ => format!("{own} and {of_kafka}"),
        };
        let problem = format!("{key} = \"{}\": {named} {problem}", source.name);
        read.joint(&[key, &own, &of_kafka], problem);
    }
}
