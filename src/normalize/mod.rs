//! Bytes → one [`Event`] or many, their pictures taken out and named.
//!
//! Promises: pure (no clock, no IO, no async: what it needs to know of the moment comes with [`Context`]); no input makes it
//! panic, and what it allocates is bounded by the limits, whatever the input; a field never refuses an event, and nothing the box
//! sent is lost but what policy removes (face embeddings). Refused are only what is not JSON, what no dialect claims, and what
//! breaks a limit. Deliberately fetches no URL, decodes no pixel, and knows neither routes nor duplicates.
//!
//! In the order a body passes: `limits` (before anything is allocated) → `reading`: one parse, `dialect` (whose document is it), taken
//! apart, each field settled, id and content from all the rest. `value` knows one kind of value in each file.
//!
//! Only a body that this strict way refuses takes the other: `repair` returns a text and notes of what it changed, and then the strict way
//! again, with every limit. The memory it takes is asked for first ([`Room`]).

use bytes::Bytes;

use crate::charset::Charset;
use crate::config;
use crate::event::{Code, ContentDigest, Event, Picture, Refusal, Source, Warning, WarningCode};

mod dialect;
mod limits;
mod reading;
mod repair;
mod value;

pub use dialect::{opened, table};
pub use limits::Limits;
pub use limits::cost::Cost;
pub use limits::room::Room;

/// What a body does not say of itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub source: &'a Source,
    /// The config's site, where the URL names none.
    pub site: &'a str,
    pub gateway: &'a str,
    pub settings: &'a config::Normalize,
    pub limits: Limits,
    pub room: Room<'a>,
}

/// An event and the pictures that were in it. Whether one may act on it is not decided yet: its revision waits for that.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalized {
    pub event: Event,
    pub pictures: Vec<Picture>,
    pub content: ContentDigest,
    /// Something of it could not be read: why the body is to be kept beside the event.
    pub unread: Option<Refusal>,
}

/// What a body held.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made; a box would cost every event an allocation")]
pub enum Batch<'a> {
    One(Normalized),
    Many(Elements<'a>),
}

/// An array's events, each with its text, and read when it is asked for, so that only one of them has its pictures in memory. They
/// succeed and fail one by one.
#[derive(Debug)]
pub struct Elements<'a> {
    elements: std::vec::IntoIter<Element>,
    context: Context<'a>,
}

/// One of an array's, not read yet.
#[derive(Clone, Debug)]
pub struct Element {
    pub text: Bytes,
    /// What was odd about the array itself.
    warning: Option<WarningCode>,
}

/// What is kept of a text that could not be read, or of a number that is none.
const KEPT_BYTES: usize = 4 << 10;

/// Takes a body apart. `Err` is for the whole body; what is wrong with one element of an array, its iterator says.
pub fn normalize<'a>(body: &Bytes, context: &Context<'a>) -> Result<Batch<'a>, Refusal> {
    match trimmed(body).first() {
        Some(b'[') => many(body, context, None),
        Some(b'"') => match reading::array_in(body, context)? {
            Some(array) => many(&array, context, Some(WarningCode::TypeUnexpected)),
            None => reading::event(body, context).map(Batch::One),
        },
        _ => reading::event(body, context).map(Batch::One),
    }
}

fn many<'a>(body: &Bytes, context: &Context<'a>, encoded: Option<WarningCode>) -> Result<Batch<'a>, Refusal> {
    let (texts, repaired) = match strict_elements(body, context) {
        Ok(texts) => (texts, None),
        Err(refusal) if !reading::may_be_repaired(&refusal) => return Err(refusal),
        Err(refusal) => {
            let array = split_as_written(trimmed(body), context)?.ok_or(refusal)?;
            let texts = array.elements.into_iter().map(|element| body.slice_ref(element)).collect();
            (texts, array.has_comma.then_some(WarningCode::JsonRepaired))
        }
    };
    if texts.is_empty() {
        return Err(Refusal::new(Code::EventUnrecognized, "the array holds no event"));
    }
    let warning = encoded.or(repaired);
    let elements: Vec<_> = texts.into_iter().map(|text| Element { text, warning }).collect();
    Ok(Batch::Many(Elements { elements: elements.into_iter(), context: *context }))
}

/// Split in the first encoding in which the array looks as if it was written so, or at least is one.
fn split_as_written<'b>(body: &'b [u8], context: &Context<'_>) -> Result<Option<repair::split::Array<'b>>, Refusal> {
    let mut array = None;
    let charsets = repair::decode::readings(body, context.source.charset.as_deref()).into_iter().filter_map(Charset::of);
    for charset in charsets {
        match repair::split::split(body, charset, &context.limits)? {
            Some(found) if found.is_sound => return Ok(Some(found)),
            found => array = array.or(found),
        }
    }
    Ok(array)
}

fn strict_elements(body: &Bytes, context: &Context<'_>) -> Result<Vec<Bytes>, Refusal> {
    let text = reading::text(body)?;
    limits::scan::scan(text, &context.limits)?;
    Ok(reading::object::elements(text)?.into_iter().map(|element| body.slice_ref(element.get().as_bytes())).collect())
}

impl Element {
    pub fn normalize(&self, context: &Context<'_>) -> Result<Normalized, Refusal> {
        let mut normalized = reading::event(&self.text, context)?;
        normalized.event.warnings.extend(self.warning.map(|code| Warning { code, field: "$".to_owned() }));
        Ok(normalized)
    }
}

impl Elements<'_> {
    /// Unread, for whoever reads them one by one elsewhere.
    pub fn into_elements(self) -> Vec<Element> {
        self.elements.collect()
    }
}

impl Iterator for Elements<'_> {
    type Item = (Bytes, Result<Normalized, Refusal>);

    fn next(&mut self) -> Option<Self::Item> {
        let element = self.elements.next()?;
        let normalized = element.normalize(&self.context);
        Some((element.text, normalized))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.elements.size_hint()
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// A body without the byte order mark and the white space around it.
fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii()
}
