//! A topic that is not there: made where the operator lets us, waited for where not.

use std::time::Duration;

use super::drive::*;
use boxbridge::send::{Answer, Destination, Reason, Session};
use boxbridge_event::{Lane, Sequence};

#[tokio::test]
async fn a_missing_topic_is_not_made_where_the_operator_says_never() {
    let broker = shared().await;
    let mut config = settings(broker.address());
    config.create_topics = false;

    let kafka = kafka(config, &["never"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    let trouble = kafka.trouble().unwrap();
    assert!(
        trouble.starts_with("topic never is missing, as of 2"),
        "{trouble}"
    );
    session.submit(Sequence(1), message("never", "k", 1, 100));
    session.submit(Sequence(2), message("never.named.before", "k", 2, 100));

    let answers = answers(&mut session, 2).await;
    assert_eq!(
        refused(&answers[&1], Reason::TopicInvalid),
        "topic never is missing"
    );
    assert_eq!(
        refused(&answers[&2], Reason::TopicInvalid),
        "topic never.named.before is missing"
    );

    let probe = kafka.probe("never.an.event", None).await.unwrap();
    let beside = probe.beside.unwrap();
    assert_eq!(
        beside.problem.as_deref(),
        Some("topic never.an.event is missing")
    );
    let topics = probe.topics.into_iter();
    let problems: Vec<_> = topics.map(|topic| topic.problem).collect();
    assert_eq!(
        problems,
        [
            Some("topic never is missing".to_owned()),
            Some("topic never.named.before is missing".to_owned())
        ]
    );
    assert_eq!(
        (
            broker.partitions("never"),
            broker.partitions("never.named.before")
        ),
        (None, None)
    );
}

#[tokio::test]
async fn a_topic_that_nobody_named_before_is_made_and_keeps_its_order() {
    let broker = shared().await;
    let mut config = settings(broker.address());
    config.partitions = 2;
    let kafka = kafka(config, &[]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    let messages: Vec<_> = (1..=100)
        .map(|number| message("unforeseen", &format!("{}", number % 3), number, 100))
        .collect();
    assert_eq!(deliver(&mut session, &messages).await.len(), 100);
    assert_eq!(broker.partitions("unforeseen"), Some(2));
    assert_in_order(&broker.read("unforeseen", 100).await);
}

#[tokio::test]
async fn a_topic_deleted_under_our_feet_is_made_again() {
    let broker = shared().await;
    let kafka = kafka(settings(broker.address()), &["deleted"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    deliver(&mut session, &[message("deleted", "k", 1, 100)]).await;
    broker.delete_topic("deleted").await;

    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        session.submit(Sequence(2), message("deleted", "k", 2, 100));
        match answer_or_loss(&mut session).await {
            Ok(Answer::Acknowledged { .. }) => break,
            // librdkafka may give up its connection together with the topic.
            Err(_) => session = kafka.connect(Lane::Normal).await.unwrap(),
            Ok(answer) => drop(refused(&answer, Reason::Passing)),
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "the topic stays deleted"
        );
    }

    let received = broker.read("deleted", 1).await;
    assert_eq!(
        (number(&received[0]), broker.partitions("deleted")),
        (2, Some(6))
    );
}

#[tokio::test]
async fn a_topic_made_by_hand_later_is_used_without_a_restart() {
    let broker = shared().await;
    let mut config = settings(broker.address());
    config.create_topics = false;

    let kafka = kafka(config, &["later"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), message("later", "k", 1, 100));
    refused(&next(&mut session).await, Reason::TopicInvalid);
    broker.make_topic("later", 1, &[]).await;

    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        session.submit(Sequence(1), message("later", "k", 1, 100));
        match next(&mut session).await {
            Answer::Acknowledged { .. } => break,
            answer => refused(&answer, Reason::TopicInvalid),
        };
        assert!(
            tokio::time::Instant::now() < deadline,
            "the topic stays missing"
        );
        // The pause between two attempts.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(kafka.trouble(), None);
}
