//! The status message, and that nothing else is ever retained.

use boxbridge::send::{Answer, Session as _};
use boxbridge_event::{Lane, Sequence};

use super::{acknowledged, at, connect, destination, message, next};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::subscriber::Subscriber;

const TOPIC: &str = "boxbridge/lobby/gateways/edge-1/status";

fn payload(status: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        r#"{{"status":"{status}","site":"lobby","gateway":"edge-1","version":"{version}","since":"2019-08-17T04:35:54.020Z"}}"#
    )
}

/// The next status that comes, retained or not.
async fn next_status(subscriber: &mut Subscriber) -> String {
    let received = subscriber.receive_one().await;
    assert_eq!(received.topic, TOPIC);
    received.text().to_owned()
}

#[tokio::test]
async fn a_gateway_is_online_until_it_dies() {
    for version in ["3", "5"] {
        let broker = Mosquitto::start();
        let mut subscriber = Subscriber::start(broker.address(), "boxbridge/+/gateways/#").await;
        let mqtt = destination(&at(broker.address()), &[("mqtt.version", version)]);
        let session = connect(&mqtt, Lane::Urgent).await;
        assert_eq!(next_status(&mut subscriber).await, payload("online"));
        drop(session); // Without a word, as a killed process.
        assert_eq!(next_status(&mut subscriber).await, payload("offline"));
        let late = Subscriber::start(broker.address(), TOPIC)
            .await
            .receive_one()
            .await;
        assert_eq!(
            (late.text(), late.retain),
            (payload("offline").as_str(), true)
        );
    }
}

#[tokio::test]
async fn a_gateway_that_others_replace_leaves_no_status_behind() {
    for version in ["3", "5"] {
        let broker = Mosquitto::start();
        let settings = [("mqtt.version", version)];
        let mqtt = destination(&at(broker.address()), &settings).replaceable();
        let mut session = connect(&mqtt, Lane::Urgent).await;
        session.finish().await;

        // What is retained comes first.
        let mut late = Subscriber::start(broker.address(), "boxbridge/#").await;
        let mut next = connect(&mqtt, Lane::Urgent).await;
        let status = late.receive_one().await;
        assert_eq!((status.text(), status.retain), (&*payload("online"), false));
        drop(late);
        next.finish().await;
    }
}

#[tokio::test]
async fn a_gateway_that_stops_says_so_itself() {
    for version in ["3", "5"] {
        let broker = Mosquitto::start();
        let mut subscriber = Subscriber::start(broker.address(), "boxbridge/+/gateways/#").await;
        let mut session = connect(
            &destination(&at(broker.address()), &[("mqtt.version", version)]),
            Lane::Urgent,
        )
        .await;
        session.submit(Sequence(1), message("events/1", "{}"));
        session.finish().await;
        assert!(matches!(
            next(&mut session).await,
            Answer::Acknowledged {
                sequence: Sequence(1),
                ..
            }
        ));
        let mut fence = connect(&destination(&at(broker.address()), &[]), Lane::Normal).await;
        fence.submit(Sequence(1), message("boxbridge/lobby/gateways/fence", "{}"));
        let said: Vec<_> = subscriber
            .receive(3)
            .await
            .iter()
            .map(|received| received.text().to_owned())
            .collect();
        assert_eq!(
            said,
            [payload("online"), payload("offline"), "{}".to_owned()],
            "and its last will is not published"
        );
    }
}

#[tokio::test]
async fn a_gateway_that_comes_back_is_online_after_it_was_offline() {
    let broker = Mosquitto::start();
    let mut subscriber = Subscriber::start(broker.address(), "boxbridge/+/gateways/#").await;
    let mqtt = destination(&at(broker.address()), &[]);
    let first = connect(&mqtt, Lane::Urgent).await;
    assert_eq!(next_status(&mut subscriber).await, payload("online"));
    // The same client id again, while the broker believes that the first connection lives.
    let _second = connect(&mqtt, Lane::Urgent).await;
    assert_eq!(next_status(&mut subscriber).await, payload("offline"));
    assert_eq!(next_status(&mut subscriber).await, payload("online"));
    drop(first);
}

#[tokio::test]
async fn only_the_status_is_retained_and_only_the_urgent_lane_carries_it() {
    let broker = Mosquitto::start();
    let mut subscriber = Subscriber::start(broker.address(), "events/#").await;
    let mqtt = destination(&at(broker.address()), &[]);
    let (mut normal, mut urgent) = (
        connect(&mqtt, Lane::Normal).await,
        connect(&mqtt, Lane::Urgent).await,
    );
    for session in [&mut normal, &mut urgent] {
        session.submit(Sequence(1), message("events/1", "{}"));
        assert_eq!(next(session).await, acknowledged(1));
    }
    assert!(
        subscriber
            .receive(2)
            .await
            .iter()
            .all(|received| !received.retain)
    );
    drop(normal);

    let mut late = Subscriber::start(broker.address(), "#").await;
    urgent.submit(Sequence(2), message("events/fence", "{}"));
    let received: Vec<_> = late
        .receive(2)
        .await
        .into_iter()
        .map(|received| (received.topic, received.retain))
        .collect();
    assert_eq!(
        received,
        [(TOPIC.to_owned(), true), ("events/fence".to_owned(), false)]
    );
}

#[tokio::test]
async fn a_status_that_the_broker_does_not_allow_holds_back_no_event() {
    let broker = Mosquitto::with(&Settings {
        acl: "topic readwrite events/#\n",
        ..Settings::default()
    });
    let mut session = connect(&destination(&at(broker.address()), &[]), Lane::Urgent).await;
    session.submit(Sequence(1), message("events/1", "{}"));
    assert!(matches!(
        next(&mut session).await,
        Answer::Acknowledged {
            sequence: Sequence(1),
            ..
        }
    ));
}
