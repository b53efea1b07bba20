//! `demo`: a stranger types one command, watches a face arrive, and the count at the end is honest; an outage in it is told as it happens.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use crate::parts::child::{Child, free_port};

/// On ports of its own, in a folder of its own.
fn demo(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    command.current_dir(folder).arg("demo").args(arguments);
    for key in [
        "ingest.listen",
        "admin.listen",
        "send.mqtt.embedded.listen",
        "send.store.links.listen",
    ] {
        command.args(["--set", &format!("{key}=127.0.0.1:{}", free_port())]);
    }
    // A real site's settings that happen to be there must not reach the demo.
    command
        .env("BOXBRIDGE_SEND__MQTT__URL", "mqtt://127.0.0.1:1")
        .env("BOXBRIDGE_CONFIG", "/nonexistent");
    command
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn one_command_shows_people_arrive_and_counts_them() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--for", "4s", "--rate", "5"])
        .output()
        .unwrap();
    let shown = text(&output);
    assert!(output.status.success(), "{shown}");
    assert!(
        shown.contains("BLACKLIST")
            && shown.contains("mosquitto_sub")
            && shown.contains("/metrics"),
        "{shown}"
    );
    assert!(
        shown.contains("acknowledged  20,") && shown.contains("lost          0"),
        "{shown}"
    );
    for bus in [
        "mqtt          20 of 20 delivered",
        "kafka         20 of 20 delivered",
    ] {
        assert!(shown.contains(bus), "{shown}");
    }
    assert!(
        !shown.contains('\x1b'),
        "colours where no terminal is: {shown}"
    );
    // The picture that a blacklisted person's line names can be opened.
    let scene = shown
        .lines()
        .map(str::trim)
        .find(|line| line.contains("/pictures/scene/") && line.ends_with(".jpg"))
        .unwrap();
    let size = imagesize::size(folder.path().join(scene)).unwrap();
    assert_eq!((size.width, size.height), (640, 480));
}

#[test]
fn an_outage_refuses_nothing_and_alerts_come_first_after_it() {
    let folder = tempfile::tempdir().unwrap();
    // What waits longer than a second is late; the blacklist keeps its five minutes.
    let lives = [
        "--set",
        "route.default.live_for=1s",
        "--set",
        "route.default.picture_wait=500ms",
        "--set",
        "route.vip.live_for=5m",
    ];
    let arguments = [&["--for", "20s", "--rate", "5"][..], &lives].concat();
    let log = folder.path().join("log");
    let mut running = Child::start(&demo(folder.path(), &arguments), &log);
    running.wait_until("the first event", Duration::from_secs(30), || {
        std::fs::read_to_string(&log)
            .unwrap_or_default()
            .contains("disk ")
    });
    let output = demo(folder.path(), &["--stop-broker", "5s"])
        .output()
        .unwrap();
    let told = text(&output);
    assert!(output.status.success(), "{told}");
    let verdict = told
        .lines()
        .find(|line| line.contains("that waited have arrived"))
        .unwrap_or_else(|| panic!("{told}"));
    assert!(verdict.contains("refused 0, lost 0"), "{verdict}");
    let (urgent, of) = verdict
        .split_once(" urgent ones")
        .unwrap()
        .0
        .rsplit_once(": ")
        .unwrap()
        .1
        .split_once(" of ")
        .unwrap();
    assert!(urgent == of && urgent != "0", "alerts first: {verdict}");
    assert!(
        told.contains("BLACKLIST")
            && told.contains("live: may be acted on")
            && told.contains("late topic: for the record"),
        "{told}"
    );
    assert_eq!(running.wait(), Some(0), "{}", running.log_end());
    let shown = std::fs::read_to_string(&log).unwrap();
    assert!(shown.contains("lost          0"), "{shown}");
}

#[test]
fn an_outage_without_a_demo_says_how_to_start_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = demo(folder.path(), &["--stop-broker", "5s"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        text(&output).contains("no demo runs in data/demo: start one with `boxbridge demo`"),
        "{}",
        text(&output)
    );
}
