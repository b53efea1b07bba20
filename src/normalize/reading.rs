//! Reads one event: strictly, and if that refuses the text, strictly again after decoding and repairing it.
//!
//! Promises: a sound body costs one reading and no copy; of one with plain pictures the rest is read, a kilobyte. A repaired body is held against every limit, as if it had been sent so. If it is
//! still no JSON, the refusal is that of the first reading, which saw the box's own bytes.

use std::borrow::Cow;

use bytes::Bytes;
use encoding_rs::Encoding;

use self::apart::Apart;
use self::json_object::JsonObject;
use self::sent::SentDocument;
use super::dialect::{self, Dialect, nested};
use super::limits::cost::{Cost, Outline, TREE_MAX, tree_bytes};
use super::limits::repair_memory::RepairMemory;
use super::limits::scan::{self, Counts};
use super::repair::notes::Notes;
use super::repair::{self, decode};
use super::{Context, Limits, Normalized, trimmed};
use boxbridge_event::{Code, Refusal, Warning, WarningCode};

mod apart;
mod assemble;
pub(super) mod digest;
pub(super) mod json_object;
mod sent;
mod warnings;

pub use assemble::LEVEL_MAX;

/// A repair may take the memory of this many largest events: decoded, taken out of a text twice, and edited.
const REPAIR_EVENTS: usize = 4;

/// Why a reading ends without an event.
pub(super) enum Stop {
    Refused(Refusal),
    /// A text that may be an encoded object stands where an object belongs.
    Encoded,
    /// A text that was to be read apart from the others is not the plain base64 of a picture.
    NotPlain,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

pub(super) fn event(
    body: &Bytes,
    outline: &Outline,
    context: &Context<'_>,
) -> Result<Normalized, Refusal> {
    let apart = Apart::new(body, &outline.pictures);
    if let Some(normalized) = apart.and_then(|apart| read_apart(&apart, context).ok()) {
        return Ok(normalized);
    }

    let strict = text(body)
        .map_err(Stop::from)
        .and_then(|text| read(text, None, context));
    match strict {
        Ok(normalized) => Ok(normalized),
        Err(Stop::Refused(refusal)) if !may_be_repaired(&refusal) => Err(refusal),
        Err(Stop::Refused(refusal)) => repaired(body, context)?.ok_or(refusal),
        Err(Stop::Encoded | Stop::NotPlain) => repaired(body, context)?
            .ok_or_else(|| Refusal::new(Code::JsonInvalid, "not JSON, even repaired")),
    }
}

pub(super) fn may_be_repaired(refusal: &Refusal) -> bool {
    matches!(refusal.code, Code::JsonInvalid | Code::EncodingInvalid)
}

/// The array that a body holds as a JSON text.
pub(super) fn array_in(body: &Bytes, context: &Context<'_>) -> Result<Option<Bytes>, Refusal> {
    let Ok(text) = text(body) else {
        return Ok(None);
    };
    let array = repair::array_in(text, &mut taken(context))?;
    Ok(array.map(Bytes::from))
}

fn repaired(body: &Bytes, context: &Context<'_>) -> Result<Option<Normalized>, Refusal> {
    let body = trimmed(body);

    for encoding in decode::readings(body, context.source.charset.as_deref()) {
        match repaired_as(encoding, body, context) {
            Ok(Some(normalized)) => return Ok(Some(normalized)),
            Err(Stop::Refused(refusal)) if !may_be_repaired(&refusal) => return Err(refusal),
            Ok(None) | Err(_) => {}
        }
    }
    Ok(None)
}

/// The event, if `body` is JSON once it is decoded so and repaired.
fn repaired_as(
    encoding: &'static Encoding,
    body: &[u8],
    context: &Context<'_>,
) -> Result<Option<Normalized>, Stop> {
    let Limits {
        event_max_bytes,
        depth_max,
        ..
    } = context.limits;
    let mut taken = taken(context);
    let Some(text) = decode::decode(body, encoding, event_max_bytes, &mut taken)? else {
        return Ok(None);
    };

    // The bytes of a string can be found again only if a quote is the same byte in both.
    let is_decoded = matches!(text, Cow::Owned(_));
    let raw = (is_decoded && encoding.is_ascii_compatible()).then_some(body);
    let text = text.trim_matches(BLANK);
    let Some(repaired) = repair::repair(text, raw, depth_max, &mut taken)? else {
        return Ok(None);
    };

    // An opened text is a tree now, which costs more than was asked for the body.
    taken.read(Cost::of(repaired.text.as_bytes()).bytes())?;
    let mut normalized = read(&repaired.text, Some(repaired.notes), context)?;
    if is_decoded && raw.is_none() {
        normalized.event.warnings.push(Warning {
            code: WarningCode::EncodingInvalid,
            field: "$".to_owned(),
        });
    }
    Ok(Some(normalized))
}

fn taken<'a>(context: &Context<'a>) -> RepairMemory<'a> {
    RepairMemory::new(
        context.budget,
        context.limits.event_max_bytes.saturating_mul(REPAIR_EVENTS),
    )
}

