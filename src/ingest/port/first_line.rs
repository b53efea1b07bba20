//! Filters the first line of a connection: some firmware puts blanks behind the HTTP version.
//!
//! hyper refuses `POST /RealTimeEvent HTTP/1.1 ` for the blank before the line's end. Promises: only blanks of the first request's line
//! are left out: all after its third word, and all but one between words, up to [`BLANKS_MAX`]. Every other byte passes unchanged, and
//! none is held back. Deliberately judges nothing: hyper refuses what is no request line.

/// More blanks are no slip of firmware. They pass, count towards the head's size, and hyper refuses a head that is too large.
const BLANKS_MAX: usize = 1024;

/// The state of the filter. All bytes go through it until the line ends.
#[derive(Debug, Default)]
pub struct FirstLine {
    /// How many words have begun.
    words: u8,
    is_in_word: bool,
    is_over: bool,
    left_out: usize,
}

impl FirstLine {
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Moves the bytes that pass to the front of `bytes`, and returns how many there are.
    pub fn pass(&mut self, bytes: &mut [u8]) -> usize {
        let mut kept = 0;
        for at in 0..bytes.len() {
            let byte = bytes[at];
            if let Some(byte) = if self.is_over {
                Some(byte)
            } else {
                self.passes(byte)
            } {
                bytes[kept] = byte;
                kept += 1;
            }
        }
        kept
    }

    fn passes(&mut self, byte: u8) -> Option<u8> {
        match byte {
            b' ' | b'\t' if self.words > 0 => {
                let ends_a_word = self.is_in_word;

                self.is_in_word = false;
                let is_kept = ends_a_word && self.words < 3;
                self.left_out += usize::from(!is_kept);
                self.is_over = self.left_out == BLANKS_MAX;
                is_kept.then_some(byte)
            }
            b' ' | b'\t' => Some(byte),
            // Empty lines before a request are none of it (RFC 9112 §2.2).
            b'\r' | b'\n' if self.words == 0 => Some(byte),
            b'\n' => {
                self.is_over = true;
                Some(byte)
            }
            b'\r' => Some(byte),
            _ => {
                let begins = !std::mem::replace(&mut self.is_in_word, true);

                self.words = self.words.saturating_add(u8::from(begins));
                // A fourth word must not join the third, whose blank was left out: a blank replaces its first letter.
                Some(if begins && self.words == 4 {
                    b' '
                } else {
                    byte
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sent: &str, passed: &str) {
        // However the bytes are cut into reads.
        for piece in [1, 2, 3, 7, sent.len()] {
            let (mut line, mut found) = (FirstLine::default(), Vec::new());
            for bytes in sent.as_bytes().chunks(piece) {
                let mut bytes = bytes.to_vec();
                let kept = line.pass(&mut bytes);
                found.extend_from_slice(&bytes[..kept]);
            }
            assert_eq!(
                String::from_utf8(found).unwrap(),
                passed,
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn blanks_behind_the_version_are_left_out_of_the_first_line_alone() {
        check(
            "POST /a HTTP/1.1 \r\nHost: a b \r\n\r\n{} {}",
            "POST /a HTTP/1.1\r\nHost: a b \r\n\r\n{} {}",
        );
        check("POST /a HTTP/1.1 \t \nA: b\n", "POST /a HTTP/1.1\nA: b\n");
        check(
            "\r\nPOST  /a  HTTP/1.1\r\nX:  y  z\r\n",
            "\r\nPOST /a HTTP/1.1\r\nX:  y  z\r\n",
        );
        check(
            "POST /a HTTP/1.1\r\nA: b\r\n\r\n  1 \r\n",
            "POST /a HTTP/1.1\r\nA: b\r\n\r\n  1 \r\n",
        );
    }

    #[test]
    fn a_flood_of_blanks_passes_and_is_refused_as_a_head_that_is_too_long() {
        let flood = " ".repeat(BLANKS_MAX + 2_000);
        for line in ["POST /a HTTP/1.1", "POST ", "POST /a "] {
            let (mut first, mut bytes) =
                (FirstLine::default(), format!("{line}{flood}").into_bytes());
            let kept = first.pass(&mut bytes);
            assert!(
                first.is_over() && kept == line.len() + 2_000,
                "{kept} of {line:?}"
            );
        }
    }

    #[test]
    fn what_is_no_request_line_is_not_made_one() {
        check("POST /a b HTTP/1.1\r\n", "POST /a b TTP/1.1\r\n");
        check("POST /a H TTP/1.1\r\n", "POST /a H TP/1.1\r\n");
        check(" POST /a HTTP/1.1\r\n", " POST /a HTTP/1.1\r\n");
    }
}
