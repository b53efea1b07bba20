//! Events reach the broker as they stand on Kafka, alerts before the others, and what the broker refuses is set aside there.

use std::collections::BTreeMap;

use serde_json::Value;

use super::doors::{
    ALL, Doors, EMPLOYEE, VIP, all_of, assert_in_order, numbered, post, wait_for_kafka,
};
use crate::parts::kafka::Broker;
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_the_broker_with_the_payload_and_the_attributes_that_it_has_on_kafka() {
    let doors = tokio::task::block_in_place(|| Doors::new("asitis"));
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        post(&gateway, VIP, 1..2, 1);
        post(&gateway, EMPLOYEE, 2..3, 1);
    });
    for (number, person_type) in [(1, "vip"), (2, "employee")] {
        let first = all_of(&mut subscriber, number..number + 1).await.remove(0);
        assert_eq!(
            first.topic,
            format!("boxbridge/default/events/{person_type}/gate-0")
        );
        assert!(!first.retain);

        let on_kafka = Broker::shared()
            .read(&format!("asitis.{person_type}"), 1)
            .await
            .remove(0);
        assert_eq!(first.payload, on_kafka.payload);
        let attributes: BTreeMap<_, _> = first.attributes.iter().cloned().collect();
        let headers: BTreeMap<_, _> = on_kafka
            .headers
            .iter()
            .map(|(name, value)| {
                let name = name.strip_prefix("ce_").unwrap_or("datacontenttype");
                (name.to_owned(), value.clone())
            })
            .collect();
        assert_eq!(attributes, headers);
    }

    tokio::task::block_in_place(|| {
        wait_until("both count as delivered out of Kafka", || {
            gateway.ledger(&doors.out_of_kafka()).delivered == 2
        });
        gateway.wait_delivered();
    });
    let twice = subscriber.received();
    assert!(
        twice.is_empty(),
        "the queue does not send them as well: {twice:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_overtake_a_backlog_and_an_outage_of_the_broker_costs_nothing() {
    let mut doors = tokio::task::block_in_place(|| Doors::new("overtake"));
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        doors.mosquitto.stop();
        post(&gateway, EMPLOYEE, 0..400, 10);
        post(&gateway, VIP, 400..405, 1);
        wait_for_kafka(&gateway, 405);
        doors.mosquitto.run();
    });
    let first = all_of(&mut subscriber, 0..405).await;
    assert_in_order(
        &first
            .iter()
            .filter(|it| it.topic.contains("employee"))
            .cloned()
            .collect::<Vec<_>>(),
    );
    let last_alert = first.iter().rposition(|it| numbered(it).1 >= 400).unwrap();
    assert!(
        last_alert < 200,
        "the last alert came behind {last_alert} others"
    );
}

/// Each partition stands still and goes on some twenty times: none stays behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_is_many_times_what_a_gateway_holds_comes_whole() {
    let mut doors = tokio::task::block_in_place(|| Doors::new("many"));
    let few = [("SEND__WINDOW_RECORDS", "10")];
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&few));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        doors.mosquitto.stop();
        post(&gateway, EMPLOYEE, 0..1_000, 20);
        wait_for_kafka(&gateway, 1_000);
        doors.mosquitto.run();
    });
    assert_in_order(&all_of(&mut subscriber, 0..1_000).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_refuses_for_good_is_set_aside_on_kafka_and_holds_up_no_other_type() {
    let vips = "topic readwrite boxbridge/default/events/vip/#\n";
    let doors = tokio::task::block_in_place(|| Doors::allowing("refused", vips));
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let mut subscriber = doors.subscriber().await;

    tokio::task::block_in_place(|| {
        post(&gateway, EMPLOYEE, 0..1, 1);
        post(&gateway, VIP, 1..2, 1);
    });
    all_of(&mut subscriber, 1..2).await;

    let is_ours = |it: &crate::parts::kafka::Received| {
        it.headers.get("boxbridge_destination").map(String::as_str) == Some("refused")
    };
    let found = Broker::shared()
        .read_until("boxbridge.aside", "the refused one", move |all| {
            all.iter().any(is_ours)
        })
        .await;
    let aside = found.into_iter().find(is_ours).unwrap();
    assert_eq!(aside.headers["boxbridge_reason"], "not_authorised");
    assert_eq!(
        aside.headers["boxbridge_topic"],
        "boxbridge/default/events/employee/gate-0"
    );
    assert_eq!(aside.key, "default/gate-0");
    let event: Value = serde_json::from_slice(&aside.payload).unwrap();
    assert_eq!(event["identity"]["id"], "000000");

    tokio::task::block_in_place(|| {
        wait_until("it counts as set aside", || {
            gateway.ledger(&doors.out_of_kafka()).set_aside == 1
        });
        doors.mosquitto.allow(ALL);
        // The broker takes its time to read what it allows.
        let mut number = 2;
        wait_until("the type flows again", || {
            post(&gateway, EMPLOYEE, number..number + 1, 1);
            number += 1;
            !subscriber.received().is_empty()
        });
    });
    let files = std::fs::read_dir(gateway.data_dir().join("aside")).unwrap();
    assert_eq!(files.count(), 0, "nothing of it is on the gateway's disk");
}
