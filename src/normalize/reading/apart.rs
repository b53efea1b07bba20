//! A body taken in two: its pictures' texts, at which the decoder alone looks, and a short rest, which is parsed.
//!
//! Promises: the rest with each text back in its place is the body, if each is plain base64 (the decoder says so): no character of base64
//! ends a text, escapes anything, or is forbidden in JSON. So a picture costs one look for its end and one by the decoder. Deliberately
//! gives up where anything is odd: the whole body is then read like any other.

use std::ops::Range;

use super::json_object::{JsonObject, Member};
use crate::normalize::limits::scan::is_picture;

/// A longer rest would be a second copy of much text, which nobody has asked memory for.
const REST_MAX: usize = 16 << 10;

pub(in crate::normalize) struct Apart<'b> {
    /// The body, each of the texts empty.
    pub rest: Vec<u8>,
    /// Where each text belongs, in the order of their places.
    texts: Vec<(usize, &'b [u8])>,
}

impl<'b> Apart<'b> {
    /// `None` if there are no such texts, or too much beside them.
    pub fn new(body: &'b [u8], texts: &[Range<usize>]) -> Option<Apart<'b>> {
        let bytes: usize = texts.iter().map(Range::len).sum();
        let rest_bytes = body.len().checked_sub(bytes)?;
        if texts.is_empty() || rest_bytes > REST_MAX {
            return None;
        }

        let mut apart = Apart {
            rest: Vec::with_capacity(rest_bytes),
            texts: Vec::with_capacity(texts.len()),
        };
        let mut from = 0;
        for text in texts {
            apart.rest.extend_from_slice(body.get(from..text.start)?);
            let place = apart.rest.len();
            apart.texts.push((place, body.get(text.clone())?));
            from = text.end;
        }
        apart.rest.extend_from_slice(body.get(from..)?);
        Some(apart)
    }

    /// Bytes of all texts.
    pub fn bytes(&self) -> usize {
        self.texts.iter().map(|(_, text)| text.len()).sum()
    }

    /// How many of them start like a picture.
    pub fn pictures(&self) -> usize {
        let texts = self.texts.iter();
        texts.filter(|(_, text)| is_picture(text)).count()
    }

    /// Gives each member of `object`, which was read from the rest, its own text; false if a text belongs to none of them, or to one that
    /// is repeated: of those the last alone is read.
    pub fn put_back<'a>(&'a self, object: &mut JsonObject<'a>) -> bool {
        self.put_into(object) == self.texts.len() && is_each_once(object)
    }

    fn put_into<'a>(&'a self, object: &mut JsonObject<'a>) -> usize {
        let mut count = 0;
        for (_, member) in &mut object.members {
            let text = match member {
                Member::Text(text) => self.at(text.get()),
                Member::Object(object) => {
                    count += self.put_into(object);
                    None
                }
                Member::Apart(_) => None,
            };
            if let Some(text) = text {
                *member = Member::Apart(text);
                count += 1;
            }
        }
        count
    }

    /// The text that belongs into an empty one, by its address.
    fn at(&self, json: &str) -> Option<&'b [u8]> {
        if json != "\"\"" {
            return None;
        }
        let begins = (json.as_ptr().addr()).checked_sub(self.rest.as_ptr().addr())?;
        let place = self
            .texts
            .binary_search_by_key(&(begins + 1), |(place, _)| *place);
        Some(self.texts.get(place.ok()?)?.1)
    }
}

/// Whether the members that hold such texts are not repeated.
fn is_each_once(object: &JsonObject<'_>) -> bool {
    let is_once = |name: &str| {
        object
            .members
            .iter()
            .filter(|(it, _)| it == name)
            .nth(1)
            .is_none()
    };
    object.members.iter().all(|(name, member)| match member {
        Member::Text(_) => true,
        Member::Apart(_) => is_once(name),
        Member::Object(inner) => is_once(name) && is_each_once(inner),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::Outline;

    #[test]
    fn of_a_usual_body_a_short_rest_is_parsed() {
        let picture = "QUJD".repeat(20_000);
        let body = format!(
            r#"{{"reg_pic":"{picture}","ext_data":{{"spot_pic":"{picture}","info":""}},"x":""}}"#
        );
        let apart = Apart::new(body.as_bytes(), &Outline::of(body.as_bytes()).pictures).unwrap();
        assert!(apart.rest.len() < 100);

        let rest = std::str::from_utf8(&apart.rest).unwrap();
        let mut object = JsonObject::parse(rest, "ext_data").unwrap();
        assert!(apart.put_back(&mut object));
        let Some((_, Member::Object(inner))) = object.members.get(1) else {
            panic!("the inner object is open")
        };
        let is_apart = |member: Option<&(_, Member<'_>)>| matches!(member, Some((_, Member::Apart(text))) if *text == picture.as_bytes());
        assert!(is_apart(object.members.first()) && is_apart(inner.members.first()));
        assert!(!is_apart(inner.members.get(1)) && !is_apart(object.members.get(2)));
    }
}
