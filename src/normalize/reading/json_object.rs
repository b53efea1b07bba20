//! Parses an object in one pass of serde_json: its members as slices of the body, the inner object opened on the way.
//!
//! Promises: no value is copied and no number is parsed, so a picture costs one look at its text. Deliberately keeps repeated keys: the
//! reader of the members decides (the last one counts, with a warning).

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use boxbridge_event::{Code, Refusal};

#[derive(Debug)]
pub(in crate::normalize) struct JsonObject<'a> {
    pub members: Vec<(Cow<'a, str>, Member<'a>)>,
}

#[derive(Debug)]
pub(in crate::normalize) enum Member<'a> {
    /// The value's own text.
    Text(&'a RawValue),
    /// The text of a picture, without its quotes, at which nobody has looked yet.
    Apart(&'a [u8]),
    Object(JsonObject<'a>),
}

impl<'a> JsonObject<'a> {
    /// Parses a text that is one JSON object. The member `open` is opened too if it is an object.
    pub fn parse(text: &'a str, open: &str) -> Result<JsonObject<'a>, Refusal> {
        // The first try also fails if a member `open` is no object. The second opens nothing, so its error is the text's own.
        JsonObject::read(text, Some(open))
            .or_else(|_| JsonObject::read(text, None)?.opened(open))
            .map_err(invalid)
    }

    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(key, _)| key == name)
    }

    /// Opens each member of this name that is an object and not open yet.
    pub fn open(self, name: &str) -> Result<JsonObject<'a>, Refusal> {
        self.opened(name).map_err(invalid)
    }

    fn opened(mut self, open: &str) -> Result<JsonObject<'a>, serde_json::Error> {
        for (_, member) in self.members.iter_mut().filter(|(name, _)| name == open) {
            if let Member::Text(text) = member
                && text.get().starts_with('{')
            {
                *member = Member::Object(JsonObject::read(text.get(), None)?);
            }
        }
        Ok(self)
    }

    fn read(text: &'a str, open: Option<&str>) -> Result<JsonObject<'a>, serde_json::Error> {
        let mut parser = serde_json::Deserializer::from_str(text);
        let object = Open(open).deserialize(&mut parser)?;
        parser.end()?;
        Ok(object)
    }
}

/// The texts of an array's elements.
pub(in crate::normalize) fn elements(text: &str) -> Result<Vec<&RawValue>, Refusal> {
    serde_json::from_str(text).map_err(invalid)
}

/// Whether a text is one JSON value of any kind.
pub(in crate::normalize) fn check(text: &str) -> Result<(), Refusal> {
    serde_json::from_str::<&RawValue>(text)
        .map(drop)
        .map_err(invalid)
}

/// Whether a JSON text is a string that may hold an encoded object. Looks at its first characters only.
pub(in crate::normalize) fn may_be_encoded(json: &str) -> bool {
    // A backslash: the first character may be escaped, and is in an object that was encoded twice.
    json.strip_prefix('"')
        .is_some_and(|inside| inside.trim_start().starts_with(['{', '\\']))
}

/// Only for syntax errors: serde_json's message about a wrong type could hold a person's name.
fn invalid(error: serde_json::Error) -> Refusal {
    Refusal::new(Code::JsonInvalid, format!("not JSON: {error}"))
}

/// Reads an object and opens the member of this name.
struct Open<'o>(Option<&'o str>);

impl<'de> DeserializeSeed<'de> for Open<'_> {
    type Value = JsonObject<'de>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<JsonObject<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Open<'_> {
    type Value = JsonObject<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<JsonObject<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            let member = match self.0 == Some(&*key) {
                true => Member::Object(map.next_value_seed(Open(None))?),
                false => Member::Text(map.next_value()?),
            };
            members.push((key, member));
        }
        Ok(JsonObject { members })
    }
}

struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Borrow;
        impl<'de> Visitor<'de> for Borrow {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Borrow)
    }
}
