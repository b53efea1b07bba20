//! The destinations that the settings name besides the three that are always there: `[send.hq] kind = "kafka"`.
//!
//! Promises: a named destination has every setting of its kind, with the defaults of `[send.<kind>]`; a wrong name or kind is reported
//! once, and nothing below it raises a second problem. Deliberately reads no value: it only decides which keys exist.

use std::collections::{BTreeMap, BTreeSet};

use boxbridge_event::PersonType;
use serde_json::Value;

use super::problem::{Layer, Problem};
use super::unknown::nearest;
use crate::values::kind::KindName;

/// Each has cursors, connections and descriptors of its own.
pub(crate) const DESTINATIONS_MAX: usize = 16;
const NAME_MAX: usize = 32;
const GRAMMAR: &str =
    "a name is made of a-z 0-9 -, begins with a letter, and has 32 of them at most";

/// Every destination of the merged settings with its kind: the three, then the others by name.
pub(crate) fn of(settings: &Value) -> Vec<(String, KindName)> {
    let always = KindName::ALL
        .into_iter()
        .map(|kind| (kind.as_str().to_owned(), kind));

    let send = settings.get("send").and_then(Value::as_object);
    let others = send.into_iter().flatten().filter_map(|(name, section)| {
        let kind = KindName::from_word(section.get("kind")?.as_str()?.trim())?;
        KindName::from_word(name)
            .is_none()
            .then(|| (name.clone(), kind))
    });
    always.chain(others).collect()
}

/// Finds the destinations of all layers: sections below `[send]` with a `kind`. Good ones get their keys in `defaults`; bad ones are
/// reported and removed.
pub(crate) fn add(
    defaults: &mut Value,
    layers: &mut [(&mut Value, Layer)],
    problems: &mut Vec<Problem>,
) {
    let named = kinds(layers);
    for (layer, from) in layers.iter_mut() {
        if *from == Layer::Environment {
            with_dashes(layer, &named);
        }
    }

    let mut good = Vec::new();
    for (name, word) in &named {
        match check(name, word) {
            Ok(kind) => good.push((name, kind)),
            Err(problem) => {
                problems.push(problem);
                layers
                    .iter_mut()
                    .for_each(|(layer, _)| take_out(layer, name));
            }
        }
    }

    problems.extend(too_many(good.len() + KindName::ALL.len()));
    for (name, kind) in good {
        complete(defaults, name, kind);
    }
}

fn too_many(count: usize) -> Option<Problem> {
    (count > DESTINATIONS_MAX).then(|| {
        Problem(format!(
            "[send] has {count} destinations, the three that are always there among them: at most {DESTINATIONS_MAX}"
        ))
    })
}

/// Removes the routes of a section that has no kind: the section itself is reported as unknown, and once is enough.
pub(crate) fn take_out_routes_without_kind(layer: &mut Value, known: &Value) {
    let known = known.get("send");
    let is_nameless = |name: &str| known.is_none_or(|known| known.get(name).is_none());
    let sections = sections(layer).map(|(name, _)| name.clone());
    let nameless: BTreeSet<String> = sections.filter(|name| is_nameless(name)).collect();

    if let Some(routes) = layer.get_mut("route").and_then(Value::as_object_mut) {
        routes.retain(|name, _| !nameless.contains(name));
    }
}

/// The kind of each name, as the last layer writes it.
fn kinds(layers: &[(&mut Value, Layer)]) -> BTreeMap<String, String> {
    let mut kinds = BTreeMap::new();
    for (layer, from) in layers {
        for (name, section) in
            sections(layer).filter(|(name, _)| KindName::from_word(name).is_none())
        {
            let Some(kind) = section.get("kind") else {
                continue;
            };

            let name = match from {
                Layer::Environment => name.replace('_', "-"),
                Layer::File | Layer::Flags => name.clone(),
            };
            let kind = match kind.as_str() {
                Some(word) => word.trim().to_owned(),
                None => kind.to_string(),
            };
            kinds.insert(name, kind);
        }
    }
    kinds
}

fn sections(layer: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let send = layer.get("send").and_then(Value::as_object);
    send.into_iter()
        .flatten()
        .filter(|(_, value)| value.is_object())
}

/// A variable cannot have a dash in its name: `BOXBRIDGE_SEND__KAFKA_HQ__BROKERS` is of `kafka-hq`.
fn with_dashes(layer: &mut Value, named: &BTreeMap<String, String>) {
    for part in ["send", "route"] {
        let Some(Value::Object(sections)) = layer.get_mut(part) else {
            continue;
        };

        let renamed = std::mem::take(sections).into_iter().map(|(name, value)| {
            let dashed = name.replace('_', "-");
            let is_ours = value.is_object() && named.contains_key(&dashed);
            (if is_ours { dashed } else { name }, value)
        });
        *sections = renamed.collect();
    }
}

fn check(name: &str, kind: &str) -> Result<KindName, Problem> {
    if name == "default" || PersonType::from_word(name).is_some() {
        return Err(Problem(format!(
            "[send.{name}] has a name that [route.{name}] already means: give the destination another"
        )));
    }
    if !is_name(name) {
        let meant = name.to_lowercase().replace(['_', ' ', '.'], "-");
        let hint = match is_name(&meant) {
            true => format!(", did you mean [send.{meant}]"),
            false => String::new(),
        };
        return Err(Problem(format!("[send.{name}]: {GRAMMAR}{hint}")));
    }

    KindName::from_word(kind).ok_or_else(|| {
        let words: Vec<String> = KindName::ALL.map(|kind| kind.as_str().to_owned()).to_vec();
        let hint = nearest(words.iter(), kind);
        let hint = hint.map_or_else(String::new, |near| format!(", did you mean {near}"));
        Problem(format!(
            "send.{name}.kind = {kind:?}: must be {}{hint}",
            words.join(" | ")
        ))
    })
}

/// `[a-z][a-z0-9-]{0,31}`: names stand in file names, labels and variables.
fn is_name(name: &str) -> bool {
    let is_ours = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= NAME_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(is_ours)
}

fn take_out(layer: &mut Value, name: &str) {
    for part in ["send", "route"] {
        let sections = layer.get_mut(part).and_then(Value::as_object_mut);
        // A person type's own route stays.
        if let Some(sections) = sections.filter(|_| {
            part == "send" || PersonType::from_word(name).is_none() && name != "default"
        }) {
            sections.remove(name);
        }
    }
}

/// Adds the settings of its kind, without the embedded broker and without links: there is one broker, and events link to one store.
fn complete(defaults: &mut Value, name: &str, kind: KindName) {
    let Some(send) = defaults.get_mut("send").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(mut section) = send.get(kind.as_str()).cloned() else {
        return;
    };
    if let Some(section) = section.as_object_mut() {
        section.remove("embedded");
        section.remove("links");
    }
    send.insert(name.to_owned(), section);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_into_a_file_a_label_and_a_variable() {
        for good in ["hq", "kafka-hq", "k2", "a", &"x".repeat(32)] {
            assert!(is_name(good), "{good}");
        }

        for bad in [
            "",
            "Hq",
            "2nd",
            "-a",
            "a_b",
            "a.b",
            "a/b",
            "东",
            &"x".repeat(33),
        ] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
