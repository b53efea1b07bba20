//! `boxbridge status`: what it shows is what was sent, its exit code is the answer, and it leaves the terminal as it was.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;

mod api;
mod full;
mod screen;
mod watched;

const BINARY: &str = env!("CARGO_BIN_EXE_boxbridge");

#[test]
fn what_it_shows_is_what_was_sent() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    for number in 0..7 {
        // The seventh is the sixth again.
        let event = event(
            &number.min(5).to_string(),
            json!(if number == 0 { 3 } else { 1 }),
            "gate",
        );
        gateway.take("/RealTimeEvent", &event);
    }
    gateway.post_bytes("/RealTimeEvent", b"{nonsense");
    gateway.post_bytes("/HistoryEvent", b"{nonsense");
    gateway.post("/DeviceStatus", &json!({}));
    wait_until("the store has nothing to do", || {
        gateway.ledger("store").delivered == 6
    });
    json_says_it(&gateway);
    the_screen_says_it(&gateway);
}

fn json_says_it(gateway: &Gateway) {
    let (text, code) = gateway.run(&["status", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let report: Value = serde_json::from_str(&text).unwrap();
    let totals = ["accepted", "duplicate", "refused", "aborted", "quarantined"]
        .map(|outcome| report["events"][outcome]["total"].clone());
    assert_eq!(totals, [6, 1, 1, 0, 1]);
    assert_eq!(
        (&report["ready"], &report["status_reports"]["total"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(report["events"]["accepted"]["per_second"], 0.0);
    assert_eq!(report["refusals"], json!({"json_invalid": 1}));
    assert_eq!(
        report["pictures"]["taken"],
        json!({"ok": 0, "truncated": 0, "undecodable": 0, "oversize": 0})
    );
    assert_eq!(report["queue"]["max_bytes"], json!(10_u64 << 30));
    lanes_are(&report);
}

fn lanes_are(report: &Value) {
    let lanes: Vec<_> = report["lanes"].as_array().unwrap().iter().collect();
    let lane = |destination: &str, lane: &str| {
        *lanes
            .iter()
            .find(|found| found["destination"] == destination && found["lane"] == lane)
            .unwrap()
    };
    for (found, up, accepted, delivered, waiting) in [
        (lane("mqtt", "urgent"), false, 1, 0, 1),
        (lane("mqtt", "normal"), false, 5, 0, 5),
        (lane("store", "urgent"), true, 1, 1, 0),
        (lane("store", "normal"), true, 5, 5, 0),
    ] {
        let numbers = (
            &found["up"],
            &found["accepted"],
            &found["delivered"],
            &found["waiting"],
        );
        assert_eq!(
            numbers,
            (
                &json!(up),
                &json!(accepted),
                &json!(delivered),
                &json!(waiting)
            ),
            "{found}"
        );
    }
    assert_eq!(
        (lanes.len(), &report["ledger_differences"]),
        (4, &json!([]))
    );
}

fn the_screen_says_it(gateway: &Gateway) {
    let (screen, code) = gateway.run(&["status"]);
    assert_eq!(code, Some(0));
    for part in [
        "mqtt is down: ",
        "ledger    adds up",
        "refused   json_invalid 1\n",
        "; does not grow",
    ] {
        assert!(screen.contains(part), "{part:?} is not in:\n{screen}");
    }
    assert!(!screen.contains('\x1b'), "no colours where no terminal is");
    let (elsewhere, code) = gateway.run(&[
        "status",
        "--url",
        &format!("http://{}", gateway.admin),
        "--set",
        "site=Not a site",
    ]);
    assert_eq!(
        code,
        Some(0),
        "with a URL no settings are read: {elsewhere}"
    );
}

#[test]
fn rates_and_quantiles_are_of_the_time_between_two_looks() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (sent, text) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut sent = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                gateway.take(
                    "/RealTimeEvent",
                    &event(&sent.to_string(), json!(1), "gate"),
                );
                sent += 1;
            }
            sent
        });
        let (text, _) = gateway.run(&["status", "--json"]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        (sending.join().unwrap(), text)
    });
    let report: Value = serde_json::from_str(&text).unwrap();
    let seconds = report["interval_seconds"].as_f64().unwrap();
    assert!((1.0..3.0).contains(&seconds), "{seconds}");
    let between = report["events"]["accepted"]["per_second"].as_f64().unwrap() * seconds;
    assert!(
        between >= 1.0 && between <= f64::from(sent),
        "{between} of {sent}"
    );
    assert!(
        report["answers"]["p50"]["at_most"].as_f64().is_some(),
        "{report}"
    );
    assert!(
        report["answers"]["sync_p99"]["at_most"].as_f64().is_some(),
        "{report}"
    );
    assert!(
        (0.0..=1.0).contains(&report["answers"]["over_500_ms"].as_f64().unwrap()),
        "{report}"
    );
}

#[test]
fn the_exit_code_says_ready_not_ready_or_nobody_there() {
    let mut gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__DRAIN_DELAY", "5s"),
    ]);
    gateway.signal("TERM");
    wait_until("not ready", || gateway.ready()["ready"] == json!(false));
    let (screen, code) = gateway.run(&["status"]);
    assert!(
        code == Some(1) && screen.contains("NOT READY\nbecause   draining\n"),
        "{screen}"
    );
    // What answers there is no admin listener.
    let (said, code) = gateway.run(&["status", "--url", &format!("http://{}", gateway.ingest)]);
    assert!(
        code == Some(69) && said.contains("no admin listener of boxbridge"),
        "{said}"
    );
    gateway.kill();
    let (said, code) = gateway.run(&["status"]);
    let expected = format!(
        "no gateway at http://{}: nobody listens there; is it running, and is this its admin.listen",
        gateway.admin
    );
    assert!(code == Some(69) && said.contains(&expected), "{said}");
    let (said, code) = gateway.run(&["status", "--set", "admin.listen=9529"]);
    assert!(code == Some(64) && said.contains("admin.listen"), "{said}");
    // One that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = Instant::now();
    let (said, code) = gateway.run(&[
        "status",
        "--url",
        &format!("http://{}", silent.local_addr().unwrap()),
    ]);
    assert!(
        code == Some(69) && said.contains("no answer within 2s"),
        "{said}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}
