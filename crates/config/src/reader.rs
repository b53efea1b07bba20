//! One value at a time out of the merged settings: its type and range, or a [`Problem`] and a stand-in.
//!
//! Promises: the line that reads a setting is the only place that declares its type, words and limits; the refusal of a wrong value and
//! the schema both come from there. The environment has only texts, so a number, a list or a switch may be written as one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use crate::layers::problem::Problem;
use crate::layers::routes;
use crate::layers::unknown::nearest;
use crate::values::http_url;
use crate::values::lines::LinesProblem;
use crate::values::named_file::NamedFile;
use crate::values::networks::Networks;
use crate::values::secret::shown;
use crate::values::template::{Field, Template};

pub(crate) mod effect; // when a changed setting takes effect
pub(crate) mod form; // what a setting may be
mod pem; // certificates and keys
mod secrets; // what must be printed nowhere
pub(crate) mod units; // durations and sizes as they are written

use effect::Effect;
use form::Form;
use units::{duration, size, written, written_size};

/// More bad lines than this need no names one by one: the file is another one.
const LINES_MAX: usize = 50;

pub(crate) struct Reader<'a> {
    pub settings: &'a Value,
    /// Variables of the AWS tools: [`crate::layers::environment::VARIABLES`].
    pub environment: &'a [(String, String)],
    pub problems: Vec<Problem>,
    /// The form of each key that was read.
    pub forms: BTreeMap<String, Form>,
    /// When a change of each takes effect.
    pub effects: BTreeMap<String, Effect>,
    /// The files that settings name, as they were before they were read.
    pub files: BTreeMap<String, NamedFile>,
    /// Of the setting that is read next.
    effect: Option<Effect>,
    /// Keys that have a problem. Their stand-ins must not raise a second one.
    bad: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub fn new(
        settings: &'a Value,
        environment: &'a [(String, String)],
        problems: Vec<Problem>,
    ) -> Reader<'a> {
        Reader {
            settings,
            environment,
            problems,
            forms: BTreeMap::new(),
            effects: BTreeMap::new(),
            files: BTreeMap::new(),
            effect: None,
            bad: BTreeSet::new(),
        }
    }

    /// A reload takes the setting that is read next. Every line that reads one begins with this or with [`Reader::by_restart`].
    pub fn live(&mut self) -> &mut Reader<'a> {
        self.effect = Some(Effect::Live);
        self
    }

    /// Only a start takes the setting that is read next, and why.
    pub fn by_restart(&mut self, why: &'static str) -> &mut Reader<'a> {
        self.effect = Some(Effect::Restart(why));
        self
    }

    /// Whether none of these has a problem.
    pub fn are_good(&self, keys: &[&str]) -> bool {
        keys.iter().all(|key| !self.bad.contains(*key))
    }

    /// Reports a problem between these settings, unless one of them is wrong by itself.
    pub fn joint(&mut self, keys: &[&str], problem: impl Into<String>) {
        if self.are_good(keys) {
            self.say(Problem(problem.into()));
        }
    }

    /// Reports a problem of this setting. An inherited value is reported once, at the key where it is written.
    pub fn problem(&mut self, key: &str, problem: impl std::fmt::Display) {
        let above = routes::above(key);
        let inherited = above
            .iter()
            .find(|above| self.value(above) == self.value(key));
        self.bad.insert(key.to_owned());

        let key = inherited.map_or(key, String::as_str);
        self.say(Problem(format!(
            "{key} = {}: {problem}",
            shown(key, self.value(key))
        )));
    }

    /// Reports what is wrong with the file that this setting names; each bad line is a problem of its own.
    pub fn lines(&mut self, key: &str, problem: LinesProblem) {
        let problems = match problem {
            LinesProblem::File(problem) => return self.problem(key, problem),
            LinesProblem::Lines(problems) => problems,
        };

        let more = problems.len().saturating_sub(LINES_MAX);
        for problem in problems.into_iter().take(LINES_MAX) {
            self.problem(key, problem);
        }
        if more > 0 {
            self.problem(key, format!("and {more} more lines like these"));
        }
    }

    /// Reports it once.
    pub fn say(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    fn declare(&mut self, key: &str, form: Form) {
        self.forms.insert(key.to_owned(), form);
        if let Some(effect) = self.effect.take() {
            self.effects.insert(key.to_owned(), effect);
        }
    }

    fn value(&self, key: &str) -> &Value {
        let pointer = format!("/{}", key.replace('.', "/"));
        self.settings.pointer(&pointer).unwrap_or(&Value::Null)
    }

    /// The text as it is written.
    fn raw(&mut self, key: &str) -> String {
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

    pub fn text(&mut self, key: &str) -> String {
        self.declare(key, Form::Text);
        self.raw(key)
    }

    /// `None` where it is empty.
    pub fn optional(&mut self, key: &str) -> Option<String> {
        Some(self.text(key)).filter(|text| !text.is_empty())
    }

    /// `None` where it is empty, or no http(s) address without secrets.
    pub fn http_url(&mut self, key: &str) -> Option<String> {
        let text = self.optional(key)?;
        let Some(problem) = http_url::problem(&text) else {
            return Some(text);
        };
        self.problem(key, problem);
        None
    }

    /// A file. That it has changed is a change of the setting.
    pub fn file(&mut self, key: &str) -> Option<PathBuf> {
        let path = self.optional(key).map(PathBuf::from)?;
        self.files.insert(key.to_owned(), NamedFile::look(&path));
        Some(path)
    }

    /// The text parsed by `parse`, or `stand_in` and a problem that says what is allowed.
    pub fn parsed<T>(
        &mut self,
        key: &str,
        form: Form,
        stand_in: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        self.declare(key, form);
        let text = self.raw(key);
        parse(&text).unwrap_or_else(|allowed| {
            self.problem(key, allowed);
            stand_in
        })
    }

    pub fn whole(&mut self, key: &str, least: i64, most: i64) -> i64 {
        self.parsed(key, Form::Whole { least, most }, least, |text| {
            let number = text.replace('_', "").parse().ok();
            number
                .filter(|n| (least..=most).contains(n))
                .ok_or_else(|| format!("must be a whole number from {least} to {most}"))
        })
    }

    pub fn count(&mut self, key: &str, least: i64, most: i64) -> usize {
        usize::try_from(self.whole(key, least, most)).unwrap_or_default()
    }

    pub fn switch(&mut self, key: &str) -> bool {
        let switch = self.word(key, &[("true", true), ("false", false)]);
        self.declare(key, Form::Switch);
        switch
    }

    /// The value of a word. An unknown word is a problem, and reads as the first.
    pub fn word<T: Copy, const N: usize>(
        &mut self,
        key: &str,
        words: &[(&'static str, T); N],
    ) -> T {
        const { assert!(N > 0, "a setting of no words cannot be right") };
        let allowed: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        let refusal = format!("must be {}", allowed.join(" | "));

        let stand_in = words[0].1;
        self.parsed(key, Form::Words(allowed), stand_in, |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or(refusal)
        })
    }

    /// The values of a list of words, which may be empty.
    pub fn words<T: Copy>(&mut self, key: &str, words: &[(&'static str, T)]) -> Vec<T> {
        let allowed: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        self.declare(key, Form::WordList(allowed.clone()));
        let Some(items) = self.items(key) else {
            let example = allowed.first().copied().unwrap_or_default();
            self.problem(
                key,
                format!("must be a list of words such as [{example:?}], or []"),
            );
            return Vec::new();
        };

        let mut values = Vec::new();
        for item in items {
            match words.iter().find(|(word, _)| *word == item.trim()) {
                Some((_, value)) => values.push(*value),
                None => self.problem(key, none_of(&item, &allowed)),
            }
        }
        values
    }

    pub fn list(&mut self, key: &str) -> Vec<String> {
        self.declare(key, Form::Texts);
        let items = self.items(key).unwrap_or_default();
        if items.is_empty() {
            self.problem(key, "must be a list of texts");
        }
        items
    }

    /// `None` for anything but a list of texts.
    fn items(&self, key: &str) -> Option<Vec<String>> {
        match self.value(key) {
            Value::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            Value::String(text) => {
                let items = text.split(',').map(|item| item.trim().to_owned());
                Some(items.filter(|item| !item.is_empty()).collect())
            }
            _ => None,
        }
    }

    /// A list that may be empty.
    pub fn networks(&mut self, key: &str) -> Networks {
        self.declare(key, Form::Networks);
        let mut networks = Networks::default();
        let Some(items) = self.items(key) else {
            let allowed = "must be a list of networks such as [\"10.0.0.0/8\"], or []";
            self.problem(key, allowed);
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
        let or = None;
        let form = Form::Duration { least, most, or };

        self.parsed(key, form, least, |text| {
            let found = duration(text);
            let found = found.ok_or("must be a duration such as 250ms, 10s, 5m, 24h or 30d")?;
            match (least..=most).contains(&found) {
                true => Ok(found),
                false => Err(range(written(least), written(most))),
            }
        })
    }

    /// A number of bytes.
    pub fn size(&mut self, key: &str, least: u64, most: u64) -> u64 {
        self.size_of(key, "bytes", least, most)
    }

    /// A number of other things (pixels, bytes per second), written like a size.
    pub fn size_of(&mut self, key: &str, unit: &'static str, least: u64, most: u64) -> u64 {
        self.parsed(key, Form::Size { least, most, unit }, least, |text| {
            let found = size(text).ok_or("must be a size such as 64KiB, 8MiB or 10GiB")?;
            match (least..=most).contains(&found) {
                true => Ok(found),
                false => Err(range(written_size(least), written_size(most))),
            }
        })
    }

    pub fn bytes(&mut self, key: &str, least: u64, most: u64) -> usize {
        usize::try_from(self.size(key, least, most)).unwrap_or(usize::MAX)
    }

    pub fn address(&mut self, key: &str) -> SocketAddr {
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        self.parsed(key, Form::Address, nowhere, |text| {
            text.parse().map_err(|_| {
                "must be an address and a port such as 0.0.0.0:9528 or [::]:9528".to_owned()
            })
        })
    }

    /// `None` where it is empty.
    pub fn optional_address(&mut self, key: &str) -> Option<SocketAddr> {
        let address = self.optional(key).map(|_| self.address(key));
        self.declare(key, Form::OptionalAddress);
        address
    }

    /// `None` where it is empty. `fields` may stand in it.
    pub fn template(
        &mut self,
        key: &str,
        fields: &[Field],
        parse: impl FnOnce(&str, &[Field]) -> Result<Template, String>,
    ) -> Option<Template> {
        self.declare(key, Form::Template(fields.to_vec()));
        let text = Some(self.raw(key)).filter(|text| !text.is_empty())?;

        let parsed = parse(&text, fields);
        Some(parsed.unwrap_or_else(|allowed| {
            self.problem(key, allowed);
            Template { parts: Vec::new() }
        }))
    }
}

/// That a word is not among those that are allowed, and which was probably meant.
fn none_of(word: &str, allowed: &[&str]) -> String {
    let words: Vec<_> = allowed.iter().map(|word| (*word).to_owned()).collect();
    let hint = nearest(words.iter(), word);
    let hint = hint.map_or_else(String::new, |near| format!(", did you mean {near}"));
    format!("{word:?} is none of {}{hint}", allowed.join(" | "))
}

fn range(least: String, most: String) -> String {
    format!("must be from {least} to {most}")
}
