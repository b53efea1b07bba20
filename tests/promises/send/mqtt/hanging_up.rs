//! One wrong thing does not stop the rest: a broker that says no by hanging up, or says "not now", through the whole gateway.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::site::{files, wait_until};
use crate::parts::stub_broker::{Publication, Reaction, StubBroker};
use crate::parts::subscriber::Subscriber;

/// A gateway whose boxes are patient: what is promised here is not how fast they are answered, and the machine may be busy.
fn gateway(url: &str, version: &str) -> Gateway {
    Gateway::start(&[("SEND__MQTT__URL", url), ("SEND__MQTT__VERSION", version)])
}

fn set_aside(gateway: &Gateway) -> u64 {
    gateway.ledger("mqtt").set_aside
}

/// One event whose message is larger than the broker takes.
fn large(identity: &str) -> serde_json::Value {
    let mut event = event(identity, json!(1), "gate");
    event["remark"] = "x".repeat(40_000).into();
    event
}

/// Of the events on one topic level, in the order in which they came.
fn events<'a>(taken: &'a [Publication], level: &'a str) -> impl Iterator<Item = &'a Publication> {
    taken
        .iter()
        .filter(move |publication| publication.topic.contains(level))
}

#[tokio::test(flavor = "multi_thread")]
async fn events_too_large_for_a_broker_that_only_hangs_up_are_set_aside_and_the_others_arrive() {
    for (version, neighbours) in [("3", 1), ("3", 2)] {
        let broker = Mosquitto::with(&Settings {
            lines: &["max_packet_size 30000"],
            ..Settings::default()
        });
        let mut subscriber = Subscriber::start(broker.address(), "boxbridge/+/events/#").await;
        let url = format!("mqtt://{}", broker.address());
        let gateway = gateway(&url, version);
        for number in 0..neighbours {
            gateway.take("/RealTimeEvent", &large(&format!("large-{number}")));
        }
        for number in 0..10 {
            gateway.take(
                "/RealTimeEvent",
                &event(&number.to_string(), json!(1), "gate"),
            );
        }
        subscriber.receive(10).await;
        wait_until("they are set aside", || set_aside(&gateway) == neighbours);
        gateway.wait_delivered();
        for (_, bytes) in files(&gateway.data_dir().join("aside")) {
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                text.contains(r#""reason":"poison""#) && text.contains("topic boxbridge/default/"),
                "{text:.500}"
            );
        }
        let log = gateway.log();
        assert!(
            log.contains("event set aside") && log.contains("\"person_type\":\"employee\""),
            "{log}"
        );
    }
}

#[test]
fn one_stranger_whose_topic_is_denied_by_hanging_up_holds_back_no_employee() {
    for version in ["3", "5"] {
        let is_denied = Arc::new(AtomicBool::new(true));
        let denies = Arc::clone(&is_denied);
        let broker = StubBroker::start(move |publication| {
            let is_refused =
                publication.topic.contains("/stranger/") && denies.load(Ordering::Relaxed);
            if is_refused {
                Reaction::HangUp
            } else {
                Reaction::Take
            }
        });
        let gateway = gateway(&broker.url(), version);
        gateway.take("/RealTimeEvent", &event("stranger", json!(4), "gate"));
        for number in 0..20 {
            gateway.take(
                "/RealTimeEvent",
                &event(&number.to_string(), json!(1), "gate"),
            );
        }
        wait_until("the employees arrive", || {
            events(&broker.taken(), "/employee/").count() == 20
        });
        wait_until("it is a reason shown", || {
            gateway.ready()["reasons"]
                .to_string()
                .contains("dies on 1 event of type stranger")
        });
        assert_eq!(set_aside(&gateway), 0);
        is_denied.store(false, Ordering::Relaxed);
        wait_until("the stranger arrives", || {
            events(&broker.taken(), "/stranger/").count() == 1
        });
    }
}

#[test]
fn a_type_whose_topic_is_denied_by_hanging_up_is_paused_and_said_and_flows_again() {
    let is_denied = Arc::new(AtomicBool::new(true));
    let denies = Arc::clone(&is_denied);
    let broker = StubBroker::start(move |publication| {
        let is_refused = publication.topic.contains("/stranger/") && denies.load(Ordering::Relaxed);
        if is_refused {
            Reaction::HangUp
        } else {
            Reaction::Take
        }
    });
    let gateway = gateway(&broker.url(), "5");
    for number in 0..40 {
        let person_type = json!(if number % 2 == 0 { 4 } else { 1 });
        gateway.take(
            "/RealTimeEvent",
            &event(&number.to_string(), person_type, "gate"),
        );
    }
    wait_until("the employees arrive", || {
        events(&broker.taken(), "/employee/").count() == 20
    });
    wait_until("it is said", || {
        gateway
            .log()
            .contains("the connection dies on them, and not on others")
    });
    assert!(
        gateway.ready()["reasons"]
            .to_string()
            .contains("stranger is paused"),
        "{}",
        gateway.ready()
    );
    assert_eq!(set_aside(&gateway), 0);
    is_denied.store(false, Ordering::Relaxed);
    wait_until("the strangers arrive", || {
        events(&broker.taken(), "/stranger/").count() == 20
    });
    wait_until("and that is said", || {
        gateway.log().contains("events of this type flow again")
    });
}

