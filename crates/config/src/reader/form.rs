//! The forms a setting can have: a word of several, a duration within limits, a network …, and each as JSON Schema.
//!
//! Promises: a [`Form`] has the limits that the reader holds a value against. JSON Schema cannot bound a duration or a size that
//! is a text, so their limits stand under `x-minimum` and `x-maximum`, and what a bare number counts under `x-unit`.

use std::time::Duration;

use serde_json::{Value, json};

use super::units::{written, written_size};
use crate::values::template::Field;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    /// The pattern is for the schema; the reader checks by code of its own.
    Pattern(&'static str),
    /// One of these. A wrong word reads as the first.
    Words(Vec<&'static str>),
    /// Some of these, or none.
    WordList(Vec<&'static str>),
    Switch,
    Whole {
        least: i64,
        most: i64,
    },
    Duration {
        least: Duration,
        most: Duration,
        /// A word for "without end".
        or: Option<&'static str>,
    },
    Size {
        least: u64,
        most: u64,
        unit: &'static str,
    },
    Address,
    /// May be empty.
    OptionalAddress,
    Texts,
    Networks,
    Template(Vec<Field>),
    Secret,
}

const DURATION: &str = "([0-9]+(ms|s|m|h|d))+";
const SIZE: &str = "^[0-9]+ *(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)?$";

impl Form {
    /// The part of a schema that says it.
    pub fn schema(&self) -> Value {
        match self {
            Form::Text => json!({"type": "string"}),
            Form::Pattern(pattern) => json!({"type": "string", "pattern": pattern}),
            Form::Words(words) => json!({"enum": in_every_spelling(words)}),
            Form::WordList(words) => json!({"type": "array", "items": {"enum": words}}),
            Form::Switch => json!({"type": "boolean"}),
            Form::Whole { least, most } => {
                json!({"type": "integer", "minimum": least, "maximum": most})
            }
            Form::Duration { least, most, or } => {
                let or = or.map_or_else(String::new, |word| format!("|{word}"));
                let pattern = format!("^({DURATION}{or})$");
                json!({"type": "string", "pattern": pattern, "x-minimum": written(*least), "x-maximum": written(*most)})
            }
            Form::Size { least, most, unit } => size(*least, *most, unit),
            Form::Address => json!({"type": "string", "pattern": "^.+:[0-9]+$"}),
            Form::OptionalAddress => json!({"type": "string", "pattern": "^(.+:[0-9]+)?$"}),
            Form::Texts => json!({"type": "array", "items": {"type": "string"}, "minItems": 1}),
            Form::Networks => json!({"type": "array", "items": {"type": "string"}}),
            Form::Template(fields) => {
                let fields: Vec<_> = fields.iter().map(|field| field.as_str()).collect();
                json!({"type": "string", "x-fields": fields})
            }
            Form::Secret => json!({"type": "string", "writeOnly": true}),
        }
    }
}

/// A word that is a number may be written as one.
fn in_every_spelling(words: &[&str]) -> Vec<Value> {
    let numbers = words
        .iter()
        .filter_map(|word| word.parse::<i64>().ok())
        .map(Value::from);
    words
        .iter()
        .map(|word| Value::from(*word))
        .chain(numbers)
        .collect()
}

fn size(least: u64, most: u64, unit: &str) -> Value {
    let schema = json!({
        "type": ["string", "integer"],
        "pattern": SIZE,
        "minimum": least,
        "x-minimum": written_size(least),
        "x-unit": unit,
    });

    let limits = [
        ("maximum", most.into()),
        ("x-maximum", written_size(most).into()),
    ];
    match most {
        u64::MAX => schema,
        _ => with(schema, limits),
    }
}

/// A schema that says more.
pub(crate) fn with<const N: usize>(mut schema: Value, more: [(&str, Value); N]) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.extend(more.map(|(name, value)| (name.to_owned(), value)));
    }
    schema
}
