//! The words that a schema written by hand allows are those that the program knows.

use boxbridge::route::EVENT_SCHEMA;
use boxbridge::route::device_status::DEVICE_SCHEMA;
use boxbridge::route::pictures_told::PICTURES_SCHEMA;
use boxbridge_event::{ClockSource, DeviceState, Feed, PersonType, PictureState, WarningCode};
use serde_json::{Value, json};

#[test]
fn a_word_of_a_message_is_in_its_schema() {
    let event: Value = serde_json::from_str(EVENT_SCHEMA).unwrap();
    let device: Value = serde_json::from_str(DEVICE_SCHEMA).unwrap();
    let pictures: Value = serde_json::from_str(PICTURES_SCHEMA).unwrap();
    for (schema, at, words) in [
        (&event, "/properties/feed/enum", json!(Feed::ALL)),
        (
            &event,
            "/properties/person_type/enum",
            json!(PersonType::ALL),
        ),
        (
            &event,
            "/properties/clock/properties/from/enum",
            json!(ClockSource::ALL),
        ),
        (
            &event,
            "/$defs/picture/properties/state/enum",
            json!(PictureState::ALL),
        ),
        (
            &event,
            "/properties/warnings/items/properties/code/enum",
            json!(WarningCode::ALL),
        ),
        (&device, "/properties/status/enum", json!(DeviceState::ALL)),
        (
            &pictures,
            "/$defs/picture/properties/state/enum",
            json!(PictureState::ALL),
        ),
    ] {
        assert_eq!(schema.pointer(at), Some(&words), "{at}");
    }
}
