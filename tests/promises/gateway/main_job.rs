//! The main job: a box's event reaches MQTT, Kafka and the picture store.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::site::{Site, base64, jpeg, wait_until};
use crate::parts::subscriber::{Received, Subscriber};

const TYPES: [(&str, &str); 7] = [
    ("1", "employee"),
    ("2", "visitor"),
    ("3", "blacklist"),
    ("4", "stranger"),
    ("5", "vip"),
    ("null", "employee"),
    ("\"7\"", "unknown"),
];

fn with_pictures(mut event: Value, seed: u64) -> Value {
    event["reg_pic"] = base64(&jpeg(seed, 3_000));
    event["ext_data"]["spot_pic"] = base64(&jpeg(seed + 1_000, 75_000));
    event
}

#[tokio::test(flavor = "multi_thread")]
async fn every_person_type_arrives_on_its_topics_with_its_pictures() {
    let site = Site::start(
        "main-job",
        &[
            ("ROUTE__DEFAULT__PICTURE_WAIT", "20s"),
            ("ROUTE__BLACKLIST__PICTURE_WAIT", "20s"),
            ("ROUTE__VIP__PICTURE_WAIT", "20s"),
        ],
    );
    let mut subscriber = Subscriber::start(site.mosquitto.address(), "boxbridge/+/events/#").await;
    let mut expected = BTreeMap::new();
    for (number, (sent, person_type)) in TYPES.iter().enumerate() {
        let person = format!("person-{number}");
        let body = with_pictures(
            event(
                &person,
                serde_json::from_str(sent).unwrap(),
                "192.168.1.243",
            ),
            number as u64,
        );
        let answer = site.gateway.post("/RealTimeEvent?site=lobby", &body);
        assert_eq!(answer.status, 200);
        expected.insert(
            answer.body["event_id"].as_str().unwrap().to_owned(),
            (person, *person_type, body),
        );
    }
    let mut on_mqtt = BTreeMap::new();
    for message in subscriber.receive(TYPES.len()).await {
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        is_what_was_sent(
            &site,
            &message,
            &payload,
            &expected[payload["id"].as_str().unwrap()],
        );
        on_mqtt.insert(payload["id"].as_str().unwrap().to_owned(), payload);
    }
    for (person_type, count) in [
        ("employee", 2),
        ("visitor", 1),
        ("blacklist", 1),
        ("stranger", 1),
        ("vip", 1),
        ("unknown", 1),
    ] {
        for message in site.on_kafka(person_type, count).await {
            let payload: Value = serde_json::from_slice(&message.payload).unwrap();
            let id = payload["id"].as_str().unwrap();
            assert_eq!(
                without_links(&on_mqtt[id]),
                without_links(&payload),
                "the same on both buses"
            );
            assert_eq!(message.key, "lobby/192.168.1.243");
            assert_eq!(message.headers["ce_type"], "boxbridge.match.v1");
            assert_eq!(message.headers["ce_pictures"], "stored");
        }
    }
    site.gateway.wait_delivered();
    for destination in ["store", "mqtt", "kafka"] {
        let ledger = site.gateway.ledger(destination);
        assert_eq!(
            (ledger.accepted, ledger.ended()),
            (7, 7),
            "{destination}: {ledger:?}"
        );
    }
}

/// A link is of the second in which it was made.
fn without_links(event: &Value) -> Value {
    let mut event = event.clone();
    for (_, picture) in event["pictures"].as_object_mut().unwrap() {
        if let Some(picture) = picture.as_object_mut() {
            assert!(picture.remove("url").unwrap().is_string());
        }
    }
    event
}

