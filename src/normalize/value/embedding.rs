//! Removes face embeddings: boxes add these biometric templates to their attributes, and they must never leave the gateway.
//!
//! Promises: `feature_binary` and `feature_base64_str` are removed everywhere, `feature` below any object that boxes put attributes in.
//! A JSON text in any field is searched like the document itself; a text that names an embedding and cannot be read is cut before the
//! name. Deliberately looks at names only: a list of numbers under another name is not ours to judge.

use memchr::memmem;
use serde_json::{Map, Value};

use crate::normalize::Context;
use crate::normalize::limits::cost::{Cost, TREE_MAX, tree_bytes};
use crate::normalize::limits::repair_memory::RepairMemory;
use crate::normalize::limits::scan;
use boxbridge_event::Refusal;

const ALWAYS: [&str; 2] = ["feature_binary", "feature_base64_str"];
const IN_ATTRIBUTES: &str = "feature";
/// How deep texts in texts are read; deeper ones are an attack.
const TEXTS_MAX: usize = 3;
const ATTRIBUTES: [&str; 3] = ["info", "recognize_face_attr", "identity_info"];

/// Whether a member of this name is an embedding wherever it stands.
pub(in crate::normalize) fn is_embedding(name: &str) -> bool {
    ALWAYS.contains(&name)
}

/// Whether a member of this name is removed, given whether it is below an object with attributes.
pub(in crate::normalize) fn goes(in_attributes: bool, name: &str) -> bool {
    is_embedding(name) || (in_attributes && name == IN_ATTRIBUTES)
}

/// Whether boxes put attributes in an object of this name.
pub(in crate::normalize) fn has_attributes(name: &str) -> bool {
    ATTRIBUTES.contains(&name)
}

/// Whether an embedding may lie in a body that nobody could read, however it is written.
pub fn may_be_in(body: &[u8]) -> bool {
    // Packed, or in two bytes a letter: then no name can be found in it.
    let is_odd = |byte: &u8| byte.is_ascii_control() && !byte.is_ascii_whitespace();
    let has = |text: &str| memmem::find(body, text.as_bytes()).is_some();
    has(IN_ATTRIBUTES) || has("\\u00") || body.iter().any(is_odd)
}

/// Whether a text names an embedding: all their names contain this word.
pub(in crate::normalize) fn is_named_in(text: &str) -> bool {
    memmem::find(text.as_bytes(), IN_ATTRIBUTES.as_bytes()).is_some()
}

/// What was removed from a value.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::normalize) struct Removed {
    /// An embedding was removed.
    pub is_removed: bool,
    /// A text that names an embedding could not be read, and was cut before the name.
    pub is_cut: bool,
}

/// Removes the embeddings from the value of the member `name`. An error if there is no memory to read a text in it.
pub(in crate::normalize) fn remove(
    name: &str,
    value: &mut Value,
    context: &Context<'_>,
) -> Result<Removed, Refusal> {
    let mut search = Search {
        context,
        found: Removed::default(),
    };
    search.below(has_attributes(name), 0, value)?;
    Ok(search.found)
}

struct Search<'c, 'a> {
    context: &'c Context<'a>,
    found: Removed,
}

impl Search<'_, '_> {
    /// Searches a value. `texts` is how many texts it is within.
    fn below(
        &mut self,
        in_attributes: bool,
        texts: usize,
        value: &mut Value,
    ) -> Result<(), Refusal> {
        match value {
            Value::Object(members) => self.below_object(in_attributes, texts, members),
            Value::Array(values) => values
                .iter_mut()
                .try_for_each(|value| self.below(in_attributes, texts, value)),
            Value::String(text) => {
                if let Some(without) = self.without(in_attributes, texts, text)? {
                    *text = without;
                }
                Ok(())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
        }
    }

    fn below_object(
        &mut self,
        in_attributes: bool,
        texts: usize,
        members: &mut Map<String, Value>,
    ) -> Result<(), Refusal> {
        let before = members.len();
        members.retain(|name, _| !goes(in_attributes, name));
        self.found.is_removed |= members.len() < before;

        members.iter_mut().try_for_each(|(name, value)| {
            self.below(in_attributes || has_attributes(name), texts, value)
        })
    }

    /// A JSON text without its embeddings; `None` if it has none.
    fn without(
        &mut self,
        in_attributes: bool,
        texts: usize,
        text: &str,
    ) -> Result<Option<String>, Refusal> {
        // A name may be escaped.
        let may_hold_one = text.trim_start().starts_with(['{', '[', '"'])
            && (is_named_in(text) || text.contains("\\u"));
        if !may_hold_one {
            return Ok(None);
        }

        let Some(mut value) = self.opened(texts, text)? else {
            let cut = memmem::find(text.as_bytes(), IN_ATTRIBUTES.as_bytes());
            self.found.is_cut |= cut.is_some();
            return Ok(cut.and_then(|at| text.get(..at)).map(str::to_owned));
        };

        let before = std::mem::take(&mut self.found);
        self.below(in_attributes, texts + 1, &mut value)?;
        let is_changed = self.found != Removed::default();
        self.found.is_removed |= before.is_removed;
        self.found.is_cut |= before.is_cut;
        Ok(is_changed.then(|| value.to_string()))
    }

    /// Parses a JSON text; `None` if it is none or breaks a limit.
    fn opened(&self, texts: usize, text: &str) -> Result<Option<Value>, Refusal> {
        let Ok(counts) = scan::scan(text, &self.context.limits) else {
            return Ok(None);
        };
        if texts >= TEXTS_MAX || tree_bytes(counts.brackets, counts.values) > TREE_MAX {
            return Ok(None);
        }
        RepairMemory::new(self.context.budget, usize::MAX)
            .read(Cost::of(text.as_bytes()).bytes())?;
        Ok(serde_json::from_str(text).ok())
    }
}
