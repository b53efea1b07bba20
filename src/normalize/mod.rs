//! Bytes → one [`Event`] or many, their pictures taken out and named.
//!
//! Promises: pure (no clock, no IO, no async: what it needs to know of the moment comes with [`Context`]); no input makes it
//! panic, and what it allocates is bounded by the limits, whatever the input; a field never refuses an event, and nothing the box
//! sent is lost but what policy removes (face embeddings). Refused are only what is not JSON, what no dialect claims, and what
//! breaks a limit. Deliberately fetches no URL, decodes no pixel, and knows neither routes nor duplicates.
//!
//! In the order a body passes: `scan` (limits, before anything is allocated) → `object` (one parse, values as slices of the body) →
//! `dialect` (whose document is it) → `sent` (taken apart, its pictures out) → `assemble` (each field settled) → `digest` (id and
//! revision, from all the rest). `field`, `picture`, `image` and `embedding` know one kind of value each.

use bytes::Bytes;

use crate::config;
use crate::event::{Code, Event, Picture, Refusal, Source};

mod assemble;
mod cost;
mod dialect;
mod digest;
mod embedding;
mod field;
mod image;
mod object;
mod picture;
mod scan;
mod sent;
mod warnings;

pub use cost::Cost;

/// What a body does not say of itself.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub source: &'a Source,
    /// The config's site, where the URL names none.
    pub site: &'a str,
    pub gateway: &'a str,
    pub settings: &'a config::Normalize,
    pub limits: Limits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Of nested JSON, the outer array of a batch included.
    pub depth_max: usize,
    /// In one body.
    pub events_max: usize,
    /// In one event.
    pub pictures_max: usize,
    /// Of one event's text.
    pub event_max_bytes: usize,
}

impl Limits {
    /// Those of the config.
    pub fn of(ingest: &config::Ingest) -> Limits {
        let config::Ingest { depth_max, events_max, pictures_max, body_max_bytes, .. } = *ingest;
        Limits { depth_max, events_max, pictures_max, event_max_bytes: body_max_bytes }
    }
}

/// An event and the pictures that were in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalized {
    pub event: Event,
    pub pictures: Vec<Picture>,
}

/// What a body held.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "taken apart where it is made; a box would cost every event an allocation")]
pub enum Batch<'a> {
    One(Normalized),
    Many(Elements<'a>),
}

/// An array's events, each read when it is asked for, so that only one of them has its pictures in memory. They succeed and fail
/// one by one; what fails comes with its text.
#[derive(Debug)]
pub struct Elements<'a> {
    texts: std::vec::IntoIter<Bytes>,
    context: Context<'a>,
}

/// Takes a body apart. `Err` is for the whole body; what is wrong with one element of an array, its iterator says.
pub fn normalize<'a>(body: &Bytes, context: &Context<'a>) -> Result<Batch<'a>, Refusal> {
    let text = text(body)?;
    let counts = scan::scan(text, &context.limits)?;
    if !text.starts_with('[') {
        return one(text, counts, context).map(Batch::One);
    }
    let texts: Vec<Bytes> = object::elements(text)?.into_iter().map(|element| body.slice_ref(element.get().as_bytes())).collect();
    if texts.is_empty() {
        return Err(Refusal::new(Code::EventUnrecognized, "the array holds no event"));
    }
    Ok(Batch::Many(Elements { texts: texts.into_iter(), context: *context }))
}

/// Takes apart the text of one element of an array.
pub fn normalize_element(element: &Bytes, context: &Context<'_>) -> Result<Normalized, Refusal> {
    let text = text(element)?;
    let counts = scan::scan(text, &context.limits)?;
    one(text, counts, context)
}

impl Elements<'_> {
    /// Their texts, for whoever takes them apart one by one.
    pub fn into_texts(self) -> impl ExactSizeIterator<Item = Bytes> {
        self.texts
    }
}

impl Iterator for Elements<'_> {
    type Item = Result<Normalized, (Refusal, Bytes)>;

    fn next(&mut self) -> Option<Self::Item> {
        let element = self.texts.next()?;
        Some(normalize_element(&element, &self.context).map_err(|refusal| (refusal, element)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.texts.size_hint()
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// The body's text without the byte order mark and the white space around it.
fn text(body: &[u8]) -> Result<&str, Refusal> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // UTF-16 of any JSON has a NUL among its first two bytes, or a mark; UTF-8 of none has.
    if body.iter().take(2).any(|byte| *byte == 0) || body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return Err(Refusal::new(Code::EncodingInvalid, "body looks like UTF-16, only UTF-8 is taken"));
    }
    let text = simdutf8::compat::from_utf8(body)
        .map_err(|error| Refusal::new(Code::EncodingInvalid, format!("not UTF-8 at byte {}", error.valid_up_to())))?
        .trim_matches([' ', '\t', '\r', '\n']);
    if text.is_empty() {
        return Err(Refusal::new(Code::BodyEmpty, "the body is empty"));
    }
    Ok(text)
}

/// One event of a text without white space around it.
fn one(text: &str, counts: scan::Counts, context: &Context<'_>) -> Result<Normalized, Refusal> {
    let limits = &context.limits;
    if text.len() > limits.event_max_bytes {
        let message = format!("an event of {} bytes, at most {}", text.len(), limits.event_max_bytes);
        return Err(Refusal::new(Code::BodyTooLarge, message));
    }
    // A document parsed takes up to a hundred times its text (`[{},{},…`), so its length alone is no bound.
    if Cost::of(text.as_bytes()).tree_bytes() > cost::TREE_MAX {
        return Err(Refusal::new(Code::BodyTooLarge, "too many values in one event"));
    }
    if counts.pictures > limits.pictures_max {
        let message = format!("{} pictures in one event, at most {}", counts.pictures, limits.pictures_max);
        return Err(Refusal::new(Code::TooManyPictures, message));
    }
    if !text.starts_with('{') {
        object::check(text)?;
        return Err(Refusal::new(Code::EventUnrecognized, "an event is a JSON object"));
    }
    let object = object::Object::parse(text, crate::event::document::INNER)?;
    let Some(dialect) = dialect::of(&object) else {
        return Err(Refusal::new(
            Code::EventUnrecognized,
            "an object, but of no dialect that is known here (the nested shape with ext_data; flat documents of later firmware are not taken yet)",
        ));
    };
    let (sent, pictures) = sent::Sent::take(object, context)?;
    let event = assemble::assemble(sent, (dialect.feed)(context.source.feed), context);
    Ok(Normalized { event, pictures })
}
