//! A text that the strict reading refused → one that it may take, with notes of what was changed.
//!
//! Objects that stand as a JSON text where an object belongs are opened; `NaN`, `Infinity`, `-Infinity` and numbers out of range
//! become `null`; half a surrogate pair becomes U+FFFD; a comma before `}` or `]` goes. Nothing else is mended.
//!
//! Promises: linear time, bounded depth, and as much memory as [`Taken`] grants; what needs no repair is returned as it was.
//! Deliberately is no judge: the strict reading reads the result as if it had been sent, with every limit, and what is no JSON
//! even so stays refused.

use std::borrow::Cow;

use memchr::memchr2;

use self::edit::Edit;
use self::found::{Found, Raw};
use self::notes::{Kept, Notes};
use super::KEPT_BYTES;
use super::dialect::is_object;
use super::dialect::nested::INNER;
use super::limits::room::Taken;
use super::limits::scan;
use super::reading::object;
use super::value::embedding;
use crate::event::{Code, Refusal};

pub(super) mod decode;
mod edit;
mod found;
pub(super) mod notes;
pub(super) mod split;

/// An event with more to repair was made up.
const CHANGES_MAX: usize = 10_000;
/// What a note takes at most: a node of a tree, with room for eleven.
const NOTE_BYTES: usize = 2 << 10;
/// What stands for half of a surrogate pair, which is as long.
const HALF: &str = "\\ufffd";

pub(super) struct Repaired<'t> {
    pub text: Cow<'t, str>,
    pub notes: Notes,
}

/// `raw` are the bytes that `text` was decoded from, if they are others. `None` if no repair makes it JSON.
pub(super) fn repair<'t>(
    text: &'t str,
    raw: Option<&[u8]>,
    depth_max: usize,
    taken: &mut Taken<'_>,
) -> Result<Option<Repaired<'t>>, Refusal> {
    let mut walk = Walk::new(text, raw, depth_max, CHANGES_MAX, taken);
    match walk.whole(Place::Document, 1) {
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::NoJson) => Ok(None),
        Ok(notes) => {
            let edits = std::mem::take(&mut walk.edits);
            Ok(Some(Repaired { text: edit::apply(text, 0, &edits, taken)?, notes }))
        }
    }
}

/// The array that stands in a body as a JSON text.
pub(super) fn array_in(text: &str, taken: &mut Taken<'_>) -> Result<Option<String>, Refusal> {
    let opened = edit::open(text, taken)?;
    Ok(opened.map(|(text, _)| text).filter(|text| edit::trim(text).starts_with('[')))
}

/// Where in the document a value stands, as far as objects are expected there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Document,
    Inner,
    Object,
    Elsewhere,
}

impl Place {
    fn member(self, name: &str) -> Place {
        match self {
            Place::Document if name == INNER => Place::Inner,
            Place::Document if is_object(false, name) => Place::Object,
            Place::Inner if is_object(true, name) => Place::Object,
            _ => Place::Elsewhere,
        }
    }
}

enum Stop {
    NoJson,
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

struct Walk<'t, 'r, 'k, 'a> {
    text: &'t str,
    at: usize,
    raw: Option<Raw<'r>>,
    /// In the order of their places.
    edits: Vec<Edit>,
    changes_left: usize,
    depth_max: usize,
    taken: &'k mut Taken<'a>,
}

impl<'t, 'r, 'k, 'a> Walk<'t, 'r, 'k, 'a> {
    fn new(
        text: &'t str,
        raw: Option<&'r [u8]>,
        depth_max: usize,
        changes_left: usize,
        taken: &'k mut Taken<'a>,
    ) -> Walk<'t, 'r, 'k, 'a> {
        let raw = raw.map(|bytes| Raw { bytes, at: 0 });
        Walk { text, at: 0, raw, edits: Vec::new(), changes_left, depth_max, taken }
    }

    fn whole(&mut self, place: Place, depth: usize) -> Result<Notes, Stop> {
        let notes = self.value(place, depth)?;
        if self.next().is_some() { Err(Stop::NoJson) } else { Ok(notes) }
    }

    fn value(&mut self, place: Place, depth: usize) -> Result<Notes, Stop> {
        match self.next().ok_or(Stop::NoJson)? {
            b'{' | b'[' if depth > self.depth_max => {
                let message = format!("nested over {} deep", self.depth_max);
                Err(Refusal::new(Code::JsonTooDeep, message).into())
            }
            b'{' => self.object(place, depth),
            b'[' => self.array(depth),
            b'"' => self.text(place, depth),
            _ => self.word(),
        }
    }

