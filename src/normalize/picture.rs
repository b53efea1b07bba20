//! The text of a picture field → its bytes and what an event says of them.
//!
//! Promises: what a box sends in a picture field becomes an object under the hash of its bytes, whether we can read it or not:
//! what is not base64 is kept as the text that was sent. Strict decoding first, since almost every box sends plain base64; only
//! what fails it pays for the lenient way. Deliberately never fetches a URL: it is kept as text.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;

use super::digest::sha256_hex;
use super::image::{Image, inspect};
use crate::event::{PictureKind, PictureReference, PictureState, Timestamp};

/// `json` is the field's value as it stands in the body. `None` if it is no text, or one that holds no picture.
pub(super) fn read(json: &str, kind: PictureKind, received_at: Timestamp, pixels_max: u64) -> Option<(PictureReference, Bytes)> {
    let quoted = json.strip_prefix('"')?.strip_suffix('"')?;
    if quoted.is_empty() {
        return None;
    }
    let (bytes, is_base64) = match base64_simd::STANDARD.decode_to_vec(quoted) {
        Ok(bytes) => (bytes, true),
        Err(_) => lenient(json, quoted)?,
    };
    let image = match is_base64 {
        true => inspect(&bytes),
        false => Image { extension: "bin", media_type: "application/octet-stream", size: None, has_end: true },
    };
    let pixels = image.size.map_or(0, |(width, height)| u64::from(width) * u64::from(height));
    let state = match is_base64 {
        false => PictureState::Undecodable,
        true if pixels > pixels_max => PictureState::Oversize,
        true if !image.has_end => PictureState::Truncated,
        true => PictureState::Ok,
    };
    let sha256 = sha256_hex(&bytes);
    let reference = PictureReference {
        key: key(kind, &sha256, image.extension, received_at),
        sha256,
        bytes: bytes.len() as u64,
        media_type: image.media_type.to_owned(),
        width: image.size.map(|(width, _)| width),
        height: image.size.map(|(_, height)| height),
        state,
    };
    Some((reference, Bytes::from(bytes)))
}

/// The enrolled photo is the same on every pass, so its key has no date and it is stored once; the others are of one moment.
fn key(kind: PictureKind, sha256: &str, extension: &str, received_at: Timestamp) -> String {
    match kind {
        PictureKind::Registered => format!("registered/{}/{sha256}.{extension}", sha256.get(..2).unwrap_or_default()),
        _ => {
            let (year, month, day) = received_at.date();
            format!("{kind}/{year:04}/{month:02}/{day:02}/{sha256}.{extension}")
        }
    }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Line breaks, spaces, a `data:` prefix, the URL-safe alphabet, missing padding and JSON's escapes are all taken; the flag says
/// whether it was base64. `None` if nothing is left.
fn lenient(json: &str, quoted: &str) -> Option<(Vec<u8>, bool)> {
    let text = match quoted.contains('\\') {
        true => Cow::Owned(serde_json::from_str::<String>(json).ok()?),
        false => Cow::Borrowed(quoted),
    };
    let standard = payload(&text).bytes().filter(|byte| !byte.is_ascii_whitespace()).map(|byte| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    });
    let mut clean: Vec<u8> = standard.collect();
    while clean.last() == Some(&b'=') {
        clean.pop();
    }
    if clean.is_empty() {
        return None;
    }
    match LENIENT.decode(&clean) {
        Ok(bytes) => Some((bytes, true)),
        Err(_) => Some((text.into_owned().into_bytes(), false)),
    }
}

/// What follows `data:image/jpeg;base64,`, or the whole text.
fn payload(text: &str) -> &str {
    let text = text.trim_start();
    match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => text.split_once(',').map_or(text, |(_, payload)| payload),
        _ => text,
    }
}
