//! What stays: everything that nobody asked to leave out, and what consumers go by.

use boxbridge::route::RedactKey;
use boxbridge_event::{Event, Feed};
use serde_json::{Value, json};

use super::redacting;
use crate::normalize;
use crate::normalize::documents;
use crate::route::{KEY, at, payload, pictured, router};

fn sent(redact: &str, more: &[(&str, &str)], event: &Event) -> Value {
    let message = redacting(redact, more).kafka(event, &at(0));
    payload(&message.expect("it has a topic"))
}

#[test]
fn nothing_else_is_left_out() {
    let event = pictured().event;
    let mut expected = sent("", &[], &event);
    let redacted = sent("identity.name,pictures.registered", &[], &event);

    expected["identity"]["name"] = Value::Null;
    expected["pictures"]["registered"] = Value::Null;
    expected["revision"] = redacted["revision"].clone();
    assert_eq!(redacted, expected);
}

#[test]
fn the_vendors_shape_has_empty_texts_where_something_is_left_out() {
    let event = pictured().event;
    let box_ = [("route.default.format", "box")];
    let mut expected = sent("", &box_, &event);
    let redacted = sent(
        "identity.id,identity.name,match.score,pictures,extra",
        &box_,
        &event,
    );

    for name in ["identity_id", "identity_name", "reg_pic"] {
        expected[name] = json!("");
    }
    for name in ["spot_pic", "recognize_face", "ir_pic"] {
        expected["ext_data"][name] = json!("");
    }
    expected.as_object_mut().unwrap().remove("score");
    assert_eq!(redacted, expected);
}

#[test]
fn a_person_has_one_stand_in_everywhere_and_nobody_else_has_it() {
    let stand_in = |identity: &str, feed, format| {
        let mut document = documents::sample();
        document["identity_id"] = json!(identity);
        let event = normalize::event(&document, feed);
        let more = [
            ("route.default.pseudonym", "true"),
            ("route.default.format", format),
        ];
        let sent = sent("", &more, &event);
        let place = if format == "box" {
            "/identity_id"
        } else {
            "/identity/id"
        };
        sent.pointer(place).cloned().unwrap()
    };
    let one = stand_in("1", Feed::Realtime, "boxbridge");
    assert_eq!(one.as_str().map(str::len), Some(32));
    assert_eq!(one, stand_in("1", Feed::History, "boxbridge"));
    assert_eq!(one, stand_in("1", Feed::Realtime, "box"));
    assert_ne!(one, stand_in("2", Feed::Realtime, "boxbridge"));

    let nobody = normalize::event(
        &json!({"identity_id": "", "timestamp": 1, "ext_data": {}}),
        Feed::Realtime,
    );
    let of_nobody = sent("", &[("route.default.pseudonym", "true")], &nobody);
    assert_eq!(of_nobody["identity"], json!({"id": null, "name": null}));
    let neither = sent(
        "identity.id",
        &[("route.default.pseudonym", "true")],
        &pictured().event,
    );
    assert_eq!(
        neither["identity"],
        json!({"id": null, "name": null}),
        "who wants none of it gets no stand-in"
    );
}

#[test]
fn consumers_still_tell_duplicates_from_news() {
    let ids = |event: &Event| {
        let sent = sent("identity.id", &[], event);
        (sent["id"].clone(), sent["revision"].clone())
    };
    let event = pictured().event;
    assert_eq!(ids(&event), ids(&event.clone()));
    let news = Event {
        revision: boxbridge_event::Revision(7),
        ..event.clone()
    };
    assert_eq!(ids(&news).0, ids(&event).0);
    assert_ne!(ids(&news).1, ids(&event).1);

    let stand_in = RedactKey::new(KEY).id(event.id);
    assert_eq!(ids(&event).0, json!(stand_in.to_string()));
    assert_ne!(RedactKey::new(b"another").id(event.id), stand_in);
}

/// A name that is left out tells nothing of an id that is made of identity, place and time.
#[test]
fn an_id_stays_where_it_tells_nothing_of_what_was_left_out() {
    let event = pictured().event;
    assert_eq!(
        sent("identity.name", &[], &event)["id"],
        json!(event.id.to_string())
    );

    let mut stranger = documents::sample();
    stranger["ext_data"]["person_type"] = json!(4);
    let stranger = normalize::event(&stranger, Feed::Realtime);
    let id = sent("identity.name", &[], &stranger)["id"].clone();
    assert_ne!(
        id,
        json!(stranger.id.to_string()),
        "it is made of all that a stranger's event has"
    );
}

#[test]
fn an_event_that_shows_no_picture_waits_for_no_store() {
    let event = pictured().event;
    let shows = |redact| redacting(redact, &[]).shows_pictures(&event);
    assert!(shows("") && shows("pictures.registered"));
    assert!(!shows("pictures") && !shows("pictures.registered,pictures.scene"));

    let of_store = router(&[("route.default.redact", "pictures")]);
    assert!(of_store.stores(&event), "the store has them all the same");
}
