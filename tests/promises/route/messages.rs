//! What leaves for an event, as of the moment it is sent.

use std::time::Duration;

use boxbridge::app::destinations::picture_store;
use boxbridge::normalize::Normalized;
use boxbridge::route::{EVENT_SCHEMA, PicturesNow, Router, Sending};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{
    Act, Event, Feed, Lane, Message, Picture, PictureKind, PictureSet, PictureVerdict, Sequence,
    Timestamp,
};
use serde_json::{Value, json};

use super::schema;
use crate::normalize::{self, documents};

const RECEIVED: i64 = 1_795_341_600_123;

pub fn router(settings: &[(&str, &str)]) -> Router {
    let mut settings = settings.to_vec();
    settings.insert(0, ("send.store.url", "file:///srv/pictures of ours"));
    let config = config(&settings);
    Router::new(
        &config.routes,
        picture_store::configured(&config),
        "b81f",
        boxbridge::normalize::table,
    )
}

fn config(settings: &[(&str, &str)]) -> Config {
    let flags = settings
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    Config::load(&Layers {
        flags,
        ..Layers::default()
    })
    .expect("the settings are good")
}

pub fn at(milliseconds_later: i64) -> Sending<'static> {
    Sending {
        sequence: Sequence(123),
        lane: Lane::Normal,
        now: Timestamp(RECEIVED + milliseconds_later),
        age: Duration::from_millis(u64::try_from(milliseconds_later).unwrap_or(0)),
        replay: None,
        pictures: PicturesNow::Settled(PictureVerdict::default()),
        inline: &[],
    }
}

fn payload(message: &Message) -> Value {
    serde_json::from_slice(&message.payload).expect("a payload is JSON")
}

fn attribute<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message
        .attributes
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.as_str())
}

/// The vendor's sample with two pictures.
fn pictured() -> Normalized {
    let mut document = documents::sample();
    document["reg_pic"] = json!("/9j/AAAA/9k=");
    document["ext_data"]["spot_pic"] = json!("AAAA");
    normalize::one(
        document.to_string().as_bytes(),
        &normalize::source(Feed::Realtime),
    )
}

#[test]
fn every_payload_keeps_the_schema() {
    let schema: Value = serde_json::from_str(EVENT_SCHEMA).expect("the schema is JSON");
    schema::is_strict(&schema);
    for settings in [
        &[][..],
        &[("route.default.pictures", "inline")],
        &[("route.default.pictures", "drop")],
    ] {
        let router = router(settings);
        for (name, source, body) in normalize::cases() {
            for Normalized {
                event, pictures, ..
            } in normalize::events(&body, &source).into_iter().flatten()
            {
                for pictures_now in [PicturesNow::Pending, at(0).pictures] {
                    let sending = Sending {
                        inline: &pictures,
                        pictures: pictures_now,
                        ..at(0)
                    };
                    let message = router
                        .kafka(&event, &sending)
                        .expect("every type has a topic");
                    let problems = schema::problems(&schema, &payload(&message));
                    assert!(problems.is_empty(), "{name}: {problems:#?}");
                }
            }
        }
    }
}

#[test]
fn the_schema_notices_what_is_wrong() {
    let schema: Value = serde_json::from_str(EVENT_SCHEMA).expect("the schema is JSON");
    let good = payload(
        &router(&[])
            .kafka(&pictured().event, &at(0))
            .expect("it has a topic"),
    );
    let wrong = [
        ("/id", json!("9aae3514-0e54-4b80-9228-eae740333229")),
        ("/revision", json!("e5c0aa8-")),
        ("/occurred_at", json!("2019-08-17 04:35:54.020Z")),
        ("/match/score", json!(62.3)),
        ("/device", json!({ "id": "1" })),
        ("/pictures/scene/state", Value::Null),
        ("/warnings", json!([{ "code": "Score", "field": "score" }])),
    ];
    for (place, value) in wrong {
        let mut bad = good.clone();
        *bad.pointer_mut(place).expect("it is there") = value;
        assert!(!schema::problems(&schema, &bad).is_empty(), "{place}");
    }
}

