//! One value at a time out of the merged settings: its type and range, or a [`Problem`] and a stand-in.
//!
//! The environment has only texts, so a number, a list or a switch may be written as one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::layers::Problem;
use super::secret::shown;
use super::{Field, Networks, Secret, Template};

pub(super) struct Reader<'a> {
    pub settings: &'a Value,
    /// The variables that are no settings of ours, by [`super::store::VARIABLES`].
    pub environment: &'a [(String, String)],
    pub problems: Vec<Problem>,
    /// Keys that have a problem: what follows from a stand-in is none.
    bad: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub fn new(settings: &'a Value, environment: &'a [(String, String)], problems: Vec<Problem>) -> Reader<'a> {
        Reader { settings, environment, problems, bad: BTreeSet::new() }
    }

    /// Whether all of these are as they were written.
    pub fn are_good(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| !self.bad.contains(*key))
    }

    /// What is wrong between these, unless one of them is wrong by itself.
    pub fn joint(&mut self, keys: &[&str], problem: impl Into<String>) {
        if self.are_good(keys) {
            self.problems.push(Problem(problem.into()));
        }
    }

    /// What `[route.default]` says is said once, not for each type that has it from there.
    pub fn problem(&mut self, key: &str, problem: impl std::fmt::Display) {
        let name =
            key.strip_prefix("route.").and_then(|rest| rest.split_once('.')).map(|(_, name)| format!("route.default.{name}"));
        let inherited = name.filter(|default| self.value(default) == self.value(key));
        self.bad.insert(key.to_owned());
        let key = inherited.as_deref().unwrap_or(key);
        let problem = Problem(format!("{key} = {}: {problem}", shown(key, self.value(key))));
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn value(&self, key: &str) -> &Value {
        let pointer = format!("/{}", key.replace('.', "/"));
        self.settings.pointer(&pointer).unwrap_or(&Value::Null)
    }

    pub fn text(&mut self, key: &str) -> String {
        match self.value(key) {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(switch) => switch.to_string(),
            _ => {
                self.problem(key, "must be a text");
                String::new()
            }
        }
    }

    /// `None` where it is empty.
    pub fn optional(&mut self, key: &str) -> Option<String> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.optional(key).map(PathBuf::from)
    }

    /// The text parsed by `parse`, or `stand_in` and a problem that says what is allowed.
    pub fn parsed<T>(&mut self, key: &str, stand_in: T, parse: impl FnOnce(&str) -> Result<T, String>) -> T {
        let text = self.text(key);
        parse(&text).unwrap_or_else(|allowed| {
            self.problem(key, allowed);
            stand_in
        })
    }

    pub fn whole(&mut self, key: &str, least: i64, most: i64) -> i64 {
        self.parsed(key, least, |text| {
            let number = text.replace('_', "").parse().ok();
            number.filter(|n| (least..=most).contains(n)).ok_or_else(|| format!("must be a whole number from {least} to {most}"))
        })
    }

    pub fn count(&mut self, key: &str, least: i64, most: i64) -> usize {
        usize::try_from(self.whole(key, least, most)).unwrap_or_default()
    }

    pub fn switch(&mut self, key: &str) -> bool {
        self.word(key, &[("true", true), ("false", false)])
    }

    pub fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> T {
        self.parsed(key, words[0].1, |text| {
            let allowed: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, value)| *value)
                .ok_or_else(|| format!("must be {}", allowed.join(" | ")))
        })
    }

    pub fn list(&mut self, key: &str) -> Vec<String> {
        let items = self.items(key).unwrap_or_default();
        if items.is_empty() {
            self.problem(key, "must be a list of texts");
        }
        items
    }

    /// `None` where it is no list of texts.
    fn items(&self, key: &str) -> Option<Vec<String>> {
        match self.value(key) {
            Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            Value::String(text) => {
                Some(text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect())
            }
            _ => None,
        }
    }

    /// A list that may be empty.
    pub fn networks(&mut self, key: &str) -> Networks {
        let mut networks = Networks::default();
        let Some(items) = self.items(key) else {
            self.problem(key, "must be a list of networks such as [\"10.0.0.0/8\"], or []");
            return networks;
        };
        for item in items {
            match Networks::parse(item.trim()) {
                Ok(network) => networks.push(network),
                Err(allowed) => self.problem(key, allowed),
            }
        }
        networks
    }

    pub fn duration(&mut self, key: &str, least: Duration, most: Duration) -> Duration {
        self.parsed(key, least, |text| {
            let duration = duration(text).ok_or("must be a duration such as 250ms, 10s, 5m, 24h or 30d")?;
            let range = || format!("must be from {} to {}", written(least), written(most));
            Some(duration).filter(|d| (least..=most).contains(d)).ok_or_else(range)
        })
    }

    pub fn size(&mut self, key: &str, least: u64, most: u64) -> u64 {
        self.parsed(key, least, |text| {
            let size = size(text).ok_or("must be a size such as 64KiB, 8MiB or 10GiB")?;
            Some(size)
                .filter(|s| (least..=most).contains(s))
                .ok_or_else(|| format!("must be from {} to {}", written_size(least), written_size(most)))
        })
    }

    pub fn bytes(&mut self, key: &str, least: u64, most: u64) -> usize {
        usize::try_from(self.size(key, least, most)).unwrap_or(usize::MAX)
    }

    pub fn address(&mut self, key: &str) -> SocketAddr {
        self.parsed(key, SocketAddr::from(([127, 0, 0, 1], 0)), |text| {
            text.parse().map_err(|_| "must be an address and a port such as 0.0.0.0:9528 or [::]:9528".to_owned())
        })
    }

    pub fn template(&mut self, key: &str, parse: impl FnOnce(&str) -> Result<Template, String>) -> Option<Template> {
        let text = self.optional(key)?;
        Some(self.parsed(key, Template { parts: Vec::new() }, |_| parse(&text)))
    }

    /// The secret in `key`, or in the file that `<key>_file` names.
    pub fn secret(&mut self, key: &str) -> Secret {
        let value = Secret::new(self.text(key));
        let Some(file) = self.path(&format!("{key}_file")) else { return value };
        if !value.is_empty() {
            self.joint(&[key], format!("{key} and {key}_file are both set: one of them"));
        }
        match std::fs::read_to_string(&file) {
            Ok(text) => Secret::new(text.trim_end_matches(['\n', '\r'])),
            Err(error) => {
                self.problem(&format!("{key}_file"), format!("cannot read it: {error}"));
                self.bad.insert(key.to_owned());
                value
            }
        }
    }
}

