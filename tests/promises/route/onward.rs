//! An event that went over Kafka: what is in its message passes as it is, and where it goes is decided when it leaves.

use boxbridge::route::{Router, Sending, kafka_topics_of};
use boxbridge_event::{Carried, Event, Feed, Lane, Message, PersonType, Timestamp};

use super::{RECEIVED, at, config, pictured, router};
use crate::normalize;
use crate::normalize::documents;

const LIVE: &str = "boxbridge/default/events/vip/192.168.1.243";
const LATE: &str = "boxbridge/default/late/vip/192.168.1.243";

fn carried(message: &Message) -> Carried {
    Carried {
        key: message.key.clone(),
        attributes: message.attributes.clone(),
        timestamp: message.timestamp,
        place: "topic, partition 0, offset 0".to_owned(),
    }
}

/// It as it stands on Kafka, and as it is read there.
fn over_kafka(router: &Router, event: &Event, sending: &Sending<'_>) -> (Message, Event) {
    let message = router.kafka(event, sending).expect("it has a topic");
    let read = serde_json::from_slice(&message.payload).expect("an event");
    (message, read)
}

#[test]
fn payload_and_attributes_pass_as_they_are_and_the_topic_is_that_of_now() {
    let router = router(&[]);
    let (message, event) = over_kafka(&router, &pictured().event, &at(1_000));
    let onward = |sending: &Sending<'_>, may_be_live| {
        let passed = (&carried(&message), message.payload.clone());
        router
            .onward(&event, passed, sending, may_be_live)
            .expect("it has a topic")
    };

    for (sending, may_be_live, topic) in [
        (at(2_000), true, LIVE),
        (at(60_000), true, LIVE),
        (at(60_001), true, LATE),
        (at(2_000), false, LATE),
    ] {
        let passed = onward(&sending, may_be_live);
        assert_eq!(passed.topic, topic);
        assert_eq!(passed.payload, message.payload);
        assert_eq!(passed.attributes, message.attributes);
    }
}

/// The gateway that received it may have had a clock that was ahead.
#[test]
fn what_has_been_on_kafka_for_longer_than_one_may_act_or_is_not_there_yet_is_late_whatever_it_says_itself()
 {
    let router = router(&[]);
    let (message, event) = over_kafka(&router, &pictured().event, &at(1_000));
    let topic = |on_kafka_since: i64| {
        let carried = Carried {
            timestamp: Timestamp(RECEIVED + 2_000 - on_kafka_since),
            ..carried(&message)
        };
        let passed = (&carried, message.payload.clone());
        let message = router.onward(&event, passed, &at(2_000), true);
        message.expect("it has a topic").topic
    };
    assert_eq!(topic(65_000), LIVE);
    assert_eq!(topic(65_001), LATE);
    assert_eq!(topic(-5_000), LIVE);
    assert_eq!(topic(-5_001), LATE);
}

#[test]
fn history_and_replays_are_late_and_travel_in_the_normal_lane() {
    let router = router(&[("route.vip.lane", "urgent")]);
    let history = normalize::event(&documents::sample(), Feed::History);
    let (message, event) = over_kafka(&router, &history, &at(0));
    let passed = (&carried(&message), message.payload.clone());
    let passed = router.onward(&event, passed, &at(0), true);
    assert_eq!(passed.expect("it has a topic").topic, LATE);

    assert_eq!(router.lane_onward(PersonType::Vip, true), Lane::Urgent);
    assert_eq!(router.lane_onward(PersonType::Vip, false), Lane::Normal);
    assert_eq!(router.lane_onward(PersonType::Employee, true), Lane::Normal);
}

#[test]
fn the_urgent_lane_reads_the_topics_of_its_types_and_the_normal_lane_reads_all() {
    let settings = [("route.default.kafka_topic", "b.{site}.{person_type}")];
    let (router, routes) = (router(&settings), config(&settings).routes);
    let of = |lane: Option<Lane>| {
        let is_such =
            |person_type| lane.is_none_or(|lane| router.lane_onward(person_type, true) == lane);
        kafka_topics_of(&routes, is_such)
    };
    let pieces = |person_type: &str| vec!["b.".to_owned(), format!(".{person_type}")];
    assert_eq!(of(Some(Lane::Urgent)), ["blacklist", "vip"].map(pieces));
    assert_eq!(of(None).len(), PersonType::ALL.len());
}
