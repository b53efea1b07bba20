//! Every setting as it holds: its value, where it is written, and what it takes to change it. And how two such lists differ.
//!
//! Promises: nothing secret can be read here, only whether it is the same. The content of a file that a setting names counts as the
//! setting's own. Deliberately knows no section.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use crate::layers::origin::{Origin, leaves};
use crate::layers::{Merged, routes};
use crate::reader::Reader;
use crate::reader::effect::Effect;
use crate::values::named_file::NamedFile;
use crate::values::secret::shown;

/// By dotted key; each route is complete.
#[derive(Clone, Default)]
pub struct Settings {
    all: BTreeMap<String, Setting>,
    files: Vec<NamedFile>,
}

#[derive(Clone, Debug)]
pub struct Setting {
    /// As JSON, and as TOML: the two are the same for what a setting can be. Without secrets.
    pub shown: String,
    /// `None` where it is inherited.
    pub origin: Option<Origin>,
    /// `None` where it has no effect now: what it belongs to is off.
    pub effect: Option<Effect>,
    content: u64,
}

impl fmt::Debug for Settings {
    /// The config that is made of them says it all.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl Settings {
    /// `file` is the settings file itself.
    pub(crate) fn new(file: Option<NamedFile>, merged: &Merged, read: &Reader) -> Settings {
        let setting = |(key, value): (String, &Value)| {
            let setting = Setting {
                shown: if value == "" {
                    value.to_string()
                } else {
                    shown(&key, value)
                },
                origin: merged.origins.get(&key).cloned(),
                effect: read.effects.get(&key).copied(),
                content: content(value, read.files.get(&key)),
            };
            (key, setting)
        };

        Settings {
            all: leaves(&merged.settings).into_iter().map(setting).collect(),
            files: file
                .into_iter()
                .chain(read.files.values().cloned())
                .collect(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&String, &Setting)> {
        self.all.iter()
    }

    /// Whether somebody wrote it, and not we in the defaults.
    pub fn is_written(&self, key: &str) -> bool {
        let origin = self.all.get(key).and_then(|it| it.origin.as_ref());
        origin.is_some_and(|origin| *origin != Origin::Default)
    }

    /// The settings file and the files that settings name, as they were before they were read.
    pub fn files(&self) -> &[NamedFile] {
        &self.files
    }

    /// What is different in `new`.
    pub(crate) fn changes_to(&self, new: &Settings) -> Changes {
        let content =
            |all: &BTreeMap<String, Setting>, key: &str| all.get(key).map(|it| it.content);
        let keys: BTreeSet<&String> = self.all.keys().chain(new.all.keys()).collect();
        let differing = keys.into_iter();
        let differing = differing.filter(|key| content(&self.all, key) != content(&new.all, key));
        let keys: BTreeSet<String> = differing.cloned().collect();

        let effect = |key: &String| {
            let effect = |of: &Settings| of.all.get(key).and_then(|setting| setting.effect);
            effect(new).or_else(|| effect(self))
        };
        let restart = keys.iter().filter_map(|key| match effect(key)? {
            Effect::Restart(why) => Some((key.clone(), why)),
            Effect::Live => None,
        });
        Changes {
            restart: restart.collect(),
            written: self.written(new, &keys),
            keys,
        }
    }

    /// Those of these keys that are not inherited from another of them.
    fn written(&self, new: &Settings, keys: &BTreeSet<String>) -> Vec<String> {
        let is_inherited = |of: &Settings, key: &str| {
            let setting = of.all.get(key);
            setting.is_none_or(|setting| setting.origin.is_none())
        };
        let is_by_another = |key: &String| {
            let from_above = routes::above(key).iter().any(|above| keys.contains(above));
            from_above && is_inherited(self, key) && is_inherited(new, key)
        };
        let written = keys.iter().filter(|key| !is_by_another(key));
        written.cloned().collect()
    }
}

/// What a reload would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changes {
    /// All that hold another value, also where that is inherited.
    keys: BTreeSet<String>,
    /// Where the change is written.
    pub written: Vec<String>,
    /// Those of them that only a start takes, and why.
    pub restart: Vec<(String, &'static str)>,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a setting is different whose key begins so.
    pub fn touch(&self, beginning: &str) -> bool {
        self.keys.iter().any(|key| key.starts_with(beginning))
    }

    /// Notes that this change needs a start, whatever the setting alone would allow.
    pub(crate) fn by_restart(&mut self, key: String, why: &'static str) {
        if self.restart.iter().all(|(known, _)| *known != key) {
            self.restart.push((key, why));
        }
    }
}

fn content(value: &Value, file: Option<&NamedFile>) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    file.map(|file| file.content).hash(&mut hasher);
    hasher.finish()
}
