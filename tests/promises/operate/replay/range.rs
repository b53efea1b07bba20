//! What goes out again is the range that was asked for, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

use super::{body, done, events, identity, is_late, shown, take, text};
use crate::parts::gateway::Gateway;
use crate::parts::kafka::Received;
use crate::parts::site::Site;
use crate::parts::subscriber::Subscriber;

fn take_each_in_its_own_millisecond(gateway: &Gateway, numbers: std::ops::Range<u32>) {
    for number in numbers {
        take(gateway, number..number + 1);
        // A range is told in milliseconds, and the clock of a loaded machine steps by some: two events of one would be in it or out of it together.
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_a_range_goes_out_again_late_and_in_order_on_both_buses() {
    let site = tokio::task::block_in_place(|| Site::start("replayed", &[]));
    let gateway = &site.gateway;
    let mut subscriber =
        Subscriber::start(site.mosquitto.address(), "boxbridge/default/+/+/#").await;
    tokio::task::block_in_place(|| take_each_in_its_own_millisecond(gateway, 0..24));
    tokio::task::block_in_place(|| gateway.wait_delivered());
    let mut live: Vec<Value> = events(&mut subscriber, 24).await.iter().map(body).collect();
    live.sort_by_key(|event| event["sequence"]["number"].as_u64());

    let (from, to) = (
        text(&live[6], "received_at"),
        text(&live[18], "received_at"),
    );
    let meant: Vec<&Value> = live
        .iter()
        .filter(|event| (from..to).contains(&text(event, "received_at")))
        .collect();
    assert_eq!(meant.len(), 12, "from the seventh to before the nineteenth");
    let range = ["queue", "replay", "--from", from, "--to", to];
    let planned = done(gateway, &[&range[..], &["--dry-run"]].concat());
    let expected = format!("{} events go out again", meant.len());
    assert_eq!(planned.matches(&expected).count(), 2, "{planned}");
    assert!(planned.contains("the queue reaches back to "), "{planned}");
    assert!(
        !subscriber.received().iter().any(is_late),
        "a dry run sends nothing"
    );

    let said = done(gateway, &range);
    let sent = format!("{0} of {0} sent", meant.len());
    assert_eq!(said.matches(&sent).count(), 2, "{said}");
    let id = text(&shown(gateway), "id").to_owned();
    let again = events(&mut subscriber, meant.len()).await;
    assert!(again.iter().all(is_late), "{again:?}");
    let bodies: Vec<Value> = again.iter().map(body).collect();
    for event in &bodies {
        assert_eq!(
            (text(event, "replay"), &event["act_before"]),
            (id.as_str(), &Value::Null)
        );
    }
    let all = |events: &mut dyn Iterator<Item = &Value>| -> BTreeSet<_> {
        events.map(identity).collect()
    };
    assert_eq!(all(&mut bodies.iter()), all(&mut meant.iter().copied()));
    for device in ["gate-0", "gate-1", "gate-2", "gate-3"] {
        let of_it = bodies
            .iter()
            .filter(|event| event["device"]["id"] == device);
        let numbers = of_it.map(|event| event["sequence"]["number"].as_u64());
        assert!(numbers.is_sorted(), "{device}: {bodies:?}");
    }

    let is_visitor = |event: &&&Value| text(event, "person_type") == "visitor";
    let visitors = meant.iter().filter(is_visitor).count();
    let of_type = live.iter().filter(|event| is_visitor(&event)).count();
    let on_kafka = site.on_kafka("visitor", of_type + visitors).await;
    let again = on_kafka
        .iter()
        .filter(|message| message.headers.contains_key("ce_replay"));
    assert!(
        again
            .clone()
            .all(|message| message.headers["ce_replay"] == id)
    );
    assert_eq!(again.count(), visitors);

    let ledger = gateway.ledger("mqtt");
    assert_eq!(
        (ledger.accepted, ledger.delivered),
        (24, 24),
        "outside the books"
    );
    a_filter_takes_away_the_rest(&site, &range, &meant, of_type + visitors).await;
}

async fn a_filter_takes_away_the_rest(
    site: &Site,
    range: &[&str],
    meant: &[&Value],
    before: usize,
) {
    let is_meant = |event: &&&Value| {
        text(event, "person_type") == "visitor" && event["device"]["id"] == "gate-1"
    };
    let expected = meant.iter().filter(is_meant).count();
    let filter = [
        "--destination",
        "kafka",
        "--device",
        "gate-1",
        "--person-type",
        "visitor",
    ];
    let said = done(&site.gateway, &[range, &filter[..]].concat());
    assert!(
        said.contains(&format!("{expected} of {expected} sent")),
        "{said}"
    );

    let replay = shown(&site.gateway);
    assert_eq!(
        replay["destinations"].as_array().map(Vec::len),
        Some(1),
        "{replay}"
    );
    let on_kafka = site.on_kafka("visitor", before + expected).await;
    let is_of_it = |message: &&Received| {
        message
            .headers
            .get("ce_replay")
            .is_some_and(|id| *id == text(&replay, "id"))
    };
    let again: Vec<_> = on_kafka.iter().filter(is_of_it).collect();
    assert_eq!(again.len(), expected);
    assert!(again.iter().all(|message| message.key == "default/gate-1"));
}
