//! Nonsense is refused with an answer that says what is there, and the runbook's commands work.

use std::time::Duration;

use super::{events, on_mqtt, refused, run, shown, take};
use crate::parts::gateway::Gateway;
use crate::parts::site::wait_until;

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_that_makes_no_sense_is_refused_with_what_is_there() {
    let (_mosquitto, mut gateway, _subscriber) = on_mqtt(&[
        ("QUEUE__REPLAY_WINDOW", "0s"),
        ("NORMALIZE__DEDUPE_WINDOW", "0s"),
    ])
    .await;
    refused(
        &gateway,
        &["queue", "replay", "--from", "1h ago"],
        "the queue holds no event",
    );
    tokio::task::block_in_place(|| {
        take(&gateway, 0..3);
        gateway.wait_delivered();
    });
    let of = |more: &[&'static str]| [&["queue", "replay"], more].concat();
    for (arguments, why) in [
        (of(&["--from", "2999-01-01"]), "is in the future"),
        (
            of(&["--from", "1h ago", "--to", "2999-01-01"]),
            "is in the future",
        ),
        (
            of(&["--from", "1h ago", "--to", "2h ago"]),
            "must be before",
        ),
        (of(&["--from", "noon"]), "\"noon\" is no time"),
        (
            of(&["--from", "1h ago", "--destination", "hq"]),
            "only mqtt",
        ),
        (
            of(&["--from", "1h ago", "--destination", "store"]),
            "keeps pictures",
        ),
        (
            of(&["--from", "1h ago", "--device", "nobody"]),
            "no event from",
        ),
        (
            of(&["--from", "1h ago", "--to", "59m ago"]),
            "; the queue reaches back to 2",
        ),
    ] {
        refused(&gateway, &arguments, why);
        refused(&gateway, &[&arguments[..], &["--dry-run"]].concat(), why);
    }

    tokio::task::block_in_place(|| assert_eq!(gateway.stop(), Some(0)));
    refused(
        &gateway,
        &of(&["--from", "1h ago"]),
        "the gateway is stopped",
    );
    refused(&gateway, &["queue", "replays"], "the gateway is stopped");
    // What was delivered goes at once: the window is nothing.
    tokio::task::block_in_place(|| {
        gateway.restart();
        take(&gateway, 3..6);
        gateway.wait_delivered();
        let reaches = || {
            let (said, code) = gateway.run(&["queue", "replay", "--from", "1h ago", "--dry-run"]);
            code == Some(1) && said.contains("the queue reaches back to ")
        };
        wait_until("what was before is deleted", reaches);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn the_runbook_for_an_event_that_is_missing_holds_on_a_running_gateway() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, runbook) = page
        .split_once("\n## An event is missing\n")
        .expect("the runbook");
    let runbook = runbook.split("\n## ").next().unwrap();
    let commands = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("    boxbridge "));
    let commands: Vec<&str> = commands
        .map(|line| line.split('#').next().unwrap().trim())
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");

    let (_mosquitto, gateway, mut subscriber) = on_mqtt(&[]).await;
    tokio::task::block_in_place(|| take(&gateway, 0..8));
    events(&mut subscriber, 8).await;
    tokio::task::block_in_place(|| gateway.wait_delivered());
    for command in commands {
        // Its times are of some other day, and its names of another site.
        let command = command
            .replace("--from 14:00 --to 15:00", "--from 1h-ago --to now")
            .replace("192.168.1.243", "gate-1")
            .replace("--destination kafka", "--destination mqtt");
        let words = command
            .split(' ')
            .map(|word| word.replace("1h-ago", "1h ago"));
        let words: Vec<String> = words.collect();
        let id = text_of_id(&gateway);
        let words: Vec<&str> = words
            .iter()
            .map(|word| {
                if word == "ID" {
                    id.as_str()
                } else {
                    word.as_str()
                }
            })
            .collect();
        let (said, code) = run(&gateway, &words);
        let is_cancel = words.contains(&"--cancel");
        assert!(code == Some(0) || is_cancel, "{command}: {said}");
        assert!(!said.contains("error:"), "{command}: {said}");
    }
    // Whatever was sent again has been by now.
    tokio::time::timeout(Duration::from_secs(60), events(&mut subscriber, 8))
        .await
        .unwrap();
}

fn text_of_id(gateway: &Gateway) -> String {
    shown(gateway)["id"].as_str().unwrap_or("none").to_owned()
}
