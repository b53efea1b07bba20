//! Takes face embeddings out: the biometric templates that boxes add to their attributes, and that never leave the gateway.
//!
//! Promises: `feature_binary` and `feature_base64_str` go wherever they stand, `feature` wherever it stands below an object that
//! boxes put attributes in. Deliberately looks at names only: a list of numbers under another name is not ours to judge.

use serde_json::Value;

const ALWAYS: [&str; 2] = ["feature_binary", "feature_base64_str"];
const IN_ATTRIBUTES: &str = "feature";
const ATTRIBUTES: [&str; 3] = ["info", "recognize_face_attr", "identity_info"];

/// Whether a member of this name is an embedding wherever it stands.
pub(super) fn is_embedding(name: &str) -> bool {
    ALWAYS.contains(&name)
}

/// Whether a member of this name goes, in or outside an object that boxes put attributes in.
pub(super) fn goes(in_attributes: bool, name: &str) -> bool {
    is_embedding(name) || (in_attributes && name == IN_ATTRIBUTES)
}

/// Whether boxes put attributes in an object of this name.
pub(super) fn has_attributes(name: &str) -> bool {
    ATTRIBUTES.contains(&name)
}

/// Takes out what lies in the value of a member of this name; true if there was something.
pub(super) fn remove(name: &str, value: &mut Value) -> bool {
    count_removed(has_attributes(name), value) > 0
}

fn count_removed(in_attributes: bool, value: &mut Value) -> usize {
    match value {
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, _| !goes(in_attributes, name));
            let removed = before - members.len();
            let below = members.iter_mut().map(|(name, value)| count_removed(in_attributes || has_attributes(name), value));
            removed + below.sum::<usize>()
        }
        Value::Array(values) => values.iter_mut().map(|value| count_removed(in_attributes, value)).sum(),
        _ => 0,
    }
}
