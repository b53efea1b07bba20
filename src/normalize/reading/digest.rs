//! Computes the event's id, and the content digest that the id and the revision rest on.
//!
//! **Content digest** = SHA-256 of the box's document ([`document::opened`]) as canonical JSON: each picture replaced by the 64
//! hex digits of its SHA-256, a picture field without a picture (absent, `null`, `""`) left out; the dialect's
//! bookkeeping (in the nested one `dev_sno`, `ep_id`, `want_action`, `out_timestamp` and `api_version`) left out at the top and in
//! its inner object; fields of its history alone (`ext_data.info` and `ext_data.ir_pic`) left out. Canonical: UTF-8, no white space, keys
//! sorted by their UTF-8 bytes, numbers spelled as sent, strings escaped as serde_json does it (`\"` `\\` `\b` `\f` `\n` `\r` `\t`, other controls `\u00xx` in lower case, nothing else). Objects that came as
//! a text are the objects they are. Where `source` has `$bytes`, a line feed and its canonical JSON follow. The event's revision
//! is made of it once it is decided whether one may act on it ([`boxbridge_event::Event::decide`]).
//!
//! **Id** = UUIDv8 of the first 16 bytes of SHA-256 over site, device id, time in milliseconds as decimal digits and identity id,
//! each as its length (4 bytes, big-endian) and its UTF-8. For strangers, unknown types and an empty identity a fifth part joins,
//! the 64 hex digits of the content digest: they have no identity, and two of them in one frame must stay two.
//!
//! **Why the feeds agree.** The digest must be the same whether the match comes at once or from the box's history. So it leaves out
//! everything that differs between the two documents of one match: the bookkeeping above; whether a picture that is switched off shows as
//! `""` or not at all; and the two fields that only history has: `info` (age, gender, embedding) and the infrared picture. (The event
//! keeps that picture: the search for duplicates compares pictures too.) A picture that a box sends on one feed only, or a number that it
//! spells differently, makes two digests. Then the event is delivered twice, which is the safe side: leaving out the face could make two
//! people one.

use std::io;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::normalize::dialect::Dialect;
use boxbridge_event::document::{self, BYTES, Field, Meaning, Table};
use boxbridge_event::{ContentDigest, Event, EventId};

/// Sets the event's id, and returns the digest of its content, and the document of which it was made, each picture an empty text. All
/// other fields must be set.
pub(in crate::normalize) fn name(
    event: &mut Event,
    dialect: &Dialect,
) -> (ContentDigest, Map<String, Value>) {
    let table = &dialect.table;
    let mut document = document::opened(table, event, |_, picture| Some(picture.sha256.clone()));
    let content = Content { event, dialect }.digest(&document);
    let content = ContentDigest(content);
    blank(&mut document, table, event);

    let time = event.occurred_at.0.to_string();
    let identity = event.identity.id.as_deref().unwrap_or_default();
    let fifth = event.is_anonymous().then(|| content.to_hex());
    let parts = [
        event.origin.site.as_str(),
        &event.device.id,
        &time,
        identity,
    ];

    event.id = id(parts.into_iter().chain(fifth.as_deref()));
    (content, document)
}

fn id<'a>(parts: impl Iterator<Item = &'a str>) -> EventId {
    let mut hasher = Sha256::new();

    for part in parts {
        // Every part comes from a body, and no body has 4 GiB.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        hasher.update(length.to_be_bytes());
        hasher.update(part);
    }

    let digest: [u8; 32] = hasher.finalize().into();
    let (first, _) = digest.split_first_chunk().unwrap_or((&[0; 16], &[]));
    EventId(uuid::Uuid::new_v8(*first).into_bytes())
}

/// Puts an empty text in the place of each picture's digest.
fn blank(document: &mut Map<String, Value>, table: &Table, event: &Event) {
    for field in table.fields {
        let Meaning::Picture(kind) = field.meaning else {
            continue;
        };
        let object = match field.inner {
            true => document.get_mut(table.inner).and_then(Value::as_object_mut),
            false => Some(&mut *document),
        };

        let value = object.and_then(|object| object.get_mut(field.name));
        let picture = event.pictures.get(kind);
        if let (Some(value), Some(picture)) = (value, picture)
            && *value == picture.sha256
        {
            *value = Value::String(String::new());
        }
    }
}

/// What is digested of a document: all but the members that may differ between two documents of one match.
struct Content<'a> {
    event: &'a Event,
    dialect: &'a Dialect,
}

