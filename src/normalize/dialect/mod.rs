//! The dialects of the boxes, one file each: how a document is recognised, where its fields stand, what its words mean.
//!
//! Promises: the first dialect in the list that claims a document reads it, so narrower dialects come before wider ones; a document that
//! none claims is refused. A document is rebuilt by the table that it was read by. Deliberately looks at keys alone: no value changes the
//! dialect.

use super::reading::json_object::JsonObject;
use boxbridge_config::ScoreScale;
use boxbridge_event::document::Table;
use boxbridge_event::{Feed, PersonType};

mod flat_v5;
mod flat_v6;
pub(super) mod nested;
mod platform;

#[derive(Debug)]
pub(super) struct Dialect {
    /// The dialect's name in the event.
    pub word: boxbridge_event::Dialect,
    pub claims: fn(&JsonObject<'_>) -> bool,
    /// The event's feed, given the feed that it came on.
    pub feed: fn(Feed) -> Feed,
    pub table: Table,
    /// The words for each person type, in lower case.
    pub persons: &'static [(&'static str, PersonType)],
    /// The person type of a whole document without one.
    pub person_missing: PersonType,
    /// The words for a device type that differ from ours.
    pub devices: &'static [(&'static str, &'static str)],
    /// The scale of scores, if the config does not say.
    pub scale: ScoreScale,
    /// Fields that differ between two documents of one match, at the top or in the inner object. The content digest leaves them out.
    pub bookkeeping: &'static [&'static str],
    /// The same, for fields of the inner object alone.
    pub history_only: &'static [&'static str],
}

static DIALECTS: [&Dialect; 4] = [
    &platform::DIALECT,
    &nested::DIALECT,
    &flat_v6::DIALECT,
    &flat_v5::DIALECT,
];

/// The most fields that a table has.
pub(super) const FIELDS_MAX: usize = 15;

/// The numbers of early firmware and the words of late firmware: some versions mix them.
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

/// The members that are objects, in any dialect: an encoded object is opened before the dialect is known.
const OBJECTS: &[(bool, &str)] = &[
    (true, "grab_fiqa_info"),
    (true, "box_fiqa_info"),
    (true, "info"),
    (true, "recognize_face_attr"),
    (false, "recognize_face_attr"),
    (false, "identity_info"),
    (false, flat_v5::INNER),
    (false, flat_v6::INNER),
    // Comes last, since it contains some of the others.
    (false, nested::INNER),
];

/// The dialect of a document, if it is one.
pub(super) fn of(object: &JsonObject<'_>) -> Option<&'static Dialect> {
    DIALECTS
        .into_iter()
        .find(|dialect| (dialect.claims)(object))
}

/// Whether an object is expected there, in any dialect.
pub(super) fn is_object(inner: bool, name: &str) -> bool {
    OBJECTS.contains(&(inner, name))
}

/// The table that rebuilds documents of a dialect.
pub fn table(word: boxbridge_event::Dialect) -> &'static Table {
    let dialect = DIALECTS.into_iter().find(|dialect| dialect.word == word);
    &dialect.unwrap_or(&nested::DIALECT).table
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxbridge_event::document::{self, Meaning};

    #[test]
    fn every_dialect_has_the_fields_that_an_event_needs() {
        for dialect in DIALECTS {
            let fields = dialect.table.fields;
            assert!(fields.len() <= FIELDS_MAX, "{}", dialect.word);
            assert!(is_object(false, dialect.table.inner), "{}", dialect.word);

            for needed in [
                Meaning::IdentityId,
                Meaning::OccurredAt,
                Meaning::Score,
                Meaning::PersonType,
                Meaning::DeviceIp,
                Meaning::Box,
            ] {
                let has_it = fields.iter().any(|field| field.meaning == needed);
                assert!(has_it, "{} {needed:?}", dialect.word);
            }
        }

        let is_read = |word| DIALECTS.iter().any(|dialect| dialect.word == word);
        assert!(boxbridge_event::Dialect::ALL.iter().copied().all(is_read));
    }

    /// By its name `source` knows a field, wherever it stands.
    #[test]
    fn no_dialect_has_a_meaning_or_a_name_in_source_twice() {
        for dialect in DIALECTS {
            let fields = dialect.table.fields;
            for (index, field) in fields.iter().enumerate() {
                let is_the_same = |other: &document::Field| {
                    other.meaning == field.meaning || other.source_key() == field.source_key()
                };
                let found = fields.iter().position(is_the_same);
                assert_eq!(found, Some(index), "{} {}", dialect.word, field.name);
            }
        }
    }
}
