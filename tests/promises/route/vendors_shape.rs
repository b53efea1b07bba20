//! The vendor's own document, for those who read that today.

use boxbridge::normalize::Normalized;
use boxbridge::route::Sending;
use boxbridge_event::Feed;
use serde_json::{Value, json};

use super::{at, payload, pictured, router};
use crate::normalize;
use crate::normalize::documents;

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