impl Content<'_> {
    fn digest(&self, document: &Map<String, Value>) -> [u8; 32] {
        let mut canonical = Canonical {
            text: Vec::with_capacity(1024),
            ..Canonical::default()
        };
        canonical.members(
            document,
            |name, value| self.is_left_out(false, name, value),
            |canonical, name, value| match value {
                Value::Object(inner) if name == self.dialect.table.inner => canonical.members(
                    inner,
                    |name, value| self.is_left_out(true, name, value),
                    |canonical, _, value| canonical.value(value),
                ),
                value => canonical.value(value),
            },
        );
        if let Some(bytes) = self.event.source.get(BYTES) {
            canonical.text.push(b'\n');
            canonical.value(bytes);
        }
        canonical.finish()
    }

    fn is_left_out(&self, inner: bool, name: &str, value: &Value) -> bool {
        let Dialect {
            table,
            bookkeeping,
            history_only,
            ..
        } = self.dialect;
        let is_empty = |field: &Field| match field.meaning {
            Meaning::Picture(kind) if field.inner == inner && field.name == name => {
                self.event.pictures.get(kind).is_none() && (value.is_null() || value == "")
            }
            _ => false,
        };
        bookkeeping.contains(&name)
            || (inner && history_only.contains(&name))
            || table.fields.iter().any(is_empty)
    }
}

/// Canonical JSON that is hashed as it is written: a large event's text is not copied as a whole.
#[derive(Default)]
struct Canonical {
    /// The end of the text, not hashed yet.
    text: Vec<u8>,
    hasher: Sha256,
}

/// So much text is hashed at once.
const HASHED_BYTES: usize = 4 << 10;

impl Canonical {
    fn value(&mut self, value: &Value) {
        match value {
            Value::Object(members) => self.object(members),
            Value::Array(values) => self.array(values),
            Value::String(string) => self.string(string),
            Value::Null | Value::Bool(_) | Value::Number(_) => {
                // Writing into memory does not fail.
                let _ = serde_json::to_writer(&mut self.text, value);
            }
        }
    }

    fn array(&mut self, values: &[Value]) {
        self.text.push(b'[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            self.value(value);
        }
        self.text.push(b']');
    }

    fn object(&mut self, members: &Map<String, Value>) {
        self.members(
            members,
            |_, _| false,
            |canonical, _, value| canonical.value(value),
        );
    }

    /// An object without some of its members, each of the others written as `write` does.
    fn members(
        &mut self,
        members: &Map<String, Value>,
        is_left_out: impl Fn(&str, &Value) -> bool,
        write: impl Fn(&mut Canonical, &str, &Value),
    ) {
        self.text.push(b'{');
        let mut is_first = true;
        for (name, value) in sorted(members) {
            if is_left_out(name, value) {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                self.text.push(b',');
            }
            self.string(name);
            self.text.push(b':');
            write(self, name, value);
        }
        self.text.push(b'}');
    }

    fn string(&mut self, string: &str) {
        if self.text.len() > HASHED_BYTES {
            self.hash();
        }

        // Neither writing into memory nor hashing fails.
        let _ = match string.len() > HASHED_BYTES {
            true => serde_json::to_writer(self, string),
            false => serde_json::to_writer(&mut self.text, string),
        };
    }

    fn hash(&mut self) {
        self.hasher.update(&self.text);
        self.text.clear();
    }

    fn finish(mut self) -> [u8; 32] {
        self.hash();
        self.hasher.finalize().into()
    }
}

/// By the bytes of their names. So they are already, unless a dependency switches on serde_json's `preserve_order`.
fn sorted(members: &Map<String, Value>) -> Vec<(&str, &Value)> {
    let mut sorted: Vec<_> = members
        .iter()
        .map(|(name, value)| (name.as_str(), value))
        .collect();
    if !sorted.is_sorted_by_key(|(name, _)| *name) {
        sorted.sort_unstable_by_key(|(name, _)| *name);
    }
    sorted
}

/// Takes a long string.
impl io::Write for Canonical {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash();
        self.hasher.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// 64 hex digits.
pub(in crate::normalize) fn sha256_hex(bytes: &[u8]) -> String {
    hex(Sha256::digest(bytes).into())
}

pub(in crate::normalize) fn hex(digest: [u8; 32]) -> String {
    ContentDigest(digest).to_hex()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by other means, so the contract alone is enough to make the same ids.
    #[test]
    fn an_id_can_be_made_again_from_the_contract() {
        let made = id(["default", "192.168.1.243", "1566016554020", "666666"].into_iter());
        assert_eq!(made.to_string(), "9aae3514-0e54-8b80-9228-eae740333229");
    }

    #[test]
    fn the_canonical_form_is_sorted_and_has_no_white_space() {
        let value: Value = serde_json::from_str(
            r#"{ "b" : [1, 2.50, "\u0001/é\n"], "a": {"y": null, "x": true} }"#,
        )
        .unwrap();
        let mut canonical = Canonical::default();
        canonical.value(&value);
        assert_eq!(
            String::from_utf8(canonical.text).unwrap(),
            r#"{"a":{"x":true,"y":null},"b":[1,2.50,"\u0001/é\n"]}"#
        );
    }

    #[test]
    fn a_long_text_is_digested_like_a_short_one() {
        let long = "\"x\\".repeat(HASHED_BYTES);
        let value = serde_json::json!({"a": "b", "long": long, "more": [long, long.len()]});
        let document = value.as_object().unwrap();

        let whole: [u8; 32] = Sha256::digest(value.to_string()).into();
        let mut canonical = Canonical::default();
        canonical.object(document);
        assert_eq!(canonical.finish(), whole);
    }
}
