//! What is sent arrives, in order, whatever becomes of the broker; what is too large is said with both numbers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::drive::*;
use boxbridge::send::kafka::Kafka;
use boxbridge::send::{Destination, Reason, Session};
use boxbridge_event::{Lane, Sequence};

use crate::parts::kafka::Broker;

#[tokio::test]
async fn messages_arrive_in_order_with_key_headers_and_timestamp() {
    let broker = shared().await;
    let kafka = kafka(settings(broker.address()), &["arrive"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    let messages: Vec<_> = (1..=500)
        .map(|number| {
            message(
                "arrive",
                &format!("site/device-{}", number % 7),
                number,
                2_000,
            )
        })
        .collect();
    let acknowledged = deliver(&mut session, &messages).await;
    assert_eq!(acknowledged.len(), 500);

    let received = broker.read("arrive", 500).await;
    assert_eq!(broker.partitions("arrive"), Some(6));
    assert_in_order(&received);

    let first = received
        .iter()
        .find(|received| number(received) == 1)
        .unwrap();
    assert_eq!(first.key, "site/device-1");
    assert_eq!(first.payload, messages[0].payload);
    assert_eq!(first.timestamp, messages[0].timestamp.0);

    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", "1"),
        ("content-type", "application/json"),
        ("ce_subject", "小明"),
    ];
    assert_eq!(
        first.headers,
        headers
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    );
}

#[tokio::test]
async fn keys_fall_where_java_producers_put_them() {
    let broker = shared().await;
    let kafka = kafka(settings(broker.address()), &["partitioned"]);
    let mut session = kafka.connect(Lane::Urgent).await.unwrap();
    // murmur2 of Kafka's own tests: "21" → -973932308, "foobar" → -790332482, "abc" → 479470107; masked, modulo 6.
    let expected = [
        ("21", (-973_932_308_i32 & i32::MAX) % 6),
        ("foobar", (-790_332_482 & i32::MAX) % 6),
        ("abc", 479_470_107 % 6),
    ];
    let messages: Vec<_> = expected
        .iter()
        .zip(1..)
        .map(|((key, _), number)| message("partitioned", key, number, 10))
        .collect();
    deliver(&mut session, &messages).await;

    for received in broker.read("partitioned", 3).await {
        let (_, partition) = expected
            .iter()
            .find(|(key, _)| *key == received.key)
            .unwrap();
        assert_eq!(received.partition, *partition, "{}", received.key);
    }
}

#[tokio::test]
async fn a_broker_killed_in_the_middle_loses_nothing_and_keeps_the_order() {
    let mut broker = blocking(Broker::start).await;
    let kafka = kafka(settings(broker.address()), &["killed"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    let messages: Vec<_> = (1..=3_000)
        .map(|number| message("killed", &format!("site/{}", number % 5), number, 2_000))
        .collect();
    let mut acknowledged = deliver(&mut session, &messages[..1_000]).await;
    for (message, number) in messages[1_000..1_400].iter().zip(1_001..) {
        session.submit(Sequence(number), message.clone());
    }
    broker.kill();
    broker.start_again();
    acknowledged.extend(collect(&mut session, 400).await);
    acknowledged.extend(deliver(&mut session, &messages[1_400..]).await);
    assert_eq!(
        acknowledged,
        (1..=3_000)
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<BTreeSet<_>>()
    );

    let received = broker
        .read_until("killed", "all 3000", |received| {
            numbers(received).len() == 3_000
        })
        .await;
    assert_in_order(&received);
}

#[tokio::test]
async fn a_broker_that_falls_silent_loses_the_session_and_the_next_one_delivers() {
    let mut broker = blocking(Broker::start).await;
    let mut config = settings(broker.address());
    config.linger = Duration::ZERO;

    let kafka = Kafka::new(
        config,
        vec!["silent".to_owned()],
        limits(Duration::from_secs(1)),
    );
    let messages: Vec<_> = (1..=20)
        .map(|number| message("silent", "one", number, 100))
        .collect();
    deliver_through_losses(&kafka, &messages[..10]).await;

    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    broker.pause();
    for (message, number) in messages[10..].iter().zip(11..) {
        session.submit(Sequence(number), message.clone());
    }

    // If it took its time before, its topic is given up first.
    let error = loop {
        match answer_or_loss(&mut session).await {
            Err(lost) => break lost.error,
            Ok(answer) => {
                refused(&answer, Reason::TopicUnfit);
                session.submit(Sequence(11), messages[10].clone());
            }
        }
    };
    let begins = format!("{}: nothing acknowledged for ", broker.address());
    assert!(error.starts_with(&begins), "{error}");
    drop(session);
    broker.resume();
    deliver_through_losses(&kafka, &messages[10..]).await;

    let received = broker
        .read_until("silent", "all 20", |received| numbers(received).len() == 20)
        .await;
    assert_in_order(&received);
}

#[tokio::test]
async fn a_message_over_our_limit_or_the_topics_is_refused_with_both_numbers() {
    let broker = shared().await;
    broker
        .make_topic("small", 1, &[("max.message.bytes", "20000")])
        .await;

    let kafka = kafka(settings(broker.address()), &["small", "large"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), message("small", "k", 1, 25_000));
    session.submit(Sequence(2), message("small", "k", 2, 2_000));
    session.submit(Sequence(3), message("large", "k", 3, 1_000_000));
    session.submit(Sequence(4), message("large", "k", 4, 990_000));

    let answers = answers(&mut session, 4).await;
    let detail = refused(&answers[&1], Reason::TooLarge);
    assert!(
        detail.ends_with("bytes is larger than max.message.bytes of small, 20000 bytes"),
        "{detail}"
    );
    assert_eq!(answers[&2], acknowledged(2));

    let detail = refused(&answers[&3], Reason::TooLarge);
    assert!(
        detail.ends_with("bytes is larger than send.kafka.max_message_bytes, 1000000 bytes"),
        "{detail}"
    );
    assert_eq!(answers[&4], acknowledged(4));
}

#[tokio::test]
async fn small_messages_pass_where_their_batch_would_be_too_large() {
    let broker = shared().await;
    broker
        .make_topic("narrow", 1, &[("max.message.bytes", "5000")])
        .await;

    let mut config = settings(broker.address());
    config.linger = Duration::from_millis(200);
    config.compression = "none".to_owned();

    let kafka = kafka(config, &["narrow"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    let messages: Vec<_> = (1..=50)
        .map(|number| message("narrow", "k", number, 2_000))
        .collect();
    assert_eq!(deliver(&mut session, &messages).await.len(), 50);
}
