//! Repairs a text that the strict reading refused, and notes what was changed.
//!
//! A JSON text in the place of an object is opened. `NaN`, `Infinity`, `-Infinity` and numbers out of range become `null`. Half a
//! surrogate pair becomes U+FFFD. A comma before `}` or `]` is removed. Nothing else is repaired.
//!
//! Promises: linear time, bounded depth, and no more memory than [`RepairMemory`] grants; a text that needs no repair is returned as it was.
//! Deliberately judges nothing: the strict reading reads the result with every limit, as if it had been sent, and refuses it if it is
//! still no JSON.

use std::borrow::Cow;

use self::notes::Notes;
use self::walk::{NoRepair, Position, Walk};
use super::limits::repair_memory::RepairMemory;
use boxbridge_event::Refusal;

pub(super) mod decode;
mod edit;
pub(super) mod notes;
pub(super) mod split;
mod string_token;
mod strings;
mod walk;

/// An event with more changes than this was made up.
const CHANGES_MAX: usize = 10_000;

pub(super) struct Repaired<'t> {
    pub text: Cow<'t, str>,
    pub notes: Notes,
}

/// Repairs `text`. `raw` are the bytes it was decoded from, if they differ. `None` if no repair makes it JSON.
pub(super) fn repair<'t>(
    text: &'t str,
    raw: Option<&[u8]>,
    depth_max: usize,
    taken: &mut RepairMemory<'_>,
) -> Result<Option<Repaired<'t>>, Refusal> {
    let mut walk = Walk::new(text, raw, depth_max, CHANGES_MAX, taken);

    match walk.whole(Position::Document, 1) {
        Err(NoRepair::Refused(refusal)) => Err(refusal),
        Err(NoRepair::NoJson) => Ok(None),
        Ok(notes) => {
            let edits = walk.take_edits();
            Ok(Some(Repaired {
                text: edit::apply(text, 0, &edits, taken)?,
                notes,
            }))
        }
    }
}

/// The array in a body that is a JSON text of one.
pub(super) fn array_in(
    text: &str,
    taken: &mut RepairMemory<'_>,
) -> Result<Option<String>, Refusal> {
    let opened = edit::open(text, taken)?;
    Ok(opened
        .map(|(text, _)| text)
        .filter(|text| edit::trim(text).starts_with('[')))
}
