//! The text of a plain picture is looked at by its decoder alone. That shows nowhere: not in the event, and not in a refusal.

use boxbridge::normalize::{Batch, Normalized, Outline, normalize_outlined};
use boxbridge_event::{Feed, Refusal};
use bytes::Bytes;
use proptest::prelude::*;

use super::{context, documents, source};

fn read(body: &Bytes, outline: &Outline) -> Result<Normalized, Refusal> {
    let source = source(Feed::Realtime);
    match normalize_outlined(body, outline, &context(&source))? {
        Batch::One(normalized) => Ok(normalized),
        Batch::Many(_) => panic!("the body is no array"),
    }
}

/// A text long enough to be read apart; with `odd`, one byte of it is another.
fn long_text(bytes: &[u8], odd: Option<(u8, prop::sample::Index)>) -> Vec<u8> {
    let mut text = base64_simd::STANDARD.encode_to_string(bytes).into_bytes();
    if let Some((byte, place)) = odd {
        let place = place.index(text.len());
        text[place] = byte;
    }
    text
}

/// Puts a member before the others of the first object that begins with `begin`.
fn with_member(body: Vec<u8>, begin: &str, name: &str, text: &[u8]) -> Vec<u8> {
    let Some(at) = memchr::memmem::find(&body, begin.as_bytes()) else {
        return body;
    };
    let (before, after) = body.split_at(at + begin.len());
    let comma = if after.starts_with(b"}") { "" } else { "," };
    let name = format!("\"{name}\":\"");
    [
        before,
        name.as_bytes(),
        text,
        b"\"",
        comma.as_bytes(),
        after,
    ]
    .concat()
}

proptest! {
    #[test]
    fn pictures_that_are_read_apart_make_the_same_event_or_the_same_refusal(
        document in documents::any_document(),
        bytes in prop::collection::vec(any::<u8>(), 1_600..1_700),
        odd in prop::option::of((prop::sample::select(&b"\"\\\x01\n\xff\xc3-_ =,{}A"[..]), any::<prop::sample::Index>())),
        names in prop::collection::vec(
            prop::sample::select(&[("{", "reg_pic"), ("{", "x"), ("{", "spot_pic"), ("\"ext_data\":{", "spot_pic"),
                ("\"ext_data\":{", "ir_pic"), ("\"ext_data\":{", "y"), ("{", "ext_data")][..]), 1..4),
    ) {
        let text = long_text(&bytes, odd);
        let mut body = document.to_string().into_bytes();
        for (begin, name) in names {
            body = with_member(body, begin, name, &text);
        }

        let body = Bytes::from(body);
        prop_assert_eq!(read(&body, &Outline::of(&body)), read(&body, &Outline::default()));
    }
}

#[test]
fn of_a_picture_that_is_sent_twice_the_last_alone_counts_and_the_first_must_be_json() {
    let plain = long_text(&[7; 1_600], None);
    for (first, is_json) in [
        (plain.clone(), true),
        ([&plain[..], b"\n"].concat(), false),
        ([&plain[..], b"\xff"].concat(), false),
    ] {
        let body = documents::sample().to_string().into_bytes();
        let body = Bytes::from(with_member(body, "{", "reg_pic", &first));

        let apart = read(&body, &Outline::of(&body));
        assert_eq!(apart, read(&body, &Outline::default()));
        let has_picture = |read: &Normalized| read.event.pictures.registered.is_some();
        assert!(!apart.as_ref().is_ok_and(has_picture));
        assert!(!is_json || apart.is_ok());
    }
}
