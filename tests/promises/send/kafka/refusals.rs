//! Refusals by what can be done about them: about a record, a topic, or us; and a check that finds them beforehand.

use std::collections::BTreeSet;

use super::drive::*;
use boxbridge::send::kafka::Produce;
use boxbridge::send::{Answer, Destination, Reason, Session};
use boxbridge_event::{Lane, Sequence};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

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
        let said = lost(&mut session).await.error;
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
        let said = lost(&mut session).await.error;
        assert!(said.contains("brokers from Kafka 0.11 on"), "{said}");
        let again = lost(&mut session).await.error;
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
            kafka
                .probe("boxbridge.devices", None)
                .await
                .unwrap()
                .produce,
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
    let said = lost(&mut session).await.error;
    assert!(said.contains("IdempotentWrite"), "{said}");
    drop(session);

    let (cluster, kafka) = mocked();
    cluster.request_errors(RDKafkaApiKey::InitProducerId, &refused);
    let Produce::Refused(said) = kafka
        .probe("boxbridge.devices", None)
        .await
        .unwrap()
        .produce
    else {
        panic!("not refused")
    };
    assert!(said.contains("IdempotentWrite"), "{said}");
}
