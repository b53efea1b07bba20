//! Where a value that is left out may stand besides its own field: under its name in any dialect, at any depth, and in texts that name it.
//!
//! Promises: known by names alone, never by the value: so what is kept says nothing of what was taken.

use serde_json::{Map, Value};

use crate::route::Tables;
use boxbridge_config::Redaction;
use boxbridge_event::Dialect;
use boxbridge_event::document::{Field, Table};

/// What a warning names in the place of a path that nobody would read.
const TOO_LONG: &str = "…";

pub(super) struct Traces {
    /// Members of these names go.
    names: Vec<&'static str>,
    /// Of the event's own dialect.
    table: &'static Table,
    /// Members that no table knows go as well.
    are_unknown_hidden: bool,
}

impl Traces {
    pub fn of(redaction: &Redaction, dialect: Dialect, tables: Tables) -> Traces {
        let of_all = Dialect::ALL
            .iter()
            .flat_map(|dialect| tables(*dialect).fields);
        let hidden = of_all.filter(|field| redaction.hides(field.meaning));
        let names = |field: &'static Field| {
            let also = field.meaning.also_said_by().iter().copied();
            also.chain([field.name])
        };
        Traces {
            names: hidden.flat_map(names).collect(),
            table: tables(dialect),
            are_unknown_hidden: redaction.hides_extra(),
        }
    }

    /// The members that tell nothing of what is left out.
    pub fn cleaned(&self, members: &Map<String, Value>) -> Map<String, Value> {
        let mut members = members.clone();
        self.clean(&mut members);
        members
    }

    fn clean(&self, members: &mut Map<String, Value>) {
        members.retain(|name, value| !self.names.contains(&name.as_str()) && self.keeps(value));
    }

    fn keeps(&self, value: &mut Value) -> bool {
        match value {
            Value::Object(members) => self.clean(members),
            Value::Array(values) => values.retain_mut(|value| self.keeps(value)),
            Value::String(text) => return !self.may_tell(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        true
    }

    /// Whether a text names it, as a document in a text does. A name may be escaped there.
    fn may_tell(&self, text: &str) -> bool {
        let is_document = text.trim_start().starts_with(['{', '[', '"']);
        let is_named = self.names.iter().any(|name| text.contains(name));
        is_named || (is_document && text.contains("\\u"))
    }

    /// Whether the bytes of a string as it was sent, in base64, may stay.
    pub fn keep_bytes(&self, pointer: &str, value: &Value) -> bool {
        let text = value.as_str().unwrap_or_default();
        let bytes = base64_simd::STANDARD.decode_to_vec(text);
        let bytes = bytes.unwrap_or_default();
        // The hash of a longer text: it may be one of a document, and can be tried out.
        let is_hash = bytes.len() == 32;

        // UTF-16 has a zero beside each letter.
        let text = String::from_utf8_lossy(&bytes).replace('\0', "");
        self.keep_pointer(pointer) && !is_hash && !self.may_tell(&text)
    }

    /// Whether a JSON pointer (with a `#` before it: to a key) may stay. One to the whole document, or to the inner object, is of a text that held all fields.
    pub fn keep_pointer(&self, pointer: &str) -> bool {
        let pointer = pointer.trim_start_matches('#');
        let path: Vec<&str> = pointer.split('/').skip(1).collect();
        !path.is_empty() && path != [self.table.inner] && self.keep(&path)
    }

    /// Whether a dotted path, as warnings name it, may stay.
    pub fn keep_path(&self, path: &str) -> bool {
        let is_general = ["$", "?site", self.table.inner].contains(&path);
        let steps: Vec<&str> = path.split('.').collect();
        is_general || (path != TOO_LONG && self.keep(&steps))
    }

    fn keep(&self, path: &[&str]) -> bool {
        let is_named = path.iter().any(|step| self.names.contains(step));
        let is_unknown = self.are_unknown_hidden && self.is_unknown(path);
        !is_named && !is_unknown
    }

    fn is_unknown(&self, path: &[&str]) -> bool {
        let (inner, name) = match path {
            [inner, name, ..] if *inner == self.table.inner => (true, name),
            [name, ..] => (false, name),
            [] => return false,
        };
        let mut fields = self.table.fields.iter();
        !fields.any(|field| field.inner == inner && field.name == *name)
    }
}
