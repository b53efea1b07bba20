//! What `docs/consumers.md` shows a newcomer: the lines that ring, and one whole event.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use super::programs::PART;
use crate::parts::child::{Child, installed};
use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::{base64, jpeg, wait_until};
use crate::parts::subscriber::Subscriber;

const PAGE: &str = include_str!("../../../../docs/consumers.md");

/// The first block of the page in this language.
fn block(language: &str) -> &'static str {
    let (_, behind) = PAGE.split_once(&format!("```{language}\n")).unwrap();
    behind.split("\n```").next().unwrap()
}

fn gateway(mosquitto: &Mosquitto) -> Gateway {
    Gateway::start(&[
        (
            "SEND__MQTT__URL",
            &format!("mqtt://{}", mosquitto.address()),
        ),
        (
            "SEND__STORE__PUBLIC_URL",
            "https://gate.example.com/pictures",
        ),
    ])
}

#[test]
fn the_lines_that_a_newcomer_copies_ring() {
    let mosquitto = Mosquitto::start();
    let gateway = gateway(&mosquitto);
    let folder = tempfile::tempdir().unwrap();
    let (host, port) = (mosquitto.address().ip(), mosquitto.address().port());
    let here = block("python").replace("\"127.0.0.1\", 1883", &format!("\"{host}\", {port}"));
    assert_ne!(here, block("python"));
    let file = folder.path().join("ring.py");
    std::fs::write(&file, here).unwrap();

    let mut command = Command::new("python3");
    command
        .arg(&file)
        .env("PYTHONPATH", installed(PART).join("python"));
    let child = Child::start(&command, &folder.path().join("log"));

    let mut person = 0;
    wait_until("it rings", || {
        // Nothing but an alert shows that it listens.
        person += 1;
        let alert = event(&person.to_string(), json!(3), "192.168.1.243");
        gateway.take("/RealTimeEvent", &alert);
        child.log_end().contains("ALERT 小明 at 192.168.1.243\n")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_event_that_is_explained_has_the_fields_of_an_event() {
    let mosquitto = Mosquitto::start();
    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/+/events/#").await;
    let mut body = event("1", json!(3), "192.168.1.243");
    body["ext_data"]["spot_pic"] = base64(&jpeg(1, 3_000));
    let gateway = gateway(&mosquitto);
    gateway.take("/RealTimeEvent", &body);
    let sent: Value = serde_json::from_slice(&subscriber.receive_one().await.payload).unwrap();

    let explained: Value = serde_json::from_str(block("json")).unwrap();
    assert_eq!(fields(&explained), fields(&sent));
    for field in explained.as_object().unwrap().keys() {
        let is_in_the_table =
            |line: &str| line.starts_with("| `") && line.contains(&format!("`{field}"));
        assert!(
            field == "schema" || PAGE.lines().any(is_in_the_table),
            "{field} is not explained"
        );
    }
}

/// Every field by its path; what a box sent, and what it measured, is another each time.
fn fields(event: &Value) -> BTreeMap<String, bool> {
    let mut found = BTreeMap::new();
    let mut left = vec![(String::new(), event)];
    while let Some((path, value)) = left.pop() {
        let is_free = ["/source", "/extra", "/quality"].contains(&path.as_str());
        match value.as_object() {
            Some(object) if !is_free => left.extend(
                object
                    .iter()
                    .map(|(name, value)| (format!("{path}/{name}"), value)),
            ),
            _ => drop(found.insert(path, value.is_null() || is_free)),
        }
    }
    found
}
