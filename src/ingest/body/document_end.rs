//! Finds the end of a JSON document whose declared length is wrong: some firmware counts characters, or bytes that it does not send.
//!
//! Promises: a document is whole when its outermost bracket has closed and only white space follows. It is read twice, as UTF-8 and in
//! the encoding it may have instead; each reading looks at a byte once, however the body comes, and never keeps a thread for long.
//! Deliberately no parser: `normalize` reads what stands between the brackets.

use boxbridge_event::Charset;

/// So many bytes take a millisecond or two in the slowest encoding: nobody's answer waits longer for this thread.
const STEP: usize = 64 << 10;

/// Follows a body as it comes: as UTF-8, and in the encoding that it may have if it is not UTF-8.
#[derive(Debug)]
pub struct DocumentEnd {
    charset: Charset,
    /// How many bytes of the body are certainly UTF-8.
    valid: usize,
    is_utf_8: bool,
    plain: Outline,
    wide: Outline,
}

#[derive(Debug, Default)]
struct Outline {
    /// How many bytes of the body were looked at.
    seen: usize,
    /// Bytes of characters after their first: so many are missing if somebody counted characters.
    continuations: usize,
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
    /// Something other than white space or the byte order mark stood outside the brackets.
    has_more: bool,
    has_closed: bool,
}

impl DocumentEnd {
    pub fn new(charset: Charset) -> DocumentEnd {
        DocumentEnd {
            charset,
            valid: 0,
            is_utf_8: true,
            plain: Outline::default(),
            wide: Outline::default(),
        }
    }

    /// Whether `body` is one whole document. Earlier calls saw its beginning. Lets other work of this thread pass in between.
    pub async fn is_whole(&mut self, body: &[u8]) -> bool {
        while self.step(body) {
            tokio::task::yield_now().await;
        }

        self.says_whole()
    }

    fn says_whole(&self) -> bool {
        self.plain.is_whole() || (!self.is_utf_8 && self.wide.is_whole())
    }

    /// Looks at the next bytes; false when there are no more.
    fn step(&mut self, body: &[u8]) -> bool {
        let before = self.place();
        self.plain.follow(body, |bytes| bytes.first().map(|_| 1));

        if self.is_utf_8 {
            self.look_for_utf_8(body);
        } else {
            self.wide.follow(body, |bytes| self.charset.length(bytes));
        }

        self.place() != before
    }

    fn look_for_utf_8(&mut self, body: &[u8]) {
        match std::str::from_utf8(up_to(body, self.valid)) {
            Ok(text) => self.valid += text.len(),
            Err(error) => {
                self.valid += error.valid_up_to();
                // A character that is only cut off may still be completed.
                self.is_utf_8 = error.error_len().is_none();
            }
        }
    }

    fn place(&self) -> (usize, usize, usize, bool) {
        (self.plain.seen, self.wide.seen, self.valid, self.is_utf_8)
    }
}

/// The bytes of one step.
fn up_to(body: &[u8], from: usize) -> &[u8] {
    body.get(from..body.len().min(from + STEP))
        .unwrap_or_default()
}

impl Outline {
    /// Looks at one step. `length` says how long the first character of some bytes is.
    fn follow(&mut self, body: &[u8], length: impl Fn(&[u8]) -> Option<usize>) {
        let mut rest = up_to(body, self.seen);
        while let (Some(first), Some(length)) = (rest.first(), length(rest)) {
            self.look(*first);
            self.continuations += if length > 1 {
                length - 1
            } else {
                usize::from(first & 0xc0 == 0x80)
            };

            self.seen += length;
            rest = rest.get(length..).unwrap_or_default();
        }
    }

    fn is_whole(&self) -> bool {
        self.has_closed && self.depth == 0 && !self.has_more
    }

    fn look(&mut self, byte: u8) {
        if self.is_in_text {
            return self.look_in_text(byte);
        }

        match byte {
            b'{' | b'[' => {
                self.has_more |= self.depth == 0 && self.has_closed;
                self.depth += 1;
            }
            b'}' | b']' => {
                self.has_closed |= self.depth == 1;
                self.has_more |= self.depth == 0;
                self.depth = self.depth.saturating_sub(1);
            }
            b'"' if self.depth > 0 => self.is_in_text = true,
            b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf => {}
            _ => self.has_more |= self.depth == 0,
        }
    }

