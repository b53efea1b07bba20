//! While a replay is under way: live events pass it, a kill costs nothing, a cancel ends it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{body, done, events, identity, is_late, on_mqtt, refused, shown, take, text, to_one};
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn live_events_pass_a_replay_and_a_cancel_ends_it() {
    let (_mosquitto, gateway, mut subscriber) = on_mqtt(&[]).await;
    tokio::task::block_in_place(|| take(&gateway, 0..200));
    events(&mut subscriber, 200).await;
    tokio::task::block_in_place(|| gateway.wait_delivered());

    let begun = done(
        &gateway,
        &[
            "queue", "replay", "--from", "1h ago", "--rate", "2", "--json",
        ],
    );
    let begun: Value = serde_json::from_str(&begun).unwrap();
    let id = text(&begun, "id");
    assert!(events(&mut subscriber, 3).await.iter().all(is_late));
    tokio::task::block_in_place(|| take(&gateway, 200..230));
    let mut live = Vec::new();
    while live.len() < 30 {
        live.extend(
            events(&mut subscriber, 1)
                .await
                .into_iter()
                .filter(|it| !is_late(it)),
        );
    }

    let running = shown(&gateway);
    assert_eq!(
        text(&running, "state"),
        "running",
        "they did not wait for it: {running}"
    );
    let numbers = live
        .iter()
        .map(|message| body(message)["sequence"]["number"].as_u64());
    let numbers: BTreeSet<_> = numbers.collect();
    assert_eq!(numbers.len(), 30);
    assert!(
        gateway.ready()["reasons"]
            .to_string()
            .contains("as a replay")
    );
    assert!(
        gateway.sum(
            "boxbridge_queue_replaying_records",
            &[("destination", "mqtt")]
        ) > 0.0
    );
    refused(&gateway, &["queue", "replay", "--from", "1h ago"], id);

    done(&gateway, &["queue", "replays", "--cancel", id]);
    let cancelled = shown(&gateway);
    assert_eq!(text(&cancelled, "state"), "cancelled");
    let left = cancelled["destinations"][0]["left"].as_u64().unwrap();
    assert!(left > 100, "{cancelled}");
    refused(
        &gateway,
        &["queue", "replays", "--cancel", id],
        "is under way",
    );
    // The next one may begin.
    done(
        &gateway,
        &["queue", "replay", "--from", "1h ago", "--device", "gate-1"],
    );
    assert_eq!(gateway.sum("boxbridge_queue_replaying_records", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_a_replay_misses_nothing() {
    let (_mosquitto, mut gateway, mut subscriber) = on_mqtt(&[]).await;
    tokio::task::block_in_place(|| take(&gateway, 0..300));
    let live = events(&mut subscriber, 300).await;
    tokio::task::block_in_place(|| gateway.wait_delivered());
    let filter = ["--person-type", "visitor", "--rate", "6", "--json"];
    done(
        &gateway,
        &[&["queue", "replay", "--from", "1h ago"], &filter[..]].concat(),
    );
    let mut again = events(&mut subscriber, 20).await;
    tokio::task::block_in_place(|| gateway.kill_and_restart());

    let resumed = shown(&gateway);
    assert_eq!(
        (text(&resumed, "state"), &resumed["rate"]),
        ("running", &json!(6))
    );
    refused(
        &gateway,
        &["queue", "replay", "--from", "1h ago"],
        text(&resumed, "id"),
    );
    let is_over = || to_one(&gateway)["state"] == "done";
    tokio::task::block_in_place(|| wait_until("the replay is over", is_over));
    let ended = to_one(&gateway);
    assert_eq!(
        (&ended["records"], &ended["sent"], &ended["left"]),
        (&json!(100), &json!(100), &json!(0))
    );

    let visitors: BTreeSet<_> = live
        .iter()
        .map(body)
        .filter(|event| text(event, "person_type") == "visitor")
        .map(|event| identity(&event))
        .collect();
    let mut got: BTreeSet<_> = again
        .iter()
        .map(|message| identity(&body(message)))
        .collect();
    while got.len() < 100 {
        let message = events(&mut subscriber, 1).await.remove(0);
        got.insert(identity(&body(&message)));
        again.push(message);
    }
    assert_eq!(got, visitors);
    assert!(again.iter().all(is_late), "never on a live topic");
}