/// Who it is of, which type that is, and the body.
type Posted = (String, &'static str, Value);

fn is_what_was_sent(site: &Site, message: &Received, payload: &Value, sent: &Posted) {
    let (person, person_type, body) = sent;
    assert_eq!(
        message.topic,
        format!("boxbridge/lobby/events/{person_type}/192.168.1.243")
    );
    assert!(!message.retain);
    assert_eq!(
        (payload["schema"].as_str(), payload["person_type"].as_str()),
        (Some("boxbridge.match.v1"), Some(*person_type))
    );
    assert_eq!(payload["identity"], json!({"id": person, "name": "小明"}));
    assert_eq!(
        payload["origin"],
        json!({"site": "lobby", "gateway": "edge-1", "peer": "127.0.0.1", "authenticated": "none"})
    );
    for (kind, sent) in [
        ("registered", &body["reg_pic"]),
        ("scene", &body["ext_data"]["spot_pic"]),
    ] {
        let picture = &payload["pictures"][kind];
        assert_eq!(
            (&picture["stored"], &picture["state"]),
            (&json!(true), &json!("ok")),
            "{picture}"
        );
        let stored = site
            .object(picture["uri"].as_str().unwrap())
            .expect("the object exists before its reference");
        assert_eq!(&base64(&stored), sent);
        assert_eq!(
            (&picture["width"], &picture["height"]),
            (&json!(480), &json!(640))
        );
    }
    assert_eq!(payload["pictures"]["face"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_defaults_deliver_to_a_subscriber_of_the_broker_inside() {
    let port = crate::parts::child::free_port();
    let gateway = Gateway::start(&[("SEND__MQTT__EMBEDDED__LISTEN", &format!("127.0.0.1:{port}"))]);
    let mut subscriber = Subscriber::start(([127, 0, 0, 1], port).into(), "boxbridge/#").await;
    let answer = gateway.post(
        "/RealTimeEvent",
        &with_pictures(event("666666", json!(5), "192.168.1.243"), 7),
    );
    let mut messages = subscriber.receive(2).await;
    messages.retain(|message| message.topic != "boxbridge/default/gateways/edge-1/status");
    assert_eq!(messages.len(), 1);
    let payload: Value = serde_json::from_slice(&messages[0].payload).unwrap();
    assert_eq!(
        messages[0].topic,
        "boxbridge/default/events/vip/192.168.1.243"
    );
    assert_eq!(payload["id"], answer.body["event_id"]);
    let key = payload["pictures"]["scene"]["key"].as_str().unwrap();
    wait_until("the picture", || {
        std::fs::read(gateway.pictures().join(key)).is_ok_and(|bytes| bytes == jpeg(1_007, 75_000))
    });
    assert!(
        gateway.ready()["notes"]
            .to_string()
            .contains("keeps nothing on disk")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn history_goes_to_the_late_topic_and_never_rings() {
    let site = Site::start("history", &[]);
    let mut subscriber =
        Subscriber::start(site.mosquitto.address(), "boxbridge/+/+/blacklist/#").await;
    site.gateway
        .take("/HistoryEvent", &event("3", json!(3), "10.0.0.1"));
    let message = subscriber.receive_one().await;
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(message.topic, "boxbridge/default/late/blacklist/10.0.0.1");
    assert_eq!(
        (&payload["act_before"], &payload["feed"]),
        (&Value::Null, &json!("history"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_waits_for_its_object_and_says_so_if_it_does_not_come_in_time() {
    let mut site = Site::start("waits", &[("ROUTE__DEFAULT__PICTURE_WAIT", "1500ms")]);
    let mut subscriber = Subscriber::start(site.mosquitto.address(), "boxbridge/+/events/#").await;
    site.store.kill();
    site.gateway.take(
        "/RealTimeEvent",
        &with_pictures(event("1", json!(1), "gate"), 1),
    );
    // One without pictures, from another device, is not held back.
    site.gateway
        .take("/RealTimeEvent", &event("2", json!(1), "door"));
    let first: Value = serde_json::from_slice(&subscriber.receive_one().await.payload).unwrap();
    assert_eq!(first["device"]["id"], "door");
    let second: Value = serde_json::from_slice(&subscriber.receive_one().await.payload).unwrap();
    assert_eq!(
        (
            &second["device"]["id"],
            &second["pictures"]["scene"]["stored"]
        ),
        (&json!("gate"), &json!(false))
    );
    site.store.restart();
    let uri = second["pictures"]["scene"]["uri"].as_str().unwrap();
    wait_until("the object", || {
        site.object(uri) == Some(jpeg(1_001, 75_000))
    });
}

/// What a consumer knows of a message.
fn known(payload: &Value) -> (String, String, bool) {
    let text = |key: &str| payload[key].as_str().unwrap_or_default().to_owned();
    (
        text("id"),
        text("revision"),
        !payload["act_before"].is_null(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_history_told_first_still_rings_when_it_comes_live_and_not_the_other_way_round() {
    let site = Site::start("act", &[]);
    let mut subscriber =
        Subscriber::start(site.mosquitto.address(), "boxbridge/+/+/blacklist/#").await;
    for (person, paths) in [
        ("3", ["/HistoryEvent", "/RealTimeEvent"]),
        ("4", ["/RealTimeEvent", "/HistoryEvent"]),
    ] {
        let body = event(person, json!(3), "10.0.0.1");
        paths.iter().for_each(|path| site.gateway.take(path, &body));
    }
    let mut arrived: std::collections::BTreeMap<String, Vec<_>> = BTreeMap::new();
    for message in subscriber.receive(3).await {
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        let is_live_topic = message.topic.contains("/events/");
        assert_eq!(is_live_topic, known(&payload).2);
        arrived
            .entry(payload["identity"]["id"].as_str().unwrap().to_owned())
            .or_default()
            .push(known(&payload));
    }
    site.gateway.wait_delivered();
    for message in site.on_kafka("blacklist", 3).await {
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        let (id, revision, _) = known(&payload);
        assert_eq!(message.headers["ce_id"], format!("{id}.{revision}"));
        assert!(
            arrived[payload["identity"]["id"].as_str().unwrap()].contains(&known(&payload)),
            "the same on both buses"
        );
    }
    let mut both = arrived["3"].clone();
    both.sort_by_key(|(_, _, is_live)| *is_live);
    let [(id, record, false), (same_id, live, true)] = &both[..] else {
        panic!("{both:?}")
    };
    assert!(
        id == same_id && record != live,
        "a consumer that follows the rule takes both: {both:?}"
    );
    assert!(matches!(&arrived["4"][..], [(_, _, true)]), "{arrived:?}");
    assert_eq!(
        site.gateway.metrics()["boxbridge_ingest_events_total{feed=\"history\",outcome=\"duplicate\"}"],
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_opens_no_door_and_what_could_not_be_read_is_kept() {
    let site = Site::start("text", &[]);
    let mut subscriber = Subscriber::start(site.mosquitto.address(), "boxbridge/+/events/#").await;
    let readable = with_pictures(event("1", json!(3), "10.0.0.1"), 1);
    let mut body = readable.clone();
    body["ext_data"] = json!(body["ext_data"].to_string());
    site.gateway.take("/RealTimeEvent", &body);
    let message = subscriber.receive_one().await;
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(message.topic, "boxbridge/default/events/blacklist/10.0.0.1");
    assert_eq!(payload["source"]["ext_data"], json!({"encoded": 1}));
    assert_eq!(payload["pictures"]["scene"]["state"], "ok");
    assert!(
        message.payload.len() < 4_000,
        "no picture stays in the event: {} bytes",
        message.payload.len()
    );

    let quarantine = || crate::parts::site::files(&site.gateway.data_dir().join("quarantine"));
    assert!(quarantine().is_empty());
    body["ext_data"] = json!(readable["ext_data"].to_string().replace('"', "'"));
    for _ in 0..2 {
        site.gateway.take("/RealTimeEvent", &body);
    }
    let message = subscriber.receive_one().await;
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(message.topic, "boxbridge/default/events/unknown/127.0.0.1");
    assert_eq!(
        payload["source"]["ext_data"].as_str().map(str::len),
        Some(4_096)
    );
    let kept = quarantine();
    assert_eq!(
        kept.len(),
        1,
        "once, and not for the one that was sent again"
    );
    assert!(
        kept.values()
            .next()
            .unwrap()
            .ends_with(body.to_string().as_bytes())
    );

    assert_eq!(
        site.gateway
            .post_bytes(
                "/RealTimeEvent",
                body.to_string()
                    .replace("\"ext_data\":", "\"ext_data\":0,\"x\":")
                    .as_bytes()
            )
            .status,
        200
    );
    let message = subscriber.receive_one().await;
    assert_eq!(message.topic, "boxbridge/default/events/unknown/127.0.0.1");
    let metrics = site.gateway.metrics();
    assert_eq!(
        metrics["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"],
        3.0
    );
    assert_eq!(
        metrics["boxbridge_normalize_warnings_total{code=\"clock_skewed\"}"],
        4.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_in_the_charset_that_was_declared_arrives_as_text() {
    let site = Site::start("charset", &[]);
    let mut subscriber = Subscriber::start(site.mosquitto.address(), "boxbridge/+/events/#").await;
    let text = event("1", json!(1), "10.0.0.1").to_string();
    let (before, after) = text.split_once("小明").unwrap();
    let body = [before.as_bytes(), b"\xd0\xa1\xc3\xf7", after.as_bytes()].concat();
    let head = format!(
        "POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Type: application/json; Charset=\"GBK\"\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    assert_eq!(
        site.gateway
            .raw(&[head.as_bytes(), &body].concat())
            .unwrap()
            .status,
        200
    );
    let payload: Value = serde_json::from_slice(&subscriber.receive_one().await.payload).unwrap();
    assert_eq!(
        (
            &payload["identity"]["name"],
            &payload["source"]["$bytes"]["/identity_name"]
        ),
        (&json!("小明"), &json!("0KHD9w=="))
    );
}
