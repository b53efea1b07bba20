//! The second word: what is told once pictures are there that were not when their event left.

use serde_json::{Value, json};

use super::{assert_open, bucket, events, gateway, next, post};
use crate::parts::contract::schema;
use crate::parts::gateway::Gateway;
use crate::parts::http;
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::s3;
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

const ANNOUNCE: (&str, &str) = ("SEND__STORE__LINKS__ANNOUNCE", "true");

async fn second_words(mosquitto: &Mosquitto) -> Subscriber {
    Subscriber::start(mosquitto.address(), "boxbridge/+/pictures/+").await
}

fn with<'s>(
    own: &'s [(&'static str, String)],
    more: &[(&'s str, &'s str)],
) -> Vec<(&'s str, &'s str)> {
    let own = own.iter().map(|(key, value)| (*key, value.as_str()));
    own.chain(more.iter().copied()).collect()
}

/// The next one on MQTT, which is about this event.
async fn next_word_of(told: &mut Subscriber, event: &Value) -> Value {
    let message = told.receive(1).await.remove(0);
    let id = event["id"].as_str().unwrap();
    assert_eq!(message.topic, format!("boxbridge/default/pictures/{id}"));

    let told = serde_json::from_slice(&message.payload).unwrap();
    assert_tells_of(&told, event);
    told
}

/// Whether it is the second word on this event, as the contract wants it.
fn assert_tells_of(told: &Value, event: &Value) {
    let contract = boxbridge::route::pictures_told::PICTURES_SCHEMA;
    let problems = schema::problems(&serde_json::from_str(contract).unwrap(), told);
    assert!(problems.is_empty(), "{problems:#?}");

    assert_eq!(
        (&told["schema"], &told["id"], &told["revision"]),
        (
            &json!("boxbridge.pictures.v1"),
            &event["id"],
            &event["revision"]
        )
    );
    for kind in ["registered", "scene"] {
        let (now, before) = (&told["pictures"][kind], &event["pictures"][kind]);
        assert_eq!(
            (&before["stored"], &now["stored"]),
            (&json!(false), &json!(true))
        );
        assert_eq!((&now["key"], &now["uri"]), (&before["key"], &before["uri"]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_that_come_later_are_announced_on_both_buses_once_they_are_there() {
    let (mosquitto, mut server) = (Mosquitto::start(), s3::Server::start());
    let own = bucket(&server);
    let brokers = Broker::shared().address();
    let settings = [
        ANNOUNCE,
        ("SEND__KAFKA__BROKERS", &*brokers),
        ("ROUTE__DEFAULT__KAFKA_TOPIC", "announced.{person_type}"),
        ("ROUTE__VIP__PICTURE_WAIT", "20s"),
    ];
    let gateway = gateway(&mosquitto, &with(&own, &settings));
    let (mut events, mut told) = (events(&mosquitto).await, second_words(&mosquitto).await);

    // Of one that left with its pictures there is nothing more to say.
    post(&gateway, 1);
    let first = next(&mut events).await;
    assert_eq!(first["pictures"]["scene"]["stored"], json!(true));

    server.kill();
    post(&gateway, 2);
    let second = next(&mut events).await;
    server.restart();
    let on_mqtt = next_word_of(&mut told, &second).await;
    assert_open(&on_mqtt, 2);

    let on_kafka = Broker::shared()
        .read("boxbridge.pictures", 1)
        .await
        .remove(0);
    assert_eq!(on_kafka.key, "default/192.168.1.243");
    assert_tells_of(&serde_json::from_slice(&on_kafka.payload).unwrap(), &second);
}

/// Until its consumer groups have partitions: from then on events reach the broker out of Kafka.
fn wait_for_groups(gateway: &Gateway) {
    wait_until("both groups have partitions", || {
        let status = http::get(gateway.admin, "/api/status", &[]).text();
        let status: Value = serde_json::from_str(&status).unwrap();
        let lanes = status["lanes"].as_array().unwrap().iter();
        let of_groups = lanes.filter(|lane| lane["destination"] == "mqtt@kafka");
        let partitions = of_groups.filter_map(|lane| lane["partitions"].as_array());
        partitions.filter(|all| !all.is_empty()).count() == 2
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_gets_its_events_out_of_kafka_is_told_of_pictures_that_come_later() {
    let (mosquitto, mut server) = (Mosquitto::start(), s3::Server::start());
    let kafka = tokio::task::block_in_place(Broker::start);
    let (own, brokers) = (bucket(&server), kafka.address());
    let settings = [
        ANNOUNCE,
        ("SEND__KAFKA__BROKERS", &*brokers),
        ("SEND__MQTT__FROM", "kafka"),
    ];
    let gateway = gateway(&mosquitto, &with(&own, &settings));
    let (mut events, mut told) = (events(&mosquitto).await, second_words(&mosquitto).await);
    tokio::task::block_in_place(|| wait_for_groups(&gateway));

    server.kill();
    post(&gateway, 1);
    let event = next(&mut events).await;
    wait_until("it came out of Kafka", || {
        gateway.ledger("mqtt@kafka").delivered == 1
    });
    server.restart();

    assert_open(&next_word_of(&mut told, &event).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_was_killed_announces_what_it_had_sent_without_pictures() {
    let (mosquitto, mut server) = (Mosquitto::start(), s3::Server::start());
    server.kill();
    let own = bucket(&server);
    let mut gateway = gateway(&mosquitto, &with(&own, &[ANNOUNCE]));
    let (mut events, mut told) = (events(&mosquitto).await, second_words(&mosquitto).await);
    post(&gateway, 1);
    let event = next(&mut events).await;
    wait_until("the broker has answered", || {
        gateway.ledger("mqtt").delivered == 1
    });
    // The cursor's slot is written every 100 ms; an event that is not in it goes out again, as pending again.
    gateway.kill();
    server.restart();
    gateway.restart();

    let message = told.receive(1).await.remove(0);
    let told: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(told["id"], event["id"]);
    assert_open(&told, 1);
}
