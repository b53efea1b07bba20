//! The book: its chapters are there, its reference is what the program says, and its links lead somewhere.

use std::path::{Path, PathBuf};

mod built;
mod commands;
mod reference;
mod tables;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs")
}
