//! Topics, dates and expiry of a message.

use std::time::Duration;

use boxbridge::route::{Sending, kafka_topics, pictures_told};
use boxbridge_event::Timestamp;

use super::{at, config, pictured, router};

#[test]
fn an_empty_topic_is_nothing_to_do() {
    let router = router(&[
        ("route.default.mqtt_late_topic", ""),
        ("route.vip.kafka_topic", ""),
    ]);
    let event = pictured().event;
    assert!(router.mqtt(&event, &at(0)).is_some());
    assert!(router.mqtt(&event, &at(60_001)).is_none());
    assert!(router.kafka(&event, &at(0)).is_none());
}

#[test]
fn a_bus_on_which_a_type_has_no_topic_hears_nothing_of_its_pictures() {
    let event = pictured().event;
    let told = |settings: &[(&str, &str)]| {
        let (router, sending) = (router(settings), at(0));
        let on_mqtt = pictures_told::to_mqtt(&router, &event, &sending);
        let on_kafka = pictures_told::to_kafka(&router, &event, &sending);
        (on_mqtt.is_some(), on_kafka.is_some())
    };
    assert_eq!(told(&[]), (true, true));

    let late_alone = ("route.vip.mqtt_topic", "");
    assert_eq!(told(&[late_alone]), (true, true));
    let nowhere = ("route.vip.mqtt_late_topic", "");
    assert_eq!(told(&[late_alone, nowhere]), (false, true));
    assert_eq!(told(&[("route.vip.kafka_topic", "")]), (true, false));
}

/// Brokers refuse what comes from the future; the event itself says when it came, as this gateway saw it.
#[test]
fn a_message_is_dated_now_where_the_clock_ran_ahead_when_it_came() {
    let event = pictured().event;
    let sent_at = |now| {
        router(&[])
            .kafka(&event, &Sending { now, ..at(0) })
            .expect("it has a topic")
            .timestamp
    };
    let received = event.received_at;
    assert_eq!(sent_at(received.plus(Duration::from_secs(60))), received);
    let earlier = Timestamp(received.0 - 7_200_000);
    assert_eq!(sent_at(earlier), earlier);
}

#[test]
fn what_is_left_of_the_expiry_is_counted_from_the_receipt() {
    let router = router(&[("route.default.mqtt_expiry", "10s")]);
    let left = |later| {
        router
            .mqtt(&pictured().event, &at(later))
            .expect("it has a topic")
            .expires_in
    };

    assert_eq!(left(0), Some(Duration::from_secs(10)));
    assert_eq!(left(4_000), Some(Duration::from_secs(6)));
    assert_eq!(left(99_000), Some(Duration::from_secs(1)));
    assert_eq!(
        left(-5_000),
        Some(Duration::from_secs(10)),
        "a clock that was set back adds nothing"
    );
}

#[test]
fn every_kafka_topic_is_known_beforehand() {
    let config = config(&[
        ("route.default.kafka_topic", "faces.{site}.{feed}"),
        ("route.vip.kafka_topic", "vips"),
    ]);
    let topics: Vec<_> = kafka_topics(&config.routes, "lobby").into_iter().collect();

    assert_eq!(
        topics,
        [
            "faces.lobby.history",
            "faces.lobby.platform",
            "faces.lobby.realtime",
            "vips"
        ]
    );
}
