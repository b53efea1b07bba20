//! The box's own document: how a [`Table`] says where each field stands in it, and how an [`Event`] and its pictures make it again.
//!
//! Promises: `normalize` reads by the same table by which [`rebuild`] writes, one for each dialect, so nothing that a box sent is lost on
//! the way. What `source` says of a field wins over the normalized value; `extra` has every field that is not in the table. A `null` in
//! `source` is a `null` that was sent, but for fields that have a value there or in the event whatever is sent: of those it says
//! that they were absent, and a `null` that was sent stands in `extra`. Deliberately knows no dialect and no picture bytes: the caller
//! says by which table, and what stands for a picture.

use serde_json::{Map, Value};

use crate::{Event, PictureKind, PictureReference, PictureState, WarningCode};

pub(crate) mod charset;

/// What a field of the box means to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Meaning {
    IdentityId,
    IdentityName,
    Group,
    OccurredAt,
    Score,
    PersonType,
    DeviceIp,
    DeviceType,
    DeviceName,
    Box,
    CameraQuality,
    BoxQuality,
    Picture(PictureKind),
}

impl Meaning {
    /// Members that are no field of any table, and say the same as such a field.
    pub fn also_said_by(self) -> &'static [&'static str] {
        match self {
            Meaning::IdentityId | Meaning::IdentityName => &["identity_info"],
            Meaning::Group => &["group_id"],
            _ => &[],
        }
    }

    /// Whether `source` always says what was sent, and `null` if nothing was.
    pub fn is_always_in_source(self) -> bool {
        matches!(
            self,
            Meaning::OccurredAt | Meaning::PersonType | Meaning::Score | Meaning::DeviceType
        )
    }

    /// Whether boxes send a text for it.
    pub fn is_text(self) -> bool {
        !matches!(
            self,
            Meaning::OccurredAt | Meaning::Score | Meaning::CameraQuality | Meaning::BoxQuality
        )
    }
}

/// A field of the box that we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub meaning: Meaning,
    /// Whether it stands in the inner object or at the top.
    pub inner: bool,
    pub name: &'static str,
}

/// Where the fields that we know stand in the documents of a dialect.
#[derive(Debug)]
pub struct Table {
    /// The one object in the document that holds fields of its own.
    pub inner: &'static str,
    pub fields: &'static [Field],
    /// Objects that some firmware sends as a JSON text, with whether they stand in the inner object. `source` says of one that
    /// did `{"encoded": n}` under its name. One that holds others stands behind them.
    pub objects: &'static [(bool, &'static str)],
}

/// A field at the top of a document.
pub const fn top(name: &'static str, meaning: Meaning) -> Field {
    Field {
        meaning,
        inner: false,
        name,
    }
}

/// A field in the inner object.
pub const fn inner(name: &'static str, meaning: Meaning) -> Field {
    Field {
        meaning,
        inner: true,
        name,
    }
}

/// The member of `source` that holds the bytes of strings which are others now, by JSON pointer (of keys, with a `#` before it).
pub const BYTES: &str = "$bytes";
/// How many times an object was encoded as a text, in its place in `source`.
pub const ENCODED: &str = "encoded";

impl Table {
    /// Dotted, as warnings name it.
    pub fn path(&self, field: &Field) -> String {
        if field.inner {
            format!("{}.{}", self.inner, field.name)
        } else {
            field.name.to_owned()
        }
    }

    /// Whether an object is expected there.
    pub fn is_object(&self, inner: bool, name: &str) -> bool {
        self.objects.contains(&(inner, name))
    }
}

impl Field {
    /// Its name in `source`: the dialect's own, but for the four that are always there, in whatever dialect.
    pub fn source_key(&self) -> &'static str {
        match self.meaning {
            Meaning::OccurredAt => "timestamp",
            Meaning::PersonType => "person_type",
            Meaning::Score => "score",
            Meaning::DeviceType => "device_type",
            _ => self.name,
        }
    }

    /// Whether a `null` in `source` says that it was not sent: it is always there, or the event has a value for it anyway.
    pub fn null_is_absent(&self, event: &Event) -> bool {
        self.meaning.is_always_in_source() || given_back(event, self.meaning).is_some()
    }
}

/// The document that the box sent, each of the event's pictures replaced by what `picture` says, or left out if it says `None`.
///
/// Not given back: the order and the spelling of keys and escapes, all but the last of a repeated key, face embeddings, what was
/// repaired, and a text that could not be read beyond its first 4 KiB.
pub fn rebuild(
    table: &Table,
    event: &Event,
    picture: impl Fn(PictureKind, &PictureReference) -> Option<String>,
) -> Map<String, Value> {
    let mut document = opened(table, event, picture);

    for &(inner, name) in table.objects {
        let Some(times) = event.source.get(name).and_then(encoded) else {
            continue;
        };
        let holder = if inner {
            document.get_mut(table.inner).and_then(Value::as_object_mut)
        } else {
            Some(&mut document)
        };

        let object = holder.and_then(|holder| holder.get_mut(name));
        if let Some(value) = object.filter(|value| value.is_object()) {
            (0..times).for_each(|_| *value = Value::String(value.to_string()));
        }
    }

    document
}

