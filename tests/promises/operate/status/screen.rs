//! The screen: `tests/status` holds what `/api/status` said at two looks, and the screen that they make.

use std::path::Path;
use std::time::Duration;

use boxbridge::commands::status::{Look, Report, render};
use serde_json::{Value, json};

fn file(name: &str) -> String {
    std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/status")
            .join(name),
    )
    .unwrap()
}

/// What `/api/status` said at the second look, changed.
fn now(change: impl FnOnce(&mut Value)) -> Value {
    let mut now = serde_json::from_str(&file("now.json")).unwrap();
    change(&mut now);
    now
}

/// Two looks, two seconds apart.
fn report(now: Value) -> Report {
    let at = tokio::time::Instant::now();
    let before = Look {
        at,
        snapshot: serde_json::from_str(&file("before.json")).unwrap(),
    };
    let now = Look {
        at: at + Duration::from_secs(2),
        snapshot: serde_json::from_value(now).unwrap(),
    };
    Report::of(&"http://edge-1:9529".parse().unwrap(), Some(&before), &now)
}

fn plain(painted: &str) -> String {
    anstream::adapter::strip_str(painted).to_string()
}

#[test]
fn the_screen_shows_what_two_looks_say_in_80_columns() {
    let report = report(now(|_| ()));
    let coloured = render(&report);
    let screen = plain(&coloured);
    assert_eq!(screen, file("screen.txt"), "found:\n{screen}");
    let widest = screen.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?} columns");
    let codes = ["\x1b[0m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m"];
    assert_eq!(
        codes
            .iter()
            .fold(coloured, |text, code| text.replace(code, "")),
        screen,
        "colours change no place"
    );
}

#[test]
fn a_ledger_that_does_not_add_up_is_said_with_by_how_much() {
    let wrong = now(|now| now["lanes"][3]["accepted"] = json!(124_002));
    let screen = plain(&render(&report(wrong)));
    assert!(
        screen.contains("DOES NOT ADD UP: mqtt normal: 2 not accounted for"),
        "{screen}"
    );
}

#[test]
fn free_is_what_can_be_written_also_where_the_disk_has_less_than_the_budget() {
    for (bytes, said) in [
        (1 << 20, "3.4 GiB kept, 1 MiB free on its disk; full in 3h"),
        (
            1 << 20,
            "its disk  has 1 MiB left, and the queue may take 5.4 GiB more: other files",
        ),
        (0, " 0 B free on its disk"),
    ] {
        let full = now(|now| {
            now["queue"]["free_bytes"] = json!(bytes);
            now["queue"]["disk_available_bytes"] = json!(bytes);
        });
        let screen = plain(&render(&report(full)));
        assert!(screen.contains(said), "{screen}");
    }
}

#[test]
fn a_full_queue_is_said_to_be_full_and_why_stands_behind_a_word() {
    let full = now(|now| {
        now["ready"] = json!(false);
        now["reasons"] = json!(["queue full: no event is taken", "mqtt is down: refused"]);
        now["queue"]["free_bytes"] = json!(0);
        now["queue"]["full_in_seconds"] = json!(0.0);
    });
    let screen = plain(&render(&report(full)));
    for said in [
        "NOT READY\nbecause   queue full: no event is taken\n          mqtt is down: refused\n",
        " 0 B free of 10 GiB; FULL\n",
    ] {
        assert!(screen.contains(said), "{screen}");
    }
}

#[test]
fn what_a_newer_gateway_tells_beside_it_is_ignored() {
    let newer = now(|now| {
        now["moon"] = json!({"phase": "full"});
        now["lanes"][0]["colour"] = json!("green");
    });
    assert_eq!(report(newer), report(now(|_| ())));
}
