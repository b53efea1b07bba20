//! To be written.
pub mod aside;
mod folder;
pub mod quarantine;