#[test]
fn the_keys_stand_in_the_order_of_the_contract() {
    let message = router(&[])
        .kafka(&pictured().event, &at(0))
        .expect("it has a topic");
    let text = String::from_utf8(message.payload.to_vec()).expect("it is UTF-8");
    let keys = [
        "schema",
        "id",
        "revision",
        "feed",
        "occurred_at",
        "received_at",
        "act_before",
        "replay",
        "person_type",
        "identity",
        "match",
        "device",
        "origin",
        "sequence",
        "clock",
        "pictures",
        "quality",
        "source",
        "extra",
        "warnings",
    ];
    let mut after = 0;
    for key in keys {
        after += text[after..]
            .find(&format!("\"{key}\":"))
            .unwrap_or_else(|| panic!("{key} is not behind byte {after}: {text}"));
    }
}

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
fn pictures_are_stored_only_when_the_store_has_said_so() {
    let router = router(&[
        ("send.store.url", "s3://faces/site-a"),
        ("send.store.public_url", "https://pictures.example/"),
    ]);
    let event = pictured().event;
    let sent = |pictures| {
        let message = router
            .kafka(&event, &Sending { pictures, ..at(0) })
            .expect("it has a topic");
        let state = attribute(&message, "pictures")
            .expect("it is always there")
            .to_owned();
        (
            payload(&message)["pictures"]["registered"].clone(),
            payload(&message)["pictures"]["scene"].clone(),
            state,
        )
    };
    let key = &event.pictures.registered.as_ref().expect("it has one").key;
    let (registered, scene, state) = sent(at(0).pictures);
    assert_eq!(registered["uri"], format!("s3://faces/site-a/{key}"));
    assert_eq!(
        registered["key"],
        format!("site-a/{key}"),
        "the whole name, as a reader of the bucket needs it"
    );
    assert_eq!(
        registered["url"],
        format!("https://pictures.example/site-a/{key}")
    );
    assert_eq!(
        (&registered["stored"], &scene["stored"], state.as_str()),
        (&json!(true), &json!(true), "stored")
    );
    let (registered, _, state) = sent(PicturesNow::Pending);
    assert_eq!(
        (&registered["stored"], state.as_str()),
        (&json!(false), "pending")
    );
    assert_eq!(
        registered["uri"],
        format!("s3://faces/site-a/{key}"),
        "the key is final, the object follows"
    );
    let mut missing = PictureSet::default();
    missing.insert(PictureKind::Registered);
    let mut not_stored = PictureSet::default();
    not_stored.insert(PictureKind::Scene);
    let (registered, scene, state) = sent(PicturesNow::Settled(PictureVerdict {
        missing,
        not_stored,
    }));
    assert_eq!(
        (
            &registered["state"],
            &registered["stored"],
            &registered["uri"]
        ),
        (&json!("missing"), &json!(false), &Value::Null)
    );
    assert_eq!(
        (&scene["state"], &scene["stored"], &scene["url"]),
        (&json!("not_stored"), &json!(false), &Value::Null)
    );
    assert_eq!(state, "incomplete");
}

#[test]
fn a_route_stores_inlines_or_drops_its_pictures() {
    let Normalized {
        event, pictures, ..
    } = pictured();
    let sent = |policy, pictures: &[Picture]| {
        let router = router(&[("route.default.pictures", policy)]);
        let message = router
            .kafka(
                &event,
                &Sending {
                    inline: pictures,
                    ..at(0)
                },
            )
            .expect("it has a topic");
        let objects = router.objects(&event, pictures.to_vec());
        (
            payload(&message)["pictures"]["scene"].clone(),
            objects,
            router.wants_inline(event.person_type),
        )
    };
    let (scene, objects, wants_inline) = sent("store", &pictures);
    assert_eq!((scene.get("base64"), wants_inline), (None, false));
    let scene_key = &event.pictures.scene.as_ref().expect("it has one").key;
    assert_eq!(
        (objects.len(), &objects[1].key, &objects[1].bytes[..]),
        (2, scene_key, &[0, 0, 0][..])
    );
    assert_eq!(
        scene["uri"],
        format!("file:///srv/pictures%20of%20ours/{scene_key}")
    );
    let (scene, objects, wants_inline) = sent("inline", &pictures);
    assert_eq!(
        (&scene["base64"], objects.len(), wants_inline),
        (&json!("AAAA"), 2, true)
    );
    assert_eq!(sent("inline", &[]).0["base64"], Value::Null);
    let (scene, objects, _) = sent("drop", &pictures);
    assert_eq!(
        (
            &scene["state"],
            &scene["stored"],
            &scene["uri"],
            objects.len()
        ),
        (&json!("dropped"), &json!(false), &Value::Null, 0)
    );
}

#[test]
fn the_vendors_shape_has_a_uri_where_a_picture_was() {
    let router = router(&[
        ("route.default.format", "box"),
        ("send.store.url", "s3://faces"),
    ]);
    let event = pictured().event;
    let mut expected = documents::sample();
    expected["reg_pic"] = json!(format!(
        "s3://faces/{}",
        event.pictures.registered.as_ref().expect("it has one").key
    ));
    expected["ext_data"]["spot_pic"] = json!(format!(
        "s3://faces/{}",
        event.pictures.scene.as_ref().expect("it has one").key
    ));
    assert_eq!(
        payload(&router.kafka(&event, &at(0)).expect("it has a topic")),
        expected
    );
}

