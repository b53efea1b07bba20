//! What an operator does: a config file with TLS and passwords everywhere, the commands, an orderly stop.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::parts::certificates::Certificates;
use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::{Broker, PASSWORD, USER};
use crate::parts::mosquitto::{Listener, Mosquitto, Settings};
use crate::parts::s3;
use crate::parts::site::{base64, jpeg};

#[tokio::test(flavor = "multi_thread")]
async fn one_config_file_reaches_secured_brokers_and_an_encrypted_store() {
    let (certificates, kafka) = (Certificates::make(), Broker::secured());
    let store = s3::Server::start_showing(&certificates);
    let mosquitto = Mosquitto::with(&Settings {
        listeners: &[Listener::Tls],
        users: &[("boxbridge", "mqtt secret")],
        certificates: Some(&certificates),
        ..Settings::default()
    });
    let directory = tempfile::tempdir().unwrap();
    let secrets = directory.path().join("s3-secret");
    std::fs::write(&secrets, format!("{}\n", s3::SECRET)).unwrap();
    let file = directory.path().join("boxbridge.toml");
    let text = format!(
        r#"
        site = "lobby"
        [route.default]
        kafka_topic = "operator.{{person_type}}"
        [send.mqtt]
        url = "mqtts://{}"
        username = "boxbridge"
        ca_file = "{}"
        [send.kafka]
        brokers = "{}"
        security = "sasl_ssl"
        username = "{USER}"
        ca_file = "{}"
        [send.store]
        url = "s3://{}/lobby"
        endpoint = "{}"
        access_key_id = "{}"
        secret_access_key_file = "{}"
        ca_file = "{}"
        "#,
        mosquitto.address(),
        certificates.authority().display(),
        kafka.ways().address("SASL_SSL"),
        kafka.ca_file().display(),
        s3::BUCKET,
        store.endpoint(),
        s3::KEY_ID,
        secrets.display(),
        certificates.authority().display(),
    );
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let gateway = Gateway::start(&[
        ("CONFIG", &file),
        ("SEND__MQTT__PASSWORD", "mqtt secret"),
        ("SEND__KAFKA__PASSWORD", PASSWORD),
    ]);
    let mut body = event("666666", json!(3), "192.168.1.243");
    body["reg_pic"] = base64(&jpeg(1, 5_000));
    gateway.take("/RealTimeEvent", &body);
    gateway.wait_delivered();
    assert_eq!(
        kafka.read("operator.blacklist", 1).await[0].key,
        "lobby/192.168.1.243"
    );
    all_is_checked(&gateway);
}

fn all_is_checked(gateway: &Gateway) {
    let (found, code) = gateway.run(&["check", "--online"]);
    assert_eq!(code, Some(0), "{found}");
    for part in [
        "settings  ok",
        "disk      ok",
        "store     ok",
        "mqtt      ok",
        "kafka     ok",
        "; boxbridge.devices is ",
    ] {
        assert!(found.contains(part), "{found}");
    }
    assert!(
        !found.contains("secret") && !gateway.log().contains("mqtt secret"),
        "{found}"
    );
    let (found, _) = gateway.run(&["check", "--online", "--set", "send.mqtt.username=nobody"]);
    assert!(found.contains("mqtt      PROBLEM: "), "{found}");
}

#[test]
fn the_queue_can_be_looked_into_while_the_gateway_runs_and_after() {
    let mut gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    for number in 0..3 {
        gateway.take(
            "/RealTimeEvent",
            &event(&format!("canary-{number}"), json!(number + 1), "gate"),
        );
    }
    let (status, code) = gateway.run(&["queue", "status"]);
    assert!(
        code == Some(0) && status.contains("in use by a running gateway"),
        "{status}"
    );
    let (records, code) = gateway.run(&["queue", "inspect"]);
    assert_eq!((code, records.lines().count()), (Some(0), 3), "{records}");
    assert!(!records.contains("canary"), "no personal data: {records}");
    let (newest, _) = gateway.run(&["queue", "inspect", "--last", "1", "--json"]);
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&newest).unwrap()["sequence"],
        3
    );
    let (sound, code) = gateway.run(&["queue", "verify"]);
    assert!(
        code == Some(0)
            && sound.contains(
                "mqtt normal: accepted 2 = delivered 0 + set aside 0 + expired 0 + waiting 2: exact"
            ),
        "{sound}"
    );

    let off = [
        "--set",
        "send.mqtt.url=",
        "--set",
        "send.kafka.brokers=127.0.0.1:9",
    ];
    let forget = [&["queue", "forget", "mqtt"], &off[..]].concat();
    let (held, code) = gateway.run(&forget);
    assert!(code == Some(1) && held.contains("stop it first"), "{held}");

    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
    let (status, _) = gateway.run(&["queue", "status"]);
    assert!(status.contains("closed properly"), "{status}");
    // Switched off with records waiting: `check` and the start say so, and how to go on.
    let (checked, code) = gateway.run(&[&["check"], &off[..]].concat());
    assert!(
        code == Some(1) && checked.contains("queue     PROBLEM: 3 records wait for \"mqtt\""),
        "{checked}"
    );
    let (refused, code) = gateway.run(&off);
    assert!(
        code == Some(1) && refused.contains("boxbridge queue forget mqtt"),
        "{refused}"
    );
    assert!(
        refused.contains("3 records wait for "),
        "those of both lanes: {refused}"
    );
    what_is_forgotten_is_noted_first(&gateway, &off);
}

