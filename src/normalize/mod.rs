//! Bytes → one [`Event`] or many, their pictures taken out and named.
//!
//! Promises: pure (no clock, no IO, no async; the moment comes with [`Context`]). No input makes it panic, and its memory is bounded by the
//! limits. A field never refuses an event, and nothing that the box sent is lost except face embeddings, which policy removes. Only three
//! things are refused: a body that is not JSON, a document of no known dialect, and a broken limit. Deliberately fetches no URL, decodes no
//! pixel, and knows neither routes nor duplicates.
//!
//! A body passes `limits` before anything is allocated, then `reading`: it is parsed once, recognised by a `dialect`, taken apart and
//! assembled, and gets its id. A shape of document that boxes send is one file of `dialect`: how it is known, its fields, its words. A kind
//! of value is one file of `value`. What a route leaves out of an event is not here: `normalize` keeps all that came.
//!
//! A box's report of itself is no event: `status_report` reads it.
//!
//! A body that this strict reading refuses passes `repair`, which returns a text and notes of its changes. The strict reading then reads
//! that text, with every limit. Memory for a repair is asked for first ([`RepairBudget`]).

use bytes::Bytes;
use serde_json::{Map, Value};

use boxbridge_event::{
    Charset, Code, ContentDigest, Event, Picture, Refusal, Source, Warning, WarningCode,
};

mod dialect;
mod limits;
mod reading;
mod repair;
mod status_report;
mod value;

pub use dialect::table;
pub use limits::cost::{Cost, Outline};
pub use limits::repair_memory::RepairBudget;
pub use limits::{Limits, keeps_within};
pub use reading::LEVEL_MAX;
pub use status_report::{BoxReport, DeviceReport, StatusReport, status_report};
pub use value::embedding::may_be_in as may_hold_embedding;

/// What normalization needs to know besides the body.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub source: &'a Source,
    /// The config's site, used if the URL names none.
    pub site: &'a str,
    pub gateway: &'a str,
    pub settings: &'a boxbridge_config::Normalize,
    pub limits: Limits,
    pub budget: RepairBudget<'a>,
}

/// An event and its pictures. It has no revision yet: that depends on whether one may act on it, which is decided later.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalized {
    pub event: Event,
    pub pictures: Vec<Picture>,
    pub content: ContentDigest,
    /// The box's document, each picture an empty text, every object open.
    pub document: Map<String, Value>,
    /// Why a part could not be read: the body is then kept beside the event.
    pub unread: Option<Refusal>,
}

/// The events of a body.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "taken apart where it is made; a box would cost every event an allocation"
)]
pub enum Batch<'a> {
    One(Normalized),
    Many(Elements<'a>),
}

/// The events of an array, each with its text. An event is read when it is asked for, so only one has its pictures in memory. They succeed
/// and fail one by one.
#[derive(Debug)]
pub struct Elements<'a> {
    elements: std::vec::IntoIter<Element>,
    context: Context<'a>,
}

/// One element of an array, not read yet.
#[derive(Clone, Debug)]
pub struct Element {
    pub text: Bytes,
    /// What was odd about the array.
    warning: Option<WarningCode>,
}

/// How much is kept of an unreadable text or number.
const KEPT_BYTES: usize = 4 << 10;

/// Reads a body. `Err` is for the whole body; an element of an array that is wrong is an error of the iterator.
pub fn normalize<'a>(body: &Bytes, context: &Context<'a>) -> Result<Batch<'a>, Refusal> {
    normalize_outlined(body, &Outline::of(body), context)
}

/// The same for a body that somebody has looked at already.
pub fn normalize_outlined<'a>(
    body: &Bytes,
    outline: &Outline,
    context: &Context<'a>,
) -> Result<Batch<'a>, Refusal> {
    match trimmed(body).first() {
        Some(b'[') => many(body, context, None),
        Some(b'"') => match reading::array_in(body, context)? {
            Some(array) => {
                many(&array, context, Some(WarningCode::TypeUnexpected)).map_err(in_a_text)
            }
            None => reading::event(body, outline, context).map(Batch::One),
        },
        _ => reading::event(body, outline, context).map(Batch::One),
    }
}

/// A body that is a JSON text is JSON, whatever the text holds.
fn in_a_text(refusal: Refusal) -> Refusal {
    match refusal.code {
        Code::JsonInvalid => Refusal::new(
            Code::EventUnrecognized,
            format!("a text that holds no array: {}", refusal.message),
        ),
        _ => refusal,
    }
}

fn many<'a>(
    body: &Bytes,
    context: &Context<'a>,
    encoded: Option<WarningCode>,
) -> Result<Batch<'a>, Refusal> {
    let (texts, repaired) = match strict_elements(body, context) {
        Ok(texts) => (texts, None),
        Err(refusal) if !reading::may_be_repaired(&refusal) => return Err(refusal),
        Err(refusal) => {
            let array = split_as_written(trimmed(body), context)?.ok_or(refusal)?;
            let warning = array.has_comma.then_some(WarningCode::JsonRepaired);
            let elements = array.elements.into_iter();
            (elements.map(|text| body.slice_ref(text)).collect(), warning)
        }
    };
    if texts.is_empty() {
        let message = "the array holds no event";
        return Err(Refusal::new(Code::EventUnrecognized, message));
    }

    let warning = encoded.or(repaired);
    let elements = texts.into_iter().map(|text| Element { text, warning });
    Ok(Batch::Many(Elements {
        elements: elements.collect::<Vec<_>>().into_iter(),
        context: *context,
    }))
}

/// Splits an array by the first encoding in which it looks sound, or else by the first in which it is an array.
fn split_as_written<'b>(
    body: &'b [u8],
    context: &Context<'_>,
) -> Result<Option<repair::split::Array<'b>>, Refusal> {
    let readings = repair::decode::readings(body, context.source.charset.as_deref());
    let mut array = None;

    for charset in readings.into_iter().filter_map(Charset::of) {
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
    Ok(reading::json_object::elements(text)?
        .into_iter()
        .map(|element| body.slice_ref(element.get().as_bytes()))
        .collect())
}

impl Element {
    pub fn normalize(
        &self,
        outline: &Outline,
        context: &Context<'_>,
    ) -> Result<Normalized, Refusal> {
        let mut normalized = reading::event(&self.text, outline, context)?;
        let field = "$".to_owned();
        let warning = self.warning.map(|code| Warning { code, field });
        normalized.event.warnings.extend(warning);
        Ok(normalized)
    }
}

impl Elements<'_> {
    /// The elements, still unread.
    pub fn into_elements(self) -> Vec<Element> {
        self.elements.collect()
    }
}

impl Iterator for Elements<'_> {
    type Item = (Bytes, Result<Normalized, Refusal>);

    fn next(&mut self) -> Option<Self::Item> {
        let element = self.elements.next()?;
        let outline = Outline::of(&element.text);
        let normalized = element.normalize(&outline, &self.context);
        Some((element.text, normalized))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.elements.size_hint()
    }
}

impl ExactSizeIterator for Elements<'_> {}

/// A body without the byte order mark and the white space around it.
fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf")
        .unwrap_or(body)
        .trim_ascii()
}
