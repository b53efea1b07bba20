//! Texts with some of their bytes replaced, and texts in texts.

use std::borrow::Cow;

use crate::event::Refusal;
use crate::normalize::limits::room::Taken;

/// A text in a text in the place of an object; beyond it somebody plays.
const ENCODED_MAX: u8 = 2;

/// What is to stand in the place of some bytes of a text.
pub(super) struct Edit {
    pub from: usize,
    pub to: usize,
    pub text: Cow<'static, str>,
}

/// The text from `from` on, edited; the edits are in the order of their places.
pub(super) fn apply<'t>(text: &'t str, from: usize, edits: &[Edit], taken: &mut Taken<'_>) -> Result<Cow<'t, str>, Refusal> {
    if edits.is_empty() {
        return Ok(Cow::Borrowed(text.get(from..).unwrap_or_default()));
    }
    taken.take(text.len() - from + added(edits))?;
    Ok(Cow::Owned(replaced(text, from, edits)))
}

/// The same, for a key.
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

fn added(edits: &[Edit]) -> usize {
    edits.iter().map(|edit| edit.text.len()).sum()
}

/// What a JSON text says that is a string, opened as long as it is one; and how many times.
pub(super) fn open(text: &str, taken: &mut Taken<'_>) -> Result<Option<(String, u8)>, Refusal> {
    let mut text = Cow::Borrowed(text);
    for encoded in 1..=ENCODED_MAX {
        taken.take(text.len())?;
        let Ok(opened) = serde_json::from_str::<String>(trim(&text)) else { return Ok(None) };
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
