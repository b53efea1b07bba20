//! The wall of faces.

use serde_json::{Value, json};

use super::{browse, gateway, nothing};
use crate::parts::site::base64;
use boxbridge_event::{PersonType, Timestamp};
use boxbridge_proof::faces::{self, Door, Sitter};

/// Of somebody, as a box sends them.
fn pictures(identity: &str) -> Value {
    let person_type = PersonType::Blacklist;
    let sitter = Sitter {
        identity,
        person_type,
    };
    let door = Door {
        device: "gate",
        time: Timestamp::now(),
    };
    json!({
        "registered": base64(&faces::registered(&sitter)),
        "scene": base64(&faces::scene(&sitter, &door)),
    })
}

#[test]
fn an_alarm_is_on_the_screen_with_its_face_until_somebody_acknowledges_it() {
    browse("live.mjs", gateway(&[]), |_, asked| match asked {
        "faces" => json!({ "pictures": pictures("b-1") }),
        _ => panic!("nobody does {asked}"),
    });
}

#[test]
fn an_alarm_is_heard_and_counted_on_every_page_or_the_page_says_that_it_is_silent() {
    browse("sound.mjs", gateway(&[]), nothing);
}

#[test]
fn ten_thousand_events_later_the_page_holds_no_more_than_after_a_thousand() {
    browse("memory.mjs", gateway(&[]), nothing);
}

#[test]
fn names_that_mean_harm_are_shown_as_text() {
    browse("names.mjs", gateway(&[]), nothing);
}
