//! An hour is sent again: exactly that hour, late, behind everything live, through a kill, and only by a gateway that runs.

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::subscriber::{Received, Subscriber};

mod asked;
mod range;
mod under_way;

fn body(message: &Received) -> Value {
    serde_json::from_str(message.text()).unwrap()
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    event[name].as_str().unwrap()
}

/// What makes two messages one event for a consumer.
fn identity(event: &Value) -> (String, String) {
    (
        text(event, "id").to_owned(),
        text(event, "revision").to_owned(),
    )
}

/// So many events, each of its own person, of three devices and three types.
fn take(gateway: &Gateway, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let (person_type, device) = (number % 3 + 1, format!("gate-{}", number % 4));
        let event = event(&format!("person-{number}"), json!(person_type), &device);
        gateway.take("/RealTimeEvent", &event);
    }
}

fn run(gateway: &Gateway, arguments: &[&str]) -> (String, Option<i32>) {
    tokio::task::block_in_place(|| gateway.run(arguments))
}

/// What must be done without a complaint.
fn done(gateway: &Gateway, arguments: &[&str]) -> String {
    let (said, code) = run(gateway, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {said}");
    said
}

/// What must be refused with this.
fn refused(gateway: &Gateway, arguments: &[&str], why: &str) {
    let (said, code) = run(gateway, arguments);
    assert_eq!(code, Some(1), "{arguments:?}: {said}");
    assert!(said.contains(why), "{arguments:?}: {said}");
}

/// The newest replay, as `queue replays --json` shows it.
fn shown(gateway: &Gateway) -> Value {
    let shown = done(gateway, &["queue", "replays", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    shown["replays"]
        .as_array()
        .unwrap()
        .last()
        .cloned()
        .unwrap_or_default()
}

/// Of its only destination.
fn to_one(gateway: &Gateway) -> Value {
    shown(gateway)["destinations"][0].clone()
}

fn is_late(message: &Received) -> bool {
    message.topic.starts_with("boxbridge/default/late/")
}

/// A gateway with mosquitto alone, and a subscriber to its events.
async fn on_mqtt(settings: &[(&str, &str)]) -> (Mosquitto, Gateway, Subscriber) {
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let subscriber = Subscriber::start(mosquitto.address(), "boxbridge/default/+/+/#").await;
    let mqtt = [("SEND__MQTT__URL", url.as_str())];
    let settings = [&mqtt, settings].concat();
    let gateway = tokio::task::block_in_place(|| Gateway::start(&settings));
    (mosquitto, gateway, subscriber)
}

/// The next so many events: what a gateway says of itself is passed over.
async fn events(subscriber: &mut Subscriber, count: usize) -> Vec<Received> {
    let mut events = Vec::new();
    while events.len() < count {
        let message = subscriber.receive_one().await;
        let is_event = is_late(&message) || message.topic.starts_with("boxbridge/default/events/");
        events.extend(is_event.then_some(message));
    }
    events
}
