//! Edits of a text, and texts within texts.

use std::borrow::Cow;

use crate::normalize::limits::repair_memory::RepairMemory;
use boxbridge_event::Refusal;

/// An object may be encoded as a text twice; more is an attack.
const ENCODED_MAX: u8 = 2;

/// Replaces some bytes of a text.
pub(super) struct Edit {
    pub from: usize,
    pub to: usize,
    pub text: Cow<'static, str>,
}

/// The text from `from` on, with the edits applied. They must be in the order of the text.
pub(super) fn apply<'t>(
    text: &'t str,
    from: usize,
    edits: &[Edit],
    taken: &mut RepairMemory<'_>,
) -> Result<Cow<'t, str>, Refusal> {
    if edits.is_empty() {
        return Ok(Cow::Borrowed(text.get(from..).unwrap_or_default()));
    }
    taken.take(text.len() - from + added(edits))?;
    Ok(Cow::Owned(replaced(text, from, edits)))
}

/// The same without asking for memory: keys are short.
pub(super) fn replaced(text: &str, from: usize, edits: &[Edit]) -> String {
    let mut result = String::with_capacity(text.len() - from + added(edits));

    let mut at = from;
    for edit in edits {
        result.push_str(text.get(at..edit.from).unwrap_or_default());
        result.push_str(&edit.text);
        at = edit.to;
    }

    result.push_str(text.get(at..).unwrap_or_default());
    result
}

pub(super) fn added(edits: &[Edit]) -> usize {
    edits.iter().map(|edit| edit.text.len()).sum()
}

/// Decodes a JSON string, again if the result is a string; returns the text and how many times it was decoded.
pub(super) fn open(
    text: &str,
    taken: &mut RepairMemory<'_>,
) -> Result<Option<(String, u8)>, Refusal> {
    let mut text = Cow::Borrowed(text);

    for encoded in 1..=ENCODED_MAX {
        taken.take(text.len())?;
        let Ok(opened) = serde_json::from_str::<String>(trim(&text)) else {
            return Ok(None);
        };
        if encoded > 1 {
            taken.free(text.len());
        }

        if !trim(&opened).starts_with('"') {
            return Ok(Some((opened, encoded)));
        }
        text = Cow::Owned(opened);
    }
    Ok(None)
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}
