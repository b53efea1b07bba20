//! A file of lines that a setting names, and what is wrong with it.

use std::io::Read;
use std::path::Path;

/// Why such a file is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LinesProblem {
    File(String),
    Lines(Vec<String>),
}

/// The whole file, if it has no more than `most` bytes; `usual` says what it should have.
pub(crate) fn bytes_of(file: &Path, most: u64, usual: &str) -> Result<Vec<u8>, LinesProblem> {
    let cannot = |error| LinesProblem::File(format!("cannot read it: {error}"));
    let opened = std::fs::File::open(file).map_err(cannot)?;
    let mut bytes = Vec::new();
    opened
        .take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;

    match bytes.len() as u64 > most {
        true => Err(LinesProblem::File(usual.to_owned())),
        false => Ok(bytes),
    }
}
