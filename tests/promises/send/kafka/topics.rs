//! One topic's trouble is that topic's: what is wrong with it, or silent, holds back no other.

use std::collections::BTreeSet;
use std::time::Duration;

use boxbridge::send::kafka::Kafka;
use boxbridge::send::{Answer, Destination, Reason, Session};
use boxbridge_event::{Lane, Sequence, Timestamp};
use rdkafka::mocking::MockCluster;
use serde_json::json;

use super::drive::*;
use crate::parts::black_hole::BlackHole;
use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::site::wait_until;

#[tokio::test]
async fn a_topic_with_strict_timestamps_holds_back_itself_and_names_the_limit() {
    let broker = shared().await;
    let limits = [
        ("message.timestamp.after.max.ms", "60000"),
        ("message.timestamp.before.max.ms", "3600000"),
    ];
    broker.make_topic("strict", 1, &limits).await;
    let kafka = kafka(settings(broker.address()), &["strict", "lenient"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    let at = |topic: &str, number, hours: i64| {
        let mut message = message(topic, "k", number, 100);
        message.timestamp = Timestamp(Timestamp::now().0 + hours * 3_600_000);
        message
    };

    // As by a clock that runs ahead.
    session.submit(Sequence(1), at("strict", 1, 2));
    let answer = next(&mut session).await;
    let said = refused(&answer, Reason::TopicUnfit);
    assert!(
        said.contains("this gateway's clock says 20")
            && said.contains("message.timestamp.after.max.ms"),
        "{said}"
    );

    // As after an outage.
    session.submit(Sequence(2), at("strict", 2, -2));
    let answer = next(&mut session).await;
    let said = refused(&answer, Reason::TopicUnfit);
    assert!(
        said.contains("is older than message.timestamp.before.max.ms of strict allows"),
        "{said}"
    );

    // The same session goes on, with others whatever their time, and with this topic.
    for (number, topic, hours) in [(3, "lenient", -2), (4, "lenient", 0), (5, "strict", 0)] {
        session.submit(Sequence(number), at(topic, number, hours));
        assert_eq!(next(&mut session).await, acknowledged(number), "{topic}");
    }
}

/// Several bad ones in a batch get no code of their own: one at a time shows what it is, while another topic flows.
#[tokio::test]
async fn a_batch_that_a_strict_topic_refuses_costs_no_session_and_no_other_topic() {
    let broker = shared().await;
    broker
        .make_topic(
            "strict.batch",
            1,
            &[("message.timestamp.before.max.ms", "3600000")],
        )
        .await;
    let mut config = settings(broker.address());
    config.linger = Duration::from_millis(200);
    let kafka = kafka(config, &["strict.batch", "lenient.batch"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    let old = |number| {
        let mut message = message("strict.batch", "k", number, 100);
        message.timestamp = Timestamp(Timestamp::now().0 - 7_200_000);
        message
    };

    for number in 1..=5 {
        session.submit(Sequence(number), old(number));
    }
    for number in 6..=10 {
        session.submit(Sequence(number), message("lenient.batch", "k", number, 100));
    }
    let answers = answers(&mut session, 10).await;
    (6..=10).for_each(|number| assert_eq!(answers[&number], acknowledged(number)));
    (1..=5).for_each(|number| {
        assert!(
            matches!(answers[&number], Answer::Rejected { .. }),
            "{:?}",
            answers[&number]
        )
    });

    session.submit(Sequence(1), old(1));
    session.submit(Sequence(2), old(2));
    for _ in 1..=2 {
        let answer = next(&mut session).await;
        assert!(
            refused(&answer, Reason::TopicUnfit).contains("message.timestamp.before.max.ms"),
            "{answer:?}"
        );
    }
}

/// Without a leader, or with too few replicas: librdkafka repeats that for ever, and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_answers_nothing_waits_alone_and_its_late_answers_count() {
    let cluster = MockCluster::new(1).unwrap();
    ["mute", "well"]
        .iter()
        .for_each(|topic| cluster.create_topic(topic, 1, 1).unwrap());
    cluster.partition_leader("mute", 0, None).unwrap();
    let topics = ["mute", "well"].map(str::to_owned).to_vec();
    let kafka = Kafka::new(
        settings(cluster.bootstrap_servers()),
        topics,
        limits(Duration::from_secs(2)),
    );
    let mute: Vec<_> = (1..=5)
        .map(|number| message("mute", "k", number, 100))
        .collect();
    let submit_all = |session: &mut <Kafka as Destination>::Session| {
        mute.iter()
            .zip(1..)
            .for_each(|(message, number)| session.submit(Sequence(number), message.clone()));
    };

    // First it may be the connection.
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    submit_all(&mut session);
    assert!(
        lost(&mut session)
            .await
            .error
            .contains("nothing acknowledged for 2s with 5 submitted")
    );
    drop(session);

    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    submit_all(&mut session);
    let told = answers(&mut session, 5).await;
    assert!(
        (1..=5)
            .all(|number| refused(&told[&number], Reason::TopicUnfit).contains("has it a leader")),
        "{told:?}"
    );
    let well: Vec<_> = (6..=30)
        .map(|number| message("well", "k", number, 100))
        .collect();
    assert_eq!(deliver(&mut session, &well).await.len(), 25);

    // One of them is tried again, and all of them are answered once it works.
    session.submit(Sequence(1), mute[0].clone());
    cluster.partition_leader("mute", 0, Some(1)).unwrap();
    let mut taken = BTreeSet::new();
    while taken.len() < 5 {
        match next(&mut session).await {
            Answer::Acknowledged { sequence, .. } => {
                assert!(taken.insert(sequence.0), "{sequence:?} twice")
            }
            // It took longer than its second try.
            answer => drop(refused(&answer, Reason::TopicUnfit)),
        }
    }
    assert_eq!(taken, (1..=5).collect());
}

#[test]
fn alerts_flow_beside_a_type_whose_topic_is_strict_and_it_flows_once_the_limit_is_lifted() {
    let broker = Broker::shared();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    // Whatever comes is older than this.
    runtime.block_on(broker.make_topic(
        "fussy.visitor",
        1,
        &[("message.timestamp.before.max.ms", "1")],
    ));
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", ""),
        ("SEND__KAFKA__BROKERS", &broker.address()),
        ("ROUTE__DEFAULT__KAFKA_TOPIC", "fussy.{person_type}"),
        ("ROUTE__BLACKLIST__LANE", "normal"),
    ]);
    // All of one device: what waits is not to stand in its way.
    for number in 0..60 {
        let person_type = json!([2, 3, 1][number % 3]);
        gateway.take(
            "/RealTimeEvent",
            &event(&number.to_string(), person_type, "gate"),
        );
    }
    runtime.block_on(async {
        assert_eq!(broker.read("fussy.blacklist", 20).await.len(), 20);
        assert_eq!(broker.read("fussy.employee", 20).await.len(), 20);
    });
    wait_until("it is said", || {
        let reasons = gateway.ready()["reasons"].to_string();
        reasons.contains("kafka normal: visitor is paused: topic_unfit: ")
            && reasons.contains("before.max.ms of fussy.visitor")
    });
    assert_eq!(gateway.ready()["destinations"]["kafka"], "up");

    runtime.block_on(broker.set_topic(
        "fussy.visitor",
        "message.timestamp.before.max.ms",
        "9223372036854775807",
    ));
    runtime.block_on(async { assert_eq!(broker.read("fussy.visitor", 20).await.len(), 20) });
    gateway.wait_delivered();
    assert!(
        !gateway
            .data_dir()
            .join("aside")
            .read_dir()
            .is_ok_and(|mut files| files.next().is_some()),
        "nothing is set aside"
    );
}

/// librdkafka's own default is half a minute an address, and connecting has ten seconds. (It tries a name's addresses in turn.)
#[tokio::test]
async fn an_address_that_is_a_black_hole_is_given_up_while_there_is_time_for_the_next() {
    let hole = BlackHole::dig("127.0.0.2".parse().unwrap()).await;
    let kafka = kafka(settings(hole.address.to_string()), &["reached"]);
    let error = kafka
        .connect(Lane::Urgent)
        .await
        .err()
        .expect("a black hole")
        .to_string();
    let given_up = format!(
        "{0}: no broker answers: {0}/bootstrap: Connection setup timed out in state CONNECT",
        hole.address
    );
    assert_eq!(error, given_up, "and not merely waited for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_thin_line_carries_for_longer_than_the_stall_timeout_arrives() {
    let (broker, line) = blocking(|| Broker::behind_a_thin_line(30_000)).await;
    broker.make_topic("thin", 1, &[]).await;
    let mut config = settings(line.to_string());
    config.compression = "none".to_owned();

    let kafka = Kafka::new(
        config,
        vec!["thin".to_owned()],
        limits(Duration::from_secs(2)),
    );
    // Ten seconds of the line.
    let messages = [
        message("thin", "k", 1, 300_000),
        message("thin", "k", 2, 100),
    ];
    deliver_through_losses(&kafka, &messages).await;
    assert_in_order(&broker.read("thin", 2).await);
}

/// As on a full line, that has no room for the question.
#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_cannot_be_looked_up_waits_alone_while_others_are_on_their_way() {
    let cluster = MockCluster::new(1).unwrap();
    ["slow", "unforeseen"]
        .iter()
        .for_each(|topic| cluster.create_topic(topic, 1, 1).unwrap());
    cluster.partition_leader("slow", 0, None).unwrap();
    let kafka = kafka(settings(cluster.bootstrap_servers()), &["slow"]);
    let mut session = kafka.connect(Lane::Normal).await.unwrap();
    session.submit(Sequence(1), message("slow", "k", 1, 100));
    cluster.broker_down(1).unwrap();
    session.submit(Sequence(2), message("unforeseen", "k", 2, 100));
    let answer = next(&mut session).await;
    assert!(
        refused(&answer, Reason::TopicUnfit).starts_with("topic unforeseen was not looked up: "),
        "{answer:?}"
    );

    cluster.broker_up(1).unwrap();
    cluster.partition_leader("slow", 0, Some(1)).unwrap();
    session.submit(Sequence(2), message("unforeseen", "k", 2, 100));
    assert_eq!(collect(&mut session, 2).await, BTreeSet::from([1, 2]));
}
