//! Estimates what one event costs in memory, before it is parsed, and finds the texts of its pictures on the way.
//!
//! Promises: linear time, and never less than the event's values and texts take; any bytes get an estimate. Deliberately no parser: it
//! counts brackets, commas and texts, and multiplies.

use std::ops::Range;

use memchr::memchr2;

use crate::normalize::dialect::nested::{DIALECT, INNER};
use boxbridge_event::document::Meaning;

/// An object is a tree node with room for eleven members, however few it has; a list takes less.
const BRACKET_BYTES: usize = 640;
/// A value, its own text if it is a number, and its key.
const VALUE_BYTES: usize = 160;
/// Values exist twice: in the event, and while its content is digested.
const TREES: usize = 2;
/// Besides the body a text is in the event, twice in the digested content, and in the record.
const TEXT_COPIES: usize = 4;
/// Besides the body a picture exists decoded, and cleaned if it is no plain base64.
const PICTURE_COPIES: usize = 2;
/// The most memory that the values of one event may take: ten thousand boxes with coordinates take two thirds of it.
pub(in crate::normalize) const TREE_MAX: usize = 32 << 20;

/// A shorter text is not worth to be read apart from the others.
const APART_MIN: usize = 2 << 10;
/// Each of the kinds once, and some that are repeated.
const APART_MAX: usize = 8;

/// What one look at an event's text tells.
#[derive(Clone, Debug, Default)]
pub struct Outline {
    pub cost: Cost,
    /// The long texts of pictures that have no escape in them, without their quotes, as far as there are few.
    pub(in crate::normalize) pictures: Vec<Range<usize>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    body: usize,
    brackets: usize,
    values: usize,
    /// Bytes of all texts and keys except pictures.
    texts: usize,
    pictures: usize,
}

impl Outline {
    pub fn of(body: &[u8]) -> Outline {
        let mut count = Count::new(body);
        let mut at = 0;

        while let Some(byte) = body.get(at) {
            match byte {
                b'"' => at = count.string(at),
                b'{' | b'[' => count.open(*byte),
                b'}' | b']' => count.close(),
                b',' => count.cost.values += 1,
                _ => {}
            }
            at += 1;
        }

        Outline {
            cost: count.cost,
            pictures: count.pictures,
        }
    }
}

impl Cost {
    /// The cost of an event with this text.
    pub fn of(body: &[u8]) -> Cost {
        Outline::of(body).cost
    }

    /// The whole cost.
    pub fn bytes(&self) -> usize {
        self.passing() + TEXT_COPIES * self.texts + TREES * self.tree_bytes()
    }

    /// What of it passes: text and pictures, which an event that is on disk has no more.
    pub fn passing(&self) -> usize {
        self.body + PICTURE_COPIES * self.pictures
    }

    fn tree_bytes(&self) -> usize {
        tree_bytes(self.brackets, self.values)
    }
}

/// A cost that is being counted, and the place in the document.
struct Count<'b> {
    body: &'b [u8],
    cost: Cost,
    pictures: Vec<Range<usize>>,
    depth: usize,
    /// Within the inner object.
    is_inner: bool,
    /// The last key.
    key: &'b [u8],
}

impl<'b> Count<'b> {
    fn new(body: &'b [u8]) -> Count<'b> {
        let cost = Cost {
            body: body.len(),
            values: 1,
            ..Cost::default()
        };
        Count {
            body,
            cost,
            pictures: Vec::new(),
            depth: 0,
            is_inner: false,
            key: b"",
        }
    }

    /// Counts the string that starts at `at`; the place of its last quote.
    fn string(&mut self, at: usize) -> usize {
        let (end, has_escape) = text_end(self.body, at + 1);
        let text = self.body.get(at + 1..end).unwrap_or_default();

        let is_key = is_key(self.body, end + 1);
        if is_key {
            self.key = text;
        }
        if !is_key && self.is_at_a_field() && is_picture(self.key, self.is_inner) {
            self.cost.pictures += text.len();
            if !has_escape && text.len() >= APART_MIN && self.pictures.len() < APART_MAX {
                self.pictures.push(at + 1..end);
            }
        } else {
            self.cost.texts += text.len();
        }
        end
    }

    fn is_at_a_field(&self) -> bool {
        self.depth == 1 || (self.depth == 2 && self.is_inner)
    }

    fn open(&mut self, bracket: u8) {
        self.cost.brackets += 1;
        self.cost.values += 1;
        self.is_inner |= self.depth == 1 && bracket == b'{' && self.key == INNER.as_bytes();
        self.depth += 1;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.is_inner &= self.depth > 1;
    }
}

/// What the values of one event take.
pub(in crate::normalize) fn tree_bytes(brackets: usize, values: usize) -> usize {
    brackets * BRACKET_BYTES + values * VALUE_BYTES
}

/// Whether a text of this name is a picture in the nested dialect, the only one that comes live. In others it counts as a text, which
/// costs more.
fn is_picture(name: &[u8], is_inner: bool) -> bool {
    DIALECT.table.fields.iter().any(|field| {
        matches!(field.meaning, Meaning::Picture(_))
            && field.inner == is_inner
            && field.name.as_bytes() == name
    })
}

fn is_key(body: &[u8], behind: usize) -> bool {
    let rest = body.get(behind..).unwrap_or_default();
    rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

/// The place of the quote that ends the text which starts at `at`, or the end of the body; and whether there is an escape before it.
fn text_end(body: &[u8], mut at: usize) -> (usize, bool) {
    let mut has_escape = false;
    while let Some(found) = body.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if body.get(at) == Some(&b'"') {
            return (at, has_escape);
        }
        has_escape = true;
        at += 2;
    }
    (body.len(), has_escape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_by_their_place_and_texts_are_not() {
        let check = |body: &str, pictures: usize| {
            let cost = Cost::of(body.replace('X', &"x".repeat(5_000)).as_bytes());
            let is_text = cost.texts > 5_000;
            assert_eq!(
                (cost.pictures, is_text),
                (pictures, pictures == 0),
                "{body}"
            );
        };

        check(r#"{"reg_pic" : "X"}"#, 5_000);
        check(r#"{"ext_data":{"a":{},"spot_pic":"X"}}"#, 5_000);
        check(r#"{"other":{"spot_pic":"X"}}"#, 0);
        check(r#"{"ext_data":{"a":{"spot_pic":"X"}}}"#, 0);
        check(r#"{"spot_pic":"X"}"#, 0);
        check(r#"["reg_pic","X"]"#, 0);
    }

    #[test]
    fn a_small_text_of_many_values_is_costly() {
        let body = format!("[{}]", [r#"{"":0}"#; 49_000].join(","));
        let cost = Cost::of(body.as_bytes());
        assert!(cost.tree_bytes() > TREE_MAX && cost.bytes() > 100 * body.len());
        assert!(Cost::of(b"\"\\").bytes() > 0);
    }

    #[test]
    fn ten_thousand_boxes_with_coordinates_are_no_reason_to_refuse() {
        let body = format!(
            "[{}]",
            [r#"{"rect":[1,2,3,4],"score":0.5}"#; 10_000].join(",")
        );
        assert!(Cost::of(body.as_bytes()).tree_bytes() < TREE_MAX);
    }
}
