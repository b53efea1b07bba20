//! How the intake is shared where it is full, without a disk.

use serde_json::json;

use std::sync::Arc;
use std::time::Instant;

use super::pending::Pending;
use super::write_budget::WriteBudget;
use super::*;
use boxbridge_event::{Event, Lane, ShareKey};

fn entry(peer: &str, number: u64) -> Entry {
    let event: Event = serde_json::from_value(json!({
        "id": format!("00000000-0000-8000-8000-{number:012}"), "revision": "00000000", "feed": "realtime",
        "occurred_at": "2026-01-01T00:00:00.000Z", "received_at": "2026-01-01T00:00:00.000Z",
        "person_type": "employee", "identity": {"id": null, "name": null}, "match": {"score": null, "group": null},
        "device": {"id": peer, "ip": null, "type": "gate", "name": null, "box": null},
        "origin": {"site": "lobby", "gateway": "edge-1", "peer": peer, "authenticated": "none"},
        "clock": {"from": "gateway", "skew_ms": null},
        "pictures": {"registered": null, "scene": null, "face": null, "infrared": null},
        "quality": {"camera": {}, "box": {}}, "source": {"x": "x".repeat(1 << 20)}, "extra": {}, "warnings": [],
    }))
    .unwrap();
    Entry {
        event,
        live_revision: None,
        pass: None,
        pictures: Vec::new(),
        lane: Lane::Normal,
    }
}

/// The next group, as the writer takes it: who sent each of its records. Its room is free again when this returns.
fn written(intake: &Intake) -> Vec<String> {
    let Next::Write(group) = intake.take(4 << 20, Some(Instant::now())) else {
        return Vec::new();
    };
    let peer = |pending: &Pending| {
        let event: Event = serde_json::from_slice(&pending.event).unwrap();
        event.origin.peer
    };
    group.iter().map(peer).collect()
}

#[tokio::test]
async fn a_source_that_fills_the_intake_makes_another_wait_for_two_groups_at_most() {
    let intake = Arc::new(Intake::new());
    let hand_over = |peer: &'static str, number| {
        let intake = Arc::clone(&intake);
        tokio::spawn(async move {
            intake
                .hand_over(Box::new(entry(peer, number)))
                .await
                .map(drop)
        })
    };
    // One megabyte each: 24 fill it, and as many again wait for room.
    let greedy: Vec<_> = (0..48)
        .map(|number| hand_over("2001:db8::1", number))
        .collect();
    while greedy.iter().filter(|task| task.is_finished()).count() < 23 {
        tokio::task::yield_now().await;
    }
    // Its neighbours in the same network have no share of their own.
    let _same = hand_over("2001:db8::2", 100);
    let other = hand_over("192.168.1.7", 101);
    tokio::task::yield_now().await;

    let mut groups = Vec::new();
    while !groups.iter().flatten().any(|peer| peer == "192.168.1.7") {
        let group = written(&intake);
        assert!(!group.is_empty() && groups.len() < 3, "{groups:?}");
        groups.push(group);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert!(groups.len() <= 3 && other.await.unwrap().is_ok());
}

#[tokio::test]
async fn whoever_gives_up_waiting_holds_no_room_and_a_close_ends_all_waiting() {
    let write_budget = WriteBudget::new(10);
    let [one, other] = ["10.0.0.1", "10.0.0.2"].map(ShareKey::of_peer);
    let all = write_budget.take(one, 10).await.unwrap();
    let waiting = |source, bytes| {
        let write_budget = Arc::clone(&write_budget);
        tokio::spawn(async move { write_budget.take(source, bytes).await.is_some() })
    };
    let (gone, large, small) = (waiting(one, 10), waiting(other, 9), waiting(other, 5));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    let _ = gone.await;
    drop(all);
    assert!(large.await.unwrap(), "what is large is not overtaken");
    assert!(small.await.unwrap());
    let _all = write_budget.take(one, 10).await.unwrap();
    let left = waiting(other, 1);
    tokio::task::yield_now().await;
    write_budget.close();
    assert!(!left.await.unwrap() && write_budget.take(one, 1).await.is_none());
}
