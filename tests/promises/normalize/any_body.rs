//! Whatever bytes come: no panic, no limit passed, and nothing lost of what is taken.

use boxbridge::normalize::{Batch, Context, Limits, Normalized, normalize};
use boxbridge_event::Feed;
use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{LIMITS, context, documents, events, one, rebuilt, source};

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
