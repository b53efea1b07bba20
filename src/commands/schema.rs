//! `boxbridge schema`: the contracts as JSON Schema, for whoever consumes events or writes settings.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use super::say;
use crate::config::{DEFAULTS, duration, size};
use crate::event::PersonType;
use crate::route;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  boxbridge schema event > boxbridge.match.v1.schema.json\n  boxbridge schema config | jq '.properties | keys'"
)]
pub struct Options {
    #[command(subcommand)]
    which: Which,
}

#[derive(Subcommand)]
enum Which {
    /// The message that leaves for MQTT and Kafka (boxbridge.match.v1)
    #[command(after_help = "Example: boxbridge schema event > boxbridge.match.v1.schema.json")]
    Event,
    /// Every setting, with its default and what it does
    #[command(after_help = "Example: boxbridge schema config | jq '.properties.send.properties.kafka'")]
    Config,
}

pub fn run(options: &Options) -> ExitCode {
    match options.which {
        Which::Event => say(route::EVENT_SCHEMA.trim_end()),
        Which::Config => say(&format!("{:#}", config())),
    };
    ExitCode::SUCCESS
}

/// Made from the commented defaults, so that it cannot tell another story than they do.
pub fn config() -> Value {
    let mut root = section("");
    let (mut path, mut route_default) = (Vec::<String>::new(), Value::Null);
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            path = name.split('.').map(str::to_owned).collect();
        } else if let Some((key, rest)) = line.split_once(" = ")
            && !key.starts_with('#')
        {
            let place = path.iter().fold(&mut root, |at, name| {
                let properties = &mut at["properties"];
                if properties.get(name).is_none() {
                    properties[name] = section(name);
                }
                &mut properties[name]
            });
            place["properties"][key.trim()] = setting(rest);
        }
    }
    if let Some(default) = root.pointer("/properties/route/properties/default") {
        route_default = default.clone();
    }
    for person_type in PersonType::ALL {
        root["properties"]["route"]["properties"][person_type.as_str()] = route_default.clone();
    }
    root["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    root["title"] = "boxbridge settings".into();
    root
}

fn section(name: &str) -> Value {
    json!({"type": "object", "title": name, "additionalProperties": false, "properties": Map::new()})
}

/// `"60s"    # how long …` → type, default, description, and what else is known of its form.
fn setting(rest: &str) -> Value {
    let (value, description) = match rest.rsplit_once(" # ") {
        Some((value, description)) => (value.trim(), description.trim()),
        None => (rest.trim(), ""),
    };
    let default: Value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    let mut setting = match &default {
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(_) => json!({"type": "integer"}),
        Value::Array(_) => json!({"type": "array", "items": {"type": "string"}}),
        _ => json!({"type": "string"}),
    };
    if let Some(words) = alternatives(&default, description) {
        setting = json!({"enum": words});
    } else if let Some(text) = default.as_str() {
        form(text, description, &mut setting);
    }
    setting["description"] = description.into();
    setting["default"] = default;
    setting
}

/// `how: auto (human on a terminal, else json) | human | json` → those words; a number is taken as one and as a text. `None` where the
/// comment names no closed set that holds the default.
fn alternatives(default: &Value, description: &str) -> Option<Vec<Value>> {
    if description.contains(", or ") {
        return None;
    }
    let (first, others) = description.split_once(" | ")?;
    let first = first.rsplit(": ").next().unwrap_or(first);
    let word = |part: &str| part.split(' ').next().unwrap_or_default().trim_end_matches([':', ';']).to_owned();
    let words: Vec<String> = std::iter::once(first).chain(others.split(" | ")).map(word).collect();
    let numbers = words.iter().filter_map(|word| word.parse::<i64>().ok()).map(Value::from);
    let values: Vec<Value> = words.iter().cloned().map(Value::from).chain(numbers).collect();
    values.contains(default).then_some(values)
}

/// Durations, sizes and addresses are told by the default's own form.
fn form(text: &str, description: &str, setting: &mut Value) {
    const DURATION: &str = "([0-9]+(ms|s|m|h|d))+";
    if duration(text).is_some() {
        let or_forever = if description.contains("\"forever\"") { "|forever" } else { "" };
        setting["pattern"] = format!("^({DURATION}{or_forever})$").into();
    } else if size(text).is_some() {
        setting["type"] = json!(["string", "integer"]);
        setting["pattern"] = "^[0-9]+ *(B|KiB|MiB|GiB|TiB|kB|KB|MB|GB|TB)?$".into();
    } else if text.parse::<SocketAddr>().is_ok() {
        setting["pattern"] = "^.+:[0-9]+$".into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_that_names_a_closed_set_makes_it_one() {
        let check = |default: Value, comment: &str, words: Value| {
            assert_eq!(alternatives(&default, comment).map_or(Value::Null, Value::from), words, "{comment}");
        };
        check(json!("a"), "a (the usual, else b) | b-c; more", json!(["a", "b-c"]));
        check(json!("a"), "how it is said: a | b (RFC 1) | c: nothing else", json!(["a", "b", "c"]));
        check(json!(5), "5 | 3", json!(["5", "3", 5, 3]));
        check(json!("info"), "error | info, or a filter", Value::Null);
        check(json!("x"), "a | b", Value::Null);
        check(json!("x"), "any text", Value::Null);
    }
}
