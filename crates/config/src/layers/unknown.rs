//! Unknown keys: each is reported, with a guess at the key that was meant, and removed, so that the rest can be checked.
//!
//! Deliberately guesses only a close key: a far one sends people looking in the wrong place.

use serde_json::{Map, Value};

use super::environment::variable;
use super::problem::{Layer, Problem};

/// Reports every unknown key of `layer`, and removes it.
pub(crate) fn take_out(layer: &mut Value, known: &Value, from: Layer, problems: &mut Vec<Problem>) {
    Search {
        known,
        from,
        problems,
    }
    .section(layer, known, "");
}

struct Search<'a> {
    /// The whole tree of known keys.
    known: &'a Value,
    from: Layer,
    problems: &'a mut Vec<Problem>,
}

impl Search<'_> {
    fn section(&mut self, layer: &mut Value, known: &Value, section: &str) {
        let (Value::Object(layer), Value::Object(known)) = (layer, known) else {
            return;
        };

        layer.retain(|key, value| {
            let path = join(section, key);
            let problem = match known.get(key) {
                // Its value is not repeated: somebody may have written a whole section there, secrets included.
                Some(Value::Object(_)) if !value.is_object() => {
                    format!(
                        "[{path}] of {} is a section, found a value",
                        self.from.as_str()
                    )
                }
                Some(known) => {
                    self.section(value, known, &path);
                    return true;
                }
                None => self.unknown(known, section, key, value.is_object()),
            };

            self.problems.push(Problem(problem));
            false
        });
    }

    /// The report for an unknown key.
    fn unknown(
        &self,
        known: &Map<String, Value>,
        section: &str,
        key: &str,
        is_section: bool,
    ) -> String {
        let what = match is_section && self.from != Layer::Environment {
            true => format!("section [{}]", join(section, key)),
            false if section.is_empty() => format!("key {key:?} at the top"),
            false => format!("key {key:?} in [{section}]"),
        };

        let hint = self.hint(known, section, key, is_section);
        let from = self.from.as_str();
        format!("unknown {what} of {from}{hint}")
    }

    /// What was probably meant: a word like it, or the place where it is known.
    fn hint(
        &self,
        known: &Map<String, Value>,
        section: &str,
        key: &str,
        is_section: bool,
    ) -> String {
        if let Some(variable) = self.separated(section, key) {
            return format!(", did you mean {variable} (two underscores between section and key)");
        }

        let alike = known
            .iter()
            .filter(|(_, value)| value.is_object() == is_section);
        if let Some(near) = nearest(alike.map(|(word, _)| word), key) {
            return match is_section {
                true => format!(", did you mean [{}]", join(section, near)),
                false => format!(", did you mean {near:?}"),
            };
        }

        let places = self.elsewhere(key);
        match places.is_empty() {
            true => self.of_no_destination(section, key, is_section),
            false => format!(", did you mean {}", places.join(" or ")),
        }
    }

    /// The known variable that differs from this one only in its underscores.
    fn separated(&self, section: &str, key: &str) -> Option<String> {
        let meant = run_together(&join(section, key));
        let of_environment = Some(()).filter(|()| self.from == Layer::Environment);
        let paths = of_environment.map(|()| self.paths(|path| run_together(path) == meant))?;
        paths.first().map(|path| variable(path))
    }

    /// The other sections that have such a key. Of the routes only the default is named: every person type has the same keys.
    fn elsewhere(&self, key: &str) -> Vec<String> {
        let places = self.paths(|path| {
            let is_last = path.rsplit_once('.').is_some_and(|(_, last)| last == key);
            is_last && (!path.starts_with("route.") || path.starts_with("route.default."))
        });
        places.iter().map(|path| self.written(path)).collect()
    }

    /// A hint for a section that looks like a destination or its route.
    fn of_no_destination(&self, section: &str, key: &str, is_section: bool) -> String {
        match section {
            "send" if is_section && self.from == Layer::Environment => {
                let kind = variable(&format!("send.{key}.kind"));
                format!(", a destination of your own says what it is: {kind}=kafka")
            }
            "send" if is_section => {
                ", a destination of your own says what it is: kind = \"mqtt\" | \"kafka\" | \"store\"".to_owned()
            }
            "route" if is_section => {
                ", it is neither a person type nor a destination".to_owned()
            }
            _ => String::new(),
        }
    }

    /// A key as one writes it in this source.
    fn written(&self, path: &str) -> String {
        let is_section = self
            .known
            .pointer(&format!("/{}", path.replace('.', "/")))
            .is_some_and(Value::is_object);
        match (self.from, path.rsplit_once('.')) {
            (Layer::Environment, _) => variable(path),
            (Layer::File, _) if is_section => format!("[{path}]"),
            (Layer::File, Some((section, key))) => format!("{key:?} in [{section}]"),
            _ => path.to_owned(),
        }
    }

    /// Every known key and section, dotted, that is wanted.
    fn paths(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let mut all = Vec::new();
        walk(self.known, "", &mut all);
        all.retain(|path| is_wanted(path));
        all
    }
}

fn walk(known: &Value, section: &str, all: &mut Vec<String>) {
    for (key, value) in known.as_object().into_iter().flatten() {
        let path = join(section, key);
        walk(value, &path, all);
        all.push(path);
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() {
        key.to_owned()
    } else {
        format!("{section}.{key}")
    }
}

fn run_together(path: &str) -> String {
    path.replace(['.', '_', '-'], "")
}

/// The known word at most one slip away, or two for a long word. Swapped neighbours are one slip.
pub(crate) fn nearest<'a>(known: impl Iterator<Item = &'a String>, key: &str) -> Option<&'a str> {
    let slips = (key.chars().count() / 3).clamp(1, 2);
    let near = known
        .map(|word| (strsim::osa_distance(word, key), word))
        .filter(|(distance, _)| *distance <= slips);
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word.as_str())
}
