//! Where settings come from: defaults < file < environment < flags, and which keys there are.

use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::providers::Serialized;
use serde_json::{Map, Value};

use crate::values::secret::is_secret;

pub(crate) mod destinations; // the destinations that the settings name
pub(crate) mod environment; // which variables are ours
mod file; // TOML
pub(crate) mod origin; // which source a value is of
pub(crate) mod problem; // what is wrong, and in which source
pub(crate) mod routes; // what a route inherits
pub(crate) mod unknown; // keys that no setting has

use environment::variable;
use origin::{Origin, Origins};
use problem::{Layer, Problem, Problems};

/// `config/boxbridge.toml`: the defaults, and the list of all keys.
pub const DEFAULTS: &str = include_str!("../../../config/boxbridge.toml");

/// What the operator wrote, before anything is checked.
#[derive(Clone, Default)]
pub struct Layers {
    pub file: Option<PathBuf>,
    /// Names with the prefix and values, as [`Layers::environment`] finds them.
    pub environment: Vec<(String, String)>,
    /// `--set key=value`: dotted keys.
    pub flags: Vec<(String, String)>,
}

impl fmt::Debug for Layers {
    /// Variables and flags may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Layers").finish_non_exhaustive()
    }
}

impl Layers {
    /// The variables of this process that are for us.
    pub fn environment() -> Vec<(String, String)> {
        environment::of_this_process()
    }

    /// The merged settings, each route complete; problems of form (unknown keys, unreadable file) are pushed.
    pub(crate) fn merged(&self, problems: &mut Vec<Problem>) -> Merged {
        let mut merged = self.merge(problems);
        routes::fill(&mut merged.settings);
        merged
    }

    /// One setting as it is written, whatever is wrong with the values of others; empty where it is no text.
    pub fn text(&self, key: &str) -> Result<String, Problems> {
        let mut problems = Vec::new();
        let merged = self.merged(&mut problems);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }

        let pointer = format!("/{}", key.replace('.', "/"));
        let text = merged.settings.pointer(&pointer).and_then(Value::as_str);
        Ok(text.unwrap_or_default().to_owned())
    }

    fn merge(&self, problems: &mut Vec<Problem>) -> Merged {
        let mut defaults = file::toml(DEFAULTS, Path::new("defaults"), problems);
        let path = self.file.as_deref();
        let text = path.map(|path| file::read(path, problems));
        let text = text.unwrap_or_default();
        let mut file = path.map_or_else(empty, |path| file::toml(&text, path, problems));
        let mut environment = nest(environment::settings(&self.environment, problems));
        let mut flags = nest(self.flags.clone());

        let mut layers = [
            (&mut file, Layer::File),
            (&mut environment, Layer::Environment),
            (&mut flags, Layer::Flags),
        ];
        destinations::add(&mut defaults, &mut layers, problems);
        let known = routes::known(&defaults);
        for (layer, from) in layers {
            destinations::take_out_routes_without_kind(layer, &known);
            unknown::take_out(layer, &known, from, problems);
        }
        secrets(&file, Layer::File, problems);
        secrets(&flags, Layer::Flags, problems);

        let origins = self.origins([&defaults, &file, &environment, &flags], &text);
        let merged = [&defaults, &file, &environment, &flags]
            .into_iter()
            .fold(Figment::new(), |merged, layer| {
                merged.merge(Serialized::defaults(layer))
            });
        let settings = merged.extract().unwrap_or_else(|error| {
            problems.push(Problem(error.to_string()));
            defaults
        });
        Merged { settings, origins }
    }

    /// Where each value of these layers is written; `text` is the file's.
    fn origins(&self, [defaults, file, environment, flags]: [&Value; 4], text: &str) -> Origins {
        let lines = origin::lines(text);
        let of_file = |key: &str| Origin::File {
            path: self.file.clone().unwrap_or_default(),
            line: lines.get(key).copied(),
        };

        let mut origins = Origins::new();
        origin::note(&mut origins, defaults, |_| Origin::Default);
        origin::note(&mut origins, file, of_file);
        origin::note(&mut origins, environment, |key| {
            Origin::Variable(variable(key))
        });
        origin::note(&mut origins, flags, |_| Origin::Flag);
        origins
    }
}

/// All layers as one, and where each value is written.
pub(crate) struct Merged {
    pub settings: Value,
    pub origins: Origins,
}

fn empty() -> Value {
    Value::Object(Map::new())
}

/// Dotted keys and their texts as a tree. A key that is both a value and a section keeps the section.
fn nest(pairs: Vec<(String, String)>) -> Value {
    let mut root = Map::new();
    for (key, value) in pairs {
        let mut at = &mut root;
        let mut words = key.split('.').peekable();

        while let Some(word) = words.next() {
            if words.peek().is_none() {
                at.insert(word.to_owned(), Value::String(value));
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

/// A secret belongs into the environment, or into a file of its own.
fn secrets(layer: &Value, from: Layer, problems: &mut Vec<Problem>) {
    let send = layer.get("send").and_then(Value::as_object);
    let sections = send.into_iter().flatten();
    let settings = sections.flat_map(|(name, section)| {
        let settings = section.as_object().into_iter().flatten();
        settings.map(move |(setting, value)| (format!("send.{name}.{setting}"), value))
    });

    for (key, _) in settings.filter(|(key, value)| is_secret(key) && **value != "") {
        let (from, variable) = (from.as_str(), variable(&key));
        problems.push(Problem(format!(
            "{key} is in {from}: put it into {variable} or name a file by {key}_file"
        )));
    }
}
