//! Takes the notes of a repair into the event: a warning each, and the value as it was sent in `source`.

use serde_json::{Map, Value};

use super::SentDocument;
use crate::normalize::repair::notes::{Notes, SentBytes, dotted, pointer};
use boxbridge_event::document::{BYTES, ENCODED, Field};
use boxbridge_event::{Code, Refusal, WarningCode};

impl SentDocument {
    pub(super) fn take_notes(&mut self, notes: Notes) {
        // The document is rebuilt by these warnings, so they come first: a flood of others must not crowd them out.
        let table = &self.dialect.table;
        for field in table.fields {
            let notes = notes.of(table.inner, field);
            if notes.is_some_and(|notes| notes.number.is_some()) {
                self.warn(WarningCode::NumberInvalid, field);
            }
        }

        notes.visit(&mut |path, note| self.take_note(path, note));
        self.notes = notes;
    }

    fn take_note(&mut self, path: &[&str], note: &Notes) {
        if let Some(spelling) = &note.number {
            self.warnings.add(WarningCode::NumberInvalid, dotted(path));
            let known = self.known(path).map(str::to_owned);
            if let Some(name) = known.or_else(|| pointer(path)) {
                self.source.insert(name, Value::String(spelling.clone()));
            }
        }

        self.take_bytes("", path, note.bytes.as_ref());
        self.take_bytes("#", path, note.key.as_ref());

        if note.encoded > 0 {
            self.warnings.add(WarningCode::TypeUnexpected, dotted(path));
            if let Some(name) = path.last() {
                let encoded = serde_json::json!({ ENCODED: note.encoded });
                self.source.insert((*name).to_owned(), encoded);
            }
        }

        if note.comma {
            self.warnings.add(WarningCode::JsonRepaired, dotted(path));
        }
    }

    /// Keeps the bytes of a value, or of its key, as they were sent. `before` stands before the pointer to it.
    fn take_bytes(&mut self, before: &str, path: &[&str], kept: Option<&SentBytes>) {
        let Some(kept) = kept else { return };
        self.warnings
            .add(WarningCode::EncodingInvalid, dotted(path));

        let place = pointer(path).map(|pointer| format!("{before}{pointer}"));
        if place.is_none() || matches!(kept, SentBytes::Hash(_)) {
            let refusal = || {
                Refusal::at(
                    Code::EncodingInvalid,
                    dotted(path),
                    "accepted, but its bytes are not kept with the event",
                )
            };
            self.unread.get_or_insert_with(refusal);
        }

        let bytes = self.source.entry(BYTES);
        let bytes = bytes.or_insert_with(|| Value::Object(Map::new()));
        if let (Some(place), Some(bytes)) = (place, bytes.as_object_mut()) {
            bytes.insert(place, kept.to_base64().into());
        }
    }

    /// The key in `source` for a known field at this path.
    fn known(&self, path: &[&str]) -> Option<&'static str> {
        let inner = self.inner();
        let of = |is_inner, name| {
            let mut fields = self.dialect.table.fields.iter();
            let field = fields.find(|field| field.inner == is_inner && field.name == name);
            field.map(Field::source_key)
        };

        match path {
            [name] if *name == inner => Some(inner),
            [name] => of(false, *name),
            [object, name] if *object == inner => of(true, *name),
            _ => None,
        }
    }
}
