//! A stop with a `drain_limit`: what waits is delivered before the process ends, and what cannot be is said.

use std::collections::BTreeSet;

use serde_json::json;

use super::FROM_KAFKA;
use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::s3;
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

const EVENTS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_delivers_what_waits_and_ends_well() {
    let mut mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let topics = "boxbridge/default/+/visitor/#";
    let mut subscriber = Subscriber::start(mosquitto.address(), topics).await;
    let mut gateway = tokio::task::block_in_place(|| {
        let gateway = Gateway::start(&[
            ("SEND__MQTT__URL", &url),
            ("QUEUE__DRAIN_LIMIT", "10m"),
            ("SEND__STALL_TIMEOUT", "10m"),
        ]);
        mosquitto.freeze();
        for number in 0..EVENTS {
            let event = event(&number.to_string(), json!(2), "gate");
            gateway.take("/RealTimeEvent", &event);
        }

        gateway.signal("TERM");
        wait_until("no box is let in", || {
            gateway
                .raw(b"GET /RealTimeEvent HTTP/1.0\r\n\r\n")
                .is_none()
        });
        mosquitto.thaw();
        gateway
    });

    let came = subscriber.receive(EVENTS).await;
    let came: BTreeSet<&[u8]> = came.iter().map(|message| &*message.payload).collect();
    assert_eq!(came.len(), EVENTS);
    let ended = tokio::task::block_in_place(|| gateway.wait());
    assert_eq!(ended, Some(0), "{}", gateway.log());
    let log = gateway.log();
    assert!(log.contains("everything that waited is delivered"), "{log}");
}

#[test]
fn a_stop_that_cannot_deliver_says_how_much_of_what_is_left_and_ends_well() {
    let mut gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("QUEUE__DRAIN_LIMIT", "1s"),
    ]);
    for (number, person_type) in [1, 1, 2, 3].into_iter().enumerate() {
        let event = event(&number.to_string(), json!(person_type), "gate");
        gateway.take("/RealTimeEvent", &event);
    }
    assert_eq!(
        gateway.post_bytes("/RealTimeEvent", b"nonsense").status,
        400
    );

    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
    let said = left_behind(&gateway);
    for words in [
        "\"waiting\":\"mqtt normal 3, mqtt urgent 1\"",
        "\"set_aside\":0",
        "\"in_quarantine\":1",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
}

#[test]
fn a_second_signal_ends_the_drain_and_what_is_left_is_said_all_the_same() {
    let mut gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("QUEUE__DRAIN_LIMIT", "10m"),
    ]);
    gateway.take("/RealTimeEvent", &event("1", json!(2), "gate"));
    gateway.signal("TERM");
    wait_until("no box is let in", || {
        gateway
            .raw(b"GET /RealTimeEvent HTTP/1.0\r\n\r\n")
            .is_none()
    });

    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
    let said = left_behind(&gateway);
    assert!(said.contains("\"waiting\":\"mqtt normal 1\""), "{said}");
}

/// Its disk may go all the same.
#[test]
fn a_gateway_that_answers_from_kafka_says_what_is_left_also_where_nobody_waits_for_it() {
    let mut gateway = Gateway::start(&[
        FROM_KAFKA,
        ("QUEUE__DRAIN_LIMIT", "0s"),
        ("INGEST__ANSWER_DEADLINE", "400ms"),
        ("SEND__MQTT__URL", ""),
        ("SEND__KAFKA__BROKERS", "127.0.0.1:9"),
        ("SEND__STORE__URL", "s3://faces"),
        ("SEND__STORE__ENDPOINT", "http://127.0.0.1:9"),
        ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID),
        ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET),
    ]);
    gateway.post("/RealTimeEvent", &event("1", json!(2), "gate"));
    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
    let said = left_behind(&gateway);
    assert!(said.contains("kafka normal 1"), "{said}");
}

/// What it sends was delivered once.
#[test]
fn a_stop_waits_for_no_replay_and_says_what_of_it_is_left() {
    let mut mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let mut gateway = Gateway::start(&[("SEND__MQTT__URL", &url), ("QUEUE__DRAIN_LIMIT", "10m")]);
    for number in 0..10 {
        let event = event(&number.to_string(), json!(2), "gate");
        gateway.take("/RealTimeEvent", &event);
    }
    gateway.wait_delivered();
    mosquitto.kill();
    let (said, code) = gateway.run(&["queue", "replay", "--from", "1h ago", "--json"]);
    assert_eq!(code, Some(0), "{said}");

    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
    let log = gateway.log();
    assert!(log.contains("\"replaying\":\"mqtt normal 10\""), "{log}");
    assert!(log.contains("everything that waited is delivered"), "{log}");
}

/// The one line that says so.
fn left_behind(gateway: &Gateway) -> String {
    let log = gateway.log();
    let lines = log.lines();
    let said: Vec<&str> = lines
        .filter(|line| line.contains("the stop leaves events behind"))
        .collect();
    assert_eq!(said.len(), 1, "{log}");
    said[0].to_owned()
}
