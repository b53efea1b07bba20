//! What a record is answered, and what leaves with it.

use std::time::Duration;

use boxbridge::send::{Answer, Destination, Reason, Session};
use boxbridge_event::{Lane, Sequence};

use super::{acknowledged, at, connect, destination, lost, message, next};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::stub_broker::{Reaction, StubBroker};
use crate::parts::subscriber::Subscriber;

fn reason(answer: &Answer) -> Option<(u64, Reason)> {
    match answer {
        Answer::Rejected {
            sequence,
            rejection,
        } => Some((sequence.0, rejection.reason)),
        _ => None,
    }
}

#[tokio::test]
async fn a_message_carries_its_attributes_its_type_and_its_expiry() {
    let broker = Mosquitto::start();
    let mut subscriber = Subscriber::start(broker.address(), "events/#").await;
    let mut session = connect(&destination(&at(broker.address()), &[]), Lane::Normal).await;
    let mut sent = message("events/vip/大门 1", "{\"name\":\"小明\"}");
    sent.attributes = vec![
        ("specversion", "1.0".to_owned()),
        ("datacontenttype", "application/json".to_owned()),
        ("subject", "vip".to_owned()),
    ];
    sent.expires_in = Some(Duration::from_secs(600));
    session.submit(Sequence(1), sent.clone());
    assert_eq!(next(&mut session).await, acknowledged(1));

    let received = subscriber.receive_one().await;
    assert_eq!(received.topic, sent.topic);
    assert_eq!(received.payload, sent.payload);
    assert_eq!(received.content_type.as_deref(), Some("application/json"));
    assert_eq!(received.payload_format, Some(1));
    assert!(
        received
            .expiry_seconds
            .is_some_and(|seconds| seconds <= 600),
        "{:?}",
        received.expiry_seconds
    );
    let attributes: Vec<_> = sent
        .attributes
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    assert_eq!(received.attributes, attributes);
}

#[tokio::test]
async fn version_3_sends_the_payload_alone() {
    let broker = Mosquitto::start();
    let mut subscriber = Subscriber::start(broker.address(), "events/#").await;
    let mut session = connect(
        &destination(&at(broker.address()), &[("mqtt.version", "3")]),
        Lane::Normal,
    )
    .await;
    let mut sent = message("events/vip/1", "{}");
    sent.attributes = vec![("datacontenttype", "application/json".to_owned())];
    session.submit(Sequence(1), sent);
    assert_eq!(next(&mut session).await, acknowledged(1));
    let received = subscriber.receive_one().await;
    assert_eq!(
        (
            received.text(),
            &received.content_type,
            received.attributes.len()
        ),
        ("{}", &None, 0)
    );
}

#[tokio::test]
async fn a_message_that_nobody_hears_is_acknowledged_as_such() {
    let broker = Mosquitto::start();
    let mut session = connect(&destination(&at(broker.address()), &[]), Lane::Normal).await;
    session.submit(Sequence(1), message("events/vip/1", "{}"));
    assert_eq!(
        next(&mut session).await,
        Answer::Acknowledged {
            sequence: Sequence(1),
            heard: false
        }
    );
}

#[tokio::test]
async fn a_topic_that_the_acl_denies_is_not_authorised_and_its_neighbours_pass() {
    let broker = Mosquitto::with(&Settings {
        acl: "topic readwrite allowed/#\n",
        ..Settings::default()
    });
    let mut session = connect(&destination(&at(broker.address()), &[]), Lane::Normal).await;
    for (number, topic) in [(1, "allowed/1"), (2, "denied/1"), (3, "allowed/2")] {
        session.submit(Sequence(number), message(topic, "{}"));
    }
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(next(&mut session).await);
    }
    assert_eq!(
        answers.iter().filter_map(reason).collect::<Vec<_>>(),
        [(2, Reason::NotAuthorised)],
        "{answers:?}"
    );
}

