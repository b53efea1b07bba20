//! No request waits for a broker: with all destinations down the boxes are answered, and everything arrives when they are back. What does not
//! flow is named, with its reason, wherever an operator looks; and the log stays readable.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use boxbridge_proof::simulate;
use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::run::Run;
use crate::parts::site::{Site, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn with_every_destination_down_boxes_are_answered_and_everything_arrives_later() {
    // A busy test machine may be slower than a box is patient: that no answer waits for a broker shows in that all of them come.
    let mut site = Site::with_own_kafka("outage", &[]);
    let options = simulate::Options {
        rate: 50.0,
        patience: Duration::from_secs(4),
        ..simulate::Options::default()
    };
    let run = Run::start(&site, options).await;
    // The stimulus: boxes send.
    tokio::time::sleep(Duration::from_secs(2)).await;
    tokio::task::block_in_place(|| site.everything_down());
    // The stimulus: they go on sending while all destinations are down.
    tokio::time::sleep(Duration::from_secs(5)).await;
    tokio::task::block_in_place(|| site.everything_up());
    // The stimulus: boxes send.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (outcome, report) = run.finish(&site).await;
    assert_eq!(report.sent, report.acknowledged, "{outcome}");
    assert!(report.passes(), "{report}");
}

#[test]
fn a_destination_that_is_down_is_a_reason_shown_and_not_a_cause() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    // The store of files is a destination too, and takes its moment to be there.
    wait_until("the store is there", || {
        gateway.ready()["destinations"]["store"] == "up"
    });
    let ready = gateway.ready();
    assert_eq!(
        (&ready["ready"], &ready["destinations"]["mqtt"]),
        (&json!(true), &json!("down"))
    );
    assert!(
        ready["reasons"][0]
            .as_str()
            .is_some_and(|text| text.starts_with("mqtt is down: ")),
        "{ready}"
    );
    let metrics = gateway.metrics();
    assert_eq!(metrics["boxbridge_send_up{destination=\"mqtt\"}"], 0.0);
    assert_eq!(
        metrics["boxbridge_queue_waiting_records{destination=\"mqtt\",lane=\"normal\"}"],
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_counts_add_up_before_and_after_a_restart() {
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let mut gateway = Gateway::start(&[("SEND__MQTT__URL", &url)]);
    for number in 0..10 {
        gateway.take(
            "/RealTimeEvent",
            &event(&number.to_string(), json!(number % 6), "gate"),
        );
    }
    gateway.wait_delivered();
    for round in 0..2 {
        for destination in ["store", "mqtt"] {
            let ledger = gateway.ledger(destination);
            assert_eq!(
                (ledger.accepted, ledger.ended() + ledger.waiting),
                (10, 10),
                "{destination}, round {round}: {ledger:?}"
            );
        }
        let metrics = gateway.metrics();
        let accepted =
            metrics["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"];
        assert_eq!(accepted, 10.0, "round {round}");
        gateway.kill_and_restart();
        gateway.wait_delivered();
    }
}

/// Log lines with this text.
fn lines(gateway: &Gateway, text: &str) -> usize {
    gateway
        .log()
        .lines()
        .filter(|line| line.contains(text))
        .count()
}

#[test]
fn a_type_that_is_paused_is_named_with_its_reason_until_it_flows_again() {
    let denied = "topic readwrite boxbridge/default/gateways/#\ntopic readwrite boxbridge/default/late/employee/#\n";
    let mosquitto = Mosquitto::with(&Settings {
        acl: denied,
        ..Settings::default()
    });
    let url = format!("mqtt://{}", mosquitto.address());
    let gateway = Gateway::start(&[("SEND__MQTT__URL", &url)]);
    for number in 0..15 {
        gateway.take(
            "/HistoryEvent",
            &event(&number.to_string(), json!(2), "gate"),
        );
    }
    let reason = || {
        let reasons = gateway.ready()["reasons"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        reasons
            .iter()
            .filter_map(|reason| reason.as_str())
            .find(|reason| reason.contains("is paused"))
            .map(str::to_owned)
    };
    wait_until("a reason", || reason().is_some());
    let said = reason().unwrap();
    assert!(
        said.starts_with("mqtt normal: visitor is paused: not_authorised: "),
        "{said}"
    );
    assert_eq!(
        gateway.metrics()["boxbridge_send_paused{destination=\"mqtt\",lane=\"normal\"}"],
        1.0
    );
    status_names_the_paused_type(&gateway);
    assert_eq!(gateway.ready()["ready"], json!(true));
    assert_eq!(
        lines(&gateway, "refused again and again"),
        1,
        "{}",
        gateway.log()
    );

    mosquitto.allow("topic readwrite #\n");
    wait_until("it flows", || reason().is_none());
    gateway.wait_delivered();
    assert_eq!(
        lines(&gateway, "events of this type flow again"),
        1,
        "{}",
        gateway.log()
    );
    let (screen, _) = gateway.run(&["status"]);
    assert!(screen.contains("mqtt    up     normal"), "{screen}");
}

fn status_names_the_paused_type(gateway: &Gateway) {
    let (screen, _) = gateway.run(&["status"]);
    assert!(
        screen.contains("mqtt    paused normal") && screen.contains("visitor is paused"),
        "{screen}"
    );
    let (text, _) = gateway.run(&["status", "--json"]);
    let lanes = serde_json::from_str::<Value>(&text).unwrap()["lanes"].take();
    let paused: Vec<&Value> = lanes
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|lane| lane["paused_types"].as_array().unwrap())
        .collect();
    assert_eq!(
        (paused.len(), &paused[0]["person_type"]),
        (1, &json!("visitor")),
        "{lanes}"
    );
    assert!(
        paused[0]["reason"]
            .as_str()
            .unwrap()
            .starts_with("not_authorised: "),
        "{lanes}"
    );
}

/// As on a copied `data_dir`: a broker lets only the last one in.
#[test]
fn two_gateways_with_one_client_id_are_told_so_and_leave_the_log_readable() {
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let said = "if another client connects as";
    for version in ["5", "3"] {
        let settings = [
            ("SEND__MQTT__URL", url.as_str()),
            ("SEND__MQTT__CLIENT_ID", "twin"),
            ("SEND__MQTT__VERSION", version),
        ];
        let twins = [Gateway::start(&settings), Gateway::start(&settings)];
        let is_told = |gateway: &Gateway| lines(gateway, said) > 0;
        wait_until("one of them is told", || twins.iter().any(is_told));
        // The stimulus: they put each other out for so long.
        std::thread::sleep(Duration::from_secs(10));
        for twin in &twins {
            let lines = twin
                .log()
                .lines()
                .filter(|line| line.contains("destination"))
                .count();
            // Some for the store, and for each lane a few causes and that it is back; not the twenty a second that there once were.
            assert!(
                lines <= 30,
                "version {version}: {lines} lines\n{}",
                twin.log()
            );
        }
        let told = twins.iter().find(|twin| is_told(twin)).unwrap().log();
        assert!(
            told.contains("twin-") && told.contains("copy of this data_dir"),
            "{told}"
        );
    }
}

/// An MQTT 5 broker's CONNACK with NotAuthorized; its client closes then.
fn turn_away(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut buffer = [0; 4_096];
    let _ = stream.read(&mut buffer)?;
    stream.write_all(&[0x20, 3, 0, 0x87, 0])?;
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

#[test]
fn another_cause_of_an_outage_is_logged_once() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", &format!("mqtt://{nobody}")),
        ("SEND__RETRY_MAX", "100ms"),
    ]);
    let other = "destination is still down, now for another cause";
    wait_until("the first cause", || {
        lines(&gateway, "destination is down") == 2
    });
    assert_eq!(lines(&gateway, other), 0);
    // Takes turns with a broker that lets nobody in.
    for round in 0..3 {
        let (stop, turned_away) = (AtomicBool::new(false), AtomicU32::new(0));
        let listener = TcpListener::bind(nobody).unwrap();
        listener.set_nonblocking(true).unwrap();
        std::thread::scope(|scope| {
            let (stop, turned_away) = (&stop, &turned_away);
            scope.spawn(move || {
                // Not for ever, should the test fail meanwhile.
                let late = Instant::now() + Duration::from_secs(40);
                while !stop.load(Ordering::Relaxed) && Instant::now() < late {
                    if let Ok((stream, _)) = listener.accept() {
                        turned_away
                            .fetch_add(u32::from(turn_away(stream).is_ok()), Ordering::Relaxed);
                    }
                    // The pause between two looks at a listener that does not block.
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            wait_until("turned away", || {
                turned_away.load(Ordering::Relaxed) > 5 && lines(&gateway, other) == 2
            });
            stop.store(true, Ordering::Relaxed);
        });
        wait_until("refused again", || {
            gateway.ready()["reasons"]
                .to_string()
                .contains("Connection refused")
        });
        assert_eq!(
            (
                lines(&gateway, "destination is down"),
                lines(&gateway, other)
            ),
            (2, 2),
            "round {round}: {}",
            gateway.log()
        );
    }
}

/// A clock that does not agree with the brokers' is ours to set: no event is refused for it. (A topic that takes nothing of the past stands for
/// brokers whose clock is ahead.)
#[tokio::test(flavor = "multi_thread")]
async fn kafka_that_refuses_our_clock_is_shown_as_waiting_and_has_everything_later() {
    let broker = tokio::task::spawn_blocking(Broker::shared).await.unwrap();
    broker
        .make_topic(
            "clock-of-ours",
            1,
            &[("message.timestamp.before.max.ms", "0")],
        )
        .await;
    let address = broker.address();
    let settings = [
        ("SEND__MQTT__URL", ""),
        ("SEND__KAFKA__BROKERS", address.as_str()),
        ("ROUTE__DEFAULT__KAFKA_TOPIC", "clock-of-ours"),
    ];
    let gateway = tokio::task::block_in_place(|| Gateway::start(&settings));
    tokio::task::block_in_place(|| {
        for number in 0..15 {
            gateway.take(
                "/RealTimeEvent",
                &event(&number.to_string(), json!(number % 6), "gate"),
            );
        }
        let is_named = |reason: &&serde_json::Value| {
            let words = ["is paused: topic_unfit: ", "this gateway's clock says 20"];
            reason.as_str().is_some_and(|text| {
                text.starts_with("kafka ") && words.iter().all(|word| text.contains(word))
            })
        };
        wait_until("the clock is named for every type", || {
            gateway.ready()["reasons"]
                .as_array()
                .is_some_and(|reasons| reasons.iter().filter(is_named).count() == 6)
        });
    });
    broker
        .set_topic(
            "clock-of-ours",
            "message.timestamp.before.max.ms",
            "3600000",
        )
        .await;
    tokio::task::block_in_place(|| gateway.wait_delivered());
    let aside = gateway.sum("boxbridge_send_records_total", &[("outcome", "set_aside")]);
    assert_eq!(aside, 0.0, "{}", gateway.log());
    assert_eq!(broker.read("clock-of-ours", 15).await.len(), 15);
}
