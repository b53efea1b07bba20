//! The walk through a text: follows JSON's grammar and edits whatever can be repaired on the way.

use std::borrow::Cow;

use super::edit::Edit;
use super::notes::Notes;
use super::string_token::Raw;
use crate::normalize::KEPT_BYTES;
use crate::normalize::dialect::is_object;
use crate::normalize::dialect::nested::INNER;
use crate::normalize::limits::repair_memory::RepairMemory;
use crate::normalize::limits::scan;
use crate::normalize::reading::json_object as object;
use boxbridge_event::{Code, Refusal};

/// The most memory that a note takes: a node of a tree, with room for eleven.
const NOTE_BYTES: usize = 2 << 10;

/// Where in the document a value stands. It decides whether an object is expected there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Position {
    Document,
    Inner,
    Object,
    Elsewhere,
}

impl Position {
    fn member(self, name: &str) -> Position {
        match self {
            Position::Document if name == INNER => Position::Inner,
            Position::Document if is_object(false, name) => Position::Object,
            Position::Inner if is_object(true, name) => Position::Object,
            _ => Position::Elsewhere,
        }
    }
}

/// Why a text is not repaired.
pub(super) enum NoRepair {
    NoJson,
    Refused(Refusal),
}

impl From<Refusal> for NoRepair {
    fn from(refusal: Refusal) -> NoRepair {
        NoRepair::Refused(refusal)
    }
}

pub(super) struct Walk<'t, 'r, 'k, 'a> {
    pub text: &'t str,
    /// The next byte to look at.
    pub at: usize,
    pub raw: Option<Raw<'r>>,
    /// In the order of the text.
    pub edits: Vec<Edit>,
    pub changes_left: usize,
    pub depth_max: usize,
    pub taken: &'k mut RepairMemory<'a>,
}

impl<'t, 'r, 'k, 'a> Walk<'t, 'r, 'k, 'a> {
    pub fn new(
        text: &'t str,
        raw: Option<&'r [u8]>,
        depth_max: usize,
        changes_left: usize,
        taken: &'k mut RepairMemory<'a>,
    ) -> Walk<'t, 'r, 'k, 'a> {
        Walk {
            text,
            at: 0,
            raw: raw.map(|bytes| Raw { bytes, at: 0 }),
            edits: Vec::new(),
            changes_left,
            depth_max,
            taken,
        }
    }

    pub fn take_edits(&mut self) -> Vec<Edit> {
        std::mem::take(&mut self.edits)
    }

    /// Walks through a text that is one value and nothing else.
    pub fn whole(&mut self, place: Position, depth: usize) -> Result<Notes, NoRepair> {
        let notes = self.value(place, depth)?;
        if self.next().is_some() {
            Err(NoRepair::NoJson)
        } else {
            Ok(notes)
        }
    }

    fn value(&mut self, place: Position, depth: usize) -> Result<Notes, NoRepair> {
        match self.next().ok_or(NoRepair::NoJson)? {
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

    fn object(&mut self, place: Position, depth: usize) -> Result<Notes, NoRepair> {
        let mut notes = Notes::default();
        let mut comma = None;
        self.at += 1;

        loop {
            match self.next().ok_or(NoRepair::NoJson)? {
                b'}' => return self.closed(notes, comma),
                b'"' => self.member(place, depth, &mut notes)?,
                _ => return Err(NoRepair::NoJson),
            }
            comma = self.comma(b'}')?;
        }
    }

    /// A key and its value.
    fn member(
        &mut self,
        object: Position,
        depth: usize,
        notes: &mut Notes,
    ) -> Result<(), NoRepair> {
        let (name, key) = self.key(notes)?;
        if self.next() != Some(b':') {
            return Err(NoRepair::NoJson);
        }
        self.at += 1;

        let mut member = self.value(object.member(&name), depth + 1)?;
        member.key = key;
        // Of a repeated key the last value counts, and so do its notes.
        let before = notes.members.remove(&*name);
        member.follows_another = before.is_some_and(|it| it.is_another() || it.follows_another);
        if !member.is_empty() {
            self.taken.take(NOTE_BYTES + name.len())?;
            notes.members.insert(name.into_owned(), member);
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<Notes, NoRepair> {
        let mut notes = Notes::default();
        let (mut comma, mut index) = (None, 0_usize);
        self.at += 1;

        while self.next().ok_or(NoRepair::NoJson)? != b']' {
            let element = self.value(Position::Elsewhere, depth + 1)?;
            if !element.is_empty() {
                self.taken.take(NOTE_BYTES)?;
                notes.members.insert(index.to_string(), element);
            }
            index += 1;
            comma = self.comma(b']')?;
        }

        self.closed(notes, comma)
    }

    /// The place of the comma after a member; `None` if `end` follows instead.
    fn comma(&mut self, end: u8) -> Result<Option<usize>, NoRepair> {
        match self.next() {
            Some(b',') => {
                self.at += 1;
                Ok(Some(self.at - 1))
            }
            Some(byte) if byte == end => Ok(None),
            _ => Err(NoRepair::NoJson),
        }
    }

    /// Steps over the closing bracket, and removes a comma before it.
    fn closed(&mut self, mut notes: Notes, comma: Option<usize>) -> Result<Notes, NoRepair> {
        self.at += 1;
        if let Some(comma) = comma {
            notes.comma = true;
            self.edit(comma, comma + 1, Cow::Borrowed(" "))?;
        }
        Ok(notes)
    }

    /// A number or one of JSON's three words.
    fn word(&mut self) -> Result<Notes, NoRepair> {
        let from = self.at;
        let word = self.letters();
        if word.is_empty() {
            return Err(NoRepair::NoJson);
        }

        let is_out_of_range = || scan::is_out_of_range(word) && object::check(word).is_ok();
        if !matches!(word, "NaN" | "Infinity" | "-Infinity") && !is_out_of_range() {
            return Ok(Notes::default());
        }

        self.edit(from, self.at, Cow::Borrowed("null"))?;
        let spelling = word.get(..KEPT_BYTES).unwrap_or(word);
        Ok(Notes {
            number: Some(spelling.to_owned()),
            ..Notes::default()
        })
    }

    /// Steps over what a number or a word consists of.
    fn letters(&mut self) -> &'t str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_letter =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let end = rest.bytes().position(|byte| !is_letter(byte));

        let letters = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
        self.at += letters.len();
        letters
    }

    pub fn edit(
        &mut self,
        from: usize,
        to: usize,
        text: Cow<'static, str>,
    ) -> Result<(), NoRepair> {
        self.changed()?;
        self.edits.push(Edit { from, to, text });
        Ok(())
    }

    pub fn changed(&mut self) -> Result<(), NoRepair> {
        self.changes_left = self.changes_left.checked_sub(1).ok_or(NoRepair::NoJson)?;
        Ok(())
    }

    /// Skips white space; the byte after it.
    pub fn next(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let blank = rest
            .iter()
            .position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        self.at += blank.unwrap_or(rest.len());
        self.text.as_bytes().get(self.at).copied()
    }
}
