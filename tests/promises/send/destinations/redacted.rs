//! A destination gets what its routes leave in, and no more; an operator finds every event all the same.

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::{base64, jpeg, wait_until};
use crate::parts::subscriber::{Received, Subscriber};

const VIP: u8 = 5;
const IDENTITY: &str = "canary-identity";
const NAME: &str = "canary-name";

/// Posts an event of somebody with two pictures, at this time.
fn post(gateway: &Gateway, timestamp: u64) {
    let mut body = event(IDENTITY, json!(VIP), "192.168.1.243");
    body["timestamp"] = json!(timestamp);
    body["identity_name"] = json!(NAME);
    body["card"] = json!("canary-card");
    body["reg_pic"] = base64(&jpeg(1, 3_000));
    body["ext_data"]["spot_pic"] = base64(&jpeg(2, 3_000));
    gateway.take("/RealTimeEvent", &body);
}

fn document(message: &Received) -> Value {
    serde_json::from_slice(&message.payload).unwrap()
}

/// The next event of several brokers.
async fn next(subscriber: &mut Subscriber) -> Received {
    loop {
        let message = subscriber.receive_one().await;
        if message.topic.contains("/events/") {
            return message;
        }
    }
}

fn url(mosquitto: &Mosquitto) -> String {
    format!("mqtt://{}", mosquitto.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallboard_gets_no_name_the_others_get_all_and_trace_finds_the_event() {
    let (everybody, wall) = (Mosquitto::start(), Mosquitto::start());
    let brokers = tokio::task::block_in_place(|| Broker::shared().address());
    let mut gateway = tokio::task::block_in_place(|| {
        Gateway::start(&[
            ("SEND__MQTT__URL", &url(&everybody)),
            ("SEND__KAFKA__BROKERS", &brokers),
            ("ROUTE__DEFAULT__KAFKA_TOPIC", "redacted.{person_type}"),
            ("ROUTE__KAFKA__VIP__FORMAT", "box"),
            (
                "ROUTE__KAFKA__VIP__REDACT",
                "identity.id,identity.name,pictures,extra",
            ),
            ("SEND__WALL__KIND", "mqtt"),
            ("SEND__WALL__URL", &url(&wall)),
            ("ROUTE__WALL__DEFAULT__PSEUDONYM", "true"),
            ("ROUTE__WALL__DEFAULT__REDACT", "pictures.registered, extra"),
        ])
    });
    let mut of_all = Subscriber::start(everybody.address(), "#").await;
    let mut of_wall = Subscriber::start(wall.address(), "#").await;
    tokio::task::block_in_place(|| post(&gateway, 1_566_016_554_020));
    let (full, shown) = (next(&mut of_all).await, next(&mut of_wall).await);

    let full = document(&full);
    assert_eq!(full["identity"], json!({"id": IDENTITY, "name": NAME}));
    assert_eq!(full["extra"]["card"], json!("canary-card"));
    let shown_text = format!("{shown:?}");
    assert!(!shown_text.contains("canary"), "{shown_text}");
    let shown = document(&shown);
    assert_eq!(
        shown["pictures"]["scene"]["key"],
        full["pictures"]["scene"]["key"]
    );
    assert!(shown["pictures"]["registered"].is_null());
    assert_ne!(shown["id"], full["id"]);

    let of_kafka = Broker::shared().read("redacted.vip", 1).await.remove(0);
    let of_kafka = format!(
        "{:?} {}",
        of_kafka.headers,
        String::from_utf8(of_kafka.payload).unwrap()
    );
    let id = full["id"].as_str().unwrap();
    assert!(
        !of_kafka.contains("canary") && !of_kafka.contains(id),
        "{of_kafka}"
    );

    tokio::task::block_in_place(|| is_found(&mut gateway, &shown, id));
}

/// By what stands for its id, while the gateway runs and when it is stopped.
fn is_found(gateway: &mut Gateway, shown: &Value, id: &str) {
    gateway.wait_delivered();
    let (listed, _) = gateway.run(&["status", "--json"]);
    assert!(!listed.contains("canary"), "{listed}");

    let stand_in = shown["id"].as_str().unwrap();
    is_traced(gateway, stand_in, id);
    gateway.stop();
    is_traced(gateway, stand_in, id);
}

fn is_traced(gateway: &Gateway, stand_in: &str, id: &str) {
    let (said, code) = gateway.run(&["trace", stand_in]);
    assert!(code == Some(0) && said.starts_with(id), "{said}");

    let (said, code) = gateway.run(&["trace", "9aae3514-0e54-8b80-9228-eae740333229"]);
    assert!(
        code == Some(1) && said.contains("no event 9aae3514"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_share_a_key_make_the_same_stand_ins_until_the_key_changes() {
    let mosquitto = Mosquitto::start();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let url = url(&mosquitto);
    let shared = ("ROUTE__REDACT_KEY_FILE", key.to_str().unwrap());
    let settings = [
        ("SEND__MQTT__URL", &*url),
        ("ROUTE__DEFAULT__PSEUDONYM", "true"),
    ];
    let start = |more: &[(&str, &str)]| {
        tokio::task::block_in_place(|| Gateway::start(&[&settings, more].concat()))
    };
    let (one, other, stranger) = (start(&[shared]), start(&[shared]), start(&[]));
    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/+/events/#").await;
    let mut told = async |gateway: &Gateway, timestamp| {
        tokio::task::block_in_place(|| post(gateway, timestamp));
        let shown = document(&next(&mut subscriber).await);
        (shown["id"].clone(), shown["identity"].clone())
    };

    const TIME: u64 = 1_566_016_554_020;
    let first = told(&one, TIME).await;
    assert_eq!(told(&other, TIME).await, first);
    let of_stranger = told(&stranger, TIME).await;
    assert!(of_stranger.0 != first.0 && of_stranger.1 != first.1);

    std::fs::write(&key, "another key, as long as it has to be").unwrap();
    tokio::task::block_in_place(|| {
        other.signal("HUP");
        let generation = || other.sum("boxbridge_config_generation", &[]);
        wait_until("the new key holds", || generation() == 2.0);
    });
    assert_ne!(told(&other, TIME + 1).await.1, first.1);
}
