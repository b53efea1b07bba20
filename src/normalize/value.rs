//! One file for each kind of value: a field, a picture's text, an image's bytes, and face embeddings, which never leave.

pub(super) mod embedding;
pub(super) mod field;
mod image;
pub(super) mod picture;