pub(super) const TOPIC_FIELDS: &[Field] =
    &[Field::Site, Field::Gateway, Field::PersonType, Field::Feed, Field::DeviceId, Field::DeviceType];

/// `250ms`, `10s`, `5m`, `24h`, `30d`; parts may follow each other: `1h30m`.
pub fn duration(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let (number, after) = split_number(rest)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let milliseconds = match &after[..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(Duration::from_millis(number.checked_mul(milliseconds)?))?;
        rest = &after[unit_end..];
    }
    Some(total).filter(|_| !text.is_empty())
}

/// `512`, `64KiB`, `8MiB`, `10GiB`, `1TiB`; also with powers of ten: `1MB`.
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = split_number(text)?;
    let factor = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        "KB" | "kB" => 1_000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

fn split_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    Some((number.parse().ok()?, rest))
}

/// A size the way it is written in a config.
pub(super) fn written_size(bytes: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let unit = units.iter().find(|(factor, _): &&(u64, &str)| bytes >= *factor && bytes.is_multiple_of(*factor));
    unit.map_or_else(|| bytes.to_string(), |(factor, unit)| format!("{}{unit}", bytes / factor))
}

/// A duration the way it is written in a config.
pub(super) fn written(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.iter().find(|(factor, _)| milliseconds >= *factor && milliseconds.is_multiple_of(*factor));
    unit.map_or_else(|| format!("{milliseconds}ms"), |(factor, unit)| format!("{}{unit}", milliseconds / factor))
}
