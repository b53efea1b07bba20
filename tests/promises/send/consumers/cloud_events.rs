//! The CloudEvents SDKs read what we send: binary mode on Kafka, user properties on MQTT 5.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};

use super::programs::PART;
use crate::parts::child::installed;
use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::subscriber::Subscriber;

const FOLDER: &str = "tests/promises/send/consumers";

/// What a program that uses an SDK prints of a message on its standard input.
fn decoded(mut program: Command, input: &Value) -> Value {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.to_string().as_bytes()).unwrap();
    drop(stdin);

    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command
        .arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join(FOLDER)
                .join("decode.py"),
        )
        .env("PYTHONPATH", installed(PART).join("python"));
    command
}

/// Node looks for packages beside the file.
fn javascript(home: &Path) -> Command {
    let file = home.join("decode.mjs");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    std::fs::copy(ours.join("decode.mjs"), &file).unwrap();
    let packages = installed(PART).join("consumers/node_modules");
    std::os::unix::fs::symlink(packages, home.join("node_modules")).unwrap();

    let mut command = Command::new("node");
    command.arg(file);
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn cloud_events_sdks_read_what_leaves_for_kafka_and_mqtt() {
    let (mosquitto, kafka) = (Mosquitto::start(), Broker::shared());
    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/+/events/#").await;
    let gateway = Gateway::start(&[
        (
            "SEND__MQTT__URL",
            &format!("mqtt://{}", mosquitto.address()),
        ),
        ("SEND__KAFKA__BROKERS", &kafka.address()),
        ("ROUTE__DEFAULT__KAFKA_TOPIC", "cloud_events.{person_type}"),
    ]);
    gateway.take("/RealTimeEvent", &event("1", json!(5), "东门 1"));
    let record = kafka.read("cloud_events.vip", 1).await.remove(0);
    let message = subscriber.receive_one().await;

    let properties: BTreeMap<_, _> = message.attributes.iter().cloned().collect();
    let payload: Value = serde_json::from_slice(&record.payload).unwrap();
    let input = json!({
        "kafka": {"key": record.key, "headers": record.headers, "value": String::from_utf8(record.payload).unwrap()},
        "mqtt": {"contentType": message.content_type, "properties": properties, "payload": message.text()},
    });

    let expected = attributes(&payload);
    let home = tempfile::tempdir().unwrap();
    let by_python = decoded(python(), &input);
    let by_javascript = decoded(javascript(home.path()), &input);
    for (sdk, event) in [
        ("Python, Kafka", &by_python["kafka"]),
        ("JavaScript, Kafka", &by_javascript["kafka"]),
        ("JavaScript, MQTT", &by_javascript["mqtt"]),
    ] {
        for (name, value) in &expected {
            assert_eq!(&event[name], value, "{sdk}: {name} of {event}");
        }
        let data = match &event["data"] {
            // This SDK leaves it to its user to parse it.
            Value::String(text) => serde_json::from_str(text).unwrap(),
            data => data.clone(),
        };
        assert_eq!(data["id"], payload["id"], "{sdk}: {event}");
    }
}

/// As the event itself says. The SDKs write `time` each in its own way.
fn attributes(event: &Value) -> Map<String, Value> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let expected = json!({
        "specversion": "1.0",
        "id": format!("{}.{}", text(&event["id"]), text(&event["revision"])),
        "type": "boxbridge.match.v1",
        "source": "/boxbridge/default/%E4%B8%9C%E9%97%A8%201",
        "subject": "vip",
        "dataschema": "urn:boxbridge:match:v1",
        "persontype": "vip",
        "site": "default",
        "pictures": "none",
        "recordedtime": event["received_at"],
        "actbefore": event["act_before"],
        "sequence": format!("{:020}", event["sequence"]["number"].as_u64().unwrap()),
    });
    expected.as_object().unwrap().clone()
}
