//! A claimed document taken apart: each known field's value, each picture, and every unknown field where it stood.
//!
//! Promises: nothing is lost but face embeddings and all but the last of a repeated key, both with a warning (repetition below
//! the fields of the document goes unseen: serde_json keeps the last of those, too). Deliberately gives no value a meaning: that
//! is `assemble`'s.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::object::{Member, Object};
use super::warnings::Warnings;
use super::{Context, embedding, picture};
use crate::event::document::{FIELD_COUNT, FIELDS, Field, INNER, Meaning};
use crate::event::{Code, Picture, PictureState, Pictures, Refusal, WarningCode};

/// One slot for each of [`FIELDS`].
pub(super) type Slots<T> = [Option<T>; FIELD_COUNT];

#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Of the fields that did not become a picture.
    pub values: Slots<Value>,
    pub pictures: Pictures,
    /// What was sent where the inner object should be, `null` for nothing at all; `None` if it is there.
    pub instead_of_inner: Option<Value>,
    pub extra: Map<String, Value>,
    pub warnings: Warnings,
}

impl Sent {
    /// Also the pictures' bytes.
    pub fn take(object: Object<'_>, context: &Context<'_>) -> Result<(Sent, Vec<Picture>), Refusal> {
        let mut sent = Sent::default();
        let mut texts: Slots<&RawValue> = [None; FIELD_COUNT];
        let inner = sent.take_members(false, object, &mut texts)?;
        match inner {
            Some(Member::Object(inner)) => drop(sent.take_members(true, inner, &mut texts)?),
            Some(Member::Text(text)) => sent.take_instead_of_inner(text)?,
            None => sent.instead_of_inner = Some(Value::Null),
        }
        let pictures = sent.take_pictures(&mut texts, context);
        for ((field, text), slot) in FIELDS.iter().zip(texts).zip(&mut sent.values) {
            *slot = text.map(|text| value(field.name, &field.path(), text, &mut sent.warnings)).transpose()?;
        }
        Ok((sent, pictures))
    }

    /// What was sent for a field, if it is no picture.
    pub fn get(&self, meaning: Meaning) -> (&'static Field, Option<&Value>) {
        // Every meaning has its field: the table says so, and the compiler cannot.
        let index = FIELDS.iter().position(|field| field.meaning == meaning).unwrap_or_default();
        (&FIELDS[index], self.values.get(index).and_then(Option::as_ref))
    }

    /// Puts a value into `extra` where it stood; true if one was there already.
    pub fn keep(&mut self, inner: bool, name: &str, value: Value) -> bool {
        if !inner {
            return self.extra.insert(name.to_owned(), value).is_some();
        }
        let inside = self.extra.entry(INNER).or_insert_with(|| Value::Object(Map::new()));
        inside.as_object_mut().is_some_and(|inside| inside.insert(name.to_owned(), value).is_some())
    }

    /// Puts every member in its place, and returns the inner object.
    fn take_members<'a>(
        &mut self,
        inner: bool,
        object: Object<'a>,
        texts: &mut Slots<&'a RawValue>,
    ) -> Result<Option<Member<'a>>, Refusal> {
        let mut found = None;
        for (name, member) in object.members {
            let path = || if inner { format!("{INNER}.{name}") } else { name.clone().into_owned() };
            let known = FIELDS.iter().position(|field| field.inner == inner && field.name == name);
            let is_repeated = match (member, known.and_then(|index| texts.get_mut(index))) {
                (member, _) if !inner && name == INNER => found.replace(member).is_some(),
                // Only the inner object is ever opened.
                (Member::Object(_), _) => false,
                (Member::Text(text), Some(slot)) => slot.replace(text).is_some(),
                (Member::Text(_), None) if embedding::is_embedding(&name) => {
                    self.warnings.add(WarningCode::EmbeddingRemoved, path());
                    false
                }
                (Member::Text(text), None) => {
                    let value = value(&name, &path(), text, &mut self.warnings)?;
                    self.keep(inner, &name, value)
                }
            };
            if is_repeated {
                self.warnings.add(WarningCode::KeyRepeated, path());
            }
        }
        Ok(found)
    }

    fn take_instead_of_inner(&mut self, text: &RawValue) -> Result<(), Refusal> {
        let sent = value(INNER, INNER, text, &mut self.warnings)?;
        self.warnings.add(WarningCode::TypeUnexpected, INNER);
        if sent.is_null() {
            self.extra.insert(INNER.to_owned(), Value::Null);
        }
        self.instead_of_inner = Some(sent);
        Ok(())
    }

    fn take_pictures(&mut self, texts: &mut Slots<&RawValue>, context: &Context<'_>) -> Vec<Picture> {
        let mut pictures = Vec::new();
        for (field, text) in FIELDS.iter().zip(texts) {
            let (Meaning::Picture(kind), Some(json)) = (field.meaning, text.map(RawValue::get)) else { continue };
            match picture::read(json, kind, context.source.received_at, context.settings.picture_max_pixels) {
                Some((reference, bytes)) => {
                    if let Some(code) = warning_of(reference.state) {
                        self.warnings.add(code, field.path());
                    }
                    *self.pictures.slot(kind) = Some(reference);
                    pictures.push(Picture { kind, bytes });
                    *text = None;
                }
                None if json.starts_with('"') || json == "null" => {}
                None => self.warnings.add(WarningCode::TypeUnexpected, field.path()),
            }
        }
        pictures
    }
}

/// The value of a member, without what must not pass.
fn value(name: &str, path: &str, text: &RawValue, warnings: &mut Warnings) -> Result<Value, Refusal> {
    // The text was parsed once, so this fails only if serde_json disagrees with itself; neither its words nor the key are repeated.
    let mut value = serde_json::from_str(text.get())
        .map_err(|error| Refusal::new(Code::JsonInvalid, format!("not JSON: {:?} error in a value", error.classify())))?;
    if embedding::remove(name, &mut value) {
        warnings.add(WarningCode::EmbeddingRemoved, path);
    }
    Ok(value)
}

fn warning_of(state: PictureState) -> Option<WarningCode> {
    match state {
        PictureState::Truncated => Some(WarningCode::PictureTruncated),
        PictureState::Undecodable => Some(WarningCode::PictureUndecodable),
        PictureState::Oversize => Some(WarningCode::PictureOversize),
        _ => None,
    }
}
