//! A refused body for a person's eyes: long texts, which pictures are, shown by their size, and the place of the fault marked.
//!
//! Promises: bounded, however large the body is; no byte of it reaches a terminal as a control. Deliberately parses nothing: what is refused is
//! often no JSON.

use serde::Serialize;

use super::QuarantineHead;

/// So much is shown before the fault, or in all where nobody knows where that is.
const BEFORE: usize = 16 << 10;
const AFTER: usize = 4 << 10;
/// A text in quotes that is longer is shown by its beginning and its size.
const TEXT_MAX: usize = 120;

#[derive(Debug)]
pub struct Excerpt {
    place: Option<Place>,
    shown: Vec<u8>,
    /// Where the fault stands in what is shown.
    mark: Option<usize>,
    starts_later: bool,
    ends_earlier: bool,
    /// Bytes seen, and the line and the column of the next.
    seen: u64,
    line: u64,
    column: u64,
    text: Option<Text>,
}

/// Where a fault is, as its refusal says it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Byte(u64),
    Line(u64, u64),
    Key(Vec<u8>),
}

/// A text in quotes that is being read.
#[derive(Debug, Default)]
struct Text {
    /// Where it begins in what is shown.
    from: usize,
    bytes: usize,
    is_escaped: bool,
}

/// An excerpt as it is printed: safe for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Up to the fault.
    pub before: String,
    /// From the fault on; empty where nobody knows its place.
    pub at: String,
    /// There is more of the body before this.
    pub starts_later: bool,
    /// And behind it.
    pub ends_earlier: bool,
}

impl Excerpt {
    pub(super) fn of(head: &QuarantineHead) -> Excerpt {
        Excerpt {
            place: Place::of(head),
            shown: Vec::new(),
            mark: None,
            starts_later: false,
            ends_earlier: false,
            seen: 0,
            line: 1,
            column: 1,
            text: None,
        }
    }

    /// It holds all that will be shown.
    pub(super) fn is_full(&self) -> bool {
        match (self.mark, &self.place) {
            (Some(mark), _) => self.shown.len() >= mark + AFTER,
            (None, Some(_)) => false,
            (None, None) => self.shown.len() >= BEFORE,
        }
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        for byte in piece.iter().copied() {
            if self.is_full() {
                self.ends_earlier = true;
                return;
            }
            self.see(byte);
            self.drop_beginning();
        }
    }

    /// The body ends here, or is not read further.
    pub(super) fn end(&mut self, has_more: bool) {
        self.ends_earlier |= has_more;
        if let Some(text) = self.text.take() {
            self.say_size(&text);
        }
        if self.place.is_some() && self.mark.is_none() {
            self.mark = Some(self.shown.len());
        }
    }

    pub fn shown(&self) -> Shown {
        let (before, at) = self.shown.split_at(self.mark.unwrap_or(self.shown.len()));
        Shown {
            before: harmless(before),
            at: harmless(at),
            starts_later: self.starts_later,
            ends_earlier: self.ends_earlier,
        }
    }

    fn see(&mut self, byte: u8) {
        let is_it = match self.place {
            Some(Place::Byte(at)) => self.seen == at,
            Some(Place::Line(line, column)) => (self.line, self.column) == (line, column),
            Some(Place::Key(_)) | None => false,
        };
        if is_it {
            self.mark = Some(self.shown.len());
        }

        self.show(byte);
        self.seen += 1;
        self.column += 1;
        if byte == b'\n' {
            (self.line, self.column) = (self.line + 1, 1);
        }
    }

    fn show(&mut self, byte: u8) {
        let Some(text) = &mut self.text else {
            self.shown.push(byte);
            if byte == b'"' {
                let from = self.shown.len();
                self.text = Some(Text {
                    from,
                    ..Text::default()
                });
            }
            return;
        };

        let ends = byte == b'"' && !text.is_escaped;
        if !ends {
            text.is_escaped = byte == b'\\' && !text.is_escaped;
            text.bytes += 1;
            if text.bytes <= TEXT_MAX {
                self.shown.push(byte);
            }
            return;
        }
        if let Some(text) = self.text.take() {
            self.say_size(&text);
            self.find_key(&text);
        }
        self.shown.push(byte);
    }

    fn say_size(&mut self, text: &Text) {
        if text.bytes > TEXT_MAX {
            let size = format!("… {} bytes", text.bytes);
            self.shown.extend(size.as_bytes());
        }
    }

    fn find_key(&mut self, text: &Text) {
        if let Some(Place::Key(key)) = &self.place
            && self.mark.is_none()
            && self.shown.get(text.from..) == Some(key)
        {
            self.mark = Some(text.from.saturating_sub(1));
        }
    }

