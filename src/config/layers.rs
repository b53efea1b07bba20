//! Where settings come from: defaults < file < environment < flags, and which keys there are.

use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::{Format, Serialized, Toml};
use serde_json::{Map, Value};

use crate::event::PersonType;

/// `config/boxbridge.toml`: the defaults, and the list of all keys.
pub const DEFAULTS: &str = include_str!("../../config/boxbridge.toml");

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
        let lines: Vec<_> = self.0.iter().map(|problem| format!("config: {}", problem.0)).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

const PREFIX: &str = "BOXBRIDGE_";

/// Keys whose value may come from the environment but not from a file or a flag.
const SECRETS: [&str; 3] = ["send.store.secret_access_key", "send.mqtt.password", "send.kafka.password"];

impl Layers {
    /// Our variables of this process: `BOXBRIDGE_…`, but for `BOXBRIDGE_CONFIG`, which names the file, and those that Kubernetes
    /// injects for a service named boxbridge.
    pub fn environment() -> Vec<(String, String)> {
        // A variable that is not UTF-8 is somebody else's.
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        variables
            .filter(|(name, _)| name.strip_prefix(PREFIX).is_some_and(|rest| rest != "CONFIG" && !is_service_link(rest)))
            .collect()
    }

    /// The merged settings; problems of form (unknown keys, unreadable file) are pushed.
    pub(super) fn merge(&self, problems: &mut Vec<Problem>) -> Value {
        let defaults = toml(DEFAULTS, Path::new("defaults"), problems);
        let known = known_keys(&defaults);
        let mut file = self.file.as_deref().map_or_else(empty, |path| read_file(path, problems));
        let mut environment = nest(self.environment.iter().map(|(name, value)| (dotted(name), value)));
        let mut flags = nest(self.flags.iter().map(|(key, value)| (key.clone(), value)));
        for (layer, from) in [(&mut file, "the file"), (&mut environment, "the environment"), (&mut flags, "--set")] {
            unknown_keys(layer, &known, "", from, problems);
        }
        for (layer, from) in [(&file, "the file"), (&flags, "--set")] {
            secrets(layer, from, problems);
        }
        let merged = [file, environment, flags]
            .iter()
            .fold(Figment::from(Serialized::defaults(&defaults)), |figment, layer| figment.merge(Serialized::defaults(layer)));
        merged.extract().unwrap_or_else(|error| {
            problems.push(Problem(error.to_string()));
            defaults
        })
    }
}

/// `BOXBRIDGE_SEND__KAFKA__BROKERS` → `send.kafka.brokers`.
fn dotted(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).to_lowercase().replace("__", ".")
}

/// `PORT`, `SERVICE_HOST`, `HEADLESS_PORT_9528_TCP_ADDR` …: no key of ours has these endings without a section.
fn is_service_link(rest: &str) -> bool {
    let words: Vec<_> = rest.split('_').collect();
    !rest.contains("__")
        && (rest.ends_with("SERVICE_HOST") || words.windows(2).any(|pair| pair == ["SERVICE", "PORT"]) || words.contains(&"PORT"))
}

fn empty() -> Value {
    Value::Object(Map::new())
}

fn toml(text: &str, path: &Path, problems: &mut Vec<Problem>) -> Value {
    Figment::from(Toml::string(text)).extract().unwrap_or_else(|error: figment::Error| {
        let message = error.to_string().replace("in TOML source string", "");
        problems.push(Problem(format!("{}: {}", path.display(), message.trim_end().replace('\n', "\n    "))));
        empty()
    })
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

/// The defaults, with a complete `[route.<person_type>]` for each.
fn known_keys(defaults: &Value) -> Value {
    let mut known = defaults.clone();
    let route = known["route"]["default"].clone();
    for person_type in PersonType::ALL {
        known["route"][person_type.as_str()] = route.clone();
    }
    known
}

/// Says what is unknown, and takes it out: the rest is checked all the same.
fn unknown_keys(layer: &mut Value, known: &Value, section: &str, from: &str, problems: &mut Vec<Problem>) {
    let (Value::Object(layer), Value::Object(known)) = (layer, known) else { return };
    layer.retain(|key, value| {
        let path = if section.is_empty() { key.clone() } else { format!("{section}.{key}") };
        match known.get(key) {
            Some(Value::Object(_)) if !value.is_object() => {
                problems.push(Problem(format!("[{path}] of {from} is a section, found the value {}", shown(value))));
                false
            }
            Some(known) => {
                unknown_keys(value, known, &path, from, problems);
                true
            }
            None => {
                let place = if section.is_empty() { "at the top".to_owned() } else { format!("in [{section}]") };
                let nearest = known.keys().max_by(|a, b| strsim::jaro_winkler(a, key).total_cmp(&strsim::jaro_winkler(b, key)));
                let hint = nearest.map_or_else(String::new, |nearest| format!(", did you mean {nearest:?}"));
                problems.push(Problem(format!("unknown key {key:?} {place} of {from}{hint}")));
                false
            }
        }
    });
}

fn secrets(layer: &Value, from: &str, problems: &mut Vec<Problem>) {
    for key in SECRETS {
        let pointer = format!("/{}", key.replace('.', "/"));
        if layer.pointer(&pointer).is_some_and(|value| value != "") {
            let variable = format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"));
            problems.push(Problem(format!("{key} is in {from}: put it into {variable} or name a file by {key}_file")));
        }
    }
}

/// A value as it stands in a message: without the user and password that a URL may hold.
pub(super) fn shown(value: &Value) -> String {
    let text = value.to_string();
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}***{}", &text[..scheme + 3], &text[at..]),
        _ => text,
    }
}