#[test]
fn a_broker_that_hangs_up_on_the_status_costs_no_alert() {
    for version in ["3", "5"] {
        let broker = StubBroker::start(|publication| {
            if publication.topic.ends_with("/status") {
                Reaction::HangUp
            } else {
                Reaction::Take
            }
        });
        let gateway = gateway(&broker.url(), version);
        for number in 0..5 {
            gateway.take(
                "/RealTimeEvent",
                &event(&number.to_string(), json!(3), "gate"),
            );
        }
        wait_until("the alerts arrive", || {
            events(&broker.taken(), "/blacklist/").count() == 5
        });
        let log = gateway.log();
        assert_eq!(log.matches("it is switched off").count(), 1, "{log}");
        assert_eq!(set_aside(&gateway), 0);
        wait_until("it is up", || {
            gateway.ready()["destinations"]["mqtt"] == "up"
        });
    }
}

#[test]
fn a_status_that_is_refused_is_said_with_its_topic_and_setting_and_the_alerts_flow() {
    const NOT_AUTHORISED: u8 = 0x87;
    let broker = StubBroker::start(
        |publication| match publication.topic.contains("/gateways/") {
            true => Reaction::Refuse(NOT_AUTHORISED),
            false => Reaction::Take,
        },
    );
    let gateway = gateway(&broker.url(), "5");
    let alert = event("1", json!(3), "gate");
    gateway.take("/RealTimeEvent", &alert);
    gateway.wait_delivered();

    let log = gateway.log();
    assert!(
        log.contains("the status message was not taken")
            && log.contains("send.mqtt.status_topic")
            && log.contains("\"topic\":\"boxbridge/default/gateways/"),
        "{log}"
    );
}

#[test]
fn what_a_broker_refuses_over_quota_is_tried_until_it_is_taken_in_order() {
    /// Quota exceeded.
    const QUOTA: u8 = 0x97;
    let first = OnceLock::new();
    let broker = StubBroker::start(move |publication| {
        let is_event = publication.topic.contains("/events/");
        let is_refused =
            is_event && first.get_or_init(Instant::now).elapsed() < Duration::from_secs(2);
        if is_refused {
            Reaction::Refuse(QUOTA)
        } else {
            Reaction::Take
        }
    });
    let gateway = gateway(&broker.url(), "5");
    for number in 0..90 {
        let device = ["gate", "door", "yard"][number % 3];
        gateway.take(
            "/RealTimeEvent",
            &event(&number.to_string(), json!(1), device),
        );
    }
    gateway.wait_delivered();
    assert_eq!(set_aside(&gateway), 0);
    let mut of_devices: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for publication in events(&broker.taken(), "/events/") {
        let (_, rest) = publication.text.split_once(r#""number":"#).unwrap();
        let number = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap();
        of_devices
            .entry(publication.topic.clone())
            .or_default()
            .push(number.parse().unwrap());
    }
    assert_eq!(of_devices.values().map(Vec::len).sum::<usize>(), 90);
    assert!(
        of_devices.values().all(|numbers| numbers.is_sorted()),
        "{of_devices:?}"
    );
    let log = gateway.log();
    assert!(log.contains("the broker answered QuotaExceeded"), "{log}");
    assert_eq!(log.matches("flow again").count(), 1, "{log}");
}

#[test]
fn a_broker_that_is_killed_again_and_again_with_events_in_flight_sets_nothing_aside() {
    let mut broker = Mosquitto::start();
    let url = format!("mqtt://{}", broker.address());
    let gateway = gateway(&url, "5");
    let delivered = || gateway.metrics()["boxbridge_send_records_total{destination=\"mqtt\",lane=\"normal\",outcome=\"delivered\"}"];
    for round in 0..12_u32 {
        for number in 0..30 {
            let identity = format!("{round}-{number}");
            gateway.take(
                "/RealTimeEvent",
                &event(&identity, json!(1 + number % 5), "gate"),
            );
        }
        wait_until("some are delivered", || {
            delivered() >= f64::from(round * 10)
        });
        broker.kill();
        broker.run();
    }
    gateway.wait_delivered();
    assert_eq!(set_aside(&gateway), 0);
    assert!(
        !gateway.log().contains("the connection dies on them"),
        "{}",
        gateway.log()
    );
}
