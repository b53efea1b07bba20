//! What is kept for a person to look at, each thing a file of its own: records that no destination took, and bodies that were refused.
//!
//! Promises: what is kept is on disk, within its quota. Deliberately sends nothing again.

mod aside;
mod folder;
mod moment;
mod quarantine;

pub use aside::{
    Aside, AsideCounts, AsideError, AsideFilter, AsideHead, KeptRecord, PictureSize, SetAside, Why,
};
pub use folder::Page;
pub use quarantine::{
    Excerpt, KeptBody, NotKept, Quarantine, QuarantineFilter, QuarantineHead, Shown, harmless,
    is_harmless,
};
