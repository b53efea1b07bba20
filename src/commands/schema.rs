//! `boxbridge schema`: the contracts as JSON Schema, for whoever consumes events or writes settings.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::config::DEFAULTS;
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
        Which::Event => print!("{}", route::EVENT_SCHEMA),
        Which::Config => println!("{:#}", config()),
    }
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

/// `"60s"    # how long …` → type, default and description.
fn setting(rest: &str) -> Value {
    let (value, description) = match rest.rsplit_once(" # ") {
        Some((value, description)) => (value.trim(), description.trim()),
        None => (rest.trim(), ""),
    };
    let default: Value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    let kind = match &default {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Array(_) => "array",
        _ => "string",
    };
    json!({"type": kind, "default": default, "description": description})
}
