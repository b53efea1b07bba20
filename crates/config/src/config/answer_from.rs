//! The rules of `queue.answer_from`: what an event is answered from has to outlive this gateway.
//!
//! Promises: every person type has a topic there, every picture a bucket. Deliberately does not ask how many replicas a topic has: the
//! brokers know, and `check --online` and the start ask them.

use std::time::Duration;

use super::settings::Settings;
use crate::layers::destinations;
use crate::normalize::Normalize;
use crate::queue::Queue;
use crate::reader::Reader;
use crate::send::{Destination, Kind, Send, StoreUrl};
use crate::values::kind::{KindName, STORE};
use crate::values::secret::Secret;

const KEY: &str = "queue.answer_from";
const LIMIT: &str = "queue.drain_limit";
/// A gateway whose disk goes with it delivers first, unless somebody wrote otherwise.
const DRAIN_LIMIT: Duration = Duration::from_secs(60);

pub(super) fn drain_limit(queue: &Queue, settings: &Settings) -> Duration {
    match queue.answer_from.is_some() && !settings.is_written(LIMIT) {
        true => DRAIN_LIMIT,
        false => queue.drain_limit,
    }
}

pub(super) fn check(queue: &Queue, send: &Send, read: &mut Reader) {
    let Some(name) = &queue.answer_from else {
        return;
    };
    let named = send.named(name);
    let Some(kafka) = named.filter(|named| matches!(named.kind, Kind::Kafka(_))) else {
        return refuse_name(name, read);
    };

    check_topics(kafka, read);
    check_store(send, name, read);
    check_broker(send, name, read);
}

/// It is no destination of kind kafka, or one that is off.
fn refuse_name(name: &str, read: &mut Reader) {
    let all = destinations::of(read.settings).into_iter();
    let of_kafka = all.filter(|(_, kind)| *kind == KindName::Kafka);
    let names: Vec<String> = of_kafka.map(|(name, _)| name).collect();

    if names.iter().any(|known| known == name) {
        let brokers = format!("send.{name}.brokers");
        let problem = format!(
            "{KEY} is \"{name}\", and {brokers} is empty: nothing could be answered from there"
        );
        return read.joint(&[KEY, &brokers], problem);
    }
    let names = names.join(", ");
    read.problem(
        KEY,
        format!("must be disk, or a destination of kind kafka: {names}"),
    );
}

fn check_topics(kafka: &Destination, read: &mut Reader) {
    let routes = kafka.routes.iter();
    let without = routes.filter(|(_, route)| route.kafka_topic.is_none());
    let without: Vec<String> = without.map(|(word, _)| word.to_string()).collect();
    if without.is_empty() {
        return;
    }

    let (name, types) = (&kafka.name, without.join(", "));
    let problem = format!(
        "{KEY} is \"{name}\", and by kafka_topic = \"\" these do not go there: {types}; every event has to"
    );
    read.joint(&[KEY], problem);
}

fn check_store(send: &Send, name: &str, read: &mut Reader) {
    if matches!(send.store().url, StoreUrl::File(_)) {
        let problem = format!(
            "{KEY} is \"{name}\", and send.store.url is a folder: pictures have to be in a bucket, which outlives this gateway"
        );
        read.joint(&[KEY, "send.store.url"], problem);
    }
}

fn check_broker(send: &Send, name: &str, read: &mut Reader) {
    let embedded = send.mqtt().filter(|mqtt| mqtt.broker.is_none());
    if embedded.is_some() {
        let problem = format!(
            "{KEY} is \"{name}\", and send.mqtt.url is \"embedded\": a broker in this process ends with it, name another one or \"\""
        );
        read.joint(&[KEY, "send.mqtt.url"], problem);
    }
}

/// What is allowed, and leaves something on the disk that may go with its gateway.
pub(super) fn warnings(
    queue: &Queue,
    normalize: &Normalize,
    send: &Send,
    redact_key: Option<&Secret>,
) -> Vec<String> {
    let Some(holder) = &queue.answer_from else {
        return Vec::new();
    };

    let mut warnings = Vec::new();
    let all = send.destinations.iter();
    let beside = all.filter(|it| it.name != *holder && *it.name != *STORE && it.source().is_none());
    let beside: Vec<String> = beside.map(|it| format!("send.{}", it.name)).collect();
    if !beside.is_empty() {
        warnings.push(format!(
            "{KEY} is \"{holder}\", and what {} has not got goes with the disk: it comes out of the queue (to an MQTT broker also out of Kafka: from = \"{holder}\")",
            beside.join(", ")
        ));
    }
    if queue.drain_limit.is_zero() {
        warnings.push(format!(
            "{KEY} is \"{holder}\", and {LIMIT} is 0s: a stop leaves on the disk what others have not got"
        ));
    }
    if normalize.dedupe_window.is_zero() {
        warnings.push(format!(
            "{KEY} is \"{holder}\", and normalize.dedupe_window is 0s: history that is not there in time is refused, comes again, and goes out each time"
        ));
    }

    let buses = send.destinations.iter();
    let mut routes = buses.flat_map(|it| it.routes.iter());
    if redact_key.is_none() && routes.any(|(_, route)| !route.redaction.is_none()) {
        warnings.push(made_on_the_disk("route.redact_key_file", "stand-ins"));
    }
    if let Some(links) = &send.store().links
        && links.served_at().is_some()
        && links.secret.is_none()
    {
        warnings.push(made_on_the_disk("send.store.links.secret_file", "links"));
    }
    warnings
}

fn made_on_the_disk(key: &str, what: &str) -> String {
    format!(
        "{key} is empty: each gateway makes {what} by a key of its own, which goes with its disk"
    )
}
