//! Where settings come from: defaults < file < environment < flags, and which keys there are.

use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use serde_json::{Map, Value};

use super::unknown;
use crate::route;
use crate::send::{names, store};
use crate::values::secret::is_secret;

/// `config/boxbridge.toml`: the defaults, and the list of all keys.
pub const DEFAULTS: &str = include_str!("../../../../config/boxbridge.toml");

/// What the operator wrote, before anything is checked.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    pub file: Option<PathBuf>,
    /// Names with the prefix and values, as [`Layers::environment`] finds them.
    pub environment: Vec<(String, String)>,
    /// `--set key=value`: dotted keys.
    pub flags: Vec<(String, String)>,
}

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

const PREFIX: &str = "BOXBRIDGE_";
/// Stands for a value that is no text: no setting can have it.
const NOT_UTF8: &str = "\u{fffd}";

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

impl Layers {
    /// The variables of this process that are for us: `BOXBRIDGE_…`, and the AWS tools' names for who we are to an object store.
    /// Not `BOXBRIDGE_CONFIG`, which names the file, and not those that Kubernetes injects for a service named boxbridge.
    pub fn environment() -> Vec<(String, String)> {
        let is_setting = |rest: &str| rest != "CONFIG" && !is_service_link(rest);
        let is_ours = |name: &str| {
            store::VARIABLES.contains(&name) || name.strip_prefix(PREFIX).is_some_and(is_setting)
        };

        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| is_ours(name))
            .map(|(name, value)| (name, value.into_string()))
            .map(|(name, value)| (name, value.unwrap_or_else(|_| NOT_UTF8.to_owned())))
            .collect()
    }

    /// The merged settings, each route complete; problems of form (unknown keys, unreadable file) are pushed.
    pub(crate) fn settings(&self, problems: &mut Vec<Problem>) -> Value {
        let mut settings = self.merge(problems);
        route::fill(&mut settings);
        settings
    }

    fn merge(&self, problems: &mut Vec<Problem>) -> Value {
        let mut defaults = toml(DEFAULTS, Path::new("defaults"), problems);
        let file = self.file.as_deref().map(|path| read_file(path, problems));
        let mut file = file.unwrap_or_else(empty);
        let mut environment = self.of_environment(problems);
        let mut flags = nest(self.flags.iter().map(|(key, value)| (key.clone(), value)));

        let mut layers = [
            (&mut file, Layer::File),
            (&mut environment, Layer::Environment),
            (&mut flags, Layer::Flags),
        ];
        names::add(&mut defaults, &mut layers, problems);
        let known = route::known(&defaults);
        for (layer, from) in layers {
            unknown::take_out(layer, &known, from, problems);
        }
        secrets(&file, Layer::File, problems);
        secrets(&flags, Layer::Flags, problems);

        let merged = [&defaults, &file, &environment, &flags]
            .into_iter()
            .fold(Figment::new(), |merged, layer| {
                merged.merge(Serialized::defaults(layer))
            });
        merged.extract().unwrap_or_else(|error| {
            problems.push(Problem(error.to_string()));
            defaults
        })
    }

    fn of_environment(&self, problems: &mut Vec<Problem>) -> Value {
        for (name, _) in self
            .environment
            .iter()
            .filter(|(_, value)| value == NOT_UTF8)
        {
            problems.push(Problem(format!("{name} of the environment is not UTF-8")));
        }

        let is_ours =
            |(name, value): &&(String, String)| name.starts_with(PREFIX) && value != NOT_UTF8;
        let ours = self.environment.iter().filter(is_ours);
        nest(ours.map(|(name, value)| (dotted(name), value)))
    }
}

/// `BOXBRIDGE_SEND__KAFKA__BROKERS` → `send.kafka.brokers`.
fn dotted(name: &str) -> String {
    name.strip_prefix(PREFIX)
        .unwrap_or(name)
        .to_lowercase()
        .replace("__", ".")
}

/// And back.
pub(crate) fn variable(path: &str) -> String {
    let path = path.to_uppercase().replace('.', "__");
    format!("{PREFIX}{}", path.replace('-', "_"))
}

/// `PORT`, `SERVICE_HOST`, `HEADLESS_PORT_9528_TCP_ADDR` …: no key of ours has these endings without a section.
fn is_service_link(rest: &str) -> bool {
    let words: Vec<_> = rest.split('_').collect();
    !rest.contains("__")
        && (rest.ends_with("SERVICE_HOST")
            || words.windows(2).any(|pair| pair == ["SERVICE", "PORT"])
            || words.contains(&"PORT"))
}

fn empty() -> Value {
    Value::Object(Map::new())
}

fn toml(text: &str, path: &Path, problems: &mut Vec<Problem>) -> Value {
    Figment::from(Toml::string(text)).extract().unwrap_or_else(|error: figment::Error| {
        let other = other_format(text).map_or_else(String::new, |other| {
            format!("; it looks like {other}: this file is TOML, with [section] lines and key = \"value\" lines below them")
        });
        problems.push(Problem(format!("{}: {}{other}", path.display(), without_the_line(&error.to_string()))));
        empty()
    })
}

/// The place and the fault, without the line itself: it may hold a secret.
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

/// What else a file of settings is often written in, by its first line that is no comment.
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

fn read_file(path: &Path, problems: &mut Vec<Problem>) -> Value {
    match std::fs::read_to_string(path) {
        Ok(text) => toml(&text, path, problems),
        Err(error) => {
            problems.push(Problem(format!("cannot read {}: {error}", path.display())));
            empty()
        }
    }
}

/// Dotted keys and their texts as a tree. A key that is both a value and a section keeps the section.
fn nest<'a>(pairs: impl Iterator<Item = (String, &'a String)>) -> Value {
    let mut root = Map::new();
    for (key, value) in pairs {
        let mut at = &mut root;
        let mut words = key.split('.').peekable();

        while let Some(word) = words.next() {
            if words.peek().is_none() {
                at.insert(word.to_owned(), Value::String(value.clone()));
                break;
            }
            let next = at.entry(word).or_insert_with(empty);
            if !next.is_object() {
                *next = empty();
            }
            let Value::Object(next) = next else { break };
            at = next;
        }
    }
    Value::Object(root)
}

fn secrets(layer: &Value, from: Layer, problems: &mut Vec<Problem>) {
    let sections = layer.get("send").and_then(Value::as_object);
    for (name, section) in sections.into_iter().flatten() {
        for (key, value) in section.as_object().into_iter().flatten() {
            let key = format!("send.{name}.{key}");
            if is_secret(&key) && value != "" {
                let (from, variable) = (from.as_str(), variable(&key));
                problems.push(Problem(format!(
                    "{key} is in {from}: put it into {variable} or name a file by {key}_file"
                )));
            }
        }
    }
}
