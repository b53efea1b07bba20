//! What a contact promises to those who wait for it and to those who look at it.

use super::*;
use crate::send::window::{Extent, HeldBack, Timeliness};

const LONG: Duration = Duration::from_secs(3_600);
const SHORT: Duration = Duration::from_millis(20);

fn down(contact: &Contact, lane: Lane) {
    contact.down(lane, "refused".to_owned(), 1);
}

fn other(lane: Lane) -> Lane {
    if lane == Lane::Urgent {
        Lane::Normal
    } else {
        Lane::Urgent
    }
}

/// Whether this lane's pause is cut short.
async fn is_woken(contact: &Contact, lane: Lane) -> bool {
    tokio::time::timeout(SHORT * 3, contact.pause(lane, LONG))
        .await
        .is_ok()
}

#[tokio::test]
async fn a_lane_that_is_through_brings_the_other_along() {
    for lane in Lane::ALL.iter().copied() {
        let contact = Contact::new("mqtt", "mqtt");
        down(&contact, lane);
        down(&contact, other(lane));
        contact.connected(lane);
        assert!(
            is_woken(&contact, other(lane)).await,
            "at the first connection"
        );
        contact.up(lane);
        assert!(
            is_woken(&contact, other(lane)).await,
            "and when it has proven itself"
        );
    }
}

#[tokio::test]
async fn a_lane_that_cannot_connect_does_not_shorten_the_others_pause() {
    let contact = Contact::new("mqtt", "mqtt");
    down(&contact, Lane::Normal);
    for _ in 0..3 {
        contact.pause(Lane::Urgent, SHORT).await;
        down(&contact, Lane::Urgent);
    }
    assert!(!is_woken(&contact, Lane::Normal).await);
}

#[tokio::test]
async fn lanes_that_connect_and_die_in_a_circle_do_not_wake_each_other_for_ever() {
    let contact = Contact::new("mqtt", "mqtt");
    let mut woken = 0;
    for _ in 0..5 {
        for lane in Lane::ALL.iter().copied() {
            down(&contact, lane);
            contact.connected(lane);
            down(&contact, lane);
            woken += u32::from(is_woken(&contact, other(lane)).await);
        }
    }
    assert_eq!(woken, 2, "once each, in ten sessions that came to nothing");
}

#[test]
fn a_message_names_the_settings_of_its_own_destination() {
    let hq = Contact::new("kafka-hq", "kafka");
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
        None,
    );

    let troubles = hq.troubles().join("\n");
    assert!(
        troubles.contains("(send.kafka-hq.ca_file does not")
            && troubles.contains("send.kafka-hq.username"),
        "{troubles}"
    );
}

#[test]
fn only_a_broker_of_mqtt_has_late_topics() {
    let late = TopicClass::new(PersonType::Vip, Timeliness::Late);
    assert_eq!(Contact::new("hq", "mqtt").timeliness_of(late), Some("late"));
    assert_eq!(Contact::new("hq", "kafka").timeliness_of(late), None);
}

#[test]
fn what_will_refuse_records_is_said_of_a_destination_that_is_up() {
    let hq = Contact::new("hq", "kafka");
    Lane::ALL.iter().for_each(|lane| hq.connected(*lane));
    hq.asks(|| Some("topic vip is missing: send.kafka.create_topics".to_owned()));
    assert!(hq.is_up());
    assert_eq!(
        hq.troubles(),
        ["hq: topic vip is missing: send.hq.create_topics"]
    );
}

#[test]
fn a_connection_after_a_failure_is_up_once_it_is_proven() {
    let contact = Contact::new("mqtt", "mqtt");
    assert_eq!(contact.troubles(), ["mqtt is down: connecting"]);
    for lane in Lane::ALL.iter().copied() {
        contact.connected(lane);
    }
    assert!(
        contact.is_up() && contact.troubles().is_empty(),
        "nothing has failed yet"
    );

    down(&contact, Lane::Normal);
    contact.connected(Lane::Normal);
    let first = contact.troubles();
    let said = "mqtt is down in the normal lane: refused, since 2";
    assert!(!contact.is_up() && first[0].starts_with(said), "{first:?}");
    down(&contact, Lane::Normal);
    assert_eq!(contact.troubles(), first, "since the first failure");

    down(&contact, Lane::Urgent);
    let both = contact.troubles();
    assert!(
        both[0].starts_with("mqtt is down: refused, since 2"),
        "{both:?}"
    );
    Lane::ALL.iter().for_each(|lane| contact.up(*lane));
    assert!(contact.is_up() && contact.troubles().is_empty());
}

#[test]
fn a_type_that_is_paused_is_named_with_its_reason_until_it_flows_again() {
    let contact = Contact::new("kafka", "kafka");
    for lane in Lane::ALL.iter().copied() {
        contact.connected(lane);
    }
    let refused = |lane, person_type, why: &str| {
        contact.refused(lane, all_of(person_type), why.to_owned(), None);
    };
    refused(Lane::Normal, PersonType::Visitor, "not_authorised: no");
    refused(Lane::Urgent, PersonType::Blacklist, "topic_invalid: gone");
    let begin = |trouble: &str, with: &str| assert!(trouble.starts_with(with), "{trouble}");
    let urgent = "kafka urgent: blacklist is paused: topic_invalid: gone, since 20";
    let troubles = contact.troubles();
    begin(&troubles[0], urgent);
    begin(
        &troubles[1],
        "kafka normal: visitor is paused: not_authorised: no, since 20",
    );
    assert!(contact.is_up(), "the others flow");

    let still = |records| HeldBack {
        class: TopicClass::new(PersonType::Visitor, Timeliness::Late),
        devices: None,
        records,
    };
    contact.still_waits(Lane::Normal, [still(17)].into_iter());
    let troubles = contact.troubles();
    assert!(
        troubles[1].ends_with("17 or more events wait"),
        "{troubles:?}"
    );
    contact.still_waits(Lane::Normal, std::iter::empty());
    let troubles = contact.troubles();
    assert_eq!(troubles.len(), 1);
    begin(&troubles[0], urgent);
}

#[test]
fn what_is_refused_for_now_is_named_from_the_first_refusal_on_until_it_flows() {
    let contact = Contact::new("mqtt", "mqtt");
    Lane::ALL.iter().for_each(|lane| contact.connected(*lane));
    let vip = TopicClass::new(PersonType::Vip, Timeliness::Live);
    let why = "passing: over quota (live topic vip/gate)".to_owned();
    contact.refused(Lane::Urgent, Extent::Topic(vip), why, Some("vip/gate"));
    let waits = contact.waits(Lane::Urgent);
    assert_eq!(waits[0].refused_topic.as_deref(), Some("vip/gate"));
    let begin = "mqtt urgent: vip is refused for now on one device: passing: over quota (live topic vip/gate), since 20";
    let troubles = contact.troubles();
    assert!(troubles[0].starts_with(begin), "{troubles:?}");
    assert!(
        troubles[0].ends_with(", 1 or more events wait"),
        "{troubles:?}"
    );
    assert!(contact.is_up(), "the others flow");

    let still = HeldBack {
        class: vip,
        devices: Some(3),
        records: 40,
    };
    contact.still_waits(Lane::Urgent, [still].into_iter());
    let [waits] = contact.waits(Lane::Urgent).try_into().unwrap();
    assert_eq!((waits.devices, waits.records), (Some(3), 40));
    contact.still_waits(Lane::Urgent, std::iter::empty());
    assert!(contact.troubles().is_empty());
}

fn all_of(person_type: PersonType) -> Extent {
    Extent::Class(TopicClass::new(person_type, Timeliness::Late))
}
