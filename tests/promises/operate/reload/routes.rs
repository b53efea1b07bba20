//! A route that changes, and what is said of it.

use std::net::TcpStream;

use serde_json::json;

use super::{File, generation, taken};
use crate::parts::gateway::{Gateway, event, exchange};
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

const EMPLOYEES: u64 = 1;

fn on(mosquitto: &Mosquitto) -> String {
    format!("mqtt://{}", mosquitto.address())
}

/// Posts over a connection that stays open.
fn post_over(stream: &TcpStream, identity: &str) {
    let body = event(identity, json!(EMPLOYEES), "gate").to_string();
    let request = format!(
        "POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(stream.try_clone().unwrap(), request.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_route_holds_for_the_next_event_and_no_connection_ends() {
    let mosquitto = Mosquitto::start();
    let file = File::new("[route.employee]\nmqtt_topic = \"before/{device.id}\"\n");
    let gateway = file.gateway(&[("SEND__MQTT__URL", &on(&mosquitto))]);
    let mut guard = Subscriber::start(mosquitto.address(), "#").await;
    let mut topic = async |wanted: &str| {
        loop {
            let topic = guard.receive_one().await.topic;
            if !topic.ends_with("/status") {
                return assert_eq!(topic, wanted);
            }
        }
    };

    let stream = TcpStream::connect(gateway.ingest).unwrap();
    post_over(&stream, "1");
    topic("before/gate").await;

    file.write("[route.employee]\nmqtt_topic = \"after/{device.id}\"\n");
    taken(&gateway);
    post_over(&stream, "2");
    topic("after/gate").await;
    let log = gateway.log();
    assert!(
        log.contains("route.employee.mqtt_topic") && !log.contains("route.mqtt.employee"),
        "{log}"
    );

    // A file that changes needs no signal.
    file.write("[route.employee]\nmqtt_topic = \"last/{device.id}\"\n");
    wait_until("the file was seen", || generation(&gateway) == 3.0);
    post_over(&stream, "3");
    topic("last/gate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_kafka_topic_is_made_and_gets_the_next_event() {
    let kafka = Broker::shared();
    let file = File::new("[route.default]\nkafka_topic = \"reload-before\"\n");
    let gateway = file.gateway(&[
        ("SEND__KAFKA__BROKERS", &kafka.address()),
        ("SEND__MQTT__URL", ""),
    ]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    gateway.wait_delivered();

    file.write("[route.default]\nkafka_topic = \"reload-after\"\n");
    taken(&gateway);
    gateway.take("/RealTimeEvent", &event("2", json!(1), "gate"));
    gateway.wait_delivered();
    assert_eq!(kafka.read("reload-before", 1).await.len(), 1);
    assert_eq!(kafka.read("reload-after", 1).await.len(), 1);
}

/// Whatever waited for the old one goes to the new one, in order and whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_moves_gets_what_waited_for_the_old_one() {
    let (mut before, after) = (Mosquitto::start(), Mosquitto::start());
    let url = |broker: &Mosquitto| format!("[send.mqtt]\nurl = \"{}\"\n", on(broker));
    let file = File::new(&url(&before));
    let gateway: Gateway = file.gateway(&[]);
    gateway.take("/RealTimeEvent", &event("0", json!(1), "gate"));
    gateway.wait_delivered();

    before.kill();
    let mut guard = Subscriber::start(after.address(), "boxbridge/+/events/#").await;
    for number in 1..=50 {
        let body = event(&number.to_string(), json!(1), "gate");
        gateway.take("/RealTimeEvent", &body);
    }
    file.write(&url(&after));
    taken(&gateway);

    let received = guard.receive(50).await;
    let identities: Vec<u64> = received.iter().map(identity).collect();
    assert_eq!(identities, (1..=50).collect::<Vec<_>>());
    wait_until("it is up", || {
        gateway.ready()["destinations"]["mqtt"] == "up"
    });
}

fn identity(received: &crate::parts::subscriber::Received) -> u64 {
    let event: serde_json::Value = serde_json::from_str(received.text()).unwrap();
    event["identity"]["id"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_set_aside_event_is_shown_as_it_would_leave_by_the_routes_that_hold() {
    let mosquitto = Mosquitto::start();
    let file = File::new("");
    let gateway = file.gateway(&[
        ("SEND__MQTT__URL", &on(&mosquitto)),
        ("SEND__MQTT__MAX_PACKET_BYTES", "20KiB"),
    ]);
    let mut large = event("1", json!(EMPLOYEES), "gate");
    large["comment"] = json!("x".repeat(40_000));
    gateway.take("/RealTimeEvent", &large);
    wait_until("it is set aside", || gateway.ledger("mqtt").set_aside == 1);

    file.write("[route.employee]\nmqtt_late_topic = \"after/{device.id}\"\n");
    taken(&gateway);
    let (listed, _) = gateway.run(&["aside", "list", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let id = listed["records"][0]["id"].as_str().unwrap();
    let (shown, code) = gateway.run(&["aside", "show", id]);
    assert!(
        code == Some(0) && shown.contains("\"after/gate\""),
        "{shown}"
    );
}
