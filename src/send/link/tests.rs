//! What a link promises to those who wait for it and to those who look at it.

use super::*;
use crate::send::window::Timeliness;

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
    hq.refused(
        Lane::Urgent,
        all_of(PersonType::Vip),
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
    let refused = |lane, person_type, why: &str| {
        link.refused(lane, all_of(person_type), why.to_owned());
    };
    refused(Lane::Normal, PersonType::Visitor, "not_authorised: no");
    refused(Lane::Urgent, PersonType::Blacklist, "topic_invalid: gone");
    let begin = |trouble: &str, with: &str| assert!(trouble.starts_with(with), "{trouble}");
    let urgent = "kafka urgent: blacklist is paused: topic_invalid: gone, since 20";
    let troubles = link.troubles();
    begin(&troubles[0], urgent);
    begin(
        &troubles[1],
        "kafka normal: visitor is paused: not_authorised: no, since 20",
    );
    assert!(link.is_up(), "the others flow");

    let still = |records| HeldBack {
        class: TopicClass::new(PersonType::Visitor, Timeliness::Late),
        devices: None,
        records,
    };
    link.still_waits(Lane::Normal, [still(17)].into_iter());
    let troubles = link.troubles();
    assert!(troubles[1].ends_with("17 events wait"), "{troubles:?}");
    link.still_waits(Lane::Normal, std::iter::empty());
    let troubles = link.troubles();
    assert_eq!(troubles.len(), 1);
    begin(&troubles[0], urgent);
}

#[test]
fn what_is_refused_for_now_is_named_from_the_first_refusal_on_until_it_flows() {
    let link = Link::new("mqtt", "mqtt");
    Lane::ALL.iter().for_each(|lane| link.connected(*lane));
    let vip = TopicClass::new(PersonType::Vip, Timeliness::Live);
    let why = "passing: over quota (live topic vip/gate)".to_owned();
    link.refused(Lane::Urgent, Extent::Topic(vip), why);
    let begin = "mqtt urgent: vip is refused for now on one device: passing: over quota (live topic vip/gate), since 20";
    let troubles = link.troubles();
    assert!(troubles[0].starts_with(begin), "{troubles:?}");
    assert!(troubles[0].ends_with(", 1 event waits"), "{troubles:?}");
    assert!(link.is_up(), "the others flow");

    let still = HeldBack {
        class: vip,
        devices: Some(3),
        records: 40,
    };
    link.still_waits(Lane::Urgent, [still].into_iter());
    let [waits] = link.waits(Lane::Urgent).try_into().unwrap();
    assert_eq!((waits.devices, waits.records), (Some(3), 40));
    link.still_waits(Lane::Urgent, std::iter::empty());
    assert!(link.troubles().is_empty());
}

fn all_of(person_type: PersonType) -> Extent {
    Extent::Class(TopicClass::new(person_type, Timeliness::Late))
}
