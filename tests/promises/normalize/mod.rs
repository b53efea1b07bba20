//! What becomes of a body: every file `tests/normalize/<case>.json` is one, beside it what is expected of it.
//!
//! The case's first word is the feed it comes on (`realtime`, `history`; `platform` and `refused` come on the real-time one), and
//! `…-charset-gbk` was declared to be in that.
//! Adding a case is adding a file and running with `UPDATE=1`, which writes what is missing or has changed, to be read before it
//! is committed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use boxbridge::normalize::{Batch, Context, Limits, Normalized, Room, normalize};
use boxbridge_config::ScoreScale;
use boxbridge_event::{Event, Feed, Picture, Refusal, Source, Timestamp, document};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

pub mod documents;
mod embeddings;
mod person_type;
mod repaired;

pub const LIMITS: Limits = Limits {
    depth_max: 64,
    events_max: 100,
    pictures_max: 16,
    event_max_bytes: 8 << 20,
};

pub const SETTINGS: boxbridge_config::Normalize = boxbridge_config::Normalize {
    dedupe_window: Duration::from_secs(600),
    dedupe_max_events: 200_000,
    score_scale: ScoreScale::Auto,
    picture_max_pixels: 100_000_000,
};

pub fn source(feed: Feed) -> Source {
    Source {
        peer: "192.168.1.19".to_owned(),
        feed,
        site: None,
        box_id: None,
        charset: None,
        received_at: Timestamp(1_795_341_600_123),
    }
}

pub fn context(source: &Source) -> Context<'_> {
    Context {
        source,
        site: "default",
        gateway: "edge-1",
        settings: &SETTINGS,
        limits: LIMITS,
        room: Room(&|_| true),
    }
}

/// The body's events, or why there is none; one by one.
pub fn events(body: &[u8], source: &Source) -> Vec<Result<Normalized, Refusal>> {
    match normalize(&Bytes::copy_from_slice(body), &context(source)) {
        Ok(Batch::One(normalized)) => vec![Ok(normalized)],
        Ok(Batch::Many(elements)) => elements.map(|(_, element)| element).collect(),
        Err(refusal) => vec![Err(refusal)],
    }
}

pub fn event(document: &Value, feed: Feed) -> Event {
    one(document.to_string().as_bytes(), &source(feed)).event
}

pub fn one(body: &[u8], source: &Source) -> Normalized {
    let mut events = events(body, source);
    assert_eq!(events.len(), 1);
    events.remove(0).expect("the body is an event")
}

/// Every case's name, feed and body.
pub fn cases() -> Vec<(String, Source, Vec<u8>)> {
    let files = std::fs::read_dir(folder())
        .expect("tests/normalize is there")
        .map(|entry| entry.expect("it can be listed").path());
    let mut cases: Vec<_> = files
        .filter_map(|path| {
            Some((
                path.file_name()?
                    .to_str()?
                    .strip_suffix(".json")?
                    .to_owned(),
                path,
            ))
        })
        .filter(|(name, _)| !name.ends_with(".expected"))
        .map(|(name, path)| {
            let feed = if name.starts_with("history") {
                Feed::History
            } else {
                Feed::Realtime
            };
            let charset = name
                .split_once("-charset-")
                .map(|(_, charset)| charset.to_owned());
            (
                name,
                Source {
                    charset,
                    ..source(feed)
                },
                std::fs::read(path).expect("the case can be read"),
            )
        })
        .collect();
    cases.sort_by(|one, other| one.0.cmp(&other.0));
    cases
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/normalize")
}

