//! What the promises about Kafka have in common: settings, messages that know their number, and sessions driven as the gateway does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use boxbridge::send::kafka::{Kafka, Limits};
use boxbridge::send::{Answer, Destination, Reason, Session};
use boxbridge_event::{Lane, Message, Sequence, Timestamp};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;

pub use crate::parts::PATIENCE;
use crate::parts::kafka::{Broker, Received, USER};
pub use crate::send::session::{acknowledged, answer_or_loss, lost, next};

pub async fn mock() -> (
    MockCluster<'static, DefaultProducerContext>,
    <Kafka as Destination>::Session,
) {
    let (cluster, kafka) = mocked();
    let session = kafka.connect(Lane::Urgent).await.unwrap();
    (cluster, session)
}

/// A cluster that gives the errors that it is told to give, with the topic "mocked".
pub fn mocked() -> (MockCluster<'static, DefaultProducerContext>, Kafka) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mocked", 1, 1).unwrap();
    let kafka = kafka(settings(cluster.bootstrap_servers()), &["mocked"]);
    (cluster, kafka)
}

pub fn settings(brokers: String) -> boxbridge_config::Kafka {
    boxbridge_config::Kafka {
        brokers,
        create_topics: true,
        partitions: 6,
        replication: -1,
        encrypted: false,
        sasl: None,
        tls: boxbridge_config::Tls::default(),
        max_message_bytes: 1_000_000,
        linger: Duration::from_millis(5),
        compression: "lz4".to_owned(),
    }
}

pub fn login(
    broker: &Broker,
    mechanism: &str,
    way: &str,
    password: &str,
) -> boxbridge_config::Kafka {
    let mut config = settings(broker.ways().address(way).to_string());
    let password = boxbridge_config::Secret::new(password);
    config.sasl = Some(boxbridge_config::Sasl {
        mechanism: mechanism.to_owned(),
        username: USER.to_owned(),
        password,
        token: None,
    });
    config.encrypted = way == "SASL_SSL";
    config.tls.ca_file = Some(broker.ca_file());
    config
}

pub fn limits(stall_timeout: Duration) -> Limits {
    Limits {
        window_records: 1_000,
        window_bytes: 16 << 20,
        stall_timeout,
    }
}

pub fn kafka(config: boxbridge_config::Kafka, topics: &[&str]) -> Kafka {
    Kafka::new(
        config,
        topics.iter().map(|topic| (*topic).to_owned()).collect(),
        limits(Duration::from_secs(30)),
    )
}

pub async fn shared() -> &'static Broker {
    blocking(Broker::shared).await
}

pub async fn secured() -> &'static Broker {
    blocking(Broker::secured).await
}

pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// A message whose payload begins with its number.
pub fn message(topic: &str, key: &str, number: u64, bytes: usize) -> Message {
    let mut payload = format!("{number} ").into_bytes();
    // Does not compress away: sizes mean what they say.
    let mut noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    payload.resize_with(bytes.max(payload.len()), || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        b' ' + (noise % 90) as u8
    });

    let attributes = [
        ("specversion", "1.0"),
        ("id", &number.to_string()),
        ("datacontenttype", "application/json"),
        ("subject", "小明"),
    ];
    Message {
        topic: topic.to_owned(),
        key: key.to_owned(),
        attributes: attributes
            .map(|(name, value)| (name, value.to_owned()))
            .to_vec(),
        payload: payload.into(),
        timestamp: Timestamp(Timestamp::now().0 - 1_000 + number as i64),
        expires_in: None,
    }
}

pub fn number(received: &Received) -> u64 {
    number_of(&received.payload)
}

pub fn number_of(payload: &[u8]) -> u64 {
    String::from_utf8_lossy(payload)
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

pub fn numbers(received: &[Received]) -> BTreeSet<u64> {
    received.iter().map(number).collect()
}

/// The first deliveries of each key are in the order of the numbers.
pub fn assert_in_order(received: &[Received]) {
    let mut highest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for message in received {
        let number = number(message);
        if seen.insert(number) {
            let highest = highest.entry(&message.key).or_default();
            assert!(*highest < number, "{number} came after {highest}");
            *highest = number;
        }
    }
}

/// Submits within the window, in order, and returns what was acknowledged; anything else fails the test.
pub async fn deliver(
    session: &mut impl Session<Message = Message>,
    messages: &[Message],
) -> BTreeSet<u64> {
    let mut acknowledged = BTreeSet::new();
    let mut in_flight = 0;
    for message in messages {
        session.submit(Sequence(number_of(&message.payload)), message.clone());
        in_flight += 1;
        if in_flight == session.window().records {
            acknowledged.extend(collect(session, 1).await);
            in_flight -= 1;
        }
    }
    acknowledged.extend(collect(session, in_flight).await);
    acknowledged
}

/// Delivers as the gateway does: after each loss a new session gets what has no answer yet, from the lowest on; what waits with its topic is tried again.
pub async fn deliver_through_losses(kafka: &Kafka, messages: &[Message]) {
    let mut open: BTreeMap<u64, &Message> = messages
        .iter()
        .map(|message| (number_of(&message.payload), message))
        .collect();
    let deadline = tokio::time::Instant::now() + PATIENCE;

    while !open.is_empty() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "{} are not delivered",
            open.len()
        );
        let Ok(mut session) = kafka.connect(Lane::Normal).await else {
            continue;
        };
        for (number, message) in &open {
            session.submit(Sequence(*number), (*message).clone());
        }
        while !open.is_empty() {
            match answer_or_loss(&mut session).await {
                Ok(Answer::Acknowledged { sequence, .. }) => drop(open.remove(&sequence.0)),
                Err(_) => break,
                Ok(Answer::Rejected {
                    sequence,
                    rejection,
                }) if rejection.reason == Reason::TopicUnfit => {
                    session.submit(sequence, open[&sequence.0].clone());
                }
                answer => panic!("{answer:?}"),
            }
        }
    }
}

pub async fn collect(session: &mut impl Session, count: usize) -> BTreeSet<u64> {
    let mut acknowledged = BTreeSet::new();
    for _ in 0..count {
        match next(session).await {
            Answer::Acknowledged { sequence, .. } => assert!(acknowledged.insert(sequence.0)),
            answer => panic!("{answer:?}"),
        }
    }
    acknowledged
}

pub async fn answers(session: &mut impl Session, count: usize) -> BTreeMap<u64, Answer> {
    let mut answers = BTreeMap::new();
    for _ in 0..count {
        let answer = next(session).await;
        match &answer {
            Answer::Acknowledged { sequence, .. } | Answer::Rejected { sequence, .. } => {
                answers.insert(sequence.0, answer)
            }
            _ => panic!("{answer:?}"),
        };
    }
    answers
}

pub fn refused(answer: &Answer, reason: Reason) -> &str {
    match answer {
        Answer::Rejected { rejection, .. } if rejection.reason == reason => &rejection.detail,
        answer => panic!("{answer:?}"),
    }
}
