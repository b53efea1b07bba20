//! `/api/status`: JSON for this machine alone, with nothing of a person in it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

use serde_json::json;

use crate::parts::gateway::{Answer, Gateway, event, exchange};
use crate::parts::site::wait_until;

/// What a `GET` with these lines in its head is answered with.
fn ask(gateway: &Gateway, path: &str, head: &str) -> Answer {
    let stream = TcpStream::connect(gateway.admin).unwrap();
    exchange(
        stream,
        format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n").as_bytes(),
    )
    .unwrap()
}

#[test]
fn the_status_is_json_that_says_nothing_of_a_person() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    gateway.take(
        "/RealTimeEvent",
        &event("canary-identity", json!(5), "gate"),
    );
    let answer = ask(&gateway, "/api/status", &format!("Host: {}", gateway.admin));
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert!(
        answer
            .head
            .to_lowercase()
            .contains("content-type: application/json"),
        "{}",
        answer.head
    );

    let said = answer.body.to_string();
    assert!(!said.contains("canary") && !said.contains("小明"), "{said}");
    let members: Vec<_> = answer
        .body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "answers",
        "events",
        "findings",
        "lanes",
        "lately",
        "notes",
        "person_types",
        "pictures",
        "queue",
        "ready",
        "reasons",
        "refusals",
        "status_reports",
        "version",
    ];
    assert_eq!(members, expected);

    let documents =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md"))
            .unwrap();
    for member in members {
        assert!(
            documents.contains(&format!("`{member}`")),
            "{member} is not in docs/operations.md"
        );
    }
}

#[test]
fn the_last_hour_is_told_minute_by_minute() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let host = format!("Host: {}", gateway.admin);
    let last = || {
        let answer = ask(&gateway, "/api/status/history", &host);
        let minutes = answer.body["minutes"].as_array().cloned();
        minutes.unwrap_or_default().pop()
    };
    wait_until("the first minute is under way", || last().is_some());

    gateway.take("/RealTimeEvent", &event("1", json!(5), "gate"));
    gateway.post_bytes("/RealTimeEvent", b"{nonsense");
    wait_until("both are counted in it", || {
        let minute = last().unwrap();
        let events = &minute["events"];
        events["accepted"] == 1 && events["refused"] == 1 && minute["person_types"]["vip"] == 1
    });
    let minute = last().unwrap();
    assert!(minute["answers"]["p99"].is_object(), "{minute}");
    let lanes = minute["lanes"].as_array().unwrap();
    let of_mqtt = lanes.iter().find(|lane| lane["destination"] == "mqtt");
    assert_eq!(of_mqtt.unwrap()["waiting"], 1, "{minute}");
}

#[test]
fn a_gateway_older_than_the_program_is_told_from_a_stranger() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    for (readyz, expected) in [
        (
            "{\"ready\":true,\"reasons\":[],\"destinations\":{},\"notes\":[]}",
            "is older than this program and has no /api/status",
        ),
        (
            "hello",
            "what answers there is no admin listener of boxbridge",
        ),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            for (status, body) in [("404 Not Found", ""), ("200 OK", readyz)] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                while !lines.next().unwrap().unwrap().is_empty() {}
                write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}",
                    body.len()
                )
                .unwrap();
            }
        });
        let (said, code) = gateway.run(&["status", "--url", &format!("http://{address}")]);
        assert!(code == Some(69) && said.contains(expected), "{said}");
        answering.join().unwrap();
    }
}
