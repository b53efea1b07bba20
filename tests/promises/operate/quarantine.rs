//! What boxes sent wrong: an operator sees why, hands it in again as history and drops it, with commands alone.

use serde_json::{Value, json};

use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event};

fn gateway() -> Gateway {
    let listen = format!("127.0.0.1:{}", free_port());
    Gateway::start(&[("SEND__MQTT__EMBEDDED__LISTEN", &listen)])
}

fn run(gateway: &Gateway, arguments: &[&str]) -> (String, Option<i32>) {
    gateway.run(&[&["quarantine"], arguments].concat())
}

fn listed(gateway: &Gateway, arguments: &[&str]) -> Vec<Value> {
    let (said, code) = run(gateway, &[&["list", "--json"], arguments].concat());
    assert_eq!(code, Some(0), "{said}");
    let listed: Value = serde_json::from_str(&said).unwrap();
    listed["bodies"].as_array().unwrap().clone()
}

fn id(body: &Value) -> &str {
    body["id"].as_str().unwrap()
}

/// What is counted of all that came on the history feed, by outcome.
fn history(gateway: &Gateway, outcome: &str) -> f64 {
    let labels = [("feed", "history"), ("outcome", outcome)];
    gateway.sum("boxbridge_ingest_events_total", &labels)
}

#[test]
fn a_body_is_shown_with_its_fault_marked_its_pictures_as_sizes_and_nothing_for_the_terminal() {
    let gateway = gateway();
    let picture = "QUJD".repeat(50_000);
    let body = format!("{{\"reg_pic\": \"{picture}\", \"name\": \"\u{1b}[2Jx\", nonsense}}");
    assert_eq!(
        gateway.post_bytes("/RealTimeEvent", body.as_bytes()).status,
        400
    );

    let bodies = listed(&gateway, &["--code", "json_invalid"]);
    let (said, code) = run(&gateway, &["show", id(&bodies[0])]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("200000 bytes"), "{said}");
    assert!(
        said.contains(">>> here: not JSON") && said.contains("<<<\n"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}') && said.len() < 10_000, "{said}");
    // A body in another encoding, too.
    assert_eq!(
        gateway
            .post_bytes("/RealTimeEvent", b"{\"\xd0\xa1\xc3\xf7\": }")
            .status,
        400
    );
    for body in listed(&gateway, &[]) {
        assert_eq!(run(&gateway, &["show", id(&body), "--json"]).1, Some(0));
    }
}

#[test]
fn what_is_handed_in_again_is_history_and_goes_and_what_is_refused_again_stays_and_says_so() {
    let gateway = gateway();
    let good = event("1", json!(2), "192.168.1.9");
    for _ in 0..2 {
        assert_eq!(gateway.post("/nowhere", &good).status, 404);
    }
    assert_eq!(
        gateway.post_bytes("/RealTimeEvent", b"{nonsense").status,
        400
    );

    let (said, code) = run(
        &gateway,
        &["resubmit", "--code", "path_unknown", "--dry-run"],
    );
    assert!(
        code == Some(0) && said.contains("2 of 3 bodies in quarantine would be"),
        "{said}"
    );
    let (said, code) = run(&gateway, &["resubmit"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("2 accepted as history and gone from here, 1 of them known"),
        "{said}"
    );
    assert!(said.contains("1 stay in quarantine"), "{said}");

    let left = listed(&gateway, &[]);
    assert_eq!(left.len(), 1, "{left:#?}");
    assert_eq!(
        (&left[0]["code"], &left[0]["resubmitted"]),
        (&json!("json_invalid"), &json!(1))
    );
    let outcomes = ["accepted", "duplicate", "quarantined"].map(|it| history(&gateway, it));
    assert_eq!(outcomes, [1.0, 1.0, 1.0]);
    gateway.wait_delivered();
    assert_eq!(gateway.ledger("mqtt").delivered, 1);
    let inspected = gateway.run(&["queue", "inspect", "--json"]).0;
    assert!(
        inspected.contains("\"history\"") && !inspected.contains("\"realtime\""),
        "{inspected}"
    );
}

#[test]
fn bad_questions_are_answered_and_a_stopped_gateways_bodies_are_looked_at_and_dropped() {
    let mut gateway = gateway();
    let (said, code) = run(&gateway, &["list"]);
    assert!(
        code == Some(1) && said.contains("there is no body in quarantine"),
        "{said}"
    );
    for _ in 0..3 {
        gateway.post_bytes("/RealTimeEvent", b"{nonsense");
    }
    gateway.post_bytes("/HistoryEvent", b"[1");

    let refuses = |arguments: &[&str], words: &str| {
        let (said, code) = run(&gateway, arguments);
        assert!(
            code == Some(1) && said.contains(words),
            "{arguments:?}: {said}"
        );
    };
    refuses(
        &["list", "--peer", "10.0.0.9"],
        "no body in quarantine matches",
    );
    refuses(
        &["resubmit", "--to", "1h ago"],
        "no body in quarantine matches",
    );
    refuses(&["show", "nothing"], "`boxbridge quarantine list` shows");
    refuses(&["drop"], "name a filter");
    assert_eq!(listed(&gateway, &["--feed", "history"]).len(), 1);

    // Page by page.
    let first = listed(&gateway, &["--limit", "3"]);
    let rest = listed(&gateway, &["--limit", "3", "--after", id(&first[2])]);
    assert_eq!((first.len(), rest.len()), (3, 1));

    assert_eq!(gateway.stop(), Some(0));
    assert_eq!(run(&gateway, &["show", id(&first[0])]).1, Some(0));
    let (said, code) = run(&gateway, &["resubmit"]);
    assert!(
        code == Some(1) && said.contains("the gateway is stopped"),
        "{said}"
    );
    let (said, code) = run(&gateway, &["drop", "--feed", "realtime"]);
    assert!(
        code == Some(0) && said.contains("3 of 4 bodies removed, 1 are left"),
        "{said}"
    );
    let (said, code) = run(&gateway, &["drop", "--all"]);
    assert!(code == Some(0) && said.contains("0 are left"), "{said}");

    let audit = std::fs::read_to_string(gateway.data_dir().join("audit.jsonl")).unwrap();
    let by_hand = audit
        .lines()
        .filter(|line| line.contains("quarantine.drop") && line.contains("user:"));
    assert_eq!(by_hand.count(), 2, "{audit}");
}
