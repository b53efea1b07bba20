//! What is silent or gone: Kafka, the store. Live events are answered in time all the same, history comes again, and everything arrives.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{FROM_KAFKA, accepted, from_disk, pictured, with_picture_of};
use crate::parts::gateway::event;
use crate::parts::site::{Site, wait_until};

/// At once: the memory for bodies has room for a third of what they send.
const CROWD: u64 = 20;
/// What a wrong answer would have come within.
const WOULD_BE_ANSWERED: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_box_is_answered_once_kafka_and_the_store_have_its_event_and_for_a_repeat_too() {
    let mut site = Site::with_own_kafka("answered", &[FROM_KAFKA]);
    tokio::task::block_in_place(|| {
        site.gateway.take("/RealTimeEvent", &pictured(1));
        site.freeze_kafka();
        std::thread::scope(|scope| {
            let gateway = &site.gateway;
            let first = scope.spawn(|| gateway.post("/RealTimeEvent", &pictured(2)));
            wait_until("it is on disk", || accepted(gateway, "accepted") == 2.0);
            let second = scope.spawn(|| gateway.post("/RealTimeEvent", &pictured(2)));
            wait_until("it is known", || accepted(gateway, "duplicate") == 1.0);
            // The stimulus: both boxes wait.
            std::thread::sleep(WOULD_BE_ANSWERED);
            assert!(!first.is_finished() && !second.is_finished());

            site.thaw_kafka();
            assert_eq!(first.join().unwrap().status, 200);
            assert_eq!(second.join().unwrap().status, 200);
        });
    });

    let on_kafka = site.on_kafka("employee", 2).await;
    for message in on_kafka {
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        let uri = payload["pictures"]["scene"]["uri"].as_str().unwrap();
        assert!(site.object(uri).is_some(), "{uri}");
    }
    tokio::task::block_in_place(|| assert_eq!(from_disk(&site.gateway, &[]), 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_kafka_is_silent_live_events_are_answered_from_the_disk_and_history_comes_again() {
    let deadline = ("INGEST__ANSWER_DEADLINE", "4s");
    let mut site = Site::with_own_kafka("silent-kafka", &[FROM_KAFKA, deadline]);
    let history = event("history", json!(2), "gate");
    tokio::task::block_in_place(|| {
        let gateway = &site.gateway;
        wait_until("answered from kafka", || {
            let before = from_disk(gateway, &[]);
            let number = accepted(gateway, "accepted") as u64;
            gateway.take("/RealTimeEvent", &pictured(100 + number));
            from_disk(gateway, &[]) == before
        });
        let before = from_disk(gateway, &[]);

        site.freeze_kafka();
        let gateway = &site.gateway;
        let asked = Instant::now();
        gateway.take("/RealTimeEvent", &pictured(1));
        assert!(asked.elapsed() >= Duration::from_secs(3), "three quarters");
        assert_eq!(from_disk(gateway, &[("reason", "late")]), before + 1.0);
        let reasons = gateway.ready()["reasons"].to_string();
        assert!(
            reasons.contains("boxes are answered from the disk and not from kafka, since "),
            "{reasons}"
        );
        assert!(gateway.ready()["ready"].as_bool().unwrap());
        let (screen, _) = gateway.run(&["status"]);
        assert!(screen.contains("from the disk"), "{screen}");

        let answer = gateway.post("/HistoryEvent", &history);
        let said = (answer.status, &answer.body["code"]);
        assert_eq!(said, (503, &json!("not_confirmed")), "{answer:?}");
        assert_eq!(accepted(gateway, "refused"), 0.0, "it is on disk");

        site.thaw_kafka();
        wait_until("history is through", || {
            gateway.post("/HistoryEvent", &history).status == 200
        });
        gateway.wait_delivered();
    });
    assert_eq!(site.on_kafka("visitor", 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_gone_events_are_answered_from_the_disk_and_its_pictures_come_later() {
    let settings = [FROM_KAFKA, ("INGEST__ANSWER_DEADLINE", "4s")];
    let mut site = Site::start("no-store", &settings);
    tokio::task::block_in_place(|| {
        site.store.kill();
        let gateway = &site.gateway;
        gateway.take("/RealTimeEvent", &event("no picture", json!(3), "gate"));
        assert_eq!(from_disk(gateway, &[]), 0.0, "it waits for no store");
        gateway.take("/RealTimeEvent", &pictured(1));
        assert_eq!(from_disk(gateway, &[]), 1.0);
        let answer = gateway.post("/HistoryEvent", &pictured(2));
        assert_eq!(answer.status, 503, "{answer:?}");

        site.store.restart();
        let gateway = &site.gateway;
        gateway.wait_delivered();
        gateway.take("/HistoryEvent", &pictured(2));
    });
    for message in site.on_kafka("employee", 2).await {
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        let uri = payload["pictures"]["scene"]["uri"].as_str().unwrap();
        assert!(site.object(uri).is_some(), "{uri}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn history_of_many_events_in_one_body_waits_for_all_of_them_at_once() {
    let site = Site::start("many-at-once", &[FROM_KAFKA]);
    let events: Vec<Value> = (1..=20).map(pictured).collect();
    tokio::task::block_in_place(|| {
        site.gateway.take("/HistoryEvent", &json!(events));
        assert_eq!(from_disk(&site.gateway, &[]), 0.0);
    });
    assert_eq!(site.on_kafka("employee", 20).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_that_wait_for_kafka_hold_no_memory_that_the_events_of_others_need() {
    let settings = [
        FROM_KAFKA,
        ("INGEST__BODY_MAX_BYTES", "1MiB"),
        ("INGEST__IN_FLIGHT_MAX_BYTES", "4MiB"),
        ("INGEST__IN_FLIGHT_WAIT", "5s"),
    ];
    let mut site = Site::with_own_kafka("crowded", &settings);
    tokio::task::block_in_place(|| {
        site.gateway.take("/RealTimeEvent", &pictured(0));
        site.freeze_kafka();
        std::thread::scope(|scope| {
            let gateway = &site.gateway;
            let post = |number| gateway.post("/RealTimeEvent", &with_picture_of(number, 100_000));
            let boxes: Vec<_> = (1..=CROWD)
                .map(|number| scope.spawn(move || post(number)))
                .collect();
            wait_until("all are on disk, or refused", || {
                let on_disk = accepted(gateway, "accepted") - 1.0;
                on_disk + accepted(gateway, "refused") == CROWD as f64
            });

            site.thaw_kafka();
            let answers = boxes.into_iter().map(|sender| sender.join().unwrap());
            let refused: Vec<_> = answers.filter(|answer| answer.status != 200).collect();
            assert!(refused.is_empty(), "{}: {:?}", refused.len(), refused[0]);
        });
        assert_eq!(from_disk(&site.gateway, &[]), 0.0);
    });
}
