//! Around a start and a stop: the broker keeps nothing on disk, and loses no alert for a subscriber who comes back.

use std::time::{Duration, Instant};

use boxbridge::send::{Answer, Session as _};
use boxbridge_config::MqttVersion;
use boxbridge_event::{Lane, Sequence};
use serde_json::json;

use super::raw::{Hello, Raw};
use super::{assert_all_in_order, session, start, subscriber};
use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event};
use crate::parts::subscriber::{Over, Subscriber};
use crate::send::mqtt::{acknowledged, message, next};

const ALERTS: u64 = 30;

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_two_seconds_after_a_start_misses_no_alert_and_who_was_there_waits_for_none()
{
    let broker = start();
    let mut there = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/+").await;
    let mut urgent = session(&broker, Lane::Urgent).await;
    for number in 1..=ALERTS {
        let sent = Instant::now();
        urgent.submit(Sequence(number), message("events/1", number.to_string()));
        assert_eq!(next(&mut urgent).await, acknowledged(number));
        assert_eq!(there.receive_one().await.text(), number.to_string());
        assert!(
            sent.elapsed() < Duration::from_secs(1),
            "{:?}",
            sent.elapsed()
        );
    }

    // The stimulus: they come back two seconds later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut back = subscriber(&broker, Over::Tcp, MqttVersion::V3, "events/#").await;
    assert_all_in_order(&back.receive(ALERTS as usize).await, ALERTS);
    urgent.submit(Sequence(ALERTS + 1), message("events/1", "next"));
    next(&mut urgent).await;
    assert_eq!(
        (
            back.receive_one().await.text(),
            there.receive_one().await.text()
        ),
        ("next", "next")
    );
    assert!(back.received().is_empty() && there.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_is_called_heard_when_somebody_comes_for_it_and_unheard_when_nobody_does() {
    let broker = start();
    let mut urgent = session(&broker, Lane::Urgent).await;
    urgent.submit(Sequence(1), message("events/1", "{}"));
    urgent.submit(Sequence(2), message("nobody/1", "{}"));

    // The stimulus: who listens comes a second later.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut back = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    assert_eq!(back.receive_one().await.topic, "events/1");
    assert_eq!(next(&mut urgent).await, acknowledged(1));
    assert_eq!(
        next(&mut urgent).await,
        Answer::Acknowledged {
            sequence: Sequence(2),
            heard: false
        }
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_at_the_start_takes_no_alerts_place_and_is_not_lost_either() {
    const WAITING: u64 = 3_000;
    let broker = start();
    let _there = subscriber(&broker, Over::Tcp, MqttVersion::V5, "#").await;
    let mut normal = session(&broker, Lane::Normal).await;
    for number in 1..=WAITING {
        normal.submit(Sequence(number), message("late/1", number.to_string()));
    }

    let draining = tokio::spawn(async move {
        for number in 1..=WAITING {
            assert_eq!(next(&mut normal).await, acknowledged(number));
        }
    });
    let mut urgent = session(&broker, Lane::Urgent).await;
    for number in 1..=ALERTS {
        urgent.submit(Sequence(number), message("events/1", number.to_string()));
        next(&mut urgent).await;
    }

    // The stimulus: they come back two seconds later.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut guard = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    let mut archive = subscriber(&broker, Over::Tcp, MqttVersion::V5, "late/#").await;
    let numbers = |received: Vec<crate::parts::subscriber::Received>| -> Vec<u64> {
        received
            .iter()
            .map(|received| received.text().parse().unwrap())
            .collect()
    };
    assert!(
        numbers(guard.receive(ALERTS as usize).await)
            .into_iter()
            .eq(1..=ALERTS)
    );
    assert!(
        numbers(archive.receive(WAITING as usize).await)
            .into_iter()
            .eq(1..=WAITING)
    );
    draining.await.unwrap();
    assert_eq!(broker.dropped(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_who_comes_back_to_a_restarted_gateway_misses_no_alert() {
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    // A machine that is busy with other tests is no broken promise.
    let settings = [("SEND__MQTT__EMBEDDED__LISTEN", listen.as_str())];
    let mut gateway = Gateway::start(&settings);
    let address = ([127, 0, 0, 1], port).into();
    // This one is there for all of it, but for the moments in which it tries again.
    let mut subscriber = Subscriber::start(address, "boxbridge/+/+/blacklist/#").await;
    let mut people: Vec<String> = Vec::new();
    for round in 0..2 {
        if round == 1 {
            gateway.stop();
            gateway.restart();
        }
        for number in 0..ALERTS {
            let person = format!("{round}-{number}");
            gateway.take("/RealTimeEvent", &event(&person, json!(3), "gate"));
            people.push(person);
        }
    }

    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < people.len() {
        let payload: serde_json::Value =
            serde_json::from_slice(&subscriber.receive_one().await.payload).unwrap();
        heard.insert(payload["identity"]["id"].as_str().unwrap().to_owned());
    }
    assert!(people.iter().all(|person| heard.contains(person)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_session_at_a_clean_stop_is_published_again_after_it() {
    let port = free_port();
    let address: std::net::SocketAddr = ([127, 0, 0, 1], port).into();
    let listen = address.to_string();
    let mut gateway = Gateway::start(&[("SEND__MQTT__EMBEDDED__LISTEN", &listen)]);
    let hello = Hello::keeping("screen");
    let (mut screen, _) = Raw::connect(address, 5, hello).await;
    assert_eq!(screen.subscribe("boxbridge/+/events/#").await, 1);
    drop(screen);
    gateway.take("/RealTimeEvent", &event("1", json!(3), "gate"));
    gateway.wait_delivered();
    assert_eq!(gateway.stop(), Some(0));
    gateway.restart();

    let mut subscriber = Subscriber::start(address, "boxbridge/+/late/#").await;
    let message = subscriber.receive_one().await;
    let payload: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(payload["identity"]["id"], "1");
    assert!(payload["replay"].is_string(), "{payload}");

    // And once is enough.
    drop(subscriber);
    assert_eq!(gateway.stop(), Some(0));
    gateway.restart();

    let _subscriber = Subscriber::start(address, "boxbridge/#").await;
    assert_eq!(gateway.stop(), Some(0));
    assert_eq!(
        gateway
            .log()
            .matches("its last 60 s are published again")
            .count(),
        1,
        "{}",
        gateway.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_made_good_also_by_the_second_start_after_it() {
    let port = free_port();
    let address: std::net::SocketAddr = ([127, 0, 0, 1], port).into();
    let listen = address.to_string();
    let mut gateway = Gateway::start(&[
        ("SEND__MQTT__EMBEDDED__LISTEN", &listen),
        ("INGEST__ANSWER_DEADLINE", "5s"),
    ]);
    let answer = gateway.post("/RealTimeEvent", &event("1", json!(3), "gate"));
    assert_eq!(answer.status, 200);
    gateway.wait_delivered();
    // Its cursor is on disk, so nothing but a replay brings the event again.
    assert_eq!(gateway.stop(), Some(0));
    gateway.restart();
    gateway.kill_and_restart();
    // It is stopped before anybody listens, and closes the queue properly.
    assert_eq!(gateway.stop(), Some(0));
    gateway.restart();

    let mut subscriber = Subscriber::start(address, "boxbridge/+/late/#").await;
    let message = subscriber.receive_one().await;
    let payload: serde_json::Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(payload["identity"]["id"], "1");
    assert!(payload["replay"].is_string(), "{payload}");
}

#[test]
fn what_waits_for_a_broker_is_not_taken_by_ours_only_because_its_section_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boxbridge.toml");
    std::fs::write(&file, "[send.mqtt]\nurl = \"mqtt://127.0.0.1:9\"\n").unwrap();
    let mut gateway = Gateway::start(&[("CONFIG", &file.display().to_string())]);
    gateway.take("/RealTimeEvent", &event("1", json!(3), "gate"));
    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());

    std::fs::write(&file, "# no section any more\n").unwrap();
    for command in [&["check"][..], &[]] {
        let (said, code) = gateway.run(command);
        assert!(
            code == Some(1)
                && said.contains("1 records wait for the MQTT broker 127.0.0.1:9")
                && said.contains("boxbridge queue forget mqtt"),
            "{said}"
        );
    }

    // Written down it is meant.
    std::fs::write(&file, "[send.mqtt]\nurl = \"embedded\"\n").unwrap();
    let (said, code) = gateway.run(&["check"]);
    assert_eq!(code, Some(0), "{said}");
    gateway.restart();
    gateway.wait_delivered();
}
