//! What Kafka or the store will never take: its box is answered, and nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::json;

use super::{FROM_KAFKA, accepted, from_disk, pictured};
use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::s3;
use crate::parts::site::wait_until;

/// Events with a long field do not fit into their topic.
const TOPIC_MAX: &str = "6000";
/// A store that events without pictures do not need.
const NOBODY: &str = "http://127.0.0.1:9";

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_refuses_for_good_is_answered_from_the_disk_and_history_is_let_past_it() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.unwrap();
    let topic = ("max.message.bytes", TOPIC_MAX);
    broker.make_topic("answered-small", 1, &[topic]).await;
    let gateway = tokio::task::block_in_place(|| started(broker, "answered-small", NOBODY, &[]));

    tokio::task::block_in_place(|| {
        for (path, number) in [("/RealTimeEvent", 1), ("/HistoryEvent", 2)] {
            let mut large = event(&number.to_string(), json!(1), "gate");
            large["ext_data"]["remark"] = json!("x".repeat(10_000));
            gateway.take(path, &large);
            gateway.take(path, &large);
        }
        assert_eq!(from_disk(&gateway, &[("reason", "set_aside")]), 4.0);
        gateway.take("/RealTimeEvent", &event("3", json!(1), "gate"));
        assert_eq!(from_disk(&gateway, &[]), 4.0);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_the_store_refuses_for_good_is_counted_as_missing() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.unwrap();
    let store = s3::refusing(Arc::new(AtomicUsize::new(1_000))).await;
    tokio::task::block_in_place(|| {
        let gateway = started(broker, "answered-missing", &store, &[]);
        gateway.take("/RealTimeEvent", &pictured(1));
        assert_eq!(from_disk(&gateway, &[("reason", "missing")]), 1.0);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_type_is_paused_its_boxes_are_answered_from_the_disk_at_once() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.unwrap();
    let clock = ("message.timestamp.before.max.ms", "0");
    broker.make_topic("answered-paused", 1, &[clock]).await;
    tokio::task::block_in_place(|| {
        let soon = [("INGEST__ANSWER_DEADLINE", "2s")];
        let gateway = started(broker, "answered-paused", NOBODY, &soon);
        let mut number = 0;
        wait_until("answered from the disk since it is paused", || {
            number += 1;
            let event = event(&number.to_string(), json!(1), "gate");
            gateway.post("/RealTimeEvent", &event);
            from_disk(&gateway, &[("reason", "paused")]) > 0.0
        });
        let answer = gateway.post("/HistoryEvent", &event("history", json!(1), "gate"));
        assert_eq!(answer.status, 503, "{answer:?}");
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_what_went_before_a_kafka_was_named_is_answered_from_the_disk() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.unwrap();
    tokio::task::block_in_place(|| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("boxbridge.toml");
        std::fs::write(&file, "[queue]\nanswer_from = \"disk\"\n").unwrap();
        let address = broker.address();
        let written = [("CONFIG", file.to_str().unwrap())];
        let settings = [&written, &places(&address, "answered-joined", NOBODY)[..]];
        let mut gateway = Gateway::start(&settings.concat());
        gateway.take("/RealTimeEvent", &event("before", json!(1), "gate"));
        wait_until("it went", || gateway.ledger("kafka").delivered == 1);
        assert_eq!(gateway.stop(), Some(0));

        let later = format!(
            "[queue]\nanswer_from = \"later\"\n[send.later]\nkind = \"kafka\"\nbrokers = \"{address}\"\n"
        );
        std::fs::write(&file, later).unwrap();
        gateway.restart();
        gateway.take("/RealTimeEvent", &event("behind", json!(1), "gate"));
        assert_eq!(from_disk(&gateway, &[]), 0.0);
        gateway.take("/RealTimeEvent", &event("before", json!(1), "gate"));
        assert_eq!(from_disk(&gateway, &[]), 1.0, "it is not on that Kafka");
        assert_eq!(accepted(&gateway, "duplicate"), 1.0);
    });
}

/// With no MQTT broker.
fn started(broker: &Broker, topic: &str, store: &str, more: &[(&str, &str)]) -> Gateway {
    let brokers = broker.address();
    Gateway::start(&[&[FROM_KAFKA], &places(&brokers, topic, store)[..], more].concat())
}

fn places<'a>(brokers: &'a str, topic: &'a str, store: &'a str) -> [(&'static str, &'a str); 7] {
    [
        ("SEND__MQTT__URL", ""),
        ("SEND__KAFKA__BROKERS", brokers),
        ("ROUTE__DEFAULT__KAFKA_TOPIC", topic),
        ("SEND__STORE__URL", "s3://faces"),
        ("SEND__STORE__ENDPOINT", store),
        ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID),
        ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET),
    ]
}
