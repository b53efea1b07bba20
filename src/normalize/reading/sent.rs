//! A claimed document taken apart: each known field's value, each picture, and every unknown field where it stood.
//!
//! Promises: nothing is lost but face embeddings and all but the last of a repeated key, both with a warning (repetition below
//! the fields of the document goes unseen: serde_json keeps the last of those, too), and the end of a text that should have been an
//! object and could not be read. What a repair changed is told: a warning, and what was sent in `source`. Deliberately gives no
//! value a meaning: that is `assemble`'s.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Stop;
use super::object::{self, Member, Object};
use super::warnings::Warnings;
use crate::event::document::{self, BYTES, ENCODED, Field, Meaning};
use crate::event::{Code, Picture, PictureState, Pictures, Refusal, WarningCode};
use crate::normalize::dialect::{Dialect, FIELDS_MAX, is_object};
use crate::normalize::repair::notes::{Kept, Notes, dotted, pointer};
use crate::normalize::value::field::{self, Person};
use crate::normalize::value::{embedding, picture};
use crate::normalize::{Context, KEPT_BYTES};

/// One slot for each field of the dialect's table.
pub(in crate::normalize) type Slots<T> = [Option<T>; FIELDS_MAX];

/// Where a field stands that the dialect does not have.
static NOWHERE: Field = document::top("", Meaning::Group);

#[derive(Debug)]
pub(in crate::normalize) struct Sent {
    pub dialect: &'static Dialect,
    /// Of the fields that did not become a picture.
    pub values: Slots<Value>,
    pub pictures: Pictures,
    /// What was sent where the inner object should be, `null` for nothing at all; `None` if it is there.
    pub instead_of_inner: Option<Value>,
    pub extra: Map<String, Value>,
    /// What goes to the event's `source` because it was repaired.
    pub source: Map<String, Value>,
    pub warnings: Warnings,
    pub notes: Notes,
    /// What each person type and each inner object that was sent says of the person.
    pub persons: Vec<Person>,
    /// How many times the inner object's name stood there.
    pub inners: usize,
    /// Something that could not be read, so that the body is worth keeping.
    pub unread: Option<Refusal>,
}

impl Sent {
    fn new(dialect: &'static Dialect) -> Sent {
        Sent {
            dialect,
            values: Slots::default(),
            pictures: Pictures::default(),
            instead_of_inner: None,
            extra: Map::new(),
            source: Map::new(),
            warnings: Warnings::default(),
            notes: Notes::default(),
            persons: Vec::new(),
            inners: 0,
            unread: None,
        }
    }

    /// Also the pictures' bytes. Without `notes` a text in the place of an object ends it, if it may be one.
    pub fn take(
        dialect: &'static Dialect,
        object: Object<'_>,
        notes: Option<Notes>,
        context: &Context<'_>,
    ) -> Result<(Sent, Vec<Picture>), Stop> {
        let mut sent = Sent::new(dialect);
        let is_strict = notes.is_none();
        sent.take_notes(notes.unwrap_or_default());
        let mut texts: Slots<&RawValue> = [None; FIELDS_MAX];
        if is_strict && has_encoded(false, &object) {
            return Err(Stop::Encoded);
        }
        let inner = sent.take_members(false, object, &mut texts, context)?;
        match inner {
            Some(Member::Object(inner)) if is_strict && has_encoded(true, &inner) => return Err(Stop::Encoded),
            Some(Member::Object(inner)) => drop(sent.take_members(true, inner, &mut texts, context)?),
            Some(Member::Text(text)) => sent.take_instead_of_inner(text, context)?,
            None => sent.instead_of_inner = Some(Value::Null),
        }
        let pictures = sent.take_pictures(&mut texts, context);
        for ((index, field), text) in dialect.table.fields.iter().enumerate().zip(texts) {
            let value = text.map(|text| sent.value(field.inner, field.name, text, context)).transpose()?;
            sent.values.get_mut(index).into_iter().for_each(|slot| slot.clone_from(&value));
        }
        Ok((sent, pictures))
    }

    /// What was sent for a field, if it is no picture.
    pub fn get(&self, meaning: Meaning) -> (&'static Field, Option<&Value>) {
        let fields = self.dialect.table.fields;
        match fields.iter().position(|field| field.meaning == meaning) {
            Some(index) => (&fields[index], self.values.get(index).and_then(Option::as_ref)),
            None => (&NOWHERE, None),
        }
    }

    /// Dotted, as warnings name it.
    pub fn path(&self, field: &Field) -> String {
        self.dialect.table.path(field)
    }

