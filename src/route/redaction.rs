//! An event without what its route leaves out: on a copy, before anything of it is written.
//!
//! Promises: pure; two events that differ only in what is left out leave as the same message, but for keyed ids. So a value takes all with it that
//! tells of it: what `source` says, its bytes, its warnings, the same field of another dialect wherever it stands, and the id and revision
//! that are hashes of it: [`RedactKey`] makes stand-ins for these. Deliberately copies nothing where nothing is left out, and judges no
//! free text: what a box writes into a field of its own goes with `extra`.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::Tables;
use boxbridge_config::{Format, IdentityShown, Redaction, Route};
use boxbridge_event::document::{BYTES, Field, Meaning, Table, encoded};
use boxbridge_event::{Event, PictureKind, Quality};

mod key;
mod traces;

pub use key::RedactKey;

use traces::Traces;

/// The event as its route lets it leave.
pub(super) fn redacted<'e>(
    event: &'e Event,
    route: &Route,
    tables: Tables,
    key: &RedactKey,
) -> Cow<'e, Event> {
    if route.redaction.is_none() {
        return Cow::Borrowed(event);
    }

    let cut = Cut {
        redaction: &route.redaction,
        table: tables(event.dialect),
        traces: Traces::of(&route.redaction, event.dialect, tables),
    };
    let mut copy = event.clone();
    cut.take_fields(&mut copy, key);
    cut.take_traces(&mut copy, route.format);
    key.rename(&mut copy, event, &route.redaction);
    Cow::Owned(copy)
}

struct Cut<'r> {
    redaction: &'r Redaction,
    table: &'static Table,
    traces: Traces,
}

impl Cut<'_> {
    fn hides(&self, meaning: Meaning) -> bool {
        self.redaction.hides(meaning)
    }

    fn take_fields(&self, event: &mut Event, key: &RedactKey) {
        let id = event.identity.id.take();
        event.identity.id = match self.redaction.identity() {
            IdentityShown::AsItIs => id,
            IdentityShown::StandIn => id.map(|id| key.identity(&id)),
            IdentityShown::Nothing => None,
        };
        if self.hides(Meaning::IdentityName) {
            event.identity.name = None;
        }
        if self.hides(Meaning::Score) {
            event.matched.score = None;
        }
        if self.hides(Meaning::Group) {
            event.matched.group = None;
        }

        for kind in PictureKind::ALL {
            if self.hides(Meaning::Picture(*kind)) {
                *event.pictures.slot(*kind) = None;
            }
        }
    }

    /// Takes out what else tells of them.
    fn take_traces(&self, event: &mut Event, format: Format) {
        event.quality = self.quality(&event.quality).into();
        event.extra = self.extra(&event.extra).into();
        event.source = self.source(event, format).into();
        event.warnings.retain(|it| self.traces.keep_path(&it.field));
    }

    fn quality(&self, quality: &Quality) -> Quality {
        let of = |meaning, value: &Value| match value.as_object() {
            Some(members) if !self.hides(meaning) => Value::Object(self.traces.cleaned(members)),
            _ => Value::Object(Map::new()),
        };
        Quality {
            camera: of(Meaning::CameraQuality, &quality.camera),
            box_: of(Meaning::BoxQuality, &quality.box_),
        }
    }

    fn extra(&self, extra: &Map<String, Value>) -> Map<String, Value> {
        if self.redaction.hides_extra() {
            return Map::new();
        }

        let mut extra = self.traces.cleaned(extra);
        // Else it would tell that something was taken out of it.
        if extra.get(self.table.inner) == Some(&Value::Object(Map::new())) {
            extra.remove(self.table.inner);
        }
        extra
    }

    fn source(&self, event: &Event, format: Format) -> Map<String, Value> {
        let mut source = self.traces.cleaned(&event.source);
        source.retain(|name, value| self.keeps_of_source(name, value));
        if let Some(Value::Object(bytes)) = source.get_mut(BYTES) {
            bytes.retain(|pointer, value| self.traces.keep_bytes(pointer, value));
        }
        if source.get(BYTES) == Some(&Value::Object(Map::new())) {
            source.remove(BYTES);
        }

        for field in self.table.fields {
            let said = source.entry(field.source_key());
            if field.meaning.is_always_in_source() {
                said.or_insert(Value::Null);
            } else if format == Format::Box && self.is_blank(event, field) {
                said.or_insert(Value::String(String::new()));
            }
        }
        source
    }

    fn keeps_of_source(&self, name: &str, value: &Value) -> bool {
        match name {
            BYTES => true,
            // Something that nobody could read, where the known fields should have been.
            _ if name == self.table.inner => value.is_null() || encoded(value).is_some(),
            _ if name.starts_with('/') => self.traces.keep_pointer(name),
            _ if self.redaction.hides_extra() => {
                let mut known = self.table.fields.iter();
                known.any(|field| field.source_key() == name)
            }
            _ => true,
        }
    }

    /// Consumers of the vendor's shape find every text that they know, if only empty.
    fn is_blank(&self, event: &Event, field: &Field) -> bool {
        let has_stand_in = field.meaning == Meaning::IdentityId && event.identity.id.is_some();
        self.hides(field.meaning) && field.meaning.is_text() && !has_stand_in
    }
}
