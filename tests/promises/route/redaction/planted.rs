//! Planted values: in every dialect, on every feed, in every way in which a box spells them, searched for in all that leaves.

use boxbridge::normalize::Normalized;
use boxbridge::route::{EVENT_SCHEMA, PicturesNow};
use boxbridge_event::{Event, Feed, Message, PictureVerdict, Source};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{WORDS, messages, redacting, text};
use crate::normalize::{cases, events, source};
use crate::parts::contract::schema;
use crate::parts::site::jpeg;

const IDENTITY: &str = "canary-identity";
const NAME: &str = "canary-name 金丝雀";
const GROUP: &str = "canary-group";
const QUALITY: &str = "canary-quality";
const EXTRA: &str = "canary-extra";
/// All of it, but for the pictures of `extra`.
const ALL: &str = "identity.id,identity.name,match.score,match.group,pictures,quality,extra";

/// One picture a kind, in the order of the words.
fn picture(number: u64) -> Vec<u8> {
    jpeg(number, 300)
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

fn picture_text(number: u64) -> Value {
    base64(&picture(number)).into()
}

fn nested() -> Value {
    json!({
        "identity_id": IDENTITY, "identity_name": NAME, "group_name": GROUP, "group_id": GROUP, "timestamp": 1_566_016_554_020_u64,
        "score": 0.777_123, "reg_pic": picture_text(0), "card": EXTRA,
        "ext_data": {
            "person_type": 5, "device_ip": "192.168.1.243", "device_type": "0",
            "spot_pic": picture_text(1), "recognize_face": picture_text(2), "ir_pic": picture_text(3),
            "grab_fiqa_info": {"face": QUALITY}, "box_fiqa_info": {"face": QUALITY}, "info": {"note": EXTRA},
        },
    })
}

fn platform() -> Value {
    let mut document = nested();
    document["device_id"] = json!("u");
    document["identity_info"] =
        json!({"user_id": IDENTITY, "name": NAME, "ext_info": {"id": IDENTITY}});
    document
}

fn flat_v5() -> Value {
    json!({
        "identity_id": IDENTITY, "identity_name": NAME, "timestamp": 1_566_016_554_020_u64, "score": 0.777_123, "person_type": "vip",
        "reg_pic": picture_text(0), "spot_pic": picture_text(1), "recognize_face": picture_text(2), "ir_pic": picture_text(3),
        "ep_info": {"ep_ip": "192.168.1.243", "ep_type": "photo"}, "api_version": "1.0", "identity_info": {"user_id": IDENTITY, "name": NAME},
        "card": EXTRA,
    })
}

fn flat_v6() -> Value {
    json!({
        "identity_id": IDENTITY, "identity_name": NAME, "in_timestamp": 1_566_016_554_020_u64, "score": 0.777_123, "user_type": "vip",
        "reg_image": picture_text(0), "spot_image": picture_text(1), "recognize_face_image": picture_text(2), "ir_image": picture_text(3),
        "media_device_info": {"media_device_ip": "192.168.1.243", "media_device_type": "rtsp"}, "api_version": "2.0", "card": EXTRA,
    })
}

/// The same values where another dialect, or nobody, looks for them.
fn elsewhere(mut document: Value) -> Value {
    let other = flat_v6();
    for name in [
        "reg_image",
        "spot_image",
        "recognize_face_image",
        "ir_image",
    ] {
        if document.get(name).is_none() {
            document[name] = other[name].clone();
        }
    }
    document["below"] =
        json!([{"identity_id": IDENTITY, "identity_name": NAME, "score": 0.777_123}]);
    document["text"] = json!(json!({"identity_name": NAME, "identity_id": IDENTITY}).to_string());
    document["escaped"] = json!(format!(
        "{{\"identit\\u0079_name\": \"{NAME}\", \"identit\\u0079_id\": \"{IDENTITY}\"}}"
    ));
    document
}

/// As bytes, in every spelling.
fn spellings(document: &Value) -> Vec<Vec<u8>> {
    let text = document.to_string();
    let gbk = encoding_rs::GBK.encode(&text).0.into_owned();
    let broken = text.replace("金丝雀", "\\ud83d");
    let encoded = |name: &str| {
        let mut document = document.clone();
        let inner = document[name].to_string();
        document[name] = inner.into();
        document.to_string()
    };
    let mut all = vec![
        text.clone(),
        broken,
        Value::String(text.clone()).to_string(),
        text.replace(&format!("\"{IDENTITY}\""), &format!("[\"{IDENTITY}\"]")),
        text.replace("0.777123", "\"0.777123\""),
        text.replace("0.777123", "77.7123"),
        format!("{},}}", text.strip_suffix('}').unwrap()),
    ];
    for inner in ["ext_data", "ep_info", "media_device_info"] {
        if document.get(inner).is_some() {
            all.push(encoded(inner));
            let mut unreadable = document.clone();
            unreadable[inner] = json!(format!("{{{IDENTITY} {NAME} {GROUP} {QUALITY}"));
            all.push(unreadable.to_string());
        }
    }
    let all = all.into_iter().map(String::into_bytes);
    all.chain([gbk]).collect()
}

/// Every body with the feed on which it came: each dialect on each feed.
fn bodies() -> Vec<(Source, Vec<u8>)> {
    let documents = [nested(), platform(), flat_v5(), flat_v6()];
    let documents = documents
        .into_iter()
        .flat_map(|document| [document.clone(), elsewhere(document)]);
    let bodies = documents.flat_map(|document| spellings(&document));
    let feeds = [Feed::Realtime, Feed::History].into_iter().cycle();
    feeds.map(source).zip(bodies).collect()
}

/// Which of a text's needles is its base64 as GBK.
const AS_GBK: usize = 2;

/// What must not leave where this word is left out.
fn needles(word: &str, event: &Event) -> Vec<String> {
    let as_text = |text: &str| {
        let as_gbk = encoding_rs::GBK.encode(text).0;
        // The last characters of base64 depend on what follows.
        let mut needles = vec![text.to_owned()];
        for bytes in [text.as_bytes(), &as_gbk] {
            let encoded = base64(bytes);
            needles.push(encoded[..encoded.len() - 4].to_owned());
        }
        needles
    };

    let of_picture = |number: u64| {
        let bytes = picture(number);
        let digest: [u8; 32] = Sha256::digest(&bytes).into();
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        vec![hex, base64(&bytes)[40..].to_owned()]
    };
    let mut needles = match word {
        "identity.id" => [as_text(IDENTITY), vec![event.id.to_string()]].concat(),
        "identity.name" => [as_text(NAME), as_text("canary-name ")].concat(),
        "match.score" => vec!["777123".to_owned(), "77.7123".to_owned()],
        "match.group" => as_text(GROUP),
        "quality" => as_text(QUALITY),
        "extra" => as_text(EXTRA),
        _ => {
            let kinds = WORDS.iter().filter(|word| word.starts_with("pictures."));
            of_picture(kinds.zip(0..).find(|(kind, _)| **kind == word).unwrap().1)
        }
    };
    // Both are hashes of the whole content.
    needles.push(event.revision.to_string());
    if event.is_anonymous() {
        needles.push(event.id.to_string());
    }
    needles
}

fn decided(mut normalized: Normalized) -> Normalized {
    let act = super::router(&[]).decide(&normalized.event);
    normalized.event.decide(act, &normalized.content);
    normalized
}

fn all_events() -> Vec<Normalized> {
    let bodies = bodies();
    let events = bodies
        .iter()
        .flat_map(|(source, body)| events(body, source));
    events.flatten().map(decided).collect()
}

const SETTLED: PicturesNow = PicturesNow::Settled(PictureVerdict {
    missing: boxbridge_event::PictureSet(0),
    not_stored: boxbridge_event::PictureSet(0),
});

/// Nothing of these in all that leaves.
fn is_clean(messages: &[Message], needles: &[String], what: &str) {
    for message in messages {
        let text = text(message);
        let found = needles.iter().find(|needle| text.contains(*needle));
        assert_eq!(found, None, "{what}: {text}");
    }
}

#[test]
fn what_a_route_leaves_out_is_in_nothing_that_leaves() {
    let all = all_events();
    assert!(all.len() > 60, "only {}", all.len());
    let routes = [
        ("boxbridge", "store", PicturesNow::Pending),
        ("boxbridge", "inline", SETTLED),
        ("box", "store", SETTLED),
        ("box", "inline", SETTLED),
        ("box", "drop", PicturesNow::Pending),
    ];
    for (format, policy, pictures) in routes {
        let route = [
            ("route.default.format", format),
            ("route.default.pictures", policy),
        ];
        let what = |word: &str| format!("{word}, {format}, {policy}");
        let everything = redacting(ALL, &route);
        for normalized in &all {
            let needles = WORDS
                .iter()
                .flat_map(|word| needles(word, &normalized.event));
            let messages = messages(&everything, normalized, pictures);
            is_clean(&messages, &needles.collect::<Vec<_>>(), &what(ALL));
        }

        for word in WORDS {
            let router = redacting(word, &route);
            for normalized in &all {
                let needles = needles(word, &normalized.event);
                is_clean(
                    &messages(&router, normalized, pictures),
                    &needles,
                    &what(word),
                );
            }
        }
    }
}

/// Else the test above would find nothing for another reason.
#[test]
fn all_of_it_leaves_where_nothing_is_left_out() {
    let router = redacting("", &[("route.default.pictures", "inline")]);
    let texts: Vec<String> = all_events()
        .iter()
        .flat_map(|normalized| messages(&router, normalized, SETTLED))
        .map(|message| text(&message))
        .collect();
    let is_there = |needle: &String| texts.iter().any(|text| text.contains(needle));

    let event = &all_events()[0].event;
    for word in WORDS {
        let needles = needles(word, event);
        assert!(is_there(&needles[0]), "{word}");
    }
    let of_name = needles("identity.name", event);
    assert!(is_there(&of_name[AS_GBK]), "its bytes as they were sent");
}

#[test]
fn a_stand_in_tells_neither_who_it_is_nor_their_name() {
    for format in ["boxbridge", "box"] {
        let router = redacting(
            "",
            &[
                ("route.default.format", format),
                ("route.default.pseudonym", "true"),
            ],
        );
        for normalized in all_events() {
            let needles: Vec<String> = ["identity.id", "identity.name"]
                .iter()
                .flat_map(|word| needles(word, &normalized.event))
                .collect();
            is_clean(&messages(&router, &normalized, SETTLED), &needles, format);
        }
    }
}

/// Whatever there is a case of.
#[test]
fn a_redacted_payload_keeps_the_schema() {
    let schema: Value = serde_json::from_str(EVENT_SCHEMA).expect("the schema is JSON");
    let routers = [
        redacting(ALL, &[]),
        redacting("pictures.face", &[("route.default.pseudonym", "true")]),
    ];
    for (name, source, body) in cases() {
        for normalized in events(&body, &source).into_iter().flatten() {
            for router in &routers {
                let message = router
                    .kafka(&normalized.event, &super::at(0))
                    .expect("it has a topic");
                let payload: Value = serde_json::from_slice(&message.payload).expect("JSON");
                let problems = schema::problems(&schema, &payload);
                assert!(problems.is_empty(), "{name}: {problems:#?}");
                assert!(
                    payload["pictures"]["face"].is_null() && payload["identity"]["name"].is_null(),
                    "{name}"
                );
            }
        }
    }
}