    fn inner(&self) -> &'static str {
        self.dialect.table.inner
    }

    /// Puts a value into `extra` where it stood; true if one was there already.
    pub fn keep(&mut self, inner: bool, name: &str, value: Value) -> bool {
        if !inner {
            return self.extra.insert(name.to_owned(), value).is_some();
        }
        let inside = self.extra.entry(self.inner()).or_insert_with(|| Value::Object(Map::new()));
        inside.as_object_mut().is_some_and(|inside| inside.insert(name.to_owned(), value).is_some())
    }

    /// Puts every member in its place, and returns the inner object.
    fn take_members<'a>(
        &mut self,
        inner: bool,
        object: Object<'a>,
        texts: &mut Slots<&'a RawValue>,
        context: &Context<'_>,
    ) -> Result<Option<Member<'a>>, Refusal> {
        let (dialect, mut found) = (self.dialect, None);
        for (name, member) in object.members {
            let is_inner = !inner && name == self.inner();
            self.inners += usize::from(is_inner);
            self.take_persons(inner, &name, &member);
            let path = || if inner { format!("{}.{name}", dialect.table.inner) } else { name.clone().into_owned() };
            let known = dialect.table.fields.iter().position(|field| field.inner == inner && field.name == name);
            let is_repeated = match (member, known.and_then(|index| texts.get_mut(index))) {
                (member, _) if is_inner => found.replace(member).is_some(),
                // Only the inner object is ever opened.
                (Member::Object(_), _) => false,
                (Member::Text(text), Some(slot)) => slot.replace(text).is_some(),
                (Member::Text(_), None) if embedding::is_embedding(&name) => {
                    self.warnings.add(WarningCode::EmbeddingRemoved, path());
                    false
                }
                (Member::Text(text), None) => {
                    let value = self.value(inner, &name, text, context)?;
                    self.keep(inner, &name, value)
                }
            };
            if is_repeated {
                self.warnings.add(WarningCode::KeyRepeated, path());
            }
        }
        Ok(found)
    }

    fn take_instead_of_inner(&mut self, text: &RawValue, context: &Context<'_>) -> Result<(), Refusal> {
        let name = self.inner();
        let sent = self.value(false, name, text, context)?;
        self.warnings.add(WarningCode::TypeUnexpected, name);
        match &sent {
            Value::Null => drop(self.extra.insert(name.to_owned(), Value::Null)),
            Value::String(text) if !text.trim().is_empty() => self.could_not_read(name),
            _ => {}
        }
        self.instead_of_inner = Some(sent);
        Ok(())
    }

    /// The value of a member, without what must not pass.
    fn value(&mut self, inner: bool, name: &str, text: &RawValue, context: &Context<'_>) -> Result<Value, Refusal> {
        // The text was parsed once, so this fails only if serde_json disagrees with itself; neither its words nor the key are repeated.
        let mut value = serde_json::from_str(text.get())
            .map_err(|error| Refusal::new(Code::JsonInvalid, format!("not JSON: {:?} error in a value", error.classify())))?;
        let path = || if inner { format!("{}.{name}", self.dialect.table.inner) } else { name.to_owned() };
        let found = embedding::remove(name, &mut value, context)?;
        if found.is_removed || found.is_cut {
            self.warnings.add(WarningCode::EmbeddingRemoved, path());
        }
        if found.is_cut {
            self.could_not_read(&path());
        }
        // It may hold pictures and embeddings that nobody can take out.
        if let Value::String(text) = &mut value
            && is_object(inner, name)
            && text.len() > KEPT_BYTES
        {
            text.truncate(text.floor_char_boundary(KEPT_BYTES));
            self.could_not_read(&path());
        }
        Ok(value)
    }

    fn could_not_read(&mut self, path: &str) {
        let refusal =
            || Refusal::at(Code::EventUnrecognized, path, "accepted, but this is no object, and is not kept whole with the event");
        self.unread.get_or_insert_with(refusal);
    }

    fn take_notes(&mut self, notes: Notes) {
        // By these warnings the document is made again, so the others must leave them room.
        let no_number = |notes: Option<&Notes>| notes.is_some_and(|notes| notes.number.is_some());
        let table = &self.dialect.table;
        for field in table.fields.iter().filter(|field| no_number(notes.of(table.inner, field))) {
            self.warnings.add(WarningCode::NumberInvalid, table.path(field));
        }
        notes.visit(&mut |path, note| self.take_note(path, note));
        self.notes = notes;
    }

    fn take_note(&mut self, path: &[&str], note: &Notes) {
        if let Some(spelling) = &note.number {
            self.warnings.add(WarningCode::NumberInvalid, dotted(path));
            if let Some(name) = self.known(path).map(str::to_owned).or_else(|| pointer(path)) {
                self.source.insert(name, Value::String(spelling.clone()));
            }
        }
        for (before, kept) in [("", &note.bytes), ("#", &note.key)] {
            if let Some(kept) = kept {
                self.warnings.add(WarningCode::EncodingInvalid, dotted(path));
                self.take_bytes(pointer(path).map(|pointer| format!("{before}{pointer}")), path, kept);
            }
        }
        if note.encoded > 0 {
            self.warnings.add(WarningCode::TypeUnexpected, dotted(path));
            if let Some(name) = path.last() {
                self.source.insert((*name).to_owned(), serde_json::json!({ ENCODED: note.encoded }));
            }
        }
        if note.comma {
            self.warnings.add(WarningCode::JsonRepaired, dotted(path));
        }
    }

    fn take_bytes(&mut self, place: Option<String>, path: &[&str], kept: &Kept) {
        if place.is_none() || matches!(kept, Kept::Hash(_)) {
            let refusal =
                || Refusal::at(Code::EncodingInvalid, dotted(path), "accepted, but its bytes are not kept with the event");
            self.unread.get_or_insert_with(refusal);
        }
        let bytes = self.source.entry(BYTES).or_insert_with(|| Value::Object(Map::new()));
        if let (Some(place), Some(bytes)) = (place, bytes.as_object_mut()) {
            bytes.insert(place, kept.to_base64().into());
        }
    }

    /// What each person type that was sent says, and each object that lacks one; of something else that stands in an object's place
    /// nothing is known, if it says something.
    fn take_persons(&mut self, inner: bool, name: &str, member: &Member<'_>) {
        let (field, _) = self.get(Meaning::PersonType);
        let words = self.dialect.persons;
        let of = |member: &Member<'_>| match member {
            Member::Text(text) if !text.get().starts_with(['{', '[']) => {
                field::person(serde_json::from_str(text.get()).ok().as_ref(), words)
            }
            _ => Person::Unknown,
        };
        match member {
            _ if field.inner == inner && name == field.name => self.persons.extend((!inner).then(|| of(member))),
            Member::Object(object) if field.inner && !inner && name == self.inner() => {
                let sent = object.members.iter().filter(|(name, _)| name == field.name);
                let before = self.persons.len();
                self.persons.extend(sent.map(|(_, member)| of(member)));
                if self.persons.len() == before {
                    self.persons.push(Person::Defaulted);
                }
            }
            Member::Text(text) if field.inner && !inner && name == self.inner() => {
                self.persons.extend(text.get().starts_with(['{', '[', '"']).then_some(Person::Unknown));
            }
            _ => {}
        }
    }

    /// The name by which `source` knows this place.
    fn known(&self, path: &[&str]) -> Option<&'static str> {
        let inner = self.inner();
        let of = |is_inner, name| {
            let field = self.dialect.table.fields.iter().find(|field| field.inner == is_inner && field.name == name);
            field.map(Field::source_key)
        };
        match path {
            [name] if *name == inner => Some(inner),
            [name] => of(false, *name),
            [object, name] if *object == inner => of(true, *name),
            _ => None,
        }
    }

    fn take_pictures(&mut self, texts: &mut Slots<&RawValue>, context: &Context<'_>) -> Vec<Picture> {
        let mut pictures = Vec::new();
        let table = &self.dialect.table;
        for (field, text) in table.fields.iter().zip(texts) {
            let (Meaning::Picture(kind), Some(json)) = (field.meaning, text.map(RawValue::get)) else { continue };
            match picture::read(json, kind, context.source.received_at, context.settings.picture_max_pixels) {
                Some(picture::Read { reference, bytes, is_repaired }) => {
                    if is_repaired {
                        self.warnings.add(WarningCode::Base64Repaired, table.path(field));
                    }
                    if let Some(code) = warning_of(reference.state) {
                        self.warnings.add(code, table.path(field));
                    }
                    *self.pictures.slot(kind) = Some(reference);
                    pictures.push(Picture { kind, bytes });
                    *text = None;
                }
                None if json.starts_with('"') || json == "null" => {}
                None => self.warnings.add(WarningCode::TypeUnexpected, table.path(field)),
            }
        }
        pictures
    }
}

/// Whether a text stands where an object belongs, and may be one.
fn has_encoded(inner: bool, object: &Object<'_>) -> bool {
    object.members.iter().any(|(name, member)| match member {
        Member::Text(text) => is_object(inner, name) && object::may_be_encoded(text.get()),
        Member::Object(_) => false,
    })
}

fn warning_of(state: PictureState) -> Option<WarningCode> {
    match state {
        PictureState::Truncated => Some(WarningCode::PictureTruncated),
        PictureState::Undecodable => Some(WarningCode::PictureUndecodable),
        PictureState::Oversize => Some(WarningCode::PictureOversize),
        _ => None,
    }
}