    fn object(&mut self, place: Place, depth: usize) -> Result<Notes, Stop> {
        let mut notes = Notes::default();
        let mut comma = None;
        self.at += 1;
        loop {
            match self.next().ok_or(Stop::NoJson)? {
                b'}' => return self.closed(notes, comma),
                b'"' => {}
                _ => return Err(Stop::NoJson),
            }
            let (name, key) = self.key(&notes)?;
            if self.next() != Some(b':') {
                return Err(Stop::NoJson);
            }
            self.at += 1;

            let mut member = self.value(place.member(&name), depth + 1)?;
            member.key = key;
            // The last one of a repeated key counts, and so do its notes.
            if !member.is_empty() {
                self.taken.take(NOTE_BYTES + name.len())?;
                notes.members.insert(name.into_owned(), member);
            } else if !notes.members.is_empty() {
                notes.members.remove(&*name);
            }
            comma = self.comma(b'}')?;
        }
    }

    /// A key's name, and its bytes where they are others. Two keys that would become one stay two.
    fn key(&mut self, siblings: &Notes) -> Result<(Cow<'t, str>, Option<Kept>), Stop> {
        let edits = self.edits.len();
        let key = self.string()?;
        let name = self.unescaped(&key, edits).ok_or(Stop::NoJson)?;
        let sent = self.bytes_of(&key)?;
        let is_taken = sent.is_some() && siblings.members.get(&*name).is_some_and(|other| other.key.is_some() && other.key != sent);
        if !is_taken {
            return Ok((name, sent));
        }
        let name = format!("{name}~{:08x}", crc32fast::hash(key.sent()));
        let quoted = serde_json::to_string(&name).map_err(|_| Stop::NoJson)?;
        self.edits.truncate(edits);
        self.edit(key.from, key.to + 1, Cow::Owned(quoted))?;
        Ok((Cow::Owned(name), sent))
    }

    fn array(&mut self, depth: usize) -> Result<Notes, Stop> {
        let mut notes = Notes::default();
        let (mut comma, mut index) = (None, 0_usize);
        self.at += 1;
        while self.next().ok_or(Stop::NoJson)? != b']' {
            let element = self.value(Place::Elsewhere, depth + 1)?;
            if !element.is_empty() {
                self.taken.take(NOTE_BYTES)?;
                notes.members.insert(index.to_string(), element);
            }
            index += 1;
            comma = self.comma(b']')?;
        }
        self.closed(notes, comma)
    }

    /// The place of the comma behind a member; `None` where there is none, since `end` follows.
    fn comma(&mut self, end: u8) -> Result<Option<usize>, Stop> {
        match self.next() {
            Some(b',') => {
                self.at += 1;
                Ok(Some(self.at - 1))
            }
            Some(byte) if byte == end => Ok(None),
            _ => Err(Stop::NoJson),
        }
    }

    fn closed(&mut self, mut notes: Notes, comma: Option<usize>) -> Result<Notes, Stop> {
        self.at += 1;
        if let Some(comma) = comma {
            notes.comma = true;
            self.edit(comma, comma + 1, Cow::Borrowed(" "))?;
        }
        Ok(notes)
    }

    /// A number or one of JSON's three words.
    fn word(&mut self) -> Result<Notes, Stop> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
        let word = rest.get(..length).filter(|word| !word.is_empty()).ok_or(Stop::NoJson)?;
        let from = self.at;
        self.at += length;

        let is_out_of_range = || scan::is_out_of_range(word) && object::check(word).is_ok();
        if !matches!(word, "NaN" | "Infinity" | "-Infinity") && !is_out_of_range() {
            return Ok(Notes::default());
        }
        self.edit(from, self.at, Cow::Borrowed("null"))?;
        let spelling = word.get(..KEPT_BYTES).unwrap_or(word);
        Ok(Notes { number: Some(spelling.to_owned()), ..Notes::default() })
    }

    fn text(&mut self, place: Place, depth: usize) -> Result<Notes, Stop> {
        let edits = self.edits.len();
        let string = self.string()?;
        if place != Place::Elsewhere
            && let Some(notes) = self.opened(&string, edits, place, depth)?
        {
            return Ok(notes);
        }
        Ok(Notes { bytes: self.bytes_of(&string)?, ..Notes::default() })
    }

