//! Takes a document apart: each known field's value, each picture, and every unknown field where it stood.
//!
//! Promises: nothing is lost, with three exceptions. Face embeddings are removed, and of a repeated key only the last value is kept, both
//! with a warning (below the fields of the document serde_json keeps the last value without one). A text that should have been an object
//! and cannot be read is cut. Every repair leaves a warning, and the value as it was sent in `source`. Deliberately gives no value a
//! meaning: `assemble` does.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Stop;
use super::json_object::{self as object, JsonObject, Member};
use super::warnings::Warnings;
use crate::normalize::dialect::{Dialect, FIELDS_MAX, is_object};
use crate::normalize::repair::notes::Notes;
use crate::normalize::value::embedding;
use crate::normalize::value::field::{self, Person};
use crate::normalize::{Context, KEPT_BYTES};
use boxbridge_event::document::{self, Field, Meaning};
use boxbridge_event::{Code, Picture, Pictures, Refusal, WarningCode};

mod pictures;
mod repairs;

/// One slot for each field of the dialect's table.
pub(in crate::normalize) type Slots<T> = [Option<T>; FIELDS_MAX];

/// Stands for a field that the dialect does not have.
static NOWHERE: Field = document::top("", Meaning::Group);

#[derive(Debug)]
pub(in crate::normalize) struct SentDocument {
    pub dialect: &'static Dialect,
    /// The values of the fields that did not become a picture.
    pub values: Slots<Value>,
    pub pictures: Pictures,
    /// The value that was sent in place of the inner object, `null` for none at all; `None` if the object is there.
    pub instead_of_inner: Option<Value>,
    pub extra: Map<String, Value>,
    /// Repaired values as they were sent, for the event's `source`.
    pub source: Map<String, Value>,
    pub warnings: Warnings,
    pub notes: Notes,
    /// What each person type that was sent says, and each inner object without one.
    pub persons: Vec<Person>,
    /// How many times the inner object was sent.
    pub inners: usize,
    /// Why something could not be read, so that the body is worth keeping.
    pub unread: Option<Refusal>,
}

