//! What is wrong with a file of lines that a setting names, said line by line.

use std::io::Read;
use std::path::Path;

use crate::reader::Reader;

/// Why such a file is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LinesProblem {
    File(String),
    Lines(Vec<String>),
}

/// More lines than this need no names one by one: the file is another one.
const SAID_MAX: usize = 50;

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

impl LinesProblem {
    /// Each bad line is a problem of its own.
    pub fn say(self, read: &mut Reader, key: &str) {
        let problems = match self {
            LinesProblem::File(problem) => return read.problem(key, problem),
            LinesProblem::Lines(problems) => problems,
        };

        let more = problems.len().saturating_sub(SAID_MAX);
        for problem in problems.into_iter().take(SAID_MAX) {
            read.problem(key, problem);
        }
        if more > 0 {
            read.problem(key, format!("and {more} more lines like these"));
        }
    }
}
