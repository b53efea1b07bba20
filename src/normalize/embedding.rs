//! Takes face embeddings out: the biometric templates that boxes add to their attributes, and that never leave the gateway.
//!
//! Promises: `feature_binary` and `feature_base64_str` go wherever they stand, `feature` wherever it stands below an object that
//! boxes put attributes in. Deliberately looks at names only: a list of numbers under another name is not ours to judge.

use serde_json::Value;

const ALWAYS: [&str; 2] = ["feature_binary", "feature_base64_str"];
const IN_ATTRIBUTES: &str = "feature";
const ATTRIBUTES: [&str; 3] = ["info", "recognize_face_attr", "identity_info"];

/// Whether a member of this name is itself an embedding.
pub(super) fn is_embedding(name: &str) -> bool {
    ALWAYS.contains(&name)
}

/// Takes out what lies in the value of a member of this name; true if there was something.
pub(super) fn remove(name: &str, value: &mut Value) -> bool {
    walk(value, ATTRIBUTES.contains(&name))
}

fn walk(value: &mut Value, in_attributes: bool) -> bool {
    match value {
        Value::Object(members) => {
            let before = members.len();
            members.retain(|name, _| !is_embedding(name) && !(in_attributes && name == IN_ATTRIBUTES));
            let removed = members.len() != before;
            members.iter_mut().fold(removed, |removed, (name, value)| {
                walk(value, in_attributes || ATTRIBUTES.contains(&name.as_str())) || removed
            })
        }
        Value::Array(values) => values.iter_mut().fold(false, |removed, value| walk(value, in_attributes) || removed),
        _ => false,
    }
}
