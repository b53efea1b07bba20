//! What is wrong with the settings, and which of the sources it stands in.

use std::fmt;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem(pub String);

/// Everything that is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self
            .0
            .iter()
            .map(|problem| format!("config: {}", problem.0))
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// One of the sources that an operator writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    File,
    Environment,
    Flags,
}

impl Layer {
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::File => "the file",
            Layer::Environment => "the environment",
            Layer::Flags => "--set",
        }
    }
}
