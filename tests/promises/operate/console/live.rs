//! The wall of faces.

use serde_json::{Value, json};

use super::{browse, gateway, nothing};
use crate::parts::gateway::Gateway;
use crate::parts::site::base64;
use boxbridge_event::{PersonType, Timestamp};
use boxbridge_proof::faces::{self, Door, Sitter};

/// Of somebody, as a box sends them.
pub fn pictures(identity: &str) -> Value {
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
fn no_alarm_is_lost_by_a_reload_or_a_break_or_where_a_console_is_newly_opened() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("boxbridge.toml");
    let settings = "[send.mqtt]\nurl = \"mqtt://127.0.0.1:9\"\n";
    std::fs::write(&file, settings).unwrap();

    let gateway = Gateway::start(&[("CONFIG", file.to_str().unwrap())]);
    browse("alarms.mjs", gateway, |_, asked| {
        assert_eq!(asked, "soon over");
        let brief = format!("{settings}\n[route.blacklist]\nlive_for = \"5s\"\n");
        std::fs::write(&file, brief).unwrap();
        json!(null)
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
