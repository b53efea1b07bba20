//! How far a character of a box's document reaches, in bytes that are not UTF-8.
//!
//! In the encodings of Chinese firmware a character's second byte may look like a backslash or a bracket. Promises: a reader that
//! steps through raw bytes from character to character finds the brackets that a parser of the decoded text finds. Deliberately decodes nothing.

use encoding_rs::{Encoding, GB18030};

/// An encoding in which every byte below 128 that begins a character is that character of ASCII.
#[derive(Clone, Copy, Debug)]
pub struct Charset(&'static Encoding);

/// Of one character.
const BYTES_MAX: usize = 4;

impl Charset {
    /// The declared one, or GB18030, which Chinese firmware writes without a word.
    pub fn declared(label: Option<&str>) -> Charset {
        let declared = label.and_then(|label| Encoding::for_label(label.as_bytes()));
        declared.and_then(Charset::of).unwrap_or(Charset(GB18030))
    }

    /// `None` if bytes of ASCII mean something else in it.
    pub fn of(encoding: &'static Encoding) -> Option<Charset> {
        encoding.is_ascii_compatible().then_some(Charset(encoding))
    }

    /// How many bytes the first character of `bytes` has; `None` if it is cut off.
    pub fn length(self, bytes: &[u8]) -> Option<usize> {
        if bytes.first()?.is_ascii() {
            return Some(1);
        }

        let mut decoder = self.0.new_decoder_without_bom_handling();
        for length in 1..=BYTES_MAX {
            let mut text = [0; 4 * BYTES_MAX];
            let (_, _, written, _) =
                decoder.decode_to_utf8(bytes.get(length - 1..length)?, &mut text, false);

            match text.get(..written)?.last() {
                None => {}
                // The character is broken off: this byte begins the next one.
                Some(last) if last.is_ascii() && length > 1 => return Some(length - 1),
                Some(_) => return Some(length),
            }
        }
        Some(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(label: &str, bytes: &[u8], lengths: &[usize]) {
        let (charset, mut at, mut found) = (Charset::declared(Some(label)), 0, Vec::new());
        while let Some(length) = charset.length(&bytes[at..]) {
            found.push(length);
            at += length;
        }
        assert_eq!(found, lengths, "{label} {bytes:x?}");
    }

    #[test]
    fn a_second_byte_that_looks_like_syntax_belongs_to_its_character() {
        check(
            "gbk",
            b"\xb3\x5c\"\x81\x7b}\x81\x5d\x83\x7d",
            &[2, 1, 2, 1, 2, 2],
        );
        check("gb18030", b"\x81\x30\x81\x30\"\xd0\xa1\x80", &[4, 1, 2, 1]);
        check("big5", b"\xb3\x5c\"\xa4\x5b", &[2, 1, 2]);
        check("shift_jis", b"\x83\x5c\"\xb1\\", &[2, 1, 1, 1]);
        check("utf-8", b"\xe5\xb0\x8f\"\xe5\\\"", &[3, 1, 1, 1, 1]);
        check("latin1", b"\xe5\\\"", &[1, 1, 1]);
    }

    #[test]
    fn what_is_no_character_takes_no_quote_along_and_one_that_is_cut_off_is_waited_for() {
        check("gbk", b"\xb3\"\xff\"\xb3", &[1, 1, 1, 1]);
        check("gb18030", b"\x81\x30\"\x81\x30\x81", &[2, 1]);
        check("nonsense", b"\xb3\x5c", &[2]);
        check("utf-16le", b"\xb3\x5c", &[2]);
    }
}