    fn look_in_text(&mut self, byte: u8) {
        match byte {
            _ if self.is_escaped => self.is_escaped = false,
            b'\\' => self.is_escaped = true,
            b'"' => self.is_in_text = false,
            _ => {}
        }
    }
}

/// The message for a body that ends within its document: by how much its declared length was too small if it counted characters.
pub fn shortfall(body: &[u8], charset: Charset) -> Option<String> {
    let mut whole = DocumentEnd::new(charset);
    while whole.step(body) {}
    if whole.says_whole() {
        return None;
    }

    let outline = if whole.is_utf_8 {
        whole.plain
    } else {
        whole.wide
    };
    if outline.depth == 0 {
        return None;
    }
    Some(match outline.continuations {
        0 => "the body ends within its document: Content-Length may be too small".to_owned(),
        count => format!(
            "the body ends within its document: Content-Length may be at least {count} too small, characters counted instead of bytes"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(end: &mut DocumentEnd, body: &[u8]) -> bool {
        while end.step(body) {}
        end.says_whole()
    }

    fn check(body: impl AsRef<[u8]>, is_whole: bool) {
        let body = body.as_ref();
        let mut end = DocumentEnd::new(Charset::declared(None));
        for length in 0..body.len() {
            look(&mut end, &body[..length]);
        }

        let shown = String::from_utf8_lossy(body);
        assert_eq!(look(&mut end, body), is_whole, "{shown}");
        let mut end = DocumentEnd::new(Charset::declared(None));
        assert_eq!(look(&mut end, body), is_whole, "{shown} at once");
    }

    /// Characters of four bytes, which are the slowest; the last byte of the first step lies within one.
    #[tokio::test]
    async fn while_the_end_of_a_large_body_is_sought_others_have_their_turn() {
        let [before, after] = [&b"{\"a\":\"b"[..], b"\"}"];
        let body = [before, &b"\x81\x30\x81\x30".repeat(STEP), after].concat();
        let turns = std::rc::Rc::new(std::cell::Cell::new(0));

        let others = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        let mut end = DocumentEnd::new(Charset::declared(None));
        let is_whole = tokio::select! {
            is_whole = end.is_whole(&body) => is_whole,
            () = others => false,
        };

        assert!(is_whole);
        assert!(turns.get() >= body.len() / STEP, "{} turns", turns.get());
    }

    #[test]
    fn a_second_byte_that_looks_like_syntax_hides_no_end() {
        check(
            b"{\"name\":\"\xb3\x5c\",\"ext_data\":{\"a\":\"\x81\x5c\"}}",
            true,
        );
        check(
            b"{\"name\":\"\xb3\x5c\",\"ext_data\":{\"a\":\"\x81\x5c\"}",
            false,
        );
        check("{\"name\":\"小\\\"}\"", false);
        check(b"{\"name\":\"\xff\"}", true);
        let short = shortfall(b"{\"name\":\"\xb3\x5c\xd0\xa1\"", Charset::declared(None));
        assert!(short.unwrap().contains("at least 2 too small"));
    }

    #[test]
    fn a_document_is_whole_when_its_outermost_bracket_closes() {
        check(r#"{"a":{"b":"}"},"c":"\"}"} "#, true);
        check("\u{feff}[{},{}]\r\n", true);
        check(r#"{"a":{"b":1}"#, false);
        check(r#"{"a":"\"}"#, false);
        check("{}{}", false);
        check("{} x", false);
        check("", false);
        check("42", false);
        check("}", false);
    }

    #[test]
    fn a_body_that_is_cut_off_says_by_how_much() {
        assert_eq!(shortfall(b"{}", Charset::declared(None)), None);
        assert_eq!(shortfall(b"{} {}", Charset::declared(None)), None);
        assert!(
            shortfall("{\"name\":\"小明\"".as_bytes(), Charset::declared(None))
                .unwrap()
                .contains("at least 4 too small")
        );
        assert!(
            shortfall(b"{\"name\":\"", Charset::declared(None))
                .unwrap()
                .contains("too small")
        );
    }
}
