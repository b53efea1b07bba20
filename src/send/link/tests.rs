//! What a link promises to those who wait for it and to those who look at it.

use super::*;

const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(20);

fn down(link: &Link, lane: Lane) {
    link.down(lane, "refused".to_owned(), 1);
}

fn other(lane: Lane) -> Lane {
    if lane == Lane::Urgent {
        Lane::Normal
    } else {
        Lane::Urgent
    }
}

/// Whether this lane's pause is cut short.
async fn is_woken(link: &Link, lane: Lane) -> bool {
    tokio::time::timeout(SHORT * 3, link.pause(lane, LONG))
        .await
        .is_ok()
}

#[tokio::test]
async fn a_lane_that_is_through_brings_the_other_along() {
    for lane in Lane::ALL.iter().copied() {
        let link = Link::new("mqtt", "mqtt");
        down(&link, lane);
        down(&link, other(lane));
        link.connected(lane);
        assert!(
            is_woken(&link, other(lane)).await,
            "at the first connection"
        );
        link.up(lane);
        assert!(
            is_woken(&link, other(lane)).await,
            "and when it has proven itself"
        );
    }
}

#[tokio::test]
async fn a_lane_that_cannot_connect_does_not_shorten_the_others_pause() {
    let link = Link::new("mqtt", "mqtt");
    down(&link, Lane::Normal);
    for _ in 0..3 {
        link.pause(Lane::Urgent, SHORT).await;
        down(&link, Lane::Urgent);
    }
    assert!(!is_woken(&link, Lane::Normal).await);
}

#[tokio::test]
async fn lanes_that_connect_and_die_in_a_circle_do_not_wake_each_other_for_ever() {
    let link = Link::new("mqtt", "mqtt");
    let mut woken = 0;
    for _ in 0..5 {
        for lane in Lane::ALL.iter().copied() {
            down(&link, lane);
            link.connected(lane);
            down(&link, lane);
            woken += u32::from(is_woken(&link, other(lane)).await);
        }
    }
    assert_eq!(woken, 2, "once each, in ten sessions that came to nothing");
}

#[test]
fn a_message_names_the_settings_of_its_own_destination() {
    let hq = Link::new("kafka-hq", "kafka");
    hq.connected(Lane::Urgent);
    hq.down(
        Lane::Normal,
        "no broker answers (send.kafka.ca_file does not hold the authority)".to_owned(),
        1,
    );
    hq.paused(
        Lane::Urgent,
        PersonType::Vip,
        "not_authorised: send.kafka.username".to_owned(),
    );

    let troubles = hq.troubles().join("\n");
    assert!(
        troubles.contains("(send.kafka-hq.ca_file does not")
            && troubles.contains("send.kafka-hq.username"),
        "{troubles}"
    );
}

#[test]
fn a_connection_after_a_failure_is_up_once_it_is_proven() {
    let link = Link::new("mqtt", "mqtt");
    assert_eq!(link.troubles(), ["mqtt is down: connecting"]);
    for lane in Lane::ALL.iter().copied() {
        link.connected(lane);
    }
    assert!(
        link.is_up() && link.troubles().is_empty(),
        "nothing has failed yet"
    );

    down(&link, Lane::Normal);
    link.connected(Lane::Normal);
    assert_eq!(
        (link.is_up(), link.troubles()),
        (
            false,
            vec!["mqtt is down in the normal lane: refused".to_owned()]
        )
    );
    down(&link, Lane::Urgent);
    assert_eq!(link.troubles(), ["mqtt is down: refused"], "both");
    Lane::ALL.iter().for_each(|lane| link.up(*lane));
    assert!(link.is_up() && link.troubles().is_empty());
}

#[test]
fn a_type_that_is_paused_is_named_with_its_reason_until_it_flows_again() {
    let link = Link::new("kafka", "kafka");
    for lane in Lane::ALL.iter().copied() {
        link.connected(lane);
    }
    link.paused(
        Lane::Normal,
        PersonType::Visitor,
        "not_authorised: no".to_owned(),
    );
    link.paused(
        Lane::Urgent,
        PersonType::Blacklist,
        "topic_invalid: gone".to_owned(),
    );
    let urgent = "kafka urgent: blacklist is paused: topic_invalid: gone";
    assert_eq!(
        link.troubles(),
        [
            urgent,
            "kafka normal: visitor is paused: not_authorised: no"
        ]
    );
    assert!(link.is_up(), "the others flow");

    link.still_paused(Lane::Normal, [PersonType::Visitor].into_iter());
    assert_eq!(link.troubles().len(), 2);
    link.still_paused(Lane::Normal, std::iter::empty());
    assert_eq!(link.troubles(), [urgent]);
}
