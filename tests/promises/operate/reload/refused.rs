//! Settings that are not taken: a mistake, or one that only a start can take.

use serde_json::json;

use super::{File, generation, is_refused, refused, taken};
use crate::parts::gateway::event;
use crate::parts::site::wait_until;

const NOWHERE: (&str, &str) = ("SEND__MQTT__URL", "mqtt://127.0.0.1:9");

#[test]
fn a_file_with_a_mistake_is_refused_whole_and_the_mistake_is_named() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE]);

    file.write("[log]\nlevel = \"debug\"\n[queue]\non_full = \"perhaps\"\n");
    refused(&gateway);
    assert_eq!(generation(&gateway), 1.0);
    let log = gateway.log();
    assert!(
        log.contains("queue.on_full = \\\"perhaps\\\": must be"),
        "{log}"
    );
    let ready = gateway.ready();
    assert_eq!(ready["ready"], true);
    assert!(
        ready["reasons"]
            .to_string()
            .contains("the settings were not taken: queue.on_full"),
        "{ready}"
    );
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    assert!(!gateway.log().contains("\"level\":\"DEBUG\""));

    // Who asks is answered, each time.
    let said = || {
        let log = gateway.log();
        log.lines()
            .filter(|line| line.contains("SIGHUP") && line.contains("queue.on_full"))
            .count()
    };
    let before = said();
    gateway.signal("HUP");
    wait_until("it is said again", || said() > before);

    // A file that is gone is a mistake, too.
    std::fs::remove_file(file.path()).unwrap();
    gateway.signal("HUP");
    wait_until("it is said", || gateway.log().contains("cannot read"));

    file.write("[queue]\non_full = \"expire_oldest\"\n");
    taken(&gateway);
    let reasons = gateway.ready()["reasons"].to_string();
    assert!(!reasons.contains("settings"), "{reasons}");
}

/// A secret in it is not said.
#[test]
fn a_secret_in_the_file_is_refused_and_not_said() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE]);
    file.write("[send.mqtt]\npassword = \"canary-77\"\n");
    refused(&gateway);
    let said = gateway.log() + &gateway.ready().to_string();
    assert!(said.contains("BOXBRIDGE_SEND__MQTT__PASSWORD"), "{said}");
    assert!(!said.contains("canary-77"), "{said}");
}

#[test]
fn what_only_a_start_takes_keeps_the_whole_file_back_and_is_named() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE]);
    for (text, named) in [
        ("site = \"lobby\"\n", "site is changed"),
        (
            "[queue]\nmax_bytes = \"1GiB\"\n",
            "queue.max_bytes is changed",
        ),
        (
            "[send.kafka]\nbrokers = \"127.0.0.1:9\"\n",
            "send.kafka.brokers is changed",
        ),
        (
            "[send.hq]\nkind = \"mqtt\"\nurl = \"mqtt://127.0.0.1:9\"\n[route.hq.default]\nmqtt_topic = \"\"\n",
            "send.hq.kind is changed",
        ),
        (
            "[send.store]\nurl = \"file:///tmp/elsewhere\"\n",
            "send.store.url is changed",
        ),
        (
            "[ingest]\nconnections_max = 7\n[log]\nlevel = \"debug\"\n",
            "ingest.connections_max is changed, which takes a restart: open files are shared out among the listeners at a start",
        ),
    ] {
        file.write(text);
        gateway.signal("HUP");
        wait_until(named, || {
            gateway.ready()["reasons"].to_string().contains(named)
        });
        assert!(is_refused(&gateway), "{named}");
        assert_eq!(generation(&gateway), 1.0, "{named}");
    }

    // The last one mixes both.
    let reasons = gateway.ready()["reasons"].to_string();
    assert!(
        reasons.contains("kept back with it: log.level"),
        "{reasons}"
    );
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    assert!(!gateway.log().contains("\"level\":\"DEBUG\""));
}

#[test]
fn environment_and_flags_stay_as_they_were_at_the_start() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE, ("QUEUE__ON_FULL", "refuse")]);
    file.write("[queue]\non_full = \"expire_oldest\"\n[send]\nretry_max = \"3s\"\n");
    taken(&gateway);
    let log = gateway.log();
    assert!(
        log.contains("send.retry_max") && !log.contains("queue.on_full"),
        "{log}"
    );
}

#[test]
fn a_gateway_that_goes_on_by_the_settings_before_can_be_asked_while_they_are_wrong() {
    let file = File::new("");
    let gateway = file.gateway(&[NOWHERE]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));
    file.write("nonsense [\n");

    let url = format!("http://{}", gateway.admin);
    for (command, expected) in [
        (&["status"][..], 0),
        (&["devices"], 0),
        (&["aside", "list"], 1),
        (&["quarantine", "list"], 1),
        (&["queue", "replays"], 0),
    ] {
        let (said, code) = gateway.run(command);
        assert!(
            code == Some(64) && said.contains("--url"),
            "{command:?}: {said}"
        );
        let (said, code) = gateway.run(&[command, &["--url", &url]].concat());
        assert_eq!(code, Some(expected), "{command:?}: {said}");
    }
}
