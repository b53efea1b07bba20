//! Filters the first line of a connection: some firmware puts blanks behind the HTTP version.
//!
//! hyper refuses `POST /RealTimeEvent HTTP/1.1 ` for the blank before the line's end. Promises: only blanks of the first request's line
//! are left out: all after its third word, and all but one between words, up to [`BLANKS_MAX`]. Every other byte passes unchanged, and
//! none is held back. Deliberately judges nothing: hyper refuses what is no request line.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::Wire;

/// More blanks are no slip of firmware. They pass, count towards the head's size, and hyper refuses a head that is too large.
const BLANKS_MAX: usize = 1024;

/// A connection whose first line is filtered.
pub struct Filtered {
    wire: Wire,
    line: FirstLine,
}

impl Filtered {
    pub fn new(wire: Wire) -> Filtered {
        Filtered {
            wire,
            line: FirstLine::default(),
        }
    }
}

impl AsyncRead for Filtered {
    /// Reads at least one byte that passes; nothing at the end of the stream.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let before = buffer.filled().len();
            ready!(Pin::new(&mut this.wire).poll_read(context, buffer))?;
            if this.line.is_over || buffer.filled().len() == before {
                return Poll::Ready(Ok(()));
            }

            let read = buffer.filled_mut().get_mut(before..).unwrap_or_default();
            let kept = this.line.pass(read);
            buffer.set_filled(before + kept);

            if kept > 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Filtered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}

/// The state of the filter. All bytes go through it until the line ends.
#[derive(Debug, Default)]
struct FirstLine {
    /// How many words have begun.
    words: u8,
    is_in_word: bool,
    is_over: bool,
    left_out: usize,
}

impl FirstLine {
    /// Moves the bytes that pass to the front of `bytes`, and returns how many there are.
    fn pass(&mut self, bytes: &mut [u8]) -> usize {
        let places = Cell::from_mut(bytes).as_slice_of_cells();
        let passed = places.iter().filter_map(|place| self.passes(place.get()));
        let moved = passed.zip(places).map(|(byte, place)| place.set(byte));
        moved.count()
    }

    fn passes(&mut self, byte: u8) -> Option<u8> {
        match byte {
            _ if self.is_over => Some(byte),
            b' ' | b'\t' if self.words > 0 => self.keeps_blank().then_some(byte),
            b'\n' if self.words > 0 => {
                self.is_over = true;
                Some(byte)
            }
            // Empty lines before a request are none of it (RFC 9112 §2.2).
            b' ' | b'\t' | b'\r' | b'\n' => Some(byte),
            _ => Some(self.letter(byte)),
        }
    }

    fn keeps_blank(&mut self) -> bool {
        let ends_a_word = std::mem::replace(&mut self.is_in_word, false);
        let is_kept = ends_a_word && self.words < 3;

        self.left_out += usize::from(!is_kept);
        self.is_over = self.left_out == BLANKS_MAX;
        is_kept
    }

    /// A fourth word must not join the third, whose blank was left out: a blank replaces its first letter.
    fn letter(&mut self, letter: u8) -> u8 {
        let begins = !std::mem::replace(&mut self.is_in_word, true);
        self.words = self.words.saturating_add(u8::from(begins));
        if begins && self.words == 4 {
            b' '
        } else {
            letter
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

            let found = String::from_utf8(found).unwrap();
            assert_eq!(found, passed, "in pieces of {piece}");
        }
    }

    #[test]
    fn blanks_behind_the_version_are_left_out() {
        check("POST /a HTTP/1.1 \t \nA: b\n", "POST /a HTTP/1.1\nA: b\n");
        check("\r\nPOST  /a  HTTP/1.1\r\n", "\r\nPOST /a HTTP/1.1\r\n");
    }

    #[test]
    fn the_lines_behind_the_first_keep_their_blanks() {
        for rest in [
            "Host: a b \r\n\r\n{} {}",
            "X:  y  z\r\n",
            "A: b\r\n\r\n  1 \r\n",
        ] {
            let sent = format!("POST /a HTTP/1.1 \r\n{rest}");
            check(&sent, &format!("POST /a HTTP/1.1\r\n{rest}"));
        }
    }

    #[test]
    fn a_flood_of_blanks_passes_and_is_refused_as_a_head_that_is_too_long() {
        let flood = " ".repeat(BLANKS_MAX + 2_000);
        for line in ["POST /a HTTP/1.1", "POST ", "POST /a "] {
            let (mut first, mut bytes) =
                (FirstLine::default(), format!("{line}{flood}").into_bytes());
            let kept = first.pass(&mut bytes);
            assert!(
                first.is_over && kept == line.len() + 2_000,
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
