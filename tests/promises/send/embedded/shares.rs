//! One address, however many connections, sessions and subscriptions it wants, leaves the others theirs; a site behind one address has
//! them all.

use std::time::Duration;

use boxbridge::send::Session as _;
use boxbridge_event::{Lane, Sequence};
use tokio::io::AsyncReadExt;

use super::raw::{Hello, Raw, silent};
use super::{session, start};
use crate::send::mqtt::{acknowledged, message, next};

const QUOTA: u8 = 0x97;
/// What all sessions together may subscribe to, and one of them.
const ALL_SUBSCRIPTIONS: usize = 4_096;
const SUBSCRIPTIONS: usize = 64;
const KEPT_SESSIONS: usize = 256;

fn filters(client: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("events/{client}/{number}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_takes_all_subscriptions_gives_some_up_to_another_and_a_site_behind_one_has_them_all()
 {
    let broker = start();
    let mut many = Vec::new();
    for number in 0..ALL_SUBSCRIPTIONS / SUBSCRIPTIONS {
        let id = format!("many-{number}");
        let (mut client, _) =
            Raw::connect_from(2, broker.local_addr(), 5, Hello::keeping(&id)).await;
        let granted = client.subscribe_all(&filters(&id, SUBSCRIPTIONS)).await;
        assert!(
            granted.iter().all(|reason| *reason == 1),
            "a site behind one address gets them all: {number}"
        );
        many.push(client);
    }
    // The same address: no more of them, but what it has it may say again.
    let (mut more, _) = Raw::connect_from(2, broker.local_addr(), 5, Hello::keeping("more")).await;
    assert_eq!(more.subscribe("events/#").await, QUOTA);
    assert_eq!(
        many[1].subscribe("events/many-1/0").await,
        1,
        "it has this one already"
    );

    // Another address finds room, at the cost of the first one.
    let (mut screen, _) =
        Raw::connect_from(3, broker.local_addr(), 5, Hello::keeping("screen")).await;
    let granted = screen
        .subscribe_all(&filters("screen", SUBSCRIPTIONS))
        .await;
    assert!(granted.iter().all(|reason| *reason == 1), "{granted:?}");
    assert_eq!(many[0].until(0xe0).await[0], QUOTA, "it is told why");
    many[0].closed().await;
    let mut urgent = session(&broker, Lane::Urgent).await;
    for (number, topic) in [(1, "events/screen/7"), (2, "events/many-1/7")] {
        urgent.submit(Sequence(number), message(topic, "{}"));
        assert_eq!(next(&mut urgent).await, acknowledged(number), "{topic}");
    }
    screen.until(0x32).await;
    many[1].until(0x32).await;

    // A session that nobody uses gives way before one that is refused.
    assert_eq!(more.subscribe("events/#").await, QUOTA);
    drop(many.pop());
    let found = async { while more.subscribe("events/#").await == QUOTA {} };
    tokio::time::timeout(Duration::from_secs(20), found)
        .await
        .expect("the abandoned one gives way");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_abandons_sessions_ends_none_of_anothers() {
    let broker = start();
    let (mut screen, _) =
        Raw::connect_from(3, broker.local_addr(), 5, Hello::keeping("screen")).await;
    assert_eq!(screen.subscribe("events/#").await, 1);
    drop(screen);
    for number in 0..KEPT_SESSIONS + 50 {
        drop(
            Raw::connect_from(
                2,
                broker.local_addr(),
                5,
                Hello::keeping(&format!("many-{number}")),
            )
            .await,
        );
    }

    let some_are_gone = async {
        for number in (0..40).cycle() {
            let (_, welcome) = Raw::connect_from(
                2,
                broker.local_addr(),
                5,
                Hello::keeping(&format!("many-{number}")),
            )
            .await;
            if welcome[0] == 0 {
                return;
            }
            // The pause between two looks.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), some_are_gone)
        .await
        .expect("there is an end of kept sessions");

    let (_, welcome) = Raw::connect_from(3, broker.local_addr(), 5, Hello::keeping("screen")).await;
    assert_eq!(
        welcome[0], 1,
        "its session is there, though many left after it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_of_one_address_cost_another_that_is_slow_to_say_connect_nothing() {
    let broker = start();
    let mut screen = Raw {
        stream: silent(3, broker.local_addr()).await,
        version: 5,
    };
    let mut flood = Vec::new();
    for _ in 0..super::PLACES {
        flood.push(silent(2, broker.local_addr()).await);
    }

    // The broker has let the first half of them go: it has seen them all come, or nearly.
    for connection in flood.iter_mut().take(super::PLACES / 2) {
        let closed = tokio::time::timeout(Duration::from_secs(20), connection.read_u8())
            .await
            .expect("it is let go");
        assert!(closed.is_err());
    }

    let welcome = screen.hello(Hello::named("screen")).await;
    assert_eq!(welcome[1], 0);
    // And the flood's own address may still come in.
    let (_, welcome) =
        Raw::connect_from(2, broker.local_addr(), 4, Hello::named("neighbour")).await;
    assert_eq!(welcome[1], 0);
}
