//! The dialects of the boxes, one file each: how a document is known, and on which feed it counts.
//!
//! Promises: the first in the list that claims a document reads it, so the narrower stands before the wider; what none claims is
//! refused. Deliberately knows nothing of a field's value: a dialect is told by its keys, and no value can unmake it. The flat
//! documents of generations 3 and 4 are none of these.

use crate::event::Feed;
use crate::normalize::reading::object::Object;

mod nested;
mod platform;

pub(super) struct Dialect {
    pub claims: fn(&Object<'_>) -> bool,
    /// The feed of an event that came on this one.
    pub feed: fn(Feed) -> Feed,
}

static DIALECTS: [Dialect; 2] = [platform::DIALECT, nested::DIALECT];

/// The dialect of a document, if it is one.
pub(super) fn of(object: &Object<'_>) -> Option<&'static Dialect> {
    DIALECTS.iter().find(|dialect| (dialect.claims)(object))
}
