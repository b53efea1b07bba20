//! Estimates what one event costs in memory, before it is parsed.
//!
//! Promises: linear time, no allocation, and never less than the event's values and texts take; any bytes get an estimate. Deliberately no
//! parser: it counts brackets, commas and texts, and multiplies.

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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    body: usize,
    brackets: usize,
    values: usize,
    /// Bytes of all texts and keys except pictures.
    texts: usize,
    pictures: usize,
}

impl Cost {
    /// The cost of an event with this text.
    pub fn of(body: &[u8]) -> Cost {
        let mut cost = Cost {
            body: body.len(),
            values: 1,
            ..Cost::default()
        };
        let (mut at, mut depth, mut is_inner, mut key) = (0, 0_usize, false, &b""[..]);

        while let Some(byte) = body.get(at) {
            match byte {
                b'"' => {
                    let end = text_end(body, at + 1);
                    let text = body.get(at + 1..end).unwrap_or_default();
                    at = end;
                    if is_key(body, end + 1) {
                        key = text;
                        cost.texts += text.len();
                    } else if (depth == 1 || (depth == 2 && is_inner)) && is_picture(key, is_inner)
                    {
                        cost.pictures += text.len();
                    } else {
                        cost.texts += text.len();
                    }
                }
                b'{' | b'[' => {
                    cost.brackets += 1;
                    cost.values += 1;
                    is_inner |= depth == 1 && *byte == b'{' && key == INNER.as_bytes();
                    depth += 1;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    is_inner &= depth > 1;
                }
                b',' => cost.values += 1,
                _ => {}
            }
            at += 1;
        }

        cost
    }

    /// The whole cost.
    pub fn bytes(&self) -> usize {
        self.body
            + PICTURE_COPIES * self.pictures
            + TEXT_COPIES * self.texts
            + TREES * self.tree_bytes()
    }

    fn tree_bytes(&self) -> usize {
        tree_bytes(self.brackets, self.values)
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

/// The place of the quote that ends the text which starts at `at`, or the end of the body.
fn text_end(body: &[u8], mut at: usize) -> usize {
    while let Some(found) = body.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if body.get(at) == Some(&b'"') {
            return at;
        }
        at += 2;
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_told_by_their_place_and_texts_are_not() {
        let text = "x".repeat(5_000);
        let costs = |body: String| {
            (
                Cost::of(body.as_bytes()).pictures,
                Cost::of(body.as_bytes()).texts > 5_000,
            )
        };
        assert_eq!(
            costs(format!(r#"{{"reg_pic" : "{text}"}}"#)),
            (5_000, false)
        );
        assert_eq!(
            costs(format!(
                r#"{{"ext_data":{{"a":{{}},"spot_pic":"{text}"}}}}"#
            )),
            (5_000, false)
        );
        assert_eq!(
            costs(format!(r#"{{"other":{{"spot_pic":"{text}"}}}}"#)),
            (0, true)
        );
        assert_eq!(
            costs(format!(r#"{{"ext_data":{{"a":{{"spot_pic":"{text}"}}}}}}"#)),
            (0, true)
        );
        assert_eq!(costs(format!(r#"{{"spot_pic":"{text}"}}"#)), (0, true));
        assert_eq!(costs(format!(r#"["reg_pic","{text}"]"#)), (0, true));
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
