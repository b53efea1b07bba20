//! The walk over strings: keys, texts, and objects that were encoded as a text.

use std::borrow::Cow;

use memchr::memchr2;

use super::edit;
use super::notes::{Notes, SentBytes};
use super::string_token::{Raw, StringToken};
use super::walk::{NoRepair, Position, Walk};
use crate::normalize::limits::scan;
use crate::normalize::reading::json_object as object;
use crate::normalize::value::embedding;

/// Replaces half of a surrogate pair, and is as long.
const HALF: &str = "\\ufffd";

impl<'t, 'r> Walk<'t, 'r, '_, '_> {
    /// Reads a key: its name, and its bytes if they differ. Two keys stay two, even if a repair gives them the same name.
    pub fn key(&mut self, siblings: &Notes) -> Result<(Cow<'t, str>, Option<SentBytes>), NoRepair> {
        let edits = self.edits.len();
        let key = self.string()?;
        let name = self.unescaped(&key, edits).ok_or(NoRepair::NoJson)?;
        let sent = self.bytes_of(&key)?;
        let is_taken = sent.is_some()
            && siblings
                .members
                .get(&*name)
                .is_some_and(|other| other.key.is_some() && other.key != sent);
        if !is_taken {
            return Ok((name, sent));
        }

        let name = format!("{name}~{:08x}", crc32fast::hash(key.sent()));
        let quoted = serde_json::to_string(&name).map_err(|_| NoRepair::NoJson)?;
        self.edits.truncate(edits);
        self.edit(key.from, key.to + 1, Cow::Owned(quoted))?;
        Ok((Cow::Owned(name), sent))
    }

    /// Reads a string value, and opens it if it is an encoded object in an object's place.
    pub fn text(&mut self, place: Position, depth: usize) -> Result<Notes, NoRepair> {
        let edits = self.edits.len();
        let string = self.string()?;
        if place != Position::Elsewhere
            && let Some(notes) = self.opened(&string, edits, place, depth)?
        {
            return Ok(notes);
        }
        Ok(Notes {
            bytes: self.bytes_of(&string)?,
            ..Notes::default()
        })
    }

    /// Opens a text where an object belongs; `None` if it is no encoded object. `edits` is how many edits came before the string.
    fn opened(
        &mut self,
        string: &StringToken<'_, '_>,
        edits: usize,
        place: Position,
        depth: usize,
    ) -> Result<Option<Notes>, NoRepair> {
        let quoted = self.text.get(..=string.to).unwrap_or_default();
        let inside = self.edits.get(edits..).unwrap_or_default();
        let quoted = edit::apply(quoted, string.from, inside, self.taken)?;
        let Some((text, encoded)) = edit::open(&quoted, self.taken)? else {
            return Ok(None);
        };
        if !edit::trim(&text).starts_with('{') {
            return Ok(None);
        }

        let Some((object, mut notes)) = self.object_in(text, place, depth)? else {
            return Ok(None);
        };
        notes.bytes = string.is_changed().then(|| SentBytes::hash(string.sent()));
        notes.encoded = encoded;
        self.edits.truncate(edits);
        self.edit(string.from, string.to + 1, Cow::Owned(object))?;
        Ok(Some(notes))
    }

    /// The object that `text` is once it is repaired; `None` if it is none.
    fn object_in(
        &mut self,
        text: String,
        place: Position,
        depth: usize,
    ) -> Result<Option<(String, Notes)>, NoRepair> {
        let mut walk = Walk::new(&text, None, self.depth_max, self.changes_left, self.taken);
        let notes = match walk.whole(place, depth) {
            Ok(notes) => notes,
            Err(NoRepair::NoJson) => return Ok(None),
            Err(refused) => return Err(refused),
        };
        let (edits, changes_left) = (walk.edits, walk.changes_left);

        let object = match edit::apply(&text, 0, &edits, self.taken)? {
            Cow::Owned(object) => {
                self.taken.free(text.len() + edit::added(&edits));
                object
            }
            Cow::Borrowed(_) => text,
        };
        if object::check(&object).is_err() {
            return Ok(None);
        }

        self.changes_left = changes_left;
        Ok(Some((object, notes)))
    }

    /// Steps over a string.
    fn string(&mut self) -> Result<StringToken<'t, 'r>, NoRepair> {
        let from = self.at;
        let raw_from = self.raw.as_mut().map(Raw::quote);
        self.at += 1;
        let has_half = self.inside()?;

        let to = self.at;
        self.at += 1;
        let raw_to = self.raw.as_mut().map(Raw::quote);
        let raw = self.raw.as_ref();
        Ok(StringToken {
            from,
            to,
            inside: self.text.get(from + 1..to).unwrap_or_default(),
            raw: raw.and_then(|raw| raw.bytes.get(raw_from? + 1..raw_to?)),
            has_half,
        })
    }

    /// Steps to the quote that ends a string, and replaces half surrogate pairs; true if there was one.
    fn inside(&mut self) -> Result<bool, NoRepair> {
        let bytes = self.text.as_bytes();
        let mut has_half = false;

        loop {
            let rest = bytes.get(self.at..).unwrap_or_default();
            self.at += memchr2(b'"', b'\\', rest).ok_or(NoRepair::NoJson)?;

            match (bytes.get(self.at), bytes.get(self.at + 1)) {
                (Some(b'"'), _) => return Ok(has_half),
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
    }

    /// The text of a string, its escapes and edits applied.
    fn unescaped(&self, string: &StringToken<'t, '_>, edits: usize) -> Option<Cow<'t, str>> {
        if !string.inside.contains('\\') {
            return Some(Cow::Borrowed(string.inside));
        }
        let quoted = edit::replaced(
            self.text.get(..=string.to)?,
            string.from,
            self.edits.get(edits..)?,
        );
        serde_json::from_str(&quoted).ok().map(Cow::Owned)
    }

    /// The bytes as they were sent, if they differ from the string now.
    fn bytes_of(&mut self, string: &StringToken<'_, '_>) -> Result<Option<SentBytes>, NoRepair> {
        if !string.is_changed() {
            return Ok(None);
        }

        self.changed()?;
        // The bytes are kept here, and in the event as base64.
        self.taken.take(2 * string.sent().len())?;
        // An embedding that is removed from a text must not stay in its bytes.
        let kept = if embedding::is_named_in(string.inside) {
            SentBytes::hash
        } else {
            SentBytes::whole
        };
        Ok(Some(kept(string.sent())))
    }
}
