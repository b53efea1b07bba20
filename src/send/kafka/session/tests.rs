//! Which records leave, and which are held.

use std::time::Duration;

use bytes::Bytes;
use rdkafka::mocking::MockCluster;

use super::super::Limits;
use super::super::tests::shared;
use super::*;
use crate::send::Session as _;
use boxbridge_event::Timestamp;

fn message() -> Message {
    Message {
        topic: "mocked".to_owned(),
        key: String::new(),
        attributes: Vec::new(),
        payload: Bytes::from_static(b"{}"),
        timestamp: Timestamp::now(),
        expires_in: None,
    }
}

const LIMITS: Limits = Limits {
    window_records: 100,
    window_bytes: 1 << 20,
    stall_timeout: Duration::from_secs(15),
};

#[tokio::test]
async fn where_the_brokers_refused_us_one_record_leaves_and_the_others_follow_once_it_is_taken() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mocked", 1, 1).unwrap();
    let shared = Arc::new(shared(cluster.bootstrap_servers(), LIMITS));
    shared.set_refused(Lane::Urgent, true);
    let topics = HashMap::from([("mocked".to_owned(), Topic::There { max_bytes: None })]);
    let mut session = Session::start(shared, Lane::Urgent, topics).unwrap();

    for number in 1..=20 {
        session.submit(Sequence(number), message());
    }
    assert_eq!((session.in_flight.len(), session.held.len()), (1, 19));

    for number in 1..=20 {
        let sequence = Sequence(number);
        let taken = Answer::Acknowledged {
            sequence,
            heard: true,
        };
        assert_eq!(session.next().await, Ok(taken));
    }
    assert!(session.held.is_empty());
}

#[tokio::test]
async fn an_orderly_end_waits_for_what_is_under_way() {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("mocked", 1, 1).unwrap();
    let shared = Arc::new(shared(cluster.bootstrap_servers(), LIMITS));
    let topics = HashMap::from([("mocked".to_owned(), Topic::There { max_bytes: None })]);
    let mut session = Session::start(shared, Lane::Urgent, topics).unwrap();

    let taken = |number| {
        Ok(Answer::Acknowledged {
            sequence: Sequence(number),
            heard: true,
        })
    };
    session.submit(Sequence(1), message());
    assert_eq!(session.next().await, taken(1));

    session.submit(Sequence(2), message());
    session.finish().await;
    assert!(session.in_flight.is_empty());
    assert_eq!(session.next().await, taken(2));
}