/// How many times an object was encoded as a text, by what `source` says of it.
pub fn encoded(sent: &Value) -> Option<u64> {
    sent.as_object()?.get(ENCODED)?.as_u64()
}

/// The same with every object as one that the box had sent as a text.
pub fn opened(
    table: &Table,
    event: &Event,
    picture: impl Fn(PictureKind, &PictureReference) -> Option<String>,
) -> Map<String, Value> {
    let mut document = Map::new();
    let mut inside = Map::new();
    for field in table.fields {
        if let Some(value) = sent(table, event, field, &picture) {
            let object = if field.inner {
                &mut inside
            } else {
                &mut document
            };
            object.insert(field.name.to_owned(), value);
        }
    }

    if let Some(object) = inner_object(table.inner, event, inside) {
        document.insert(table.inner.to_owned(), object);
    }

    for (name, value) in &*event.extra {
        match (document.get_mut(name), value) {
            (Some(Value::Object(inside)), Value::Object(more)) => inside.extend(more.clone()),
            _ => drop(document.insert(name.clone(), value.clone())),
        }
    }

    document
}

/// What the box sent in a field; nothing where it sent none.
fn sent(
    table: &Table,
    event: &Event,
    field: &Field,
    picture: impl Fn(PictureKind, &PictureReference) -> Option<String>,
) -> Option<Value> {
    match event.source.get(field.source_key()) {
        Some(Value::Null) if field.null_is_absent(event) => None,
        Some(_) if is_no_number(event, || table.path(field)) => Some(Value::Null),
        // Only of an object do we write that it was encoded; elsewhere a box sent what looks like it.
        Some(sent) if !table.is_object(field.inner, field.name) || encoded(sent).is_none() => {
            Some(sent.clone())
        }
        _ => match field.meaning {
            Meaning::Picture(kind) => event
                .pictures
                .get(kind)
                .and_then(|it| picture(kind, it))
                .map(Value::String),
            meaning => given_back(event, meaning).map(GivenBack::to_value),
        },
    }
}

/// What stands under the inner object's name: the object of these fields, unless the box sent something else there, or nothing.
fn inner_object(name: &str, event: &Event, inside: Map<String, Value>) -> Option<Value> {
    match event
        .source
        .get(name)
        .filter(|sent| encoded(sent).is_none())
    {
        None => Some(Value::Object(inside)),
        Some(Value::Null) => None,
        Some(_) if is_no_number(event, || name.to_owned()) => Some(Value::Null),
        Some(sent) => Some(sent.clone()),
    }
}

/// Whether the box wrote a number there that no double holds.
fn is_no_number(event: &Event, path: impl Fn() -> String) -> bool {
    let mut warnings = event.warnings.iter();
    warnings.any(|warning| warning.code == WarningCode::NumberInvalid && warning.field == path())
}

/// The text of a picture field for these bytes of its object: base64, but for the one that could not be decoded, which is the text.
pub fn picture_text(picture: &PictureReference, bytes: &[u8]) -> String {
    match picture.state {
        PictureState::Undecodable => String::from_utf8_lossy(bytes).into_owned(),
        _ => base64_simd::STANDARD.encode_to_string(bytes),
    }
}

/// A value of the event that stands for a field of the box.
#[derive(Clone, Copy, Debug)]
pub enum GivenBack<'e> {
    Text(&'e str),
    Value(&'e Value),
}

impl GivenBack<'_> {
    pub fn is(self, sent: &Value) -> bool {
        match self {
            GivenBack::Text(text) => sent == text,
            GivenBack::Value(value) => sent == value,
        }
    }

    pub fn to_value(self) -> Value {
        match self {
            GivenBack::Text(text) => text.into(),
            GivenBack::Value(value) => value.clone(),
        }
    }
}

/// What the event alone gives back for a field: exact, or `source` says otherwise. Nothing for pictures and for what is
/// always in `source`.
pub fn given_back(event: &Event, meaning: Meaning) -> Option<GivenBack<'_>> {
    let text = match meaning {
        Meaning::CameraQuality => return Some(GivenBack::Value(&event.quality.camera)),
        Meaning::BoxQuality => return Some(GivenBack::Value(&event.quality.box_)),
        Meaning::IdentityId => &event.identity.id,
        Meaning::IdentityName => &event.identity.name,
        Meaning::Group => &event.matched.group,
        Meaning::DeviceIp => &event.device.ip,
        Meaning::DeviceName => &event.device.name,
        Meaning::Box => &event.device.box_id,
        Meaning::OccurredAt
        | Meaning::Score
        | Meaning::PersonType
        | Meaning::DeviceType
        | Meaning::Picture(_) => return None,
    };
    text.as_deref().map(GivenBack::Text)
}
