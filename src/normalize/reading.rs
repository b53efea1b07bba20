//! Reads one event: strictly, and if that refuses the text, strictly again after decoding and repairing it.
//!
//! Promises: a sound body costs one reading and no copy. A repaired body is held against every limit, as if it had been sent so. If it is
//! still no JSON, the refusal is that of the first reading, which saw the box's own bytes.

use bytes::Bytes;

use super::dialect::{self, nested};
use super::limits::cost::{Cost, TREE_MAX, tree_bytes};
use super::limits::room::Taken;
use super::limits::scan;
use super::repair::notes::Notes;
use super::repair::{self, decode};
use super::{Context, Normalized, trimmed};
use boxbridge_event::{Code, Refusal, Warning, WarningCode};

mod assemble;
pub(super) mod digest;
pub(super) mod json_object;
mod sent;
mod warnings;

/// A repair may take the memory of this many largest events: decoded, taken out of a text twice, and edited.
const REPAIR_EVENTS: usize = 4;

/// Why a reading ends without an event.
pub(super) enum Stop {
    Refused(Refusal),
    /// A text that may be an encoded object stands where an object belongs.
    Encoded,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

pub(super) fn event(body: &Bytes, context: &Context<'_>) -> Result<Normalized, Refusal> {
    let strict = text(body)
        .map_err(Stop::from)
        .and_then(|text| read(text, None, context));
    match strict {
        Ok(normalized) => Ok(normalized),
        Err(Stop::Refused(refusal)) if !may_be_repaired(&refusal) => Err(refusal),
        Err(Stop::Refused(refusal)) => repaired(body, context)?.ok_or(refusal),
        Err(Stop::Encoded) => repaired(body, context)?
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
        let mut taken = taken(context);
        let Some(text) =
            decode::decode(body, encoding, context.limits.event_max_bytes, &mut taken)?
        else {
            continue;
        };

        let is_decoded = matches!(text, std::borrow::Cow::Owned(_));
        // The bytes of a string can be found again only if a quote is the same byte in both.
        let raw = (is_decoded && encoding.is_ascii_compatible()).then_some(body);
        let text = text.trim_matches(BLANK);
        let Some(repaired) = repair::repair(text, raw, context.limits.depth_max, &mut taken)?
        else {
            continue;
        };
        // An opened text is a tree now, which costs more than was asked for the body.
        taken.read(Cost::of(repaired.text.as_bytes()).bytes())?;

        match read(&repaired.text, Some(repaired.notes), context) {
            Ok(mut normalized) => {
                if is_decoded && raw.is_none() {
                    let warning = Warning {
                        code: WarningCode::EncodingInvalid,
                        field: "$".to_owned(),
                    };
                    normalized.event.warnings.push(warning);
                }
                return Ok(Some(normalized));
            }
            Err(Stop::Refused(refusal)) if !may_be_repaired(&refusal) => return Err(refusal),
            Err(_) => {}
        }
    }
    Ok(None)
}

fn taken<'a>(context: &Context<'a>) -> Taken<'a> {
    Taken::new(
        context.room,
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

/// Reads one event from a text without white space around it. With `notes` the text was repaired, and is not repaired again.
fn read(text: &str, notes: Option<Notes>, context: &Context<'_>) -> Result<Normalized, Stop> {
    let limits = &context.limits;
    let counts = scan::scan(text, limits)?;
    if text.len() > limits.event_max_bytes {
        let message = format!(
            "an event of {} bytes, at most {}",
            text.len(),
            limits.event_max_bytes
        );
        return Err(Refusal::new(Code::BodyTooLarge, message).into());
    }
    // A parsed document takes up to a hundred times its text (`[{},{},…`), so its length alone is no bound.
    if tree_bytes(counts.brackets, counts.values) > TREE_MAX {
        return Err(Refusal::new(Code::BodyTooLarge, "too many values in one event").into());
    }
    if counts.pictures > limits.pictures_max {
        let message = format!(
            "{} pictures in one event, at most {}",
            counts.pictures, limits.pictures_max
        );
        return Err(Refusal::new(Code::TooManyPictures, message).into());
    }

    if !text.starts_with('{') {
        json_object::check(text)?;
        let may_be_one = notes.is_none() && json_object::may_be_encoded(text);
        let no_object =
            || Refusal::new(Code::EventUnrecognized, "an event is a JSON object").into();
        return Err(if may_be_one {
            Stop::Encoded
        } else {
            no_object()
        });
    }

    let object = json_object::JsonObject::parse(text, nested::INNER)?;
    let Some(dialect) = dialect::of(&object) else {
        return Err(Refusal::new(
            Code::EventUnrecognized,
            "an object, but of no dialect that is known here (the nested shape with ext_data, or the flat ones of history from V5R4 on)",
        )
        .into());
    };

    let object = object.open(dialect.table.inner)?;
    let (mut sent, pictures) = sent::SentDocument::take(dialect, object, notes, context)?;
    let unread = sent.unread.take();
    let (event, content) = assemble::assemble(sent, (dialect.feed)(context.source.feed), context);
    Ok(Normalized {
        event,
        pictures,
        content,
        unread,
    })
}
