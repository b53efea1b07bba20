//! Notes of what a repair changed, as a tree of the document's own shape.
//!
//! Promises: a note stands where its value stands. So a repeated key drops the notes of the value before, and a value that policy removes
//! takes its notes along. Deliberately has no notes of values that were not changed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::normalize::KEPT_BYTES;
use crate::normalize::value::embedding;
use boxbridge_event::document::Field;

#[derive(Debug, Default, PartialEq)]
pub(in crate::normalize) struct Notes {
    /// How a number was spelled that is `null` now.
    pub number: Option<String>,
    /// The bytes of a string as they were sent, if the string is another now.
    pub bytes: Option<SentBytes>,
    /// The same for the value's key.
    pub key: Option<SentBytes>,
    /// The object had this key before, with a value that is another now.
    pub follows_another: bool,
    /// How many times the object was encoded as a text.
    pub encoded: u8,
    /// A comma after the last member was removed.
    pub comma: bool,
    /// By key, or by an array's index.
    pub members: BTreeMap<String, Notes>,
}

/// Bytes of a body as they were sent.
#[derive(Debug, PartialEq)]
pub(in crate::normalize) enum SentBytes {
    Whole(Vec<u8>),
    /// Their SHA-256, if they are many or may hold a picture: two different values stay different.
    Hash([u8; 32]),
}

impl SentBytes {
    pub fn whole(bytes: &[u8]) -> SentBytes {
        if bytes.len() > KEPT_BYTES {
            SentBytes::hash(bytes)
        } else {
            SentBytes::Whole(bytes.to_vec())
        }
    }

    pub fn hash(bytes: &[u8]) -> SentBytes {
        SentBytes::Hash(Sha256::digest(bytes).into())
    }

    pub fn to_base64(&self) -> String {
        let bytes = match self {
            SentBytes::Whole(bytes) => bytes.as_slice(),
            SentBytes::Hash(hash) => hash.as_slice(),
        };
        base64_simd::STANDARD.encode_to_string(bytes)
    }
}

impl Notes {
    pub fn is_empty(&self) -> bool {
        *self == Notes::default()
    }

    /// The notes of a field's value, in a document whose inner object is named `inner`.
    pub fn of(&self, inner: &str, field: &Field) -> Option<&Notes> {
        let object = if field.inner {
            self.members.get(inner)?
        } else {
            self
        };
        object.members.get(field.name)
    }

    /// Whether the value differs from the one that was sent.
    pub fn is_another(&self) -> bool {
        self.number.is_some() || self.bytes.is_some()
    }

    /// Visits every note with its path, except notes on embeddings, which are removed.
    pub fn visit<'n>(&'n self, visit: &mut impl FnMut(&[&'n str], &'n Notes)) {
        self.visit_below(&mut Vec::new(), false, visit);
    }

    fn visit_below<'n>(
        &'n self,
        path: &mut Vec<&'n str>,
        in_attributes: bool,
        visit: &mut impl FnMut(&[&'n str], &'n Notes),
    ) {
        visit(path, self);

        for (name, below) in &self.members {
            if !embedding::goes(in_attributes, name) {
                let in_attributes = in_attributes || embedding::has_attributes(name);
                path.push(name);
                below.visit_below(path, in_attributes, visit);
                path.pop();
            }
        }
    }
}

/// A longer path was made up. Names come from the body, and every note below a name of a megabyte would repeat it.
const PATH_MAX: usize = 1 << 10;

/// A path as warnings name it; the document itself is `$`.
pub(in crate::normalize) fn dotted(path: &[&str]) -> String {
    match path {
        [] => "$".to_owned(),
        _ if is_long(path) => "…".to_owned(),
        _ => path.join("."),
    }
}

/// A path as RFC 6901 names it; `None` if it would be too long.
pub(in crate::normalize) fn pointer(path: &[&str]) -> Option<String> {
    let step =
        |pointer: String, name: &&str| pointer + "/" + &name.replace('~', "~0").replace('/', "~1");
    (!is_long(path)).then(|| path.iter().fold(String::new(), step))
}

fn is_long(path: &[&str]) -> bool {
    path.iter().map(|name| name.len()).sum::<usize>() > PATH_MAX
}
