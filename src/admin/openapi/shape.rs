//! Short ways to write the schemas of answers. An object has all members that are named, and no others.

use serde_json::{Value, json};

/// An object with all of these members.
pub fn object(members: Value) -> Value {
    let names: Vec<&String> = members
        .as_object()
        .into_iter()
        .flat_map(|it| it.keys())
        .collect();
    json!({"type": "object", "required": names, "properties": members})
}

pub fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

/// One of the named schemas of the document.
pub fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// The same, or null.
pub fn or_null(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

/// RFC 3339 in UTC.
pub fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

pub fn time_or_null() -> Value {
    json!({"type": ["string", "null"], "format": "date-time"})
}

pub fn text() -> Value {
    json!({"type": "string"})
}

pub fn text_or_null() -> Value {
    json!({"type": ["string", "null"]})
}

pub fn texts() -> Value {
    list(text())
}

pub fn truth() -> Value {
    json!({"type": "boolean"})
}

pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

pub fn count_or_null() -> Value {
    json!({"type": ["integer", "null"], "minimum": 0})
}

/// How many there are of each word.
pub fn counts(words: impl IntoIterator<Item = &'static str>) -> Value {
    let names: Vec<_> = words.into_iter().collect();
    json!({"type": "object", "propertyNames": {"enum": names}, "additionalProperties": count()})
}

/// One of these words.
pub fn word(words: impl IntoIterator<Item = &'static str>) -> Value {
    let words: Vec<_> = words.into_iter().collect();
    json!({"type": "string", "enum": words})
}

pub fn word_or_null(words: impl IntoIterator<Item = &'static str>) -> Value {
    or_null(word(words))
}

/// With a sentence about it.
pub fn about(schema: Value, sentence: &str) -> Value {
    let mut described = schema;
    if let Some(members) = described.as_object_mut() {
        members.insert("description".to_owned(), sentence.into());
    }
    described
}
