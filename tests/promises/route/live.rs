//! Until when one may act on an event: decided once, and said by topic, lane and message.

use std::time::Duration;

use boxbridge::route::Sending;
use boxbridge_event::{Act, Event, Feed, Lane, Timestamp};
use serde_json::{Value, json};

use super::{RECEIVED, at, payload, pictured, router};
use crate::normalize;
use crate::normalize::documents;

#[test]
fn a_live_event_goes_to_the_live_topic_until_it_is_too_late() {
    let router = router(&[]);
    let topic =
        |event: &Event, sending| router.mqtt(event, &sending).expect("it has a topic").topic;
    let event = pictured().event;
    assert_eq!(
        topic(&event, at(60_000)),
        "boxbridge/default/events/vip/192.168.1.243"
    );
    assert_eq!(
        topic(&event, at(60_001)),
        "boxbridge/default/late/vip/192.168.1.243"
    );

    // A clock that was ahead was set back, and has come to the same time again.
    let again = Sending {
        age: Duration::from_secs(3_600),
        ..at(1_000)
    };
    assert_eq!(
        topic(&event, again),
        "boxbridge/default/late/vip/192.168.1.243"
    );
    assert_eq!(
        topic(
            &event,
            Sending {
                replay: Some("r1"),
                ..at(0)
            }
        ),
        "boxbridge/default/late/vip/192.168.1.243"
    );
    assert_eq!(
        router.act_before(&event, None),
        Some(Timestamp(RECEIVED + 60_000))
    );

    let history = normalize::event(&documents::sample(), Feed::History);
    assert_eq!(
        topic(&history, at(0)),
        "boxbridge/default/late/vip/192.168.1.243"
    );
    assert_eq!(router.act_before(&history, None), None);
}

/// Kafka has one topic: there the message alone says whether it is still time to act.
#[test]
fn what_may_not_be_acted_on_any_more_names_no_moment_that_is_still_to_come() {
    let (router, event) = (router(&[]), pictured().event);
    let said = |sending: &Sending<'_>| {
        let messages = [router.mqtt(&event, sending), router.kafka(&event, sending)];
        messages.map(|message| {
            let message = message.expect("it has a topic");
            let attribute = message
                .attributes
                .iter()
                .find(|(name, _)| *name == "actbefore")
                .map(|(_, value)| value.clone());
            assert_eq!(
                payload(&message)["act_before"].as_str(),
                attribute.as_deref()
            );
            assert_eq!(
                payload(&message)["received_at"],
                json!(event.received_at.to_string())
            );
            attribute
        })
    };
    let act_before = Some(Timestamp(RECEIVED + 60_000).to_string());
    assert_eq!(said(&at(1_000)), [act_before.clone(), act_before.clone()]);
    assert_eq!(
        said(&at(61_000)),
        [act_before.clone(), act_before],
        "it says that it is over"
    );

    let hour = Duration::from_secs(3_600);
    for set_back in [
        Sending {
            age: hour,
            ..at(1_000)
        },
        Sending {
            age: hour,
            ..at(-3_590_000)
        },
        at(-3_590_000),
    ] {
        assert_eq!(
            said(&set_back),
            [None, None],
            "{set_back:?}: a clock that was ahead was set back"
        );
    }
}

#[test]
fn what_was_decided_at_acceptance_no_other_route_changes() {
    let (before, after) = (router(&[]), router(&[("route.default.live_for", "1h")]));
    let live = Event {
        act_before: before.decide(&pictured().event),
        ..pictured().event
    };
    assert_eq!(live.act_before, Act::Before(Timestamp(RECEIVED + 60_000)));
    assert_eq!(
        after.act_before(&live, None),
        Some(Timestamp(RECEIVED + 60_000))
    );
    assert_eq!(
        after.act_before(&live, Some("r1")),
        None,
        "a replay is for the record"
    );

    let record = Event {
        act_before: Act::Never,
        ..pictured().event
    };
    assert_eq!(after.act_before(&record, None), None);
    assert_eq!(
        after.mqtt(&record, &at(0)).expect("it has a topic").topic,
        "boxbridge/default/late/vip/192.168.1.243"
    );
}

#[test]
fn a_record_of_the_version_before_is_judged_by_its_route() {
    let stored = serde_json::to_value(pictured().event).expect("it is JSON");
    assert_eq!(
        stored.get("act_before"),
        None,
        "undecided, as it was stored"
    );

    let old: Event = serde_json::from_value(stored.clone()).expect("it is read");
    assert_eq!(
        router(&[]).act_before(&old, None),
        Some(Timestamp(RECEIVED + 60_000))
    );

    let mut decided = stored;
    decided["act_before"] = Value::Null;
    let decided: Event = serde_json::from_value(decided).expect("it is read");
    assert_eq!(
        (decided.act_before, router(&[]).act_before(&decided, None)),
        (Act::Never, None)
    );
}

#[test]
fn only_what_one_may_act_on_is_urgent() {
    let router = router(&[]);
    let mut document = documents::sample();
    assert_eq!(
        router.lane(&normalize::event(&document, Feed::Realtime)),
        Lane::Urgent
    );
    assert_eq!(
        router.lane(&normalize::event(&document, Feed::History)),
        Lane::Normal
    );
    document["ext_data"]["person_type"] = json!(1);
    assert_eq!(
        router.lane(&normalize::event(&document, Feed::Realtime)),
        Lane::Normal
    );
}

#[test]
fn the_platform_is_live_only_while_it_is_fresh() {
    let router = router(&[]);
    let lane = |timestamp: Value| {
        let mut document = documents::sample();
        document["device_id"] = json!("u");
        document["identity_info"] = json!({});
        document["timestamp"] = timestamp;
        let event = normalize::event(&document, Feed::Realtime);
        assert_eq!(event.feed, Feed::Platform);
        router.lane(&event)
    };

    assert_eq!(lane(json!(RECEIVED - 60_000)), Lane::Urgent);
    assert_eq!(lane(json!(RECEIVED - 60_001)), Lane::Normal);
    assert_eq!(
        lane(json!(RECEIVED + 60_001)),
        Lane::Normal,
        "a clock that runs ahead proves nothing"
    );
    assert_eq!(
        lane(Value::Null),
        Lane::Normal,
        "without a time it may be of any age"
    );
}