    /// Of what comes before the fault only the end is of use.
    fn drop_beginning(&mut self) {
        if self.mark.is_some() || self.place.is_none() || self.shown.len() < 2 * BEFORE {
            return;
        }
        self.starts_later = true;
        self.shown.drain(..BEFORE);
        if let Some(text) = &mut self.text {
            text.from = text.from.saturating_sub(BEFORE);
        }
    }
}

impl Place {
    fn of(head: &QuarantineHead) -> Option<Place> {
        if let Some(field) = &head.field {
            let key = field.rsplit('.').next().unwrap_or(field);
            return Some(Place::Key(key.as_bytes().to_owned()));
        }

        let byte = number_behind(&head.message, "at byte ").map(Place::Byte);
        let line = || number_behind(&head.message, "at line ");
        let column = || number_behind(&head.message, " column ");
        byte.or_else(|| Some(Place::Line(line()?, column()?.max(1))))
    }
}

/// The number behind the last of these words.
fn number_behind(text: &str, words: &str) -> Option<u64> {
    let (_, behind) = text.rsplit_once(words)?;
    let digits = behind.bytes().take_while(u8::is_ascii_digit).count();
    behind.get(..digits)?.parse().ok()
}

/// Whatever a terminal might take for something else than a character is spelled out.
pub fn harmless(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if is_harmless(character) {
                text.push(character);
            } else {
                text.extend(character.escape_unicode());
            }
        }
        let spelled = chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}"));
        text.extend(spelled);
    }
    text
}

/// No control, and no mark that turns the direction of what is read.
pub fn is_harmless(character: char) -> bool {
    let turns = matches!(
        character,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    character == '\n' || character == '\t' || (!character.is_control() && !turns)
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxbridge_event::{Authenticated, Feed, Timestamp};

    fn excerpt(message: &str, field: Option<&str>, body: &[u8]) -> Shown {
        let head = QuarantineHead {
            received_at: Timestamp(0),
            feed: Feed::Realtime,
            peer: "192.168.1.9".to_owned(),
            site: None,
            box_id: None,
            charset: None,
            authenticated: Authenticated::None,
            only_device: None,
            code: "json_invalid".to_owned(),
            field: field.map(str::to_owned),
            message: message.to_owned(),
            bytes: body.len() as u64,
            resubmitted: 0,
        };
        let mut excerpt = Excerpt::of(&head);
        body.chunks(7).for_each(|piece| excerpt.add(piece));
        excerpt.end(false);
        excerpt.shown()
    }

    #[test]
    fn the_place_of_a_fault_is_marked_however_it_is_told() {
        let body = b"{\"a\":1,\n\"b\": nonsense, \"score\": 2}";
        for message in [
            "not JSON: expected value at line 2 column 6",
            "half of a surrogate pair at byte 13",
        ] {
            let shown = excerpt(message, None, body);
            assert_eq!(shown.before, "{\"a\":1,\n\"b\": ", "{message}");
            assert!(shown.at.starts_with("nonsense"), "{message}");
        }
        let shown = excerpt("no number", Some("ext_data.score"), body);
        assert!(shown.at.starts_with("\"score\""), "{shown:?}");
        let nowhere = excerpt("not JSON, even repaired", None, body);
        assert_eq!(
            (nowhere.at.as_str(), nowhere.before.len()),
            ("", body.len())
        );
    }

    #[test]
    fn pictures_are_shown_by_their_size_and_controls_spelled_out() {
        let picture = "QUJD".repeat(50_000);
        let body = format!("{{\"reg_pic\":\"{picture}\",\"name\":\"\u{1b}[2Jx\u{202e}\"}}");
        let shown = excerpt("", None, body.as_bytes());
        assert!(
            shown.before.contains("… 200000 bytes\""),
            "{}",
            shown.before
        );
        assert!(
            shown.before.contains("\\u{1b}[2Jx\\u{202e}"),
            "{}",
            shown.before
        );

        let gbk = excerpt("", None, b"{\"name\":\"\xd0\xa1\xc2\xf7\"}");
        assert_eq!(gbk.before, "{\"name\":\"С\\xc2\\xf7\"}");
    }

    #[test]
    fn however_large_a_body_is_little_is_shown_and_its_fault_is_in_it() {
        let mut body = "[1,2,3],\n".repeat(100_000).into_bytes();
        let at = body.len();
        body.extend(b"!here!");
        body.extend("[1,2,3],\n".repeat(100_000).into_bytes());

        let shown = excerpt(&format!("unexpected at byte {at}"), None, &body);
        assert!(shown.at.starts_with("!here!"));
        assert!(shown.before.len() <= 2 * BEFORE && shown.at.len() <= AFTER);
        assert!(shown.starts_later && shown.ends_earlier);
        assert!(excerpt("nobody knows", None, &body).before.len() <= BEFORE + 64);
    }
}
