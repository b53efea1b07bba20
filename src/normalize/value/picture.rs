//! Decodes the text of a picture field into its bytes and the event's reference to them.
//!
//! Promises: a picture field becomes an object under the hash of its bytes, even if we cannot read it: a text that is not base64 is kept
//! as it was sent. Strict decoding comes first; only a text that fails it pays for the lenient way. Deliberately never fetches a URL: it is
//! kept as text.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::image::{Image, inspect};
use crate::normalize::reading::digest::{hex, sha256_hex};
use boxbridge_event::{PictureKind, PictureName, PictureReference, PictureState, Timestamp};

/// A picture taken out of a document.
pub(in crate::normalize) struct ReadPicture {
    pub reference: PictureReference,
    pub bytes: Bytes,
    /// Blanks in it were replaced by the `+` that they had been.
    pub is_repaired: bool,
}

/// The decoded text of a picture field.
struct Decoded {
    bytes: Vec<u8>,
    /// 64 hex digits.
    sha256: String,
    is_base64: bool,
    is_repaired: bool,
}

/// Reads `json`, the field's value as it stands in the body. `None` if it is no text or holds no picture.
pub(in crate::normalize) fn read(
    json: &str,
    kind: PictureKind,
    received_at: Timestamp,
    pixels_max: u64,
) -> Option<ReadPicture> {
    let quoted = json.strip_prefix('"')?.strip_suffix('"')?;
    let decoded = strict(quoted.as_bytes()).or_else(|| lenient(json, quoted))?;
    Some(named(decoded, kind, received_at, pixels_max))
}

/// Reads a text that nobody has looked at. `None` if it is anything but plain base64.
pub(in crate::normalize) fn read_plain(
    text: &[u8],
    kind: PictureKind,
    received_at: Timestamp,
    pixels_max: u64,
) -> Option<ReadPicture> {
    Some(named(strict(text)?, kind, received_at, pixels_max))
}

fn named(
    decoded: Decoded,
    kind: PictureKind,
    received_at: Timestamp,
    pixels_max: u64,
) -> ReadPicture {
    let image = match decoded.is_base64 {
        true => inspect(&decoded.bytes),
        false => Image::UNKNOWN,
    };

    let reference = PictureReference {
        key: PictureName::write(kind, &decoded.sha256, image.extension, received_at),
        bytes: decoded.bytes.len() as u64,
        media_type: image.media_type.to_owned(),
        width: image.size.map(|(width, _)| width),
        height: image.size.map(|(_, height)| height),
        state: state(&decoded, &image, pixels_max),
        sha256: decoded.sha256,
    };

    ReadPicture {
        reference,
        bytes: Bytes::from(decoded.bytes),
        is_repaired: decoded.is_repaired,
    }
}

fn state(decoded: &Decoded, image: &Image, pixels_max: u64) -> PictureState {
    let (width, height) = image.size.unwrap_or_default();
    let pixels = u64::from(width) * u64::from(height);
    match () {
        () if !decoded.is_base64 => PictureState::Undecodable,
        () if pixels > pixels_max => PictureState::Oversize,
        () if !image.has_end => PictureState::Truncated,
        () => PictureState::Ok,
    }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// So many letters are decoded at once, whole groups of four: their bytes are hashed while the nearest cache has them.
const LETTERS: usize = 16 << 10;

/// Decodes plain base64, which almost every box sends. `None` for anything else, and for an empty text.
fn strict(quoted: &[u8]) -> Option<Decoded> {
    let mut bytes = Vec::with_capacity(quoted.len() / 4 * 3);
    let mut hasher = Sha256::new();
    for letters in quoted.chunks(LETTERS) {
        let whole = bytes.len();
        // Padding ends the text: in the middle it is none.
        if whole % 3 != 0 {
            return None;
        }
        base64_simd::STANDARD
            .decode_append(letters, &mut bytes)
            .ok()?;
        hasher.update(bytes.get(whole..)?);
    }

    (!bytes.is_empty()).then(|| Decoded {
        bytes,
        sha256: hex(hasher.finalize().into()),
        is_base64: true,
        is_repaired: false,
    })
}

/// Decodes base64 with line breaks, a `data:` prefix, the URL-safe alphabet, missing padding, JSON's escapes or blanks. `None` if
/// nothing is left.
fn lenient(json: &str, quoted: &str) -> Option<Decoded> {
    let text = match quoted.contains('\\') {
        true => Cow::Owned(serde_json::from_str::<String>(json).ok()?),
        false => Cow::Borrowed(quoted),
    };

    let (mut clean, is_repaired) = clean(payload(&text).trim_ascii_start().as_bytes());
    while clean.pop_if(|last| *last == b'=').is_some() {}
    if clean.is_empty() {
        return None;
    }

    let decoded = LENIENT.decode(&clean);
    let is_base64 = decoded.is_ok();
    let bytes = decoded.unwrap_or_else(|_| text.into_owned().into_bytes());
    Some(Decoded {
        sha256: sha256_hex(&bytes),
        bytes,
        is_base64,
        is_repaired: is_repaired && is_base64,
    })
}

/// The letters of base64 in a text, and whether some of them were blanks.
///
/// A single blank between two letters is a `+` that a form decoder replaced; nobody else puts single blanks into base64. If there is one,
/// every blank is a `+`, except around a line break.
fn clean(text: &[u8]) -> (Vec<u8>, bool) {
    let is_repaired = has_single_blank(text);
    let mut clean = Vec::with_capacity(text.len());
    let mut rest = text;

    while let Some(byte) = rest.first() {
        let run = rest.iter().take_while(|byte| byte.is_ascii_whitespace());
        let (blanks, after) = rest.split_at(run.count());
        rest = after;

        if blanks.is_empty() {
            clean.push(match byte {
                b'-' => b'+',
                b'_' => b'/',
                letter => *letter,
            });
            rest = rest.get(1..).unwrap_or_default();
        } else if is_repaired
            && blanks.iter().all(|blank| *blank == b' ')
            && clean.last() != Some(&b'=')
        {
            clean.extend(std::iter::repeat_n(b'+', blanks.len()));
        }
    }

    (clean, is_repaired)
}

/// Whether a single blank stands between two letters.
fn has_single_blank(text: &[u8]) -> bool {
    text.windows(3).any(|three| match three {
        [before, b' ', after] => !before.is_ascii_whitespace() && !after.is_ascii_whitespace(),
        _ => false,
    })
}

/// The text after `data:image/jpeg;base64,`, or the whole text.
fn payload(text: &str) -> &str {
    let text = text.trim_start();
    match text.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("data:") => {
            text.split_once(',').map_or(text, |(_, payload)| payload)
        }
        _ => text,
    }
}