#[tokio::test]
async fn a_message_over_our_limit_never_reaches_the_connection() {
    let broker = Mosquitto::start();
    for version in ["3", "5"] {
        let mqtt = destination(
            &at(broker.address()),
            &[("mqtt.version", version), ("mqtt.max_packet_bytes", "1KiB")],
        );
        let mut session = connect(&mqtt, Lane::Normal).await;
        session.submit(Sequence(1), message("events/1", vec![b'x'; 2000]));
        session.submit(Sequence(2), message("events/1", "{}"));
        let Answer::Rejected {
            sequence: Sequence(1),
            rejection,
        } = next(&mut session).await
        else {
            panic!("1 is too large")
        };
        assert_eq!(rejection.reason, Reason::TooLarge);
        assert!(
            rejection.detail.contains("1024") && rejection.detail.contains("20"),
            "{}",
            rejection.detail
        );
        assert!(matches!(
            next(&mut session).await,
            Answer::Acknowledged {
                sequence: Sequence(2),
                ..
            }
        ));
    }
}

#[tokio::test]
async fn a_message_over_the_brokers_announced_limit_never_reaches_the_connection() {
    let broker = Mosquitto::with(&Settings {
        lines: &["max_packet_size 1000"],
        ..Settings::default()
    });
    let mqtt = destination(&at(broker.address()), &[]);
    assert_eq!(mqtt.probe().await.expect("an offer").packet_max, Some(1000));
    let mut session = connect(&mqtt, Lane::Normal).await;
    session.submit(Sequence(1), message("events/1", vec![b'x'; 2000]));
    session.submit(Sequence(2), message("events/1", "{}"));
    assert_eq!(
        reason(&next(&mut session).await),
        Some((1, Reason::TooLarge))
    );
    assert!(matches!(
        next(&mut session).await,
        Answer::Acknowledged {
            sequence: Sequence(2),
            ..
        }
    ));
}

#[tokio::test]
async fn a_broker_that_announces_a_limit_below_any_event_is_down_and_named() {
    // Our CONNECT fits into it.
    let broker = Mosquitto::with(&Settings {
        lines: &["max_packet_size 200"],
        ..Settings::default()
    });
    let error = destination(&at(broker.address()), &[])
        .connect(Lane::Normal)
        .await
        .err()
        .expect("nothing fits");
    assert!(
        error.message.contains("Maximum Packet Size of 200 bytes")
            && error.message.contains(&at(broker.address())),
        "{}",
        error.message
    );
}

#[tokio::test]
async fn a_message_over_the_brokers_secret_limit_is_told_apart_from_its_neighbours() {
    let broker = Mosquitto::with(&Settings {
        lines: &["message_size_limit 1000"],
        ..Settings::default()
    });
    let mut session = connect(&destination(&at(broker.address()), &[]), Lane::Normal).await;
    for (number, bytes) in [(1, 10), (2, 2000), (3, 10)] {
        session.submit(Sequence(number), message("events/1", vec![b'x'; bytes]));
    }
    assert!(matches!(
        next(&mut session).await,
        Answer::Acknowledged {
            sequence: Sequence(1),
            ..
        }
    ));
    let second = next(&mut session).await;
    assert_eq!(reason(&second), Some((2, Reason::TooLarge)), "{second:?}");
    lost(&mut session).await;
}

#[tokio::test]
async fn a_secret_limit_costs_one_connection_and_not_one_for_each_message() {
    let broker = Mosquitto::with(&Settings {
        lines: &["message_size_limit 1000"],
        ..Settings::default()
    });
    let mqtt = destination(&at(broker.address()), &[]);
    let mut session = connect(&mqtt, Lane::Normal).await;
    session.submit(Sequence(1), message("events/1", vec![b'x'; 2000]));
    assert_eq!(
        reason(&next(&mut session).await),
        Some((1, Reason::TooLarge))
    );
    lost(&mut session).await;

    let mut session = connect(&mqtt, Lane::Normal).await;
    for number in 2..=20 {
        session.submit(Sequence(number), message("events/1", vec![b'x'; 2000]));
        assert_eq!(
            reason(&next(&mut session).await),
            Some((number, Reason::TooLarge))
        );
    }
    session.submit(Sequence(21), message("events/1", vec![b'x'; 999]));
    assert!(matches!(
        next(&mut session).await,
        Answer::Acknowledged {
            sequence: Sequence(21),
            ..
        }
    ));
}

#[tokio::test]
async fn a_hostile_topic_is_refused_and_the_connection_lives() {
    let broker = Mosquitto::start();
    let mut session = connect(&destination(&at(broker.address()), &[]), Lane::Normal).await;
    let topics = ["", "a/+/b", "a/#", "a\0b", "a\u{1}b"];
    for (number, topic) in (1..).zip(topics) {
        session.submit(Sequence(number), message(topic, "{}"));
        assert_eq!(
            reason(&next(&mut session).await),
            Some((number, Reason::TopicInvalid)),
            "{topic:?}"
        );
    }
    session.submit(Sequence(9), message("events/1", "{}"));
    assert!(matches!(
        next(&mut session).await,
        Answer::Acknowledged {
            sequence: Sequence(9),
            ..
        }
    ));
}