    /// The object that stands as a text where an object belongs; `None` if it is none.
    fn opened(&mut self, string: &Found<'_, '_>, edits: usize, place: Place, depth: usize) -> Result<Option<Notes>, Stop> {
        let quoted = self.text.get(..=string.to).unwrap_or_default();
        let quoted = edit::apply(quoted, string.from, self.edits.get(edits..).unwrap_or_default(), self.taken)?;
        let opened = edit::open(&quoted, self.taken)?.filter(|(text, _)| edit::trim(text).starts_with('{'));
        let Some((text, encoded)) = opened else { return Ok(None) };

        let mut walk = Walk::new(&text, None, self.depth_max, self.changes_left, self.taken);
        let mut notes = match walk.whole(place, depth) {
            Ok(notes) => notes,
            Err(Stop::NoJson) => return Ok(None),
            Err(refused) => return Err(refused),
        };
        let Walk { edits: inside, changes_left, .. } = walk;
        let object = match edit::apply(&text, 0, &inside, self.taken)? {
            Cow::Owned(object) => {
                self.taken.free(text.len() + inside.iter().map(|edit| edit.text.len()).sum::<usize>());
                object
            }
            Cow::Borrowed(_) => text,
        };
        if object::check(&object).is_err() {
            return Ok(None);
        }
        notes.bytes = string.is_changed().then(|| Kept::hash(string.sent()));
        notes.encoded = encoded;
        self.changes_left = changes_left;
        self.edits.truncate(edits);
        self.edit(string.from, string.to + 1, Cow::Owned(object))?;
        Ok(Some(notes))
    }

    /// Steps over a string.
    fn string(&mut self) -> Result<Found<'t, 'r>, Stop> {
        let bytes = self.text.as_bytes();
        let from = self.at;
        let raw_from = self.raw.as_mut().map(Raw::quote);
        let mut has_half = false;
        self.at += 1;
        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            self.at += memchr2(b'"', b'\\', rest).ok_or(Stop::NoJson)?;
            match (bytes.get(self.at), bytes.get(self.at + 1)) {
                (Some(b'"'), _) => break,
                (_, Some(b'u')) => match scan::unicode_escape(bytes, self.at) {
                    Some(length) => self.at += length,
                    None => {
                        has_half = true;
                        self.edit(self.at, self.at + HALF.len(), Cow::Borrowed(HALF))?;
                        self.at += HALF.len();
                    }
                },
                (_, escaped) => {
                    if escaped == Some(&b'"') {
                        self.raw.as_mut().map(Raw::quote);
                    }
                    self.at += 2;
                }
            }
        }
        let to = self.at;
        self.at += 1;
        let raw_to = self.raw.as_mut().map(Raw::quote);
        let raw = self.raw.as_ref().and_then(|raw| raw.bytes.get(raw_from? + 1..raw_to?));
        let inside = self.text.get(from + 1..to).unwrap_or_default();
        Ok(Found { from, to, inside, raw, has_half })
    }

    fn unescaped(&self, string: &Found<'t, '_>, edits: usize) -> Option<Cow<'t, str>> {
        if !string.inside.contains('\\') {
            return Some(Cow::Borrowed(string.inside));
        }
        let quoted = edit::replaced(self.text.get(..=string.to)?, string.from, self.edits.get(edits..)?);
        serde_json::from_str(&quoted).ok().map(Cow::Owned)
    }

    /// As it was sent, if that is not what stands there now.
    fn bytes_of(&mut self, string: &Found<'_, '_>) -> Result<Option<Kept>, Stop> {
        if !string.is_changed() {
            return Ok(None);
        }
        self.changed()?;
        // Here, and in the event as base64.
        self.taken.take(2 * string.sent().len())?;
        // An embedding that is taken out of a text must not stay in its bytes.
        let kept = if embedding::is_named_in(string.inside) { Kept::hash } else { Kept::whole };
        Ok(Some(kept(string.sent())))
    }

    fn edit(&mut self, from: usize, to: usize, text: Cow<'static, str>) -> Result<(), Stop> {
        self.changed()?;
        self.edits.push(Edit { from, to, text });
        Ok(())
    }

    fn changed(&mut self) -> Result<(), Stop> {
        self.changes_left = self.changes_left.checked_sub(1).ok_or(Stop::NoJson)?;
        Ok(())
    }

    /// The first byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blank = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        self.at += blank.unwrap_or(rest.len());
        self.text.as_bytes().get(self.at).copied()
    }
}
