//! Payload and attributes are what the contract says, in every event that there is a case of.

use boxbridge::normalize::Normalized;
use boxbridge::route::{EVENT_SCHEMA, PicturesNow, Sending};
use boxbridge_event::Event;
use serde_json::{Value, json};

use super::{at, attribute, payload, pictured, router};
use crate::normalize;
use crate::parts::contract::schema;

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
