//! Decodes bytes that are not UTF-8, in the encodings that are tried one after the other.
//!
//! Promises: a byte that an encoding does not know becomes U+FFFD; decoding takes no more memory than an event may have. Deliberately
//! decides nothing: the strict reading finds out which result is JSON.

use std::borrow::Cow;

use encoding_rs::{CoderResult, Encoding, GB18030, UTF_8};

use crate::normalize::limits::repair_memory::RepairMemory;
use boxbridge_event::{Code, Refusal};

/// The encodings to try: UTF-8 alone if the body is valid, else the declared charset, then UTF-8 with U+FFFD, then GB18030, which
/// Chinese firmware writes without declaring it.
pub(in crate::normalize) fn readings(body: &[u8], charset: Option<&str>) -> Vec<&'static Encoding> {
    if !looks_like_utf_16(body) && simdutf8::basic::from_utf8(body).is_ok() {
        return vec![UTF_8];
    }

    let declared = charset.and_then(|charset| Encoding::for_label(charset.as_bytes()));
    let mut readings: Vec<_> = declared
        .into_iter()
        .filter(|declared| *declared != UTF_8)
        .collect();
    readings.extend([UTF_8, GB18030]);
    readings
}

/// JSON in UTF-16 has a NUL among its first two bytes, or a byte order mark; in UTF-8 it never has.
pub(in crate::normalize) fn looks_like_utf_16(body: &[u8]) -> bool {
    body.iter().take(2).any(|byte| *byte == 0)
        || body.starts_with(b"\xff\xfe")
        || body.starts_with(b"\xfe\xff")
}

/// `None` if the body cannot be read in this encoding.
pub(in crate::normalize) fn decode<'b>(
    body: &'b [u8],
    encoding: &'static Encoding,
    bytes_max: usize,
    taken: &mut RepairMemory<'_>,
) -> Result<Option<Cow<'b, str>>, Refusal> {
    if encoding == UTF_8
        && let Ok(text) = simdutf8::basic::from_utf8(body)
    {
        return Ok(Some(Cow::Borrowed(text)));
    }

    let mut decoder = encoding.new_decoder_with_bom_removal();
    let most = decoder.max_utf8_buffer_length(body.len());
    let most = most.unwrap_or(usize::MAX);
    let capacity = most.min(bytes_max.saturating_add(ROOM_TO_END));
    taken.take(capacity)?;

    let mut text = String::with_capacity(capacity);
    let (result, _, has_unknown) = decoder.decode_to_string(body, &mut text, true);
    if result == CoderResult::OutputFull {
        let message = format!("an event of more than {bytes_max} bytes once it is UTF-8");
        return Err(Refusal::new(Code::BodyTooLarge, message));
    }

    // Two unknown characters differ only in their bytes, and in this encoding the bytes of a string cannot be found again.
    let is_ambiguous = has_unknown && !encoding.is_ascii_compatible();
    Ok((!is_ambiguous).then_some(Cow::Owned(text)))
}

/// The decoder stops before its buffer is full to the last byte.
const ROOM_TO_END: usize = 64;
