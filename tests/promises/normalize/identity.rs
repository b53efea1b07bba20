//! Which match an event is, and of which site and box: the same on every feed and in every dialect.

use boxbridge_event::{Feed, Source};
use serde_json::{Value, json};

use super::{documents, event, one, rebuilt, source};

#[test]
fn both_feeds_make_the_same_id_of_the_same_content() {
    for person_type in [json!(1), json!(4), json!("odd")] {
        let mut document = documents::sample();
        document["ext_data"]["person_type"] = person_type;
        let realtime = one(document.to_string().as_bytes(), &source(Feed::Realtime));
        document["want_action"] = json!("0");
        document["ext_data"]["dev_sno"] = json!("S");
        document["ext_data"]["ep_id"] = json!("S__192.168.1.243");
        document["ext_data"]["info"] = json!({ "age": 30 });
        document["ext_data"]["ir_pic"] = json!("AAAA");
        document["reg_pic"] = Value::Null;
        let history = one(document.to_string().as_bytes(), &source(Feed::History));
        assert_eq!(
            (realtime.event.id, realtime.content),
            (history.event.id, history.content)
        );
        document["ext_data"]["box_fiqa_info"]["info"] = json!({ "clarity": 0.5 });
        let other = one(document.to_string().as_bytes(), &source(Feed::History));
        assert_ne!(
            realtime.content, other.content,
            "what else it says is content"
        );
    }
}

#[test]
fn every_dialect_makes_the_same_id_of_the_same_match() {
    let nested = json!({"identity_id": "7", "timestamp": 1_566_016_554_020_u64, "ext_data": {"person_type": 1, "device_ip": "10.0.0.1"}});
    let flat_v5 = json!({"identity_id": "7", "timestamp": 1_566_016_554_020_u64, "person_type": 1, "ep_info": {"ep_ip": "10.0.0.1"}});
    let flat_v6 = json!({
        "identity_id": "7", "in_timestamp": 1_566_016_554_020_u64, "user_type": "employee", "media_device_info": {"media_device_ip": "10.0.0.1"},
    });
    let [nested, flat_v5, flat_v6] =
        [nested, flat_v5, flat_v6].map(|document| event(&document, Feed::History));

    assert_eq!(
        (flat_v5.id, flat_v5.person_type),
        (nested.id, nested.person_type)
    );
    assert_eq!(
        (flat_v6.id, flat_v6.person_type),
        (nested.id, nested.person_type)
    );
}

#[test]
fn two_strangers_in_one_frame_stay_two() {
    let mut document = documents::sample();
    document["identity_id"] = json!("");
    let one = event(&document, Feed::Realtime);
    document["score"] = json!(0.61);
    assert_ne!(one.id, event(&document, Feed::Realtime).id);
}

#[test]
fn a_known_person_keeps_the_id_when_the_content_changes() {
    let mut document = documents::sample();
    let first = one(document.to_string().as_bytes(), &source(Feed::Realtime));
    document["score"] = json!(0.61);
    let other = one(document.to_string().as_bytes(), &source(Feed::Realtime));
    assert_eq!(first.event.id, other.event.id);
    assert_ne!(first.content, other.content);
}

#[test]
fn the_url_names_site_and_box() {
    let body = documents::sample().to_string();
    let named = |site: &str, box_id: &str| {
        let source = Source {
            site: Some(site.to_owned()),
            box_id: Some(box_id.to_owned()),
            ..source(Feed::Realtime)
        };
        one(body.as_bytes(), &source)
    };
    let lobby = named("lobby", "box-7");
    assert_eq!(
        (
            lobby.event.origin.site.as_str(),
            lobby.event.device.box_id.as_deref()
        ),
        ("lobby", Some("box-7"))
    );
    assert_eq!(
        rebuilt(&lobby),
        documents::sample(),
        "what only the URL said is not in the document"
    );
    assert_ne!(lobby.event.id, named("hall", "box-7").event.id);

    let odd = named("../Lobby", "").event;
    assert_eq!(
        (odd.origin.site.as_str(), odd.device.box_id),
        ("default", None)
    );
    assert!(
        odd.warnings
            .iter()
            .any(|warning| warning.code.as_str() == "site_invalid")
    );
}
