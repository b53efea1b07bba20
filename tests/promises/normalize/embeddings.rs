//! Face embeddings never leave the gateway, in whatever a box wraps them.

use boxbridge::normalize::{Context, RepairBudget, normalize};
use boxbridge_event::{Feed, Source, WarningCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{context, one, source};
use crate::normalize::documents;

const EMBEDDING: &str = "RU1CRURESU5H";

fn in_a_text(value: &Value, times: usize) -> Value {
    (0..times).fold(value.clone(), |value, _| Value::String(value.to_string()))
}

/// The sample with `value` in a field.
fn with(path: &str, value: &Value) -> Value {
    let (object, name) = path.rsplit_once('/').unwrap();
    let mut document = documents::sample();
    document.pointer_mut(object).unwrap()[name] = value.clone();
    document
}

#[test]
fn no_embedding_passes_in_a_text_of_whatever_field() {
    let attributes = json!({"age": 30, "feature_binary": EMBEDDING, "info": {"feature": [EMBEDDING]}, "name": "小明"});
    for path in [
        "/x",
        "/identity_name",
        "/group_name",
        "/ext_data/x",
        "/ext_data/info",
        "/ext_data/device_type",
        "/ext_data/grab_fiqa_info",
    ] {
        for times in 1..6 {
            let value = json!({"kept": "K", "list": [in_a_text(&attributes, times)]});
            for value in [
                in_a_text(&attributes, times),
                value.clone(),
                in_a_text(&value, 1),
            ] {
                let normalized = one(
                    with(path, &value).to_string().as_bytes(),
                    &source(Feed::Realtime),
                );
                let event = serde_json::to_string(&normalized.event).unwrap();
                assert!(!event.contains(EMBEDDING), "{path} {times}: {event}");
                let is_said = normalized
                    .event
                    .warnings
                    .iter()
                    .any(|warning| warning.code == WarningCode::EmbeddingRemoved);
                assert!(is_said, "{path} {times}: {event}");
            }
        }
    }
}

#[test]
fn the_rest_of_such_a_text_stays_and_a_text_without_one_stays_as_it_is() {
    let extra = |text: &str| {
        one(
            with("/x", &json!(text)).to_string().as_bytes(),
            &source(Feed::Realtime),
        )
        .event
        .extra["x"]
            .clone()
    };
    assert_eq!(
        extra(r#"{"b":1.50,"feature_binary":"RU1C","a":"小"}"#),
        json!(r#"{"a":"小","b":1.50}"#)
    );
    for text in [
        r#"{ "b":1, "a":"\u5c0f" }"#,
        "featured guest",
        r#"["feature"]"#,
        r#"{"feature":[1,2]}"#,
        "{",
        "\\u",
    ] {
        assert_eq!(extra(text), json!(text), "{text}");
    }
}

#[test]
fn a_text_that_cannot_be_read_is_cut_off_before_an_embedding_and_its_body_is_kept() {
    for path in ["/x", "/ext_data"] {
        let broken =
            format!(r#"{{"person_type":3,"recognize_face_attr":{{"age":30,"feature":"{EMBEDDING}"#);
        let normalized = one(
            with(path, &json!(broken)).to_string().as_bytes(),
            &source(Feed::Realtime),
        );
        let event = serde_json::to_string(&normalized.event).unwrap();
        assert!(
            !event.contains(EMBEDDING) && event.contains("recognize_face_attr"),
            "{event}"
        );
        assert!(normalized.unread.is_some());
    }
}

#[test]
fn an_embedding_in_a_text_that_is_not_utf_8_does_not_stay_in_its_bytes() {
    let text = format!(r#"{{\"name\":\"@\",\"feature_binary\":\"{EMBEDDING}\"}}"#);
    let body = with("/x", &json!("here"))
        .to_string()
        .replace("here", &text)
        .into_bytes();
    let at = body.iter().position(|byte| *byte == b'@').unwrap();
    let body = [&body[..at], b"\xc0\xc0", &body[at + 1..]].concat();
    let source = Source {
        charset: Some("gbk".to_owned()),
        ..source(Feed::Realtime)
    };
    let event = serde_json::to_value(&one(&body, &source).event).unwrap();
    assert!(!event.to_string().contains(EMBEDDING), "{event}");
    let bytes = event["source"]["$bytes"]
        .as_object()
        .unwrap_or_else(|| panic!("{event}"))
        .values();
    let bytes: Vec<_> = bytes
        .map(|it| {
            base64_simd::STANDARD
                .decode_to_vec(it.as_str().unwrap())
                .unwrap()
        })
        .collect();
    assert!(
        bytes
            .iter()
            .all(|bytes| !String::from_utf8_lossy(bytes).contains(EMBEDDING))
    );
}

#[test]
fn a_text_is_read_for_embeddings_only_where_there_is_memory_for_it() {
    let source = source(Feed::Realtime);
    let text = format!("{{\"feature_binary\":[{}0]}}", "{},".repeat(10_000));
    let body = Bytes::from(with("/x", &json!(text)).to_string());
    let code = |bytes: usize| {
        let has_room = |asked: usize| asked <= bytes;
        normalize(
            &body,
            &Context {
                budget: RepairBudget(&has_room),
                ..context(&source)
            },
        )
        .map(drop)
        .map_err(|refusal| refusal.code.as_str())
    };

    assert_eq!(code(1 << 20), Err("over_budget"));
    assert_eq!(code(64 << 20), Ok(()));
}
