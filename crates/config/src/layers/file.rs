//! The operator's file: TOML, as a tree of values.
//!
//! Promises: an error names the line and column, and says so if the file looks like YAML or JSON. It never repeats the line, which may hold
//! a secret.

use std::path::Path;

use figment::Figment;
use figment::providers::{Format, Toml};
use serde_json::{Map, Value};

use super::problem::Problem;

/// The file's text; empty where it cannot be read.
pub(crate) fn read(path: &Path, problems: &mut Vec<Problem>) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| {
        problems.push(Problem(format!("cannot read {}: {error}", path.display())));
        String::new()
    })
}

pub(crate) fn toml(text: &str, path: &Path, problems: &mut Vec<Problem>) -> Value {
    Figment::from(Toml::string(text)).extract().unwrap_or_else(|error: figment::Error| {
        let other = other_format(text).map_or_else(String::new, |other| {
            format!("; it looks like {other}: this file is TOML, with [section] lines and key = \"value\" lines below them")
        });
        problems.push(Problem(format!("{}: {}{other}", path.display(), without_the_line(&error.to_string()))));
        Value::Object(Map::new())
    })
}

/// Line, column and fault of a TOML error, without its drawing of the line: that may hold a secret.
fn without_the_line(error: &str) -> String {
    let is_drawing = |line: &str| {
        line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
            .starts_with('|')
    };
    let text = error
        .replace("in TOML source string", "")
        .replace("TOML parse error at ", "");

    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !is_drawing(line));
    let place = lines.next().unwrap_or_default().to_owned();
    format!("{place}: {}", lines.collect::<Vec<_>>().join(", "))
}

/// YAML or JSON, judged by the first line that is no comment.
fn other_format(text: &str) -> Option<&'static str> {
    let first = text
        .lines()
        .map(str::trim_end)
        .find(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'))?;
    let key = first
        .trim_start()
        .split([':', '=', ' '])
        .next()
        .unwrap_or_default();

    let is_yaml = first == "---"
        || (first.trim_start().strip_prefix(key)?.starts_with(':') && !key.is_empty());
    match first.trim_start().starts_with('{') {
        true => Some("JSON"),
        false => is_yaml.then_some("YAML"),
    }
}
