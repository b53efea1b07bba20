//! One kind of value in each file: a field's, a picture's, an image's, and those that never leave.

pub(super) mod embedding;
pub(super) mod field;
mod image;
pub(super) mod picture;