#[test]
fn the_vendors_shape_is_the_one_of_the_dialect_in_which_the_box_wrote() {
    let router = router(&[("route.default.format", "box")]);
    let flat = [
        include_str!("../../normalize/history-flat-v5.json"),
        include_str!("../../normalize/history-flat-v6.json"),
        include_str!("../../normalize/history-flat-v5-objects-as-texts.json"),
    ];
    for document in flat {
        let mut expected: Value = serde_json::from_str(document).expect("the case is JSON");
        // What lies in the queue is what is sent, and pictures have no place here.
        let event = serde_json::to_vec(&normalize::event(&expected, Feed::History))
            .expect("it can be written");
        let event = serde_json::from_slice(&event).expect("and read");
        let mut sent = payload(&router.kafka(&event, &at(0)).expect("it has a topic"));
        for document in [&mut sent, &mut expected] {
            let document = document.as_object_mut().expect("an object");
            document.retain(|name, _| !name.starts_with("reg_") && !name.starts_with("spot_"));
            let attributes = document
                .remove("recognize_face_attr")
                .expect("they are sent");
            assert_eq!(
                attributes.is_string(),
                document.get("ep_info").is_some_and(Value::is_string)
            );
            // In which order the keys of a text stood is not known any more.
            if let Some(Value::String(text)) = document.get("ep_info") {
                document["ep_info"] = serde_json::from_str(text).expect("it is JSON");
            }
        }
        assert_eq!(sent, expected);
    }
}

#[test]
fn the_vendors_shape_holds_the_pictures_where_the_route_says_inline_and_nothing_where_it_drops_them()
 {
    let Normalized {
        event, pictures, ..
    } = pictured();
    let sent = |policy| {
        let router = router(&[
            ("route.default.format", "box"),
            ("route.default.pictures", policy),
        ]);
        payload(
            &router
                .kafka(
                    &event,
                    &Sending {
                        inline: &pictures,
                        ..at(0)
                    },
                )
                .expect("it has a topic"),
        )
    };
    let mut expected = documents::sample();
    assert_eq!(
        sent("drop"),
        expected,
        "the sample shows pictures that are switched off"
    );
    expected["reg_pic"] = json!("/9j/AAAA/9k=");
    expected["ext_data"]["spot_pic"] = json!("AAAA");
    assert_eq!(sent("inline"), expected);
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
fn attributes_say_what_the_body_says() {
    let router = router(&[]);
    let event = Event {
        device: boxbridge_event::Device {
            id: "门/1".to_owned(),
            ..pictured().event.device
        },
        ..pictured().event
    };
    let live = router.kafka(&event, &at(0)).expect("it has a topic");
    assert_eq!(live.attributes[0], ("specversion", "1.0".to_owned()));
    let expected = [
        ("id", format!("{}.{}", event.id, event.revision)),
        ("type", "boxbridge.match.v1".to_owned()),
        ("source", "/boxbridge/default/%E9%97%A8%2F1".to_owned()),
        ("subject", "vip".to_owned()),
        ("time", "2019-08-17T04:35:54.020Z".to_owned()),
        ("datacontenttype", "application/json".to_owned()),
        ("dataschema", "urn:boxbridge:match:v1".to_owned()),
        ("persontype", "vip".to_owned()),
        ("site", "default".to_owned()),
        ("pictures", "stored".to_owned()),
        ("recordedtime", "2026-11-22T10:00:00.123Z".to_owned()),
        ("actbefore", "2026-11-22T10:01:00.123Z".to_owned()),
        ("sequence", "00000000000000000123".to_owned()),
    ];
    assert_eq!(live.attributes[1..], expected);
    assert_eq!(
        (live.key.as_str(), live.topic.as_str(), live.timestamp),
        ("default/门%2F1", "boxbridge.events.vip", event.received_at)
    );
    let replayed = router
        .kafka(
            &event,
            &Sending {
                replay: Some("r1"),
                ..at(0)
            },
        )
        .expect("it has a topic");
    assert_eq!(
        (
            attribute(&replayed, "replay"),
            attribute(&replayed, "actbefore")
        ),
        (Some("r1"), None)
    );
    assert_eq!(
        (
            &payload(&replayed)["replay"],
            &payload(&replayed)["act_before"]
        ),
        (&json!("r1"), &Value::Null)
    );
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
    let router = router(&[
        ("route.default.kafka_topic", "faces.{site}.{feed}"),
        ("route.vip.kafka_topic", "vips"),
    ]);
    let topics: Vec<_> = router.kafka_topics("lobby").into_iter().collect();
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