fn what_is_forgotten_is_noted_first(gateway: &Gateway, off: &[&str]) {
    let (kept, code) = gateway.run(&["queue", "forget", "mqtt"]);
    assert!(
        code == Some(1) && kept.contains("still configured"),
        "{kept}"
    );
    let (unknown, code) = gateway.run(&["queue", "forget", "mqqt"]);
    assert!(
        code == Some(1) && unknown.contains("no destination \"mqqt\""),
        "{unknown}"
    );
    let (forgotten, code) = gateway.run(&[&["queue", "forget", "mqtt"], off].concat());
    assert!(
        code == Some(0) && forgotten.contains("3 records"),
        "{forgotten}"
    );
    let audit = std::fs::read_to_string(gateway.data_dir().join("audit.jsonl")).unwrap();
    assert!(
        audit.contains("queue.forget") && audit.contains("\"how_many\":3"),
        "{audit}"
    );
    let (checked, code) = gateway.run(&[&["check"], off].concat());
    assert_eq!(code, Some(0), "{checked}");
}

#[test]
fn whoever_asks_for_a_queue_where_none_is_hears_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    let output = command
        .current_dir(&folder)
        .args(["queue", "status"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success()
            && said.contains("no queue in ./data/queue: give the gateway's own --config"),
        "{said}"
    );
}

#[test]
fn a_second_gateway_on_the_same_data_is_refused() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let (refused, code) = gateway.run(&[
        "--set",
        "ingest.listen=127.0.0.1:0",
        "--set",
        "admin.listen=127.0.0.1:0",
    ]);
    assert!(code == Some(1) && refused.contains("lock"), "{refused}");
}

#[test]
fn wrong_settings_end_with_64_before_anything_is_touched() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let (said, code) = gateway.run(&["--set", "queue.max_bytes=1MiB", "--set", "sitte=lobby"]);
    assert_eq!(code, Some(64), "{said}");
    assert!(
        said.contains("queue.max_bytes = \"1MiB\"") && said.contains("did you mean \"site\""),
        "{said}"
    );
}

fn command(arguments: &[&str]) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_boxbridge"))
        .args(arguments)
        .env_clear()
        .output()
        .unwrap();
    (
        String::from_utf8_lossy(&output.stderr).into_owned(),
        output.status.code(),
    )
}

#[test]
fn a_measurement_that_could_not_be_made_is_no_verdict() {
    let directory = tempfile::tempdir().unwrap();
    let ledger = directory.path().join("ledger").display().to_string();
    let nobody = format!("mqtt://127.0.0.1:{}", crate::parts::child::free_port());
    for (arguments, code) in [
        (&["reconcile", "--ledger", &ledger][..], 64),
        (
            &[
                "reconcile",
                "--ledger",
                &ledger,
                "--mqtt",
                "--set",
                "sitte=lobby",
            ],
            64,
        ),
        (&["reconcile", "--ledger", &ledger, "--mqtt", &nobody], 69),
        (
            &["reconcile", "--ledger", &ledger, "--arrivals", &ledger],
            69,
        ),
        (
            &["simulate", "--count", "1", "--ledger", "/proc/none/ledger"],
            69,
        ),
    ] {
        let (said, found) = command(arguments);
        assert_eq!(found, Some(code), "{arguments:?}: {said}");
    }
}

#[test]
fn a_setting_that_a_command_does_not_read_is_refused() {
    for arguments in [
        ["simulate", "--config", "site.toml"],
        ["simulate", "--set", "site=lobby"],
        ["demo", "-c", "site.toml"],
    ] {
        let (said, code) = command(&arguments);
        assert!(
            code == Some(64) && said.contains("does not read --"),
            "{said}"
        );
    }
}

#[test]
fn on_sigterm_it_is_not_ready_but_still_accepts_for_the_delay_and_ends_with_0() {
    let mut gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__DRAIN_DELAY", "1s"),
    ]);
    gateway.signal("TERM");
    crate::parts::site::wait_until("not ready", || gateway.ready()["ready"] == json!(false));
    assert_eq!(gateway.ready()["reasons"][0], "draining");
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
    gateway.restart();
    assert_eq!(
        gateway.metrics()["boxbridge_queue_waiting_records{destination=\"mqtt\",lane=\"normal\"}"],
        1.0
    );
}

#[test]
fn a_stop_waits_for_nobody_who_only_looks_and_tells_who_keeps_a_connection_to_come_anew() {
    let mut gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__DRAIN_DELAY", "1s"),
    ]);
    let body = event("1", json!(1), "gate").to_string();
    let request = format!(
        "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(
        !gateway
            .raw(request.as_bytes())
            .unwrap()
            .head
            .to_lowercase()
            .contains("connection: close")
    );
    let mut looking = std::net::TcpStream::connect(gateway.admin).unwrap();
    looking.write_all(b"GET /metrics HTTP/1.1\r\n").unwrap();
    gateway.signal("TERM");
    crate::parts::site::wait_until("not ready", || gateway.ready()["ready"] == json!(false));
    assert!(
        gateway
            .raw(request.as_bytes())
            .unwrap()
            .head
            .to_lowercase()
            .contains("connection: close")
    );
    let told = std::time::Instant::now();
    assert_eq!(gateway.wait(), Some(0), "{}", gateway.log());
    // It was seven seconds more: what a whole stop may take.
    assert!(
        told.elapsed() < Duration::from_secs(6),
        "{:?}",
        told.elapsed()
    );
}
