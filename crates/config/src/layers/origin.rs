//! Where each setting comes from: the defaults, a line of the file, a variable, a flag.
//!
//! Deliberately finds a line only where it is written in the usual way, a key and `=` below its `[section]`: elsewhere the file is named.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde_json::Value;

/// Where a setting is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    Default,
    File { path: PathBuf, line: Option<usize> },
    Variable(String),
    Flag,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line: None } => write!(f, "{}", path.display()),
            Origin::File {
                path,
                line: Some(line),
            } => write!(f, "{}:{line}", path.display()),
            Origin::Variable(name) => f.write_str(name),
            Origin::Flag => f.write_str("--set"),
        }
    }
}

/// By dotted key.
pub(crate) type Origins = BTreeMap<String, Origin>;

/// Notes where the values of one layer come from, over what layers before it said.
pub(crate) fn note(origins: &mut Origins, layer: &Value, origin_of: impl Fn(&str) -> Origin) {
    for (key, _) in leaves(layer) {
        let origin = origin_of(&key);
        origins.insert(key, origin);
    }
}

/// Every value that is no section, with its dotted key.
pub(crate) fn leaves(settings: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    let mut sections = vec![(String::new(), settings)];

    while let Some((section, value)) = sections.pop() {
        for (key, value) in value.as_object().into_iter().flatten() {
            let key = match section.is_empty() {
                true => key.clone(),
                false => format!("{section}.{key}"),
            };
            match value.is_object() {
                true => sections.push((key, value)),
                false => found.push((key, value)),
            }
        }
    }
    found
}

/// The line on which each key stands, from 1.
pub(crate) type Lines = BTreeMap<String, usize>;

pub(crate) fn lines(text: &str) -> Lines {
    let mut lines = Lines::new();
    let mut section = String::new();

    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        let name = line
            .strip_prefix('[')
            .and_then(|rest| rest.split(']').next());
        if let Some(name) = name {
            section = format!("{}.", name.trim());
        } else if let Some((key, _)) = line.split_once('=') {
            lines.insert(format!("{section}{}", key.trim()), number);
        }
    }
    lines
}