impl SentDocument {
    fn new(dialect: &'static Dialect) -> SentDocument {
        SentDocument {
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

    /// Takes `object` apart; also returns the pictures' bytes. Without `notes` (the strict reading) a text in an object's place ends it if
    /// it may be an encoded object.
    pub fn take(
        dialect: &'static Dialect,
        object: JsonObject<'_>,
        notes: Option<Notes>,
        context: &Context<'_>,
    ) -> Result<(SentDocument, Vec<Picture>), Stop> {
        let mut sent = SentDocument::new(dialect);
        let is_strict = notes.is_none();
        sent.take_notes(notes.unwrap_or_default());

        let mut values: Slots<Member<'_>> = Slots::default();
        let mut take = |sent: &mut SentDocument, is_inner, object| {
            if is_strict && has_encoded(is_inner, &object) {
                return Err(Stop::Encoded);
            }
            sent.take_members(is_inner, object, &mut values, context)
        };
        match take(&mut sent, false, object)? {
            Some(Member::Object(inner)) => drop(take(&mut sent, true, inner)?),
            Some(Member::Text(text)) => sent.take_instead_of_inner(text, context)?,
            Some(Member::Apart(_)) => return Err(Stop::NotPlain),
            None => sent.instead_of_inner = Some(Value::Null),
        }

        let pictures = sent.take_pictures(&mut values, context)?;
        sent.take_values(values, context)?;
        Ok((sent, pictures))
    }

    /// A field by its meaning, and its value if it is no picture.
    pub fn get(&self, meaning: Meaning) -> (&'static Field, Option<&Value>) {
        let mut fields = self.dialect.table.fields.iter().zip(&self.values);
        let found = fields.find(|(field, _)| field.meaning == meaning);
        found.map_or((&NOWHERE, None), |(field, value)| (field, value.as_ref()))
    }

    /// The field's dotted path, as warnings name it.
    pub fn path(&self, field: &Field) -> String {
        self.dialect.table.path(field)
    }

    /// The same for any member.
    fn path_at(&self, inner: bool, name: &str) -> String {
        match inner {
            true => format!("{}.{name}", self.inner()),
            false => name.to_owned(),
        }
    }

    pub fn warn(&mut self, code: WarningCode, field: &Field) {
        self.warnings.add(code, self.path(field));
    }

    fn inner(&self) -> &'static str {
        self.dialect.table.inner
    }

    /// Puts a value into `extra` where it stood; true if there was one already.
    pub fn keep(&mut self, inner: bool, name: &str, value: Value) -> bool {
        if !inner {
            return self.extra.insert(name.to_owned(), value).is_some();
        }
        let inside = self
            .extra
            .entry(self.inner())
            .or_insert_with(|| Value::Object(Map::new()));
        inside
            .as_object_mut()
            .is_some_and(|inside| inside.insert(name.to_owned(), value).is_some())
    }

    /// Puts every member in its place, and returns the inner object.
    fn take_members<'a>(
        &mut self,
        inner: bool,
        object: JsonObject<'a>,
        values: &mut Slots<Member<'a>>,
        context: &Context<'_>,
    ) -> Result<Option<Member<'a>>, Stop> {
        let mut found = None;
        for (name, member) in object.members {
            self.take_persons(inner, &name, &member);

            let is_repeated = if !inner && name == self.inner() {
                self.inners += 1;
                found.replace(member).is_some()
            } else {
                self.take_member(inner, &name, member, values, context)?
            };
            if is_repeated {
                let path = self.path_at(inner, &name);
                self.warnings.add(WarningCode::KeyRepeated, path);
            }
        }
        Ok(found)
    }

    /// Puts one member in its place; true if there was one already.
    fn take_member<'a>(
        &mut self,
        inner: bool,
        name: &str,
        member: Member<'a>,
        values: &mut Slots<Member<'a>>,
        context: &Context<'_>,
    ) -> Result<bool, Stop> {
        // Only the inner object is ever opened.
        if matches!(member, Member::Object(_)) {
            return Ok(false);
        }

        let is_it = |field: &Field| field.inner == inner && field.name == name;
        let known = self.dialect.table.fields.iter().position(is_it);
        if let Some(slot) = known.and_then(|index| values.get_mut(index)) {
            return Ok(slot.replace(member).is_some());
        }
        let Member::Text(text) = member else {
            return Err(Stop::NotPlain);
        };

        if embedding::is_embedding(name) {
            let path = self.path_at(inner, name);
            self.warnings.add(WarningCode::EmbeddingRemoved, path);
            return Ok(false);
        }
        let value = self.value(inner, name, text, context)?;
        Ok(self.keep(inner, name, value))
    }

    /// Parses the fields that did not become a picture.
    fn take_values(
        &mut self,
        values: Slots<Member<'_>>,
        context: &Context<'_>,
    ) -> Result<(), Stop> {
        let fields = self.dialect.table.fields;
        for ((index, field), value) in fields.iter().enumerate().zip(values) {
            let text = match value {
                Some(Member::Text(text)) => text,
                Some(Member::Apart(_)) => return Err(Stop::NotPlain),
                Some(Member::Object(_)) | None => continue,
            };
            let value = self.value(field.inner, field.name, text, context)?;

            if let Some(slot) = self.values.get_mut(index) {
                *slot = Some(value);
            }
        }
        Ok(())
    }

    fn take_instead_of_inner(
        &mut self,
        text: &RawValue,
        context: &Context<'_>,
    ) -> Result<(), Refusal> {
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

    /// The value of a member, without embeddings; a text in an object's place is cut if it is long.
    fn value(
        &mut self,
        inner: bool,
        name: &str,
        text: &RawValue,
        context: &Context<'_>,
    ) -> Result<Value, Refusal> {
        // The text was parsed before, so this fails only if serde_json disagrees with itself. Neither its message nor the key is repeated:
        // they may be personal.
        let mut value = serde_json::from_str(text.get()).map_err(|error| {
            Refusal::new(
                Code::JsonInvalid,
                format!("not JSON: {:?} error in a value", error.classify()),
            )
        })?;

        let found = embedding::remove(name, &mut value, context)?;
        if found.is_removed || found.is_cut {
            let path = self.path_at(inner, name);
            self.warnings.add(WarningCode::EmbeddingRemoved, path);
        }

        // A long text may hold pictures and embeddings that nobody can take out.
        let is_cut = is_object(inner, name) && cut_text(&mut value);
        if found.is_cut || is_cut {
            self.could_not_read(&self.path_at(inner, name));
        }
        Ok(value)
    }

    fn could_not_read(&mut self, path: &str) {
        let refusal = || {
            Refusal::at(
                Code::EventUnrecognized,
                path,
                "accepted, but this is no object, and is not kept whole with the event",
            )
        };
        self.unread.get_or_insert_with(refusal);
    }

    /// Notes what each person type that was sent says, and each inner object that lacks one. Another value in the inner object's place,
    /// unless it is empty, counts as an unknown person type.
    fn take_persons(&mut self, inner: bool, name: &str, member: &Member<'_>) {
        if inner {
            return;
        }
        let (field, _) = self.get(Meaning::PersonType);
        let words = self.dialect.persons;
        let person = |member: &Member<'_>| match member {
            Member::Text(text) if !text.get().starts_with(['{', '[']) => {
                field::person(serde_json::from_str(text.get()).ok().as_ref(), words)
            }
            _ => Person::Unknown,
        };

        if !field.inner {
            let is_it = name == field.name;
            self.persons.extend(is_it.then(|| person(member)));
            return;
        }
        match member {
            _ if name != self.inner() => {}
            Member::Object(object) => {
                let before = self.persons.len();
                let sent = object.members.iter().filter(|(name, _)| name == field.name);
                self.persons.extend(sent.map(|(_, member)| person(member)));
                if self.persons.len() == before {
                    self.persons.push(Person::Defaulted);
                }
            }
            Member::Text(text) => {
                let is_empty = !text.get().starts_with(['{', '[', '"']);
                self.persons.extend((!is_empty).then_some(Person::Unknown));
            }
            Member::Apart(_) => {}
        }
    }
}

/// Cuts a long text; true if it was one.
fn cut_text(value: &mut Value) -> bool {
    let Value::String(text) = value else {
        return false;
    };
    let is_long = text.len() > KEPT_BYTES;
    text.truncate(text.floor_char_boundary(KEPT_BYTES));
    is_long
}

/// Whether a text that may be an encoded object stands where an object belongs.
fn has_encoded(inner: bool, object: &JsonObject<'_>) -> bool {
    object.members.iter().any(|(name, member)| match member {
        Member::Text(text) => is_object(inner, name) && object::may_be_encoded(text.get()),
        Member::Apart(_) | Member::Object(_) => false,
    })
}
