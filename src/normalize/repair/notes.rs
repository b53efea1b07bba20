//! What a repair changed in a document, as a tree of the document's own shape.
//!
//! Promises: what is known of a value stands where the value stands, so that a repeated key takes the notes of the one before with
//! it, and what policy removes takes its notes along. Deliberately says nothing of values that were not changed.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::event::document::Field;
use crate::normalize::KEPT_BYTES;
use crate::normalize::value::embedding;

#[derive(Debug, Default, PartialEq)]
pub(in crate::normalize) struct Notes {
    /// The spelling of a number that is `null` now.
    pub number: Option<String>,
    /// A string as it was sent, between its quotes, where it is another now.
    pub bytes: Option<Kept>,
    /// The same of the key that the value stands under.
    pub key: Option<Kept>,
    /// How many times the object that is there now was encoded as a text.
    pub encoded: u8,
    /// A comma behind the last member was taken out.
    pub comma: bool,
    /// By key, or by an array's index.
    pub members: BTreeMap<String, Notes>,
}

/// Bytes of a body, kept beside what was made of them.
#[derive(Debug, PartialEq)]
pub(in crate::normalize) enum Kept {
    Whole(Vec<u8>),
    /// Their SHA-256, where there are many, or pictures among them: two are two all the same.
    Hash([u8; 32]),
}

impl Kept {
    pub fn whole(bytes: &[u8]) -> Kept {
        if bytes.len() > KEPT_BYTES { Kept::hash(bytes) } else { Kept::Whole(bytes.to_vec()) }
    }

    pub fn hash(bytes: &[u8]) -> Kept {
        Kept::Hash(Sha256::digest(bytes).into())
    }

    pub fn to_base64(&self) -> String {
        let bytes = match self {
            Kept::Whole(bytes) => &bytes[..],
            Kept::Hash(hash) => &hash[..],
        };
        base64_simd::STANDARD.encode_to_string(bytes)
    }
}

impl Notes {
    pub fn is_empty(&self) -> bool {
        *self == Notes::default()
    }

    /// Of a field's value, in a document whose inner object has this name.
    pub fn of(&self, inner: &str, field: &Field) -> Option<&Notes> {
        let object = if field.inner { self.members.get(inner)? } else { self };
        object.members.get(field.name)
    }

    /// Whether the value that is there now is not the one that was sent.
    pub fn is_another(&self) -> bool {
        self.number.is_some() || self.bytes.is_some()
    }

    /// Every note with its path, but for those of what embeddings are removed with.
    pub fn visit<'n>(&'n self, visit: &mut impl FnMut(&[&'n str], &'n Notes)) {
        self.visit_below(&mut Vec::new(), false, visit);
    }

    fn visit_below<'n>(&'n self, path: &mut Vec<&'n str>, in_attributes: bool, visit: &mut impl FnMut(&[&'n str], &'n Notes)) {
        visit(path, self);
        for (name, below) in &self.members {
            if embedding::goes(in_attributes, name) {
                continue;
            }
            path.push(name);
            below.visit_below(path, in_attributes || embedding::has_attributes(name), visit);
            path.pop();
        }
    }
}

/// A longer path was made up: names come from the body, and each note below one of a megabyte would repeat it.
const PATH_MAX: usize = 1 << 10;

/// As warnings name a place; the document itself is `$`.
pub(in crate::normalize) fn dotted(path: &[&str]) -> String {
    match path {
        [] => "$".to_owned(),
        _ if is_long(path) => "…".to_owned(),
        _ => path.join("."),
    }
}

/// As RFC 6901 names it; `None` where that would be too long.
pub(in crate::normalize) fn pointer(path: &[&str]) -> Option<String> {
    let step = |pointer: String, name: &&str| pointer + "/" + &name.replace('~', "~0").replace('/', "~1");
    (!is_long(path)).then(|| path.iter().fold(String::new(), step))
}

fn is_long(path: &[&str]) -> bool {
    path.iter().map(|name| name.len()).sum::<usize>() > PATH_MAX
}
