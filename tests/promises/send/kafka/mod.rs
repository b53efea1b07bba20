//! The Kafka destination against a real broker: order, refusals by class, outages, TLS and passwords.

use std::collections::BTreeSet;
use std::time::Duration;

use boxbridge::send::kafka::{Kafka, Produce};
use boxbridge::send::{Answer, Destination, Reason, Session};
use boxbridge_event::{Lane, Sequence};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::parts::kafka::{Broker, PASSWORD, Security};

mod drive;
mod topics;

use drive::*;

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
    let mut broker = blocking(|| Broker::start(Security::None)).await;
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
    let mut broker = blocking(|| Broker::start(Security::None)).await;
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

#[tokio::test]
async fn a_missing_topic_is_not_made_where_the_operator_says_never() {
    let broker = shared().await;
    let mut config = settings(broker.address());
    config.create_topics = false;
    let kafka = kafka(config, &["never"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
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
    let problems: Vec<_> = kafka
        .probe()
        .await
        .unwrap()
        .topics
        .into_iter()
        .map(|topic| topic.problem)
        .collect();
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
    let deadline = tokio::time::Instant::now() + WAIT;
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
    let deadline = tokio::time::Instant::now() + WAIT;
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
}

/// The errors that a real broker gives only in bad times are librdkafka's mock's.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_told_apart_by_what_can_be_done_about_them() {
    use RDKafkaRespErr::*;
    let cases = [
        (
            RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
            Some(Reason::NotAuthorised),
        ),
        (
            RD_KAFKA_RESP_ERR_INVALID_RECORD,
            Some(Reason::PayloadRefused),
        ),
        (
            RD_KAFKA_RESP_ERR_POLICY_VIOLATION,
            Some(Reason::PayloadRefused),
        ),
        // Repeated by librdkafka or by us until it passes.
        (RD_KAFKA_RESP_ERR_INVALID_MSG, None),
        (RD_KAFKA_RESP_ERR_UNKNOWN, None),
        (RD_KAFKA_RESP_ERR_THROTTLING_QUOTA_EXCEEDED, None),
        (RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, None),
        (RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, None),
        (RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION, None),
    ];
    for (error, reason) in cases {
        let (cluster, kafka) = mocked();
        let mut session = kafka.connect(Lane::Urgent).await.unwrap();
        cluster.request_errors(RDKafkaApiKey::Produce, &[error]);
        session.submit(Sequence(1), message("mocked", "k", 1, 10));
        match reason {
            Some(reason @ Reason::PayloadRefused) => {
                // It may have been another of its batch; alone it is known.
                let answer = next(&mut session).await;
                assert!(
                    refused(&answer, Reason::Passing).contains("one at a time will show why"),
                    "{answer:?}"
                );
                cluster.request_errors(RDKafkaApiKey::Produce, &[error]);
                session.submit(Sequence(1), message("mocked", "k", 1, 10));
                session.submit(Sequence(2), message("mocked", "k", 2, 10));
                assert!(refused(&next(&mut session).await, reason).starts_with("topic mocked: "));
                assert_eq!(next(&mut session).await, acknowledged(2));
            }
            Some(reason) => {
                assert!(refused(&next(&mut session).await, reason).starts_with("topic mocked: "))
            }
            None => match next(&mut session).await {
                Answer::Acknowledged { .. } => {}
                answer => drop(refused(&answer, Reason::Passing)),
            },
        }
    }
    let (cluster, mut session) = mock().await;
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH],
    );
    session.submit(Sequence(1), message("mocked", "k", 1, 10));
    lost(&mut session).await;
}

/// Nothing is wrong with a record then: its type waits, and what to look at is named.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_brokers_decide_by_topic_holds_back_that_topic_and_names_the_setting() {
    use RDKafkaRespErr::*;
    for (error, named) in [
        (
            RD_KAFKA_RESP_ERR_UNSUPPORTED_COMPRESSION_TYPE,
            "send.kafka.compression",
        ),
        (RD_KAFKA_RESP_ERR_INVALID_REQUEST, "send.kafka.compression"),
        (
            RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT,
            "message.format.version of this topic",
        ),
        (
            RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP,
            "this gateway's clock says 20",
        ),
    ] {
        let (cluster, kafka) = mocked();
        cluster.create_topic("other", 1, 1).unwrap();
        let mut session = kafka.connect(Lane::Urgent).await.unwrap();
        cluster.request_errors(RDKafkaApiKey::Produce, &[error]);
        session.submit(Sequence(1), message("mocked", "k", 1, 10));
        let answer = next(&mut session).await;
        assert!(
            refused(&answer, Reason::TopicUnfit).contains(named),
            "{error:?}: {answer:?}"
        );

        // In the same session, others flow, and so does this topic once it is put right.
        let messages: Vec<_> = (2..=20)
            .map(|number| message("other", "k", number, 10))
            .collect();
        assert_eq!(
            deliver(&mut session, &messages).await.len(),
            19,
            "{error:?}"
        );
        assert_eq!(
            deliver(&mut session, &[message("mocked", "k", 1, 10)])
                .await
                .len(),
            1,
            "{error:?}"
        );
    }
}

