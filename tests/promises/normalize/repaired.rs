//! What the field really sends: broken in ways that are known, read all the same, and said.

use boxbridge::normalize::{Batch, Context, Cost, Normalized, RepairBudget, normalize};
use boxbridge_event::{Code, Event, Feed, Source, WarningCode};
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{context, events, one, rebuilt, source};
use crate::normalize::documents;

/// Puts the inner object where it is one, or the text that it has become, into a text.
fn encode_inner(document: &mut Value) {
    if let Some(inner) = document
        .get_mut("ext_data")
        .filter(|inner| inner.is_object() || inner.is_string())
    {
        *inner = Value::String(inner.to_string());
    }
}

fn is_repaired(event: &Event) -> bool {
    const REPAIRS: [WarningCode; 4] = [
        WarningCode::NumberInvalid,
        WarningCode::EncodingInvalid,
        WarningCode::JsonRepaired,
        WarningCode::TypeUnexpected,
    ];
    event
        .warnings
        .iter()
        .any(|warning| REPAIRS.contains(&warning.code))
}

/// What no JSON has, and what a repair looks at.
const ODD: &[&[u8]] = &[
    b"NaN",
    b"-Infinity",
    b"1e999",
    b",",
    b"\"",
    b"\\",
    b"\\ud800",
    b"\xd0\xa1",
    b"\xff",
    b"\x81\x5c",
    b"{",
    b"]",
    b"\\\"",
    b" ",
];

#[test]
fn a_repair_asks_for_its_memory_first_and_a_sound_body_for_none() {
    let (sound, source) = (documents::sample().to_string(), source(Feed::Realtime));
    let broken = sound.replace("0.6231614351272583", "NaN");
    let code = |body: &str, bytes: usize| {
        let has_room = |asked: usize| asked <= bytes;
        let context = Context {
            budget: RepairBudget(&has_room),
            ..context(&source)
        };
        normalize(&Bytes::copy_from_slice(body.as_bytes()), &context)
            .map(drop)
            .map_err(|refusal| refusal.code)
    };

    assert_eq!(code(&sound, 0), Ok(()));
    assert_eq!(code(&broken, 0), Err(Code::OverBudget));
    assert_eq!(
        code(&broken, broken.len() + 4),
        Err(Code::OverBudget),
        "what is repaired is to be read as well"
    );
    assert_eq!(
        code(
            &broken,
            broken.len() + 4_096 + Cost::of(sound.as_bytes()).bytes()
        ),
        Ok(())
    );
}

#[test]
fn an_object_that_came_as_a_text_is_the_object_it_is() {
    let sound = one(
        documents::sample().to_string().as_bytes(),
        &source(Feed::Realtime),
    );
    let mut document = documents::sample();

    for _ in 0..2 {
        encode_inner(&mut document);
        let encoded = one(document.to_string().as_bytes(), &source(Feed::Realtime));
        assert_eq!(
            (encoded.event.id, encoded.content),
            (sound.event.id, sound.content)
        );
        assert_eq!(
            rebuilt(&encoded)["ext_data"].as_str().map(str::is_empty),
            Some(false),
            "and is encoded again"
        );
    }
}

#[test]
fn two_names_never_become_one() {
    let named = |name: &[u8]| {
        let body = documents::sample().to_string().into_bytes();
        let at = body
            .windows(6)
            .position(|six| six == "小明".as_bytes())
            .expect("the sample's name");
        let body = [&body[..at], name, &body[at + 6..]].concat();
        one(&body, &source(Feed::Realtime))
    };
    let (one, other) = (named(b"\xff"), named(b"\xfe"));

    assert_eq!(one.event.identity.name, other.event.identity.name);
    assert_ne!(
        (one.content, one.event.source),
        (other.content, other.event.source)
    );
    assert_ne!(named(b"\\ud800").content, named(b"\\ud801").content);
    assert_ne!(
        named(&[b'\xff'; 5_000]).content,
        named(&[b'\xfe'; 5_000]).content
    );
}

proptest! {
    #[test]
    fn no_damage_to_a_body_makes_it_panic_or_pass_in_silence(
        document in documents::any_document(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut body = document.to_string().into_bytes();
        for (at, byte) in damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        for length in [body.len(), cut.index(body.len())] {
            body.truncate(length);
            let is_json = serde_json::from_slice::<Value>(&body).is_ok();
            for Normalized { event, .. } in events(&body, &source(Feed::Realtime)).into_iter().flatten() {
                prop_assert!(is_json || is_repaired(&event), "what serde_json refuses was taken without a word");
            }
        }
    }

    #[test]
    fn nothing_put_into_a_body_makes_a_repair_panic(
        document in documents::any_document(),
        encoded in 0..4_usize,
        odd in proptest::collection::vec((any::<prop::sample::Index>(), prop::sample::select(ODD)), 0..6),
        charset in prop::sample::select(&[None, Some("gbk"), Some("big5"), Some("utf-16"), Some("iso-2022-jp"), Some("nonsense")][..]),
    ) {
        let mut document = document;
        (0..encoded).for_each(|_| encode_inner(&mut document));
        let mut body = document.to_string().into_bytes();
        for (at, bytes) in odd {
            let at = at.index(body.len());
            body.splice(at..at, bytes.iter().copied());
        }

        let source = Source { charset: charset.map(str::to_owned), ..source(Feed::Realtime) };
        for wrapped in [body.clone(), [b"[", &body[..], b",]"].concat()] {
            match normalize(&Bytes::from(wrapped), &context(&source)) {
                Ok(Batch::Many(elements)) => elements.for_each(drop),
                one => drop(one),
            }
        }
    }

    #[test]
    fn what_was_repaired_rebuilds_the_document_after_repair(
        document in documents::any_document(),
        encoded in 0..3_usize,
        has_comma in any::<bool>(),
    ) {
        let mut repaired = document;
        repaired["identity_name"] = json!("\u{fffd}");
        repaired["x not a number"] = json!([Value::Null, 1]);

        let is_encoded = encoded > 0 && repaired["ext_data"].is_object();
        let mut sent = repaired.clone();
        (0..if is_encoded { encoded } else { 0 }).for_each(|_| encode_inner(&mut sent));

        let text = sent.to_string().replace("[null,1]", "[-Infinity,1]").replace("\"identity_name\":\"\u{fffd}\"", "\"identity_name\":\"\\udc00\"");
        let text = if has_comma { text.strip_suffix('}').expect("an object").to_owned() + ",}" } else { text };
        let normalized = one(text.as_bytes(), &source(Feed::Realtime));
        let mut found = rebuilt(&normalized);
        for _ in 0..if is_encoded { encoded } else { 0 } {
            found["ext_data"] = serde_json::from_str(found["ext_data"].as_str().expect("it is encoded again")).expect("it is JSON");
        }
        prop_assert_eq!(documents::comparable(&found), documents::comparable(&repaired));
        prop_assert!(is_repaired(&normalized.event));
    }
}

#[test]
fn what_only_looks_like_our_note_of_an_encoded_object_is_the_box_s_own_value() {
    let content = |id: &str| {
        let mut document = documents::sample();
        document["identity_id"] = json!({"encoded": 1, "id": id});
        one(document.to_string().as_bytes(), &source(Feed::Realtime)).content
    };
    assert_ne!(content("A"), content("B"));
}