#[test]
fn every_case_becomes_what_is_expected_of_it() {
    let mut wrong = Vec::new();
    for (name, source, body) in cases() {
        let results = events(&body, &source);
        assert_eq!(
            name.starts_with("refused"),
            results.iter().all(Result::is_err),
            "{name}"
        );
        let shown: Vec<Value> = results.iter().map(show).collect();
        let found = serde_json::to_string_pretty(&shown).expect("a value can be written") + "\n";
        let path = folder().join(format!("{name}.expected.json"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &found).expect("the expectation can be written");
        } else if std::fs::read_to_string(&path).ok().as_ref() != Some(&found) {
            wrong.push(format!("{name}: {found}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases differ, UPDATE=1 accepts what is found:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

fn show(result: &Result<Normalized, Refusal>) -> Value {
    match result {
        Ok(Normalized {
            event,
            pictures,
            content,
            unread,
        }) => json!({
            "event": event,
            "content": content.to_hex(),
            "unread": unread.as_ref().map(|why| json!([why.code.as_str(), why.field])),
            "pictures": pictures.iter().map(|it| format!("{}: {} bytes", it.kind, it.bytes.len())).collect::<Vec<_>>(),
        }),
        Err(refusal) => json!({
            "status": refusal.code.status(), "code": refusal.code.as_str(), "message": refusal.message, "field": refusal.field,
        }),
    }
}

/// The document made again from an event and its pictures.
pub fn rebuilt(
    Normalized {
        event, pictures, ..
    }: &Normalized,
) -> Value {
    let bytes = |kind| {
        pictures
            .iter()
            .find(|picture: &&Picture| picture.kind == kind)
            .map(|picture| picture.bytes.clone())
    };
    let table = boxbridge::normalize::table(event.dialect);
    Value::Object(document::rebuild(table, event, |kind, picture| {
        bytes(kind).map(|bytes| document::picture_text(picture, &bytes))
    }))
}

#[test]
fn an_event_survives_being_written_and_read() {
    for (name, source, body) in cases() {
        for Normalized { event, .. } in events(&body, &source).into_iter().flatten() {
            let text = serde_json::to_vec(&event).expect("an event can be written");
            assert_eq!(
                serde_json::from_slice::<Event>(&text).expect("and read"),
                event,
                "{name}"
            );
        }
    }
}

#[test]
fn the_vendors_document_is_made_again_exactly() {
    let body = include_bytes!("../../normalize/realtime-vendor-sample.json");
    let sent: Value = serde_json::from_slice(body).expect("it is JSON");
    assert_eq!(rebuilt(&one(body, &source(Feed::Realtime))), sent);
}

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

#[test]
fn an_array_fails_element_by_element_and_returns_the_text() {
    let body = Bytes::from(format!("[ {{\"a\": 1}} ,{}]", documents::sample()));
    let source = source(Feed::History);
    let Ok(Batch::Many(elements)) = normalize(&body, &context(&source)) else {
        panic!("an array is many")
    };
    let results: Vec<_> = elements.collect();
    let (text, refused) = &results[0];
    let refusal = refused.as_ref().expect_err("it is no event");
    assert_eq!(
        (refusal.code.as_str(), &text[..]),
        ("event_unrecognized", &b"{\"a\": 1}"[..])
    );
    assert!(results[1].1.is_ok());
}

#[test]
fn one_event_of_too_many_bytes_or_values_is_refused() {
    let limits = |body: &str, event_max_bytes| {
        let source = source(Feed::History);
        let limits = Limits {
            event_max_bytes,
            ..LIMITS
        };
        normalize(
            &Bytes::copy_from_slice(body.as_bytes()),
            &Context {
                limits,
                ..context(&source)
            },
        )
        .map(drop)
        .map_err(|it| it.code.status())
    };
    assert_eq!(limits(&documents::sample().to_string(), 100), Err(413));
    let values = |count: usize| {
        documents::sample().to_string().replace(
            "\"reg_pic\":\"\"",
            &format!("\"x\":[{}1]", "1,".repeat(count)),
        )
    };
    assert_eq!(limits(&values(90_000), 8 << 20), Ok(()));
    assert_eq!(limits(&values(220_000), 8 << 20), Err(413));
    // Each of these is a tree of its own.
    let objects =
        |count: usize| values(0).replace("[1]", &format!("[{}1]", "{\"\":0},".repeat(count)));
    assert_eq!(
        limits(&objects(10_000), 8 << 20),
        Ok(()),
        "as many as a crowded scene has boxes"
    );
    assert_eq!(limits(&objects(49_000), 8 << 20), Err(413));
}

/// What JSON is made of, in any order.
fn json_like() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(
        proptest::sample::select(&b"{}[]\",:\\u0d8e1-. ntrue"[..]),
        0..40,
    )
}

proptest! {
    #[test]
    fn event_and_pictures_rebuild_the_document(document in documents::any_document()) {
        let normalized = one(document.to_string().as_bytes(), &source(Feed::Realtime));
        prop_assert_eq!(documents::comparable(&rebuilt(&normalized)), documents::comparable(&document));
    }

    #[test]
    fn a_flat_event_and_its_pictures_rebuild_the_flat_document(document in documents::any_flat_document()) {
        let normalized = one(document.to_string().as_bytes(), &source(Feed::History));
        let text = serde_json::to_vec(&normalized.event).expect("an event can be written");
        let event = serde_json::from_slice(&text).expect("and read");
        let normalized = Normalized { event, ..normalized };
        prop_assert_eq!(documents::comparable(&rebuilt(&normalized)), documents::comparable(&document));
    }

    #[test]
    fn the_same_body_makes_the_same_event(document in documents::any_document()) {
        let twice = || one(document.to_string().as_bytes(), &source(Feed::Realtime));
        prop_assert_eq!(twice(), twice());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = events(&bytes, &source(Feed::Realtime));
    }

    #[test]
    fn what_is_taken_is_what_serde_json_takes(bytes in json_like()) {
        let refused = events(&bytes, &source(Feed::Realtime)).into_iter().next().and_then(Result::err);
        let refused = refused.map(|refusal| refusal.code.as_str());
        let is_json = serde_json::from_slice::<Value>(&bytes).is_ok();
        prop_assert!(is_json || refused.is_some());
        prop_assert!(!is_json || refused != Some("json_invalid"), "{:?}", String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_picture_makes_it_panic(kind in 0..5_usize, rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let starts: [&[u8]; 5] = [b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"GIF89a", b"BM\0\0\0\0\0\0\0\0"];
        let bytes = [starts[kind], &rest].concat();
        let mut document = documents::sample();
        document["reg_pic"] = json!(base64_simd::STANDARD.encode_to_string(&bytes));
        let normalized = one(document.to_string().as_bytes(), &source(Feed::Realtime));
        prop_assert_eq!(&normalized.pictures[0].bytes, &bytes);
    }
}
