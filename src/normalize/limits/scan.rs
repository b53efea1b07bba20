//! Scans a body before any parser does, and refuses whatever breaks a limit, also in fields that nobody reads.
//!
//! Promises: constant stack, no allocation, linear time. Deliberately no parser: it finds strings, brackets and numbers, and leaves every
//! other mistake to serde_json, which reads the same text next. serde_json skips some values without checking them, so these are caught
//! here: lone surrogates, numbers that no double holds, nesting deeper than the limit. So are the keys that serde_json gives a meaning of
//! its own: by them a text could smuggle in a document that nobody has scanned.

use memchr::memchr2;

use super::Limits;
use boxbridge_event::{Code, Refusal};

/// The counts of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::normalize) struct Counts {
    /// Strings in any field that start like a picture.
    pub pictures: usize,
    pub brackets: usize,
    pub values: usize,
}

/// serde_json's own keys for a number and for unread JSON. In a body the first turns an object into a number, and the second parses a
/// text anew, past every limit. Both come back different from what was sent.
const RESERVED_KEYS: [&str; 2] = [
    "$serde_json::private::Number",
    "$serde_json::private::RawValue",
];
/// The longest spelling of such a key: every character as `\uXXXX`, in quotes.
const RESERVED_MAX: usize = 6 * 31 + 2;

/// The first characters of common image types in base64, plain or with every `/` escaped.
const PICTURE_STARTS: [&[u8]; 6] = [
    b"/9j/",
    b"\\/9j\\/",
    b"data:image",
    b"iVBORw0KGgo",
    b"R0lGOD",
    b"UklGR",
];
/// A shorter text is no picture: the smallest JPEG there is has 125 bytes.
const PICTURE_MIN: usize = 160;
/// The largest double has 309 digits; a shorter literal without an exponent always fits.
const DIGITS_SAFE: usize = 300;

pub(in crate::normalize) fn scan(text: &str, limits: &Limits) -> Result<Counts, Refusal> {
    let bytes = text.as_bytes();
    let mut scan = Scan::new(text, limits);
    let mut at = 0;

    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = scan.string(at)?,
            b'{' | b'[' => scan.open(at)?,
            b'}' | b']' => scan.depth = scan.depth.saturating_sub(1),
            b',' => scan.comma()?,
            b'-' | b'0'..=b'9' => {
                at = number_end(text, at)?;
                continue;
            }
            _ => {}
        }
        at += 1;
    }

    Ok(scan.counts)
}

struct Scan<'t, 'l> {
    text: &'t str,
    limits: &'l Limits,
    counts: Counts,
    depth: usize,
    /// Whether commas at the first level are between events.
    is_array: bool,
    events: usize,
}

impl<'t, 'l> Scan<'t, 'l> {
    fn new(text: &'t str, limits: &'l Limits) -> Scan<'t, 'l> {
        let counts = Counts {
            values: 1,
            ..Counts::default()
        };
        Scan {
            text,
            limits,
            counts,
            depth: 0,
            is_array: text.trim_ascii_start().starts_with('['),
            events: 1,
        }
    }

    /// Steps over the string that starts at `at`, to the place of its last quote.
    fn string(&mut self, at: usize) -> Result<usize, Refusal> {
        let bytes = self.text.as_bytes();
        let end = string_end(bytes, at + 1)?;
        let inside = bytes.get(at + 1..end).unwrap_or_default();
        self.counts.pictures += usize::from(is_picture(inside));

        if is_reserved_key(self.text, at, end) {
            let message = format!("a key at byte {at} that no box sends");
            return Err(Refusal::new(Code::EventUnrecognized, message));
        }
        Ok(end)
    }

    fn open(&mut self, at: usize) -> Result<(), Refusal> {
        self.counts.brackets += 1;
        self.counts.values += 1;
        self.depth += 1;

        let depth_max = self.limits.depth_max;
        if self.depth > depth_max {
            let message = format!("nested over {depth_max} deep at byte {at}");
            return Err(Refusal::new(Code::JsonTooDeep, message));
        }
        Ok(())
    }

    fn comma(&mut self) -> Result<(), Refusal> {
        self.counts.values += 1;
        self.events += usize::from(self.is_array && self.depth == 1);

        let events_max = self.limits.events_max;
        if self.events > events_max {
            let message = format!("over {events_max} events in one body");
            return Err(Refusal::new(Code::TooManyEvents, message));
        }
        Ok(())
    }
}

/// The place of the quote that ends the string which starts at `at`, or the end of the body.
fn string_end(bytes: &[u8], mut at: usize) -> Result<usize, Refusal> {
    let half = |at: usize| {
        let message = format!("half of a surrogate pair at byte {at}");
        Refusal::new(Code::JsonInvalid, message)
    };

    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'"'), _) => return Ok(at),
            (_, Some(b'u')) => at += unicode_escape(bytes, at).ok_or_else(|| half(at))?,
            _ => at += 2,
        }
    }
    Ok(bytes.len())
}

/// The length of the escape `\uXXXX` at `at`, or of the surrogate pair there; `None` for half of a pair.
pub(in crate::normalize) fn unicode_escape(bytes: &[u8], at: usize) -> Option<usize> {
    match code_unit(bytes, at) {
        Some(0xd800..=0xdbff) => {
            matches!(code_unit(bytes, at + 6), Some(0xdc00..=0xdfff)).then_some(12)
        }
        Some(0xdc00..=0xdfff) => None,
        _ => Some(2),
    }
}

fn code_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

fn number_end(text: &str, start: usize) -> Result<usize, Refusal> {
    let rest = text.get(start..).unwrap_or_default();
    let length = rest
        .bytes()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'))
        .unwrap_or(rest.len());

    let literal = rest.get(..length).unwrap_or_default();
    if is_out_of_range(literal) {
        let message = format!("number out of range at byte {start}");
        return Err(Refusal::new(Code::JsonInvalid, message));
    }
    Ok(start + length)
}

/// Whether no double holds this number.
pub(in crate::normalize) fn is_out_of_range(literal: &str) -> bool {
    let may_be = literal.len() > DIGITS_SAFE || literal.contains(['e', 'E']);
    may_be && literal.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// Whether a text starts like a picture.
pub(in crate::normalize) fn is_picture(text: &[u8]) -> bool {
    text.len() >= PICTURE_MIN && PICTURE_STARTS.iter().any(|start| text.starts_with(start))
}

/// Whether the string with quotes at `start` and `end` is a reserved key.
fn is_reserved_key(text: &str, start: usize, end: usize) -> bool {
    let quoted = text.get(start..=end).unwrap_or_default();
    let may_be = quoted.len() <= RESERVED_MAX
        && (quoted.starts_with("\"$") || quoted.starts_with("\"\\u0024"));
    may_be
        && text
            .get(end + 1..)
            .is_some_and(|rest| rest.trim_start().starts_with(':'))
        && serde_json::from_str::<String>(quoted)
            .is_ok_and(|key| RESERVED_KEYS.contains(&key.as_str()))
}