/// What no topic decides is no record's doing, nor a topic's.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_is_about_us_holds_the_destination_back_and_names_the_setting() {
    use RDKafkaRespErr::*;
    for (error, named) in [
        (
            RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
            "IdempotentWrite on the cluster to the user of send.kafka.username",
        ),
        (
            RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
            "IdempotentWrite",
        ),
        (
            RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,
            "brokers from Kafka 0.11 on are needed",
        ),
    ] {
        let (cluster, kafka) = mocked();
        let mut session = kafka.connect(Lane::Urgent).await.unwrap();
        cluster.request_errors(RDKafkaApiKey::Produce, &[error]);
        session.submit(Sequence(1), message("mocked", "k", 1, 10));
        let said = lost(&mut session).await;
        assert!(said.contains(named), "{error:?}: {said}");
        // Once it is fixed, all of them go out.
        let mut session = kafka.connect(Lane::Urgent).await.unwrap();
        let messages: Vec<_> = (1..=20)
            .map(|number| message("mocked", "k", number, 10))
            .collect();
        assert_eq!(
            deliver(&mut session, &messages).await.len(),
            20,
            "{error:?}"
        );
    }
}

/// That one record is tried alone is shown by `send::kafka::session`.
#[tokio::test(flavor = "multi_thread")]
async fn brokers_that_refuse_us_cost_a_session_each_time_and_no_record() {
    let (cluster, kafka) = mocked();
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION;
    let messages: Vec<_> = (1..=20)
        .map(|number| message("mocked", "k", number, 10))
        .collect();
    for _ in 0..2 {
        cluster.request_errors(RDKafkaApiKey::Produce, &[refused]);
        let mut session = kafka.connect(Lane::Urgent).await.unwrap();
        for (number, message) in (1..).zip(&messages) {
            session.submit(Sequence(number), message.clone());
        }
        let said = lost(&mut session).await;
        assert!(said.contains("brokers from Kafka 0.11 on"), "{said}");
        let again = lost(&mut session).await;
        assert_eq!(again, said, "a session that is over stays over");
    }

    let mut session = kafka.connect(Lane::Urgent).await.unwrap();
    assert_eq!(deliver(&mut session, &messages).await.len(), 20);
}

#[tokio::test]
async fn a_check_tries_a_produce_and_leaves_nothing_behind() {
    let broker = shared().await;
    for compression in ["none", "gzip", "lz4", "snappy"] {
        let topic = format!("checked-{compression}");
        broker
            .make_topic(&topic, 1, &[("max.message.bytes", "100000")])
            .await;
        let mut config = settings(broker.address());
        config.compression = compression.to_owned();
        let kafka = kafka(config, &[&topic]);
        assert_eq!(
            kafka.probe().await.unwrap().produce,
            Produce::Would {
                topic: topic.clone()
            }
        );
        let mut session = kafka.connect(Lane::Normal).await.unwrap();
        deliver(&mut session, &[message(&topic, "k", 7, 100)]).await;
        assert_eq!(
            numbers(&broker.read(&topic, 1).await),
            BTreeSet::from([7]),
            "the first record is the first event"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_may_not_write_idempotently_is_told_so_also_by_a_check() {
    let refused = [RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 5];
    let (cluster, kafka) = mocked();
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &refused);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), message("mocked", "k", 1, 10));
    let said = lost(&mut session).await;
    assert!(said.contains("IdempotentWrite"), "{said}");
    drop(session);

    let (cluster, kafka) = mocked();
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &refused);
    let Produce::Refused(said) = kafka.probe().await.unwrap().produce else {
        panic!("not refused")
    };
    assert!(said.contains("IdempotentWrite"), "{said}");
}

#[tokio::test]
async fn encrypted_and_authenticated_messages_arrive() {
    let broker = secured().await;
    for (mechanism, encrypted, port, topic) in [
        ("SCRAM-SHA-512", true, broker.sasl_ssl_port, "scram-ssl"),
        ("SCRAM-SHA-512", false, broker.sasl_port, "scram"),
        ("PLAIN", true, broker.sasl_ssl_port, "plain-ssl"),
    ] {
        let kafka = kafka(
            login(broker, mechanism, encrypted, port, PASSWORD),
            &[topic],
        );
        let mut session = kafka.connect(Lane::Normal).await.unwrap();
        deliver(&mut session, &[message(topic, "k", 1, 100)]).await;
        assert_eq!(broker.read(topic, 1).await.len(), 1);
    }
    let mut config = settings(format!("127.0.0.1:{}", broker.ssl_port));
    config.encrypted = true;
    config.tls.ca_file = Some(broker.ca_file());
    kafka(config, &[]).connect(Lane::Normal).await.unwrap();
}

#[tokio::test]
async fn a_connection_that_is_refused_says_why() {
    let broker = secured().await;
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        let wrong = kafka(
            login(broker, mechanism, true, broker.sasl_ssl_port, "wrong"),
            &["t"],
        );
        let error = wrong.connect(Lane::Normal).await.err().unwrap().to_string();
        assert!(error.contains("uthentication failed"), "{error}");
        assert!(
            error.contains("(send.kafka.security, sasl_mechanism, username and password)"),
            "{error}"
        );
        assert!(!error.contains("wrong"), "{error}");
    }
    let mut untrusted = login(broker, "PLAIN", true, broker.sasl_ssl_port, PASSWORD);
    untrusted.tls.ca_file = None;
    let error = kafka(untrusted, &["t"])
        .connect(Lane::Normal)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.contains("(send.kafka.ca_file does not hold the authority"),
        "{error}"
    );
    let nobody = format!("127.0.0.1:{}", crate::parts::child::free_port());
    let error = kafka(settings(nobody.clone()), &["t"])
        .connect(Lane::Normal)
        .await
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with(&nobody) && error.contains("Connection refused"),
        "{error}"
    );
}
