//! An object of JSON as the text that it was read from, until somebody looks into it.
//!
//! Promises: written again it is the same text, letter by letter; looked into, it is what the text says. So what only passes through on the
//! way out costs a copy of its text, and no tree. Deliberately holds objects alone: anything else in its place is an error when it is read,
//! and not when somebody looks into it.

use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

#[derive(Clone)]
pub struct AsWritten<T> {
    /// `None` where it was made here.
    text: Option<Box<RawValue>>,
    object: OnceLock<T>,
}

impl<T> From<T> for AsWritten<T> {
    fn from(object: T) -> AsWritten<T> {
        AsWritten {
            text: None,
            object: OnceLock::from(object),
        }
    }
}

impl<T: Default> Default for AsWritten<T> {
    fn default() -> AsWritten<T> {
        T::default().into()
    }
}

impl<T: DeserializeOwned + Default> Deref for AsWritten<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.object.get_or_init(|| {
            let text = self.text.as_deref().map_or("{}", RawValue::get);
            // It was read once, as an object: only one that lacks a member of ours is unreadable now.
            serde_json::from_str(text).unwrap_or_default()
        })
    }
}

impl<T: Serialize + DeserializeOwned + Default> Serialize for AsWritten<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => text.serialize(serializer),
            None => T::serialize(self, serializer),
        }
    }
}

impl<'de, T> Deserialize<'de> for AsWritten<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AsWritten<T>, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        if !text.get().starts_with('{') {
            return Err(Error::custom("an object is expected"));
        }
        Ok(AsWritten {
            text: Some(text),
            object: OnceLock::new(),
        })
    }
}

impl<T: DeserializeOwned + Default + PartialEq> PartialEq for AsWritten<T> {
    fn eq(&self, other: &AsWritten<T>) -> bool {
        **self == **other
    }
}

impl<T: DeserializeOwned + Default + fmt::Debug> fmt::Debug for AsWritten<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::*;

    type Object = AsWritten<Map<String, Value>>;

    #[test]
    fn what_is_read_is_written_again_letter_by_letter_and_says_the_same() {
        let text = r#"{"b":1.50,"a":["\u00e9",null],"big":123456789012345678901234567890}"#;
        let object: Object = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&object).unwrap(), text);

        let read: Map<String, Value> = serde_json::from_str(text).unwrap();
        assert_eq!(*object, read);
        assert_eq!(object, Object::from(read));
        assert_eq!(serde_json::to_string(&object).unwrap(), text);
    }

    #[test]
    fn what_is_no_object_is_an_error_when_it_is_read() {
        for text in ["[1]", "null", "\"{}\"", "7"] {
            assert!(serde_json::from_str::<Object>(text).is_err(), "{text}");
        }
    }
}