/// White space around JSON.
const BLANK: [char; 4] = [' ', '\t', '\r', '\n'];

/// The body's text without the byte order mark and the white space around it.
pub(super) fn text(body: &[u8]) -> Result<&str, Refusal> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if decode::looks_like_utf_16(body) {
        return Err(Refusal::new(
            Code::EncodingInvalid,
            "body looks like UTF-16, which is taken only where its Content-Type says so",
        ));
    }

    let text = simdutf8::compat::from_utf8(body)
        .map_err(|error| {
            Refusal::new(
                Code::EncodingInvalid,
                format!("not UTF-8 at byte {}", error.valid_up_to()),
            )
        })?
        .trim_matches(BLANK);
    if text.is_empty() {
        return Err(Refusal::new(Code::BodyEmpty, "the body is empty"));
    }
    Ok(text)
}

/// Reads the rest of a body, and its pictures by the decoder. Whatever it ends for, the whole body says what it is.
fn read_apart(apart: &Apart<'_>, context: &Context<'_>) -> Result<Normalized, Stop> {
    let text = text(&apart.rest)?;
    let mut counts = scan::scan(text, &context.limits)?;
    counts.pictures += apart.pictures();
    check_limits(text.len() + apart.bytes(), counts, &context.limits)?;

    let (dialect, mut object) = parse(text)?;
    // The outline knows the pictures of documents of this shape.
    if dialect.table.inner != nested::INNER || !apart.put_back(&mut object) {
        return Err(Stop::NotPlain);
    }
    normalized(dialect, object, None, context)
}

/// Reads one event from a text without white space around it. With `notes` the text was repaired, and is not repaired again.
fn read(text: &str, notes: Option<Notes>, context: &Context<'_>) -> Result<Normalized, Stop> {
    let counts = scan::scan(text, &context.limits)?;
    check_limits(text.len(), counts, &context.limits)?;
    if !text.starts_with('{') {
        return Err(no_object(text, notes.is_none()));
    }

    let (dialect, object) = parse(text)?;
    normalized(dialect, object, notes, context)
}

/// The members of an object, and the dialect that knows them.
fn parse(text: &str) -> Result<(&'static Dialect, JsonObject<'_>), Refusal> {
    let object = JsonObject::parse(text, nested::INNER)?;
    let dialect = dialect::of(&object).ok_or_else(|| {
        Refusal::new(
            Code::EventUnrecognized,
            "an object, but of no dialect that is known here (the nested shape with ext_data, or the flat ones of history from V5R4 on)",
        )
    })?;

    Ok((dialect, object.open(dialect.table.inner)?))
}

fn normalized(
    dialect: &'static Dialect,
    object: JsonObject<'_>,
    notes: Option<Notes>,
    context: &Context<'_>,
) -> Result<Normalized, Stop> {
    let (mut sent, pictures) = SentDocument::take(dialect, object, notes, context)?;
    let unread = sent.unread.take();
    let feed = (dialect.feed)(context.source.feed);
    let (event, content, document) = assemble::assemble(sent, feed, context);
    Ok(Normalized {
        event,
        pictures,
        content,
        document,
        unread,
    })
}

fn check_limits(bytes: usize, counts: Counts, limits: &Limits) -> Result<(), Refusal> {
    let refused = |code, message: String| Err(Refusal::new(code, message));

    let bytes_max = limits.event_max_bytes;
    if bytes > bytes_max {
        let message = format!("an event of {bytes} bytes, at most {bytes_max}");
        return refused(Code::BodyTooLarge, message);
    }

    // A parsed document takes up to a hundred times its text (`[{},{},…`), so its length alone is no bound.
    if tree_bytes(counts.brackets, counts.values) > TREE_MAX {
        return refused(Code::BodyTooLarge, "too many values in one event".into());
    }

    let (pictures, pictures_max) = (counts.pictures, limits.pictures_max);
    if pictures > pictures_max {
        let message = format!("{pictures} pictures in one event, at most {pictures_max}");
        return refused(Code::TooManyPictures, message);
    }
    Ok(())
}

/// Why a text that is no object is no event; in a strict reading it may be an object that was encoded as a text.
fn no_object(text: &str, is_strict: bool) -> Stop {
    match json_object::check(text) {
        Err(refusal) => refusal.into(),
        Ok(()) if is_strict && json_object::may_be_encoded(text) => Stop::Encoded,
        Ok(()) => Refusal::new(Code::EventUnrecognized, "an event is a JSON object").into(),
    }
}
