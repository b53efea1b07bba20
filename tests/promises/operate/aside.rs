//! What a destination refused: an operator sees it, has it sent again and drops it, with commands alone.

use boxbridge::route::EVENT_SCHEMA;
use serde_json::{Value, json};

use crate::parts::contract::schema::problems;
use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::site::wait_until;
use crate::parts::subscriber::{Received, Subscriber};

/// An event of this type that is larger than [`narrow`] takes.
fn large(identity: &str, person_type: u8) -> Value {
    let mut event = event(identity, json!(person_type), "192.168.1.9");
    event["comment"] = json!("x".repeat(6_000));
    event
}

fn narrow() -> Settings<'static> {
    Settings {
        lines: &["message_size_limit 5000"],
        ..Settings::default()
    }
}

fn listed(gateway: &Gateway, arguments: &[&str]) -> Vec<Value> {
    let (said, code) = gateway.run(&[&["aside", "list", "--json"], arguments].concat());
    assert_eq!(code, Some(0), "{said}");
    let listed: Value = serde_json::from_str(&said).unwrap();
    listed["records"].as_array().unwrap().clone()
}

fn set_aside(gateway: &Gateway, destination: &str) -> u64 {
    gateway.ledger(destination).set_aside
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// The gateway and its brokers, which have refused one event of a VIP.
async fn refused(topic: &str) -> (Gateway, Mosquitto, &'static Broker) {
    let kafka = tokio::task::spawn_blocking(Broker::shared).await.unwrap();
    kafka
        .make_topic(topic, 1, &[("max.message.bytes", "5000")])
        .await;
    tokio::task::block_in_place(|| {
        let mosquitto = Mosquitto::with(&narrow());
        let gateway = Gateway::start(&[
            (
                "SEND__MQTT__URL",
                &format!("mqtt://{}", mosquitto.address()),
            ),
            ("SEND__KAFKA__BROKERS", &kafka.address()),
            ("ROUTE__DEFAULT__KAFKA_TOPIC", topic),
        ]);
        gateway.take("/RealTimeEvent", &large("1", 5));
        wait_until("both have refused it", || {
            set_aside(&gateway, "mqtt") == 1 && set_aside(&gateway, "kafka") == 1
        });
        (gateway, mosquitto, kafka)
    })
}

/// Lists it and looks at it: the message as it would leave. The event's id.
fn seen(gateway: &Gateway) -> String {
    let records = listed(gateway, &["--person-type", "vip", "--reason", "too_large"]);
    assert_eq!(records.len(), 2, "{records:#?}");
    let of_mqtt = records
        .iter()
        .find(|record| record["destination"] == "mqtt");
    let id = text(of_mqtt.unwrap(), "id").to_owned();

    let (shown, code) = gateway.run(&["aside", "show", &id, "--json"]);
    assert_eq!(code, Some(0), "{shown}");
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let payload = &shown["message"]["payload"];
    let schema: Value = serde_json::from_str(EVENT_SCHEMA).unwrap();
    assert_eq!(problems(&schema, payload), [""; 0]);
    assert!(text(&shown["message"], "topic").starts_with("boxbridge/default/late/vip/"));
    assert_eq!(payload["act_before"], Value::Null);
    text(&shown, "event").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_brokers_refused_is_seen_sent_again_late_and_gone_from_there() {
    let (gateway, mut mosquitto, kafka) = refused("aside-resent").await;
    let id = tokio::task::block_in_place(|| {
        let id = seen(&gateway);
        let (traced, code) = gateway.run(&["trace", &id]);
        assert_eq!(code, Some(0), "{traced}");
        assert_eq!(traced.matches("too_large").count(), 2, "{traced}");

        let (said, code) = gateway.run(&["aside", "resend", "--dry-run"]);
        assert!(
            said.contains("2 of 2 set-aside events would be sent again"),
            "{said}"
        );
        assert_eq!(code, Some(0));

        // Nothing has changed there: it is refused again, and stays.
        let (said, code) = gateway.run(&["aside", "resend"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("0 sent again") && said.contains("2 stay set aside"),
            "{said}"
        );
        let records = listed(&gateway, &[]);
        assert!(
            records
                .iter()
                .all(|record| record["attempts"].as_u64() > Some(1)),
            "{records:#?}"
        );

        mosquitto.stop();
        mosquitto.run_with(&Settings::default());
        id
    });
    kafka
        .set_topic("aside-resent", "max.message.bytes", "1000000")
        .await;
    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/+/#").await;

    tokio::task::block_in_place(|| {
        // By itself it would believe in the old limits for a while: mosquitto's for ten minutes.
        let (said, code) = gateway.run(&["aside", "resend", "--rate", "100"]);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("2 sent again and gone from here"), "{said}");
        gone_and_traced(&gateway, &id);
        let (said, code) = gateway.run(&["aside", "list"]);
        assert!(
            code == Some(1) && said.contains("there is no set-aside event"),
            "{said}"
        );
    });
    let of_kafka = kafka.read("aside-resent", 1).await;
    let sent = late(&mut subscriber);
    assert_eq!(sent.len(), 1, "{sent:?}");
    let payloads = [sent[0].payload.to_vec(), of_kafka[0].payload.to_vec()];
    for payload in payloads {
        let payload: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!(
            (text(&payload, "id"), &payload["act_before"]),
            (id.as_str(), &Value::Null)
        );
        assert!(text(&payload, "replay").starts_with("aside-"), "{payload}");
    }

    let ledger = gateway.ledger("kafka");
    assert_eq!(
        (ledger.set_aside, ledger.delivered),
        (1, 0),
        "a resend counts nowhere"
    );
    let audit = std::fs::read_to_string(gateway.data_dir().join("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("aside.resend").count(), 2, "{audit}");
}

/// What trace and status say once both have it.
fn gone_and_traced(gateway: &Gateway, id: &str) {
    let (traced, _) = gateway.run(&["trace", id]);
    let again = traced.matches("it had been set aside, and was sent again");
    assert_eq!(again.count(), 2, "{traced}");
    assert!(
        traced.contains(" late to boxbridge/default/late/vip/"),
        "{traced}"
    );

    let (status, _) = gateway.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&status).unwrap();
    let of_kafka = |lane: &&Value| lane["destination"] == "kafka" && lane["lane"] == "urgent";
    let lane = status["lanes"].as_array().unwrap().iter().find(of_kafka);
    let lane = lane.unwrap();
    assert_eq!((&lane["set_aside"], &lane["aside"]), (&json!(1), &json!(0)));
}

/// Messages of events, all of which must be on the late topic.
fn late(subscriber: &mut Subscriber) -> Vec<Received> {
    let received = subscriber.received();
    let of_gateway = |message: &Received| message.topic.contains("/gateways/");
    let events: Vec<_> = received.into_iter().filter(|it| !of_gateway(it)).collect();
    assert!(
        events.iter().all(|it| it.topic.contains("/late/")),
        "{events:?}"
    );
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resend_that_a_kill_interrupts_is_asked_for_again_and_loses_nothing() {
    let (mut gateway, mut mosquitto, kafka) = refused("aside-killed").await;
    kafka
        .set_topic("aside-killed", "max.message.bytes", "1000000")
        .await;
    tokio::task::block_in_place(|| {
        mosquitto.stop();
        mosquitto.run_with(&Settings::default());
        wait_until("mqtt is back", || {
            gateway.ready()["destinations"]["mqtt"] == "up"
        });
        mosquitto.freeze();

        let request = json!({"filter": {"destination": "mqtt"}}).to_string();
        let admin = gateway.admin;
        let request = format!(
            "POST /api/aside/resend HTTP/1.1\r\nHost: {admin}\r\nContent-Length: {}\r\n\r\n{request}",
            request.len()
        );
        let stream = std::net::TcpStream::connect(admin).unwrap();
        let answer = crate::parts::gateway::exchange(stream, request.as_bytes()).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let job = text(&answer.body, "job").to_owned();

        // Two at once: the second learns the name of the first.
        let (said, code) = gateway.run(&["aside", "resend"]);
        assert!(code == Some(1) && said.contains(&job), "{said}");

        gateway.kill();
        mosquitto.thaw();
        gateway.restart();
        assert_eq!(listed(&gateway, &[]).len(), 2);
        let (said, code) = gateway.run(&["aside", "resend"]);
        assert_eq!(code, Some(0), "{said}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_questions_are_answered_and_a_stopped_gateways_events_are_looked_at_and_dropped() {
    let (mut gateway, _mosquitto, _kafka) = refused("aside-asked").await;
    tokio::task::block_in_place(|| {
        let refuses = |arguments: &[&str], words: &str| {
            let (said, code) = gateway.run(&[&["aside"], arguments].concat());
            assert!(
                code == Some(1) && said.contains(words),
                "{arguments:?}: {said}"
            );
        };
        refuses(
            &["list", "--person-type", "employee"],
            "no set-aside event matches person-type employee; without a filter",
        );
        refuses(
            &["resend", "--from", "1h ago", "--to", "30m ago"],
            "no set-aside event matches",
        );
        refuses(&["list", "--from", "noon"], "is no time");
        refuses(&["resend", "--destination", "nowhere"], "kafka");
        refuses(
            &["list", "--destination", "nowhere"],
            "only kafka, mqtt, store",
        );
        refuses(&["show", "nothing"], "`boxbridge aside list` shows");
        refuses(&["drop"], "name a filter");
        let id = text(&listed(&gateway, &["--destination", "kafka"])[0], "id").to_owned();
        assert_eq!(listed(&gateway, &["--id", &id]).len(), 1);
        let (said, code) = gateway.run(&["aside", "resend", "--id", &id, "--dry-run"]);
        assert!(code == Some(0) && said.contains("1 of 2"), "{said}");
        refuses(&["list", "--id", &id, "--destination", "mqtt"], "matches");

        assert_eq!(gateway.stop(), Some(0));
        let records = listed(&gateway, &["--destination", "kafka"]);
        let (said, code) = gateway.run(&["aside", "show", text(&records[0], "id")]);
        assert!(
            code == Some(0) && said.contains("it would leave as:"),
            "{said}"
        );
        let (said, code) = gateway.run(&["aside", "resend"]);
        assert!(
            code == Some(1) && said.contains("the gateway is stopped"),
            "{said}"
        );

        let (said, code) = gateway.run(&["aside", "drop", "--destination", "kafka", "--dry-run"]);
        assert!(
            code == Some(0) && said.contains("1 of 2 set-aside events would be"),
            "{said}"
        );
        let (said, code) = gateway.run(&["aside", "drop", "--destination", "kafka"]);
        assert!(
            code == Some(0) && said.contains("1 of 2 set-aside events removed, 1 are left"),
            "{said}"
        );
        let (said, code) = gateway.run(&["aside", "drop", "--all"]);
        assert!(code == Some(0) && said.contains("0 are left"), "{said}");

        let audit = std::fs::read_to_string(gateway.data_dir().join("audit.jsonl")).unwrap();
        let by_hand = audit
            .lines()
            .filter(|line| line.contains("aside.drop") && line.contains("user:"));
        assert_eq!(by_hand.count(), 2, "{audit}");
    });
}
