//! `/api/events/live` and `boxbridge tap`: events as they come.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{gateway, local};
use crate::parts::child::PATIENCE;
use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::{base64, jpeg, wait_until};

fn post(gateway: &Gateway, identity: &str, person_type: u64, device: &str) {
    gateway.take(
        "/RealTimeEvent",
        &event(identity, json!(person_type), device),
    );
}

/// A connection on which the events come.
fn watch(gateway: &Gateway, query: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let host = gateway.admin;
    write!(
        stream,
        "GET /api/events/live{query} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    )
    .unwrap();
    stream
}

/// The identity of the next event that is shown.
fn next(lines: &mut Lines<BufReader<TcpStream>>) -> String {
    let data = lines.find_map(|line| line.unwrap().strip_prefix("data: ").map(str::to_owned));
    let event: Value = serde_json::from_str(&data.unwrap()).unwrap();
    event["identity"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_watcher_sees_the_last_hundred_and_then_each_as_it_comes() {
    let gateway = gateway(&[]);
    for number in 0..103 {
        post(&gateway, &number.to_string(), 1, "gate");
    }
    let mut lines = BufReader::new(watch(&gateway, "")).lines();
    for number in 3..103 {
        assert_eq!(next(&mut lines), number.to_string());
    }
    for number in 103..110 {
        post(&gateway, &number.to_string(), 1, "gate");
        assert_eq!(next(&mut lines), number.to_string());
    }
}

#[test]
fn a_watcher_sees_only_what_it_asked_for() {
    let gateway = gateway(&[]);
    let mut lines = BufReader::new(watch(&gateway, "?person_type=vip&device=door")).lines();
    for (identity, person_type, device) in [("1", 5, "gate"), ("2", 1, "door"), ("3", 5, "door")] {
        post(&gateway, identity, person_type, device);
    }
    assert_eq!(next(&mut lines), "3");
}

#[test]
fn eight_look_on_and_the_ninth_is_told_so_until_one_leaves() {
    let gateway = gateway(&[]);
    let ask = || local(&gateway, "GET", "/api/events/live", &json!(null));
    let mut watchers: Vec<_> = (0..8).map(|_| watch(&gateway, "")).collect();
    for watcher in &mut watchers {
        watcher.read_exact(&mut [0; 12]).unwrap();
    }
    let refused = ask();
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (503, &json!("too_many_watchers"))
    );
    watchers.pop();
    wait_until("the place of one that left is free", || ask().status == 200);
}

#[test]
fn a_watcher_that_does_not_read_holds_up_nobody_and_is_dropped() {
    let gateway = gateway(&[]);
    let ask = || local(&gateway, "GET", "/api/events/live", &json!(null)).status;
    let _silent: Vec<_> = (0..8).map(|_| watch(&gateway, "")).collect();
    wait_until("all are there", || ask() == 503);
    // Each is larger than what the kernel keeps of an answer that is not read.
    let mut large = event("1", json!(1), "gate");
    large["note"] = json!("n".repeat(6 << 20));
    let mut reading = Tap::start(&gateway, &[]);
    let refused = reading.process.wait().unwrap();
    assert_eq!(refused.code(), Some(1), "there is no place for it");
    for number in 0..3 {
        large["identity_id"] = json!(number.to_string());
        gateway.take("/RealTimeEvent", &large);
    }
    wait_until("those that do not read are dropped", || ask() == 200);
}

/// `boxbridge tap` with its output in a pipe.
struct Tap {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tap {
    fn start(gateway: &Gateway, arguments: &[&str]) -> Tap {
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
        let url = format!("http://{}", gateway.admin);
        command.args(["tap", "--url", &url]).args(arguments);
        let mut process = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        Tap { process, lines }
    }

    fn next(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }

    fn interrupt(&mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        Command::new("kill").args(["-INT", &pid]).status().unwrap();
        self.process.wait().unwrap().code()
    }
}

#[test]
fn tap_shows_a_line_for_each_event_and_ends_with_a_word_of_its_own() {
    let mut gateway = gateway(&[]);
    post(&gateway, "666666", 5, "gate");
    let mut tap = Tap::start(&gateway, &["--person-type", "vip"]);
    let line = tap.next();
    assert!(line.contains("  vip       gate  小明  0.62  "), "{line}");
    post(&gateway, "2", 1, "gate");
    post(&gateway, "3", 5, "door");
    assert!(tap.next().contains("  vip       door  "));
    assert_eq!(tap.interrupt(), Some(0));

    let mut tap = Tap::start(&gateway, &["--json", "--device", "door"]);
    let event: Value = serde_json::from_str(&tap.next()).unwrap();
    assert_eq!(
        (&event["schema"], &event["identity"]["id"]),
        (&json!("boxbridge.match.v1"), &json!("3"))
    );
    gateway.kill();
    assert_eq!(
        tap.process.wait().unwrap().code(),
        Some(69),
        "the gateway went away"
    );
}

#[test]
fn tap_shows_what_leaves_for_one_destination_as_its_message() {
    let (mosquitto, kafka) = (Mosquitto::start(), Broker::shared());
    let gateway = Gateway::start(&[
        (
            "SEND__MQTT__URL",
            &format!("mqtt://{}", mosquitto.address()),
        ),
        ("SEND__KAFKA__BROKERS", &kafka.address()),
        ("ROUTE__DEFAULT__KAFKA_TOPIC", "tap.{person_type}"),
        // Nothing becomes late on a slow machine.
        ("ROUTE__VIP__LIVE_FOR", "1h"),
    ]);
    post(&gateway, "before", 5, "gate");
    let mut to_mqtt = Tap::start(&gateway, &["--destination", "mqtt", "--person-type", "vip"]);
    let mut to_kafka = Tap::start(&gateway, &["--destination", "kafka", "--json"]);
    // Until both look on: nobody says when they do.
    let is_seen = AtomicBool::new(false);
    let post_until_seen = || {
        let numbers = (0..1_000).take_while(|_| !is_seen.load(Ordering::Relaxed));
        for number in numbers {
            let mut body = event(&format!("now-{number}"), json!(5), "gate");
            body["ext_data"]["spot_pic"] = base64(&jpeg(1, 3_000));
            gateway.take("/RealTimeEvent", &body);
            // The pace of a box.
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let [line, way, message] = std::thread::scope(|scope| {
        scope.spawn(post_until_seen);
        let seen = [to_mqtt.next(), to_mqtt.next(), to_kafka.next()];
        is_seen.store(true, Ordering::Relaxed);
        seen
    });

    assert!(line.contains("  vip       gate  小明  "), "{line}");
    assert!(
        way.starts_with("    → boxbridge/default/events/vip/gate  "),
        "{way}"
    );

    let message: Value = serde_json::from_str(&message).unwrap();
    let named = ["topic", "key"].map(|name| message[name].as_str().unwrap());
    assert_eq!(named, ["tap.vip", "default/gate"]);
    let identity = message["payload"]["identity"]["id"].as_str().unwrap();
    assert!(identity.starts_with("now-"), "{identity}");
    assert_eq!(message["attributes"]["persontype"], "vip");
    assert_eq!(
        (to_mqtt.interrupt(), to_kafka.interrupt()),
        (Some(0), Some(0))
    );

    let (said, code) = gateway.run(&["tap", "--destination", "kafak"]);
    assert!(
        code == Some(1) && said.contains("only kafka, mqtt, store"),
        "{said}"
    );
}