#[tokio::test]
async fn a_frozen_broker_is_noticed() {
    for version in ["3", "5"] {
        let mut broker = Mosquitto::start();
        let mqtt = destination(
            &at(broker.address()),
            &[("stall_timeout", "1s"), ("mqtt.version", version)],
        );
        let mut session = connect(&mqtt, Lane::Normal).await;
        session.submit(Sequence(1), message("events/1", "{}"));
        assert!(matches!(
            next(&mut session).await,
            Answer::Acknowledged { .. }
        ));
        broker.freeze();
        for number in 2..50 {
            session.submit(Sequence(number), message("events/1", vec![b'x'; 400_000]));
        }
        lost(&mut session).await;
        let refused = super::refused(&mqtt).await;
        assert!(refused.contains("no answer"), "{refused}");
        broker.thaw();
    }
}

/// Both give up on a record. Only one of them tells something of it.
#[tokio::test]
async fn that_we_gave_up_tells_nothing_of_a_record_unless_the_broker_answers_a_ping_behind_it() {
    let settings = [("stall_timeout", "8s"), ("mqtt.keep_alive", "5s")];
    let stub = StubBroker::start(|_| Reaction::Ignore);
    let mut broker = Mosquitto::start();
    let mut ignored = connect(&destination(&stub.url(), &settings), Lane::Normal).await;
    let mut frozen = connect(&destination(&at(broker.address()), &settings), Lane::Normal).await;
    broker.freeze();
    ignored.submit(Sequence(1), message("events/1", "{}"));
    frozen.submit(Sequence(1), message("events/1", "{}"));

    let (ignored, frozen) = tokio::join!(lost(&mut ignored), lost(&mut frozen));
    assert_eq!(
        ignored.error,
        format!(
            "{}: no answer for 8s, though the broker answers pings",
            stub.url()
        )
    );
    assert_eq!(
        frozen.error,
        format!(
            "{}: no progress for 8s, and the broker owes an answer",
            at(broker.address())
        )
    );
    assert_eq!((ignored.is_explained, frozen.is_explained), (false, true));
}

#[tokio::test]
async fn a_connection_that_ends_is_said_with_the_broker_it_went_to() {
    for version in ["3", "5"] {
        let broker = Mosquitto::start();
        let url = at(broker.address());
        let mqtt = destination(&url, &[("mqtt.version", version)]);
        let mut session = connect(&mqtt, Lane::Normal).await;
        drop(broker);
        let error = lost(&mut session).await.error;
        assert!(error.starts_with(&format!("{url}: ")), "{error}");
    }
}

#[tokio::test]
async fn an_idle_connection_to_a_frozen_broker_is_noticed() {
    for version in ["3", "5"] {
        let mut broker = Mosquitto::start();
        let settings = [("mqtt.keep_alive", "5s"), ("mqtt.version", version)];
        let mut session =
            connect(&destination(&at(broker.address()), &settings), Lane::Normal).await;
        broker.freeze();
        assert_eq!(
            lost(&mut session).await.error,
            format!(
                "{}: the broker did not answer a ping for 5s",
                at(broker.address())
            ),
            "version {version}"
        );
    }
}

#[tokio::test]
async fn a_broker_that_hangs_up_after_a_refusal_is_not_suspected_of_another_client() {
    let mosquitto = Mosquitto::with(&Settings {
        acl: "topic read #\ntopic write allowed/#\n",
        lines: &["max_queued_messages 0"],
        ..Settings::default()
    });
    let written = [("mqtt.status_topic", "")];
    let mqtt = destination(&at(mosquitto.address()), &written);
    for number in 1..=5 {
        let mut session = connect(&mqtt, Lane::Urgent).await;
        session.submit(Sequence(number), message("denied/1", "x"));
        let refused = reason(&next(&mut session).await);
        assert_eq!(refused, Some((number, Reason::NotAuthorised)));

        let lost = lost(&mut session).await;
        assert!(lost.error.contains("after it refused an event"), "{lost:?}");
    }
}
