//! Two events that differ only in what is left out leave as one, so nobody can tell anything of the difference.

use boxbridge::normalize::Normalized;
use boxbridge::route::PicturesNow;
use boxbridge_event::{Feed, Message, PictureVerdict};
use proptest::prelude::*;
use serde_json::Value;

use super::{messages, redacting, text};
use crate::normalize::documents::{any_document, any_flat_document, any_value};
use crate::normalize::{events, source};

const HIDDEN: &str = "identity.id,identity.name,match.score,match.group,pictures,quality";
/// Where they stand, in any dialect, whether in `ext_data`.
const PLACES: [(&str, bool); 17] = [
    ("identity_name", false),
    ("group_name", false),
    ("group_id", false),
    ("score", false),
    ("reg_pic", false),
    ("reg_image", false),
    ("recognize_face", false),
    ("recognize_face_image", false),
    ("ir_pic", false),
    ("ir_image", false),
    ("identity_id", true),
    ("spot_pic", true),
    ("recognize_face", true),
    ("ir_pic", true),
    ("grab_fiqa_info", true),
    ("box_fiqa_info", true),
    ("score", true),
];
/// The same, but by these keys a dialect is known.
const MARKS: [&str; 4] = ["identity_id", "identity_info", "spot_pic", "spot_image"];

/// Other values in all of these places, or none.
fn changed(document: &Value, values: &[Option<Value>]) -> Value {
    let mut changed = document.clone();
    let mut values = values.iter();
    for ((name, is_inner), value) in PLACES.iter().zip(&mut values) {
        let holder = match is_inner {
            true => changed.get_mut("ext_data"),
            false => Some(&mut changed),
        };
        let Some(members) = holder.and_then(Value::as_object_mut) else {
            continue;
        };
        match value {
            Some(value) => drop(members.insert((*name).to_owned(), value.clone())),
            None => drop(members.remove(*name)),
        }
    }

    for (name, value) in MARKS.iter().zip(values) {
        if let (Some(there), Some(value)) = (changed.get_mut(*name), value) {
            *there = value.clone();
        }
    }
    changed
}

/// A message without its ids: for who has no key they are nothing but random.
fn without_ids(message: &Message) -> String {
    let id = message.attributes.iter().find(|(name, _)| *name == "id");
    let (id, rest) = id.unwrap().1.split_once('.').unwrap();
    let revision = rest.split('.').next().unwrap();
    text(message)
        .replace(id, "ID")
        .replace(revision, "REVISION")
}

fn only(body: &Value, feed: Feed) -> Option<Normalized> {
    let mut events = events(body.to_string().as_bytes(), &source(feed));
    events
        .pop()
        .and_then(Result::ok)
        .filter(|_| events.is_empty())
}

fn leave_as_one(
    document: &Value,
    values: &[Option<Value>],
    feed: Feed,
) -> Result<(), TestCaseError> {
    let other = changed(document, values);
    let (Some(one), Some(other)) = (only(document, feed), only(&other, feed)) else {
        return Err(TestCaseError::reject("one of them is no event"));
    };

    let settled = PicturesNow::Settled(PictureVerdict::default());
    for format in ["boxbridge", "box"] {
        for policy in ["store", "inline", "drop"] {
            let route = [
                ("route.default.format", format),
                ("route.default.pictures", policy),
            ];
            let router = redacting(HIDDEN, &route);
            let leave = |it: &Normalized| -> Vec<String> {
                let messages = messages(&router, it, settled);
                messages.iter().map(without_ids).collect()
            };
            prop_assert_eq!(leave(&one), leave(&other));
        }
    }
    Ok(())
}

fn any_values() -> impl Strategy<Value = Vec<Option<Value>>> {
    prop::collection::vec(prop::option::of(any_value()), PLACES.len() + MARKS.len())
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn what_leaves_is_the_same_whatever_was_left_out(document in any_document(), values in any_values(), is_live: bool) {
        let feed = if is_live { Feed::Realtime } else { Feed::History };
        leave_as_one(&document, &values, feed)?;
    }

    #[test]
    fn so_it_is_of_the_flat_dialects(document in any_flat_document(), values in any_values()) {
        leave_as_one(&document, &values, Feed::History)?;
    }
}
