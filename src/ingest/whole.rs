//! Where a body ends whose head says something else: some firmware counts characters, or bytes that it does not send.
//!
//! Promises: looks at each byte once, however the body comes; a document is whole when its outermost bracket has closed and nothing but
//! white space follows. Deliberately no parser: what stands between the brackets is `normalize`'s.

/// Follows a body as it comes.
#[derive(Debug, Default)]
pub struct Whole {
    /// How much of the body was looked at.
    seen: usize,
    depth: usize,
    is_in_text: bool,
    is_escaped: bool,
    /// Outside of any bracket there was something else than white space or the byte order mark.
    has_more: bool,
    has_closed: bool,
}

impl Whole {
    /// Whether `body`, of which earlier looks saw the beginning, is one whole document.
    pub fn is_whole(&mut self, body: &[u8]) -> bool {
        for byte in body.get(self.seen..).unwrap_or_default() {
            self.look(*byte);
        }
        self.seen = body.len();
        self.has_closed && self.depth == 0 && !self.has_more
    }

    fn look(&mut self, byte: u8) {
        if self.is_in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.is_in_text = false,
                _ => {}
            }
            return;
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
}

/// What to say of a body that ends within its document: how many bytes its head left out, if it counted characters.
pub fn shortfall(body: &[u8]) -> Option<String> {
    let mut whole = Whole::default();
    if whole.is_whole(body) || whole.depth == 0 {
        return None;
    }
    // Each character is one byte that is no continuation of another.
    let continuations = body.iter().filter(|byte| **byte & 0xc0 == 0x80).count();
    Some(match continuations {
        0 => "the body ends within its document: Content-Length may be too small".to_owned(),
        count => format!(
            "the body ends within its document: Content-Length may be at least {count} too small, characters counted instead of bytes"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str, is_whole: bool) {
        let mut whole = Whole::default();
        for end in 0..body.len() {
            whole.is_whole(&body.as_bytes()[..end]);
        }
        assert_eq!(whole.is_whole(body.as_bytes()), is_whole, "{body}");
        assert_eq!(Whole::default().is_whole(body.as_bytes()), is_whole, "{body} at once");
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
        assert_eq!(shortfall(b"{}"), None);
        assert_eq!(shortfall(b"{} {}"), None);
        assert!(shortfall("{\"name\":\"小明\"".as_bytes()).unwrap().contains("at least 4 too small"));
        assert!(shortfall(b"{\"name\":\"").unwrap().contains("too small"));
    }
}
