//! No request waits for a broker: with all destinations down the boxes are answered, and everything arrives when they are back.

use std::time::Duration;

use boxbridge::commands::simulate;
use serde_json::json;

use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::run::Run;
use crate::parts::site::{Site, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn with_every_destination_down_boxes_are_answered_and_everything_arrives_later() {
    // A busy test machine may be slower than a box is patient: that no answer waits for a broker shows in that all of them come.
    let mut site = Site::with_own_kafka("outage", &[("INGEST__ANSWER_DEADLINE", "4s")]);
    let options = simulate::Options { rate: 50.0, patience: Duration::from_secs(4), ..simulate::Options::default() };
    let run = Run::start(&site, options).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::task::block_in_place(|| site.everything_down());
    tokio::time::sleep(Duration::from_secs(5)).await;
    tokio::task::block_in_place(|| site.everything_up());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (outcome, report) = run.finish(&site).await;
    assert_eq!(report.sent, report.acknowledged, "{outcome}");
    assert!(report.passes(), "{report}");
}

#[test]
fn a_destination_that_is_down_is_a_reason_shown_and_not_a_cause() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    assert_eq!(gateway.post("/RealTimeEvent", &event("1", json!(1), "gate")).status, 200);
    // The store of files is a destination too, and takes its moment to be there.
    wait_until("the store is there", || gateway.ready()["destinations"]["store"] == "up");
    let ready = gateway.ready();
    assert_eq!((&ready["ready"], &ready["destinations"]["mqtt"]), (&json!(true), &json!("down")));
    assert!(ready["reasons"][0].as_str().is_some_and(|text| text.starts_with("mqtt is down: ")), "{ready}");
    let metrics = gateway.metrics();
    assert_eq!(metrics["boxbridge_send_up{destination=\"mqtt\"}"], 0.0);
    assert_eq!(metrics["boxbridge_queue_waiting_records{destination=\"mqtt\",lane=\"normal\"}"], 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_add_up_before_and_after_a_restart() {
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let mut gateway = Gateway::start(&[("SEND__MQTT__URL", &url)]);
    for number in 0..10 {
        assert_eq!(gateway.post("/RealTimeEvent", &event(&number.to_string(), json!(number % 6), "gate")).status, 200);
    }
    gateway.wait_delivered();
    for round in 0..2 {
        let metrics = gateway.metrics();
        let sum = |prefix: &str| -> f64 { metrics.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, value)| value).sum() };
        for destination in ["store", "mqtt"] {
            let of = |name: &str| sum(&format!("{name}{{destination=\"{destination}\""));
            let ended = of("boxbridge_send_records_total");
            let waiting = of("boxbridge_queue_waiting_records");
            assert_eq!((of("boxbridge_send_accepted_total"), ended + waiting), (10.0, 10.0), "{destination}, round {round}");
        }
        let accepted = metrics["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"];
        assert_eq!(accepted, 10.0, "round {round}");
        gateway.kill_and_restart();
        gateway.wait_delivered();
    }
}
