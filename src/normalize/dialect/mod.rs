//! The dialects of the boxes, one file each: how a document is known, where its fields stand, what its words mean.
//!
//! Promises: the first in the list that claims a document reads it, so the narrower stands before the wider; what none claims is
//! refused. A document is made again by the table by which it was read. Deliberately a dialect is told by its keys alone: no value can
//! unmake it.

use serde_json::{Map, Value};

use super::reading::object::Object;
use crate::config::ScoreScale;
use crate::event::document::{self, Table};
use crate::event::{self, Event, Feed, PersonType, PictureKind, PictureReference};

mod flat_v5;
mod flat_v6;
pub(super) mod nested;
mod platform;

#[derive(Debug)]
pub(super) struct Dialect {
    /// As the event remembers it.
    pub word: event::Dialect,
    pub claims: fn(&Object<'_>) -> bool,
    /// The feed of an event that came on this one.
    pub feed: fn(Feed) -> Feed,
    pub table: Table,
    /// What stands for each person type, in lower case.
    pub persons: &'static [(&'static str, PersonType)],
    /// What a document means that came whole and has no person type.
    pub person_missing: PersonType,
    /// What stands for a device type, where it is not the word itself.
    pub devices: &'static [(&'static str, &'static str)],
    /// Of scores, where the config leaves it to us.
    pub scale: ScoreScale,
    /// What differs between two documents of one match, at the top or in the inner object: left out of the content digest.
    pub bookkeeping: &'static [&'static str],
    /// The same of the inner object alone.
    pub history_only: &'static [&'static str],
}

static DIALECTS: [&Dialect; 4] = [&platform::DIALECT, &nested::DIALECT, &flat_v6::DIALECT, &flat_v5::DIALECT];

/// The most fields that a table has.
pub(super) const FIELDS_MAX: usize = 15;

/// The numbers of the first firmware, and the words of the last: some send the one under the other's name.
const PERSONS: &[(&str, PersonType)] = &[
    ("1", PersonType::Employee),
    ("2", PersonType::Visitor),
    ("3", PersonType::Blacklist),
    ("4", PersonType::Stranger),
    ("5", PersonType::Vip),
    ("employee", PersonType::Employee),
    ("visitor", PersonType::Visitor),
    ("blacklist", PersonType::Blacklist),
    ("stranger", PersonType::Stranger),
    ("vip", PersonType::Vip),
];

/// One list for all: a text is opened before anybody knows whose document it is in.
const OBJECTS: &[(bool, &str)] = &[
    (true, "grab_fiqa_info"),
    (true, "box_fiqa_info"),
    (true, "info"),
    (true, "recognize_face_attr"),
    (false, "recognize_face_attr"),
    (false, "identity_info"),
    (false, flat_v5::INNER),
    (false, flat_v6::INNER),
    // The last, since it holds some of the others.
    (false, nested::INNER),
];

/// The dialect of a document, if it is one.
pub(super) fn of(object: &Object<'_>) -> Option<&'static Dialect> {
    DIALECTS.into_iter().find(|dialect| (dialect.claims)(object))
}

/// Whether an object is expected there, in any dialect.
pub(super) fn is_object(inner: bool, name: &str) -> bool {
    OBJECTS.contains(&(inner, name))
}

/// By which documents of a dialect are made again.
pub fn table(word: event::Dialect) -> &'static Table {
    let dialect = DIALECTS.into_iter().find(|dialect| dialect.word == word);
    &dialect.unwrap_or(&nested::DIALECT).table
}

/// [`document::opened`] by the event's own table.
pub fn opened(event: &Event, picture: impl Fn(PictureKind, &PictureReference) -> Option<String>) -> Map<String, Value> {
    document::opened(table(event.dialect), event, picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::document::Meaning;

    #[test]
    fn every_dialect_has_the_fields_that_an_event_needs_and_no_meaning_twice() {
        for dialect in DIALECTS {
            let fields = dialect.table.fields;
            assert!(fields.len() <= FIELDS_MAX, "{}", dialect.word);
            for needed in
                [Meaning::IdentityId, Meaning::OccurredAt, Meaning::Score, Meaning::PersonType, Meaning::DeviceIp, Meaning::Box]
            {
                assert_eq!(fields.iter().filter(|field| field.meaning == needed).count(), 1, "{} {needed:?}", dialect.word);
            }
            for field in fields {
                let of =
                    |it: fn(&document::Field, &document::Field) -> bool| fields.iter().filter(|other| it(field, other)).count();
                // Under its name `source` knows a field, wherever it stands.
                assert_eq!(
                    (of(|a, b| a.meaning == b.meaning), of(|a, b| a.source_key() == b.source_key())),
                    (1, 1),
                    "{} {}",
                    dialect.word,
                    field.name
                );
            }
            assert!(is_object(false, dialect.table.inner));
        }
        assert!(event::Dialect::ALL.iter().all(|word| DIALECTS.iter().any(|dialect| dialect.word == *word)));
    }
}
