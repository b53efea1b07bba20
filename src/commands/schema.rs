//! `boxbridge schema`: prints the contracts: what leaves as JSON Schema and as AsyncAPI, both listeners as OpenAPI, the settings.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{refuse, say};
use crate::{admin, route, send};
use boxbridge_config::{Config, Problems};

mod asyncapi;
mod channels;
mod messages;
mod sample;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  boxbridge schema event > boxbridge.match.v1.schema.json\n  boxbridge schema config | jq '.properties | keys'\n  boxbridge schema openapi > boxbridge.openapi.json"
)]
pub struct Options {
    #[command(subcommand)]
    which: Which,
}

#[derive(Subcommand)]
enum Which {
    /// The message of a match, on both buses (boxbridge.match.v1)
    #[command(after_help = "Example: boxbridge schema event > boxbridge.match.v1.schema.json")]
    Event,
    /// The retained message that says whether a gateway is there, on MQTT
    #[command(after_help = "Example: boxbridge schema status | jq .properties.status.enum")]
    Status,
    /// The message that says how a device fares, on both buses (boxbridge.device.v1)
    #[command(after_help = "Example: boxbridge schema device > boxbridge.device.v1.schema.json")]
    Device,
    /// What is told once the pictures of an event are stored that had gone out before (boxbridge.pictures.v1)
    #[command(
        after_help = "Example: boxbridge schema pictures > boxbridge.pictures.v1.schema.json"
    )]
    Pictures,
    /// What /api/devices and `boxbridge devices --json` answer
    #[command(after_help = "Example: boxbridge schema devices | jq '.[\"$defs\"].Device.required'")]
    Devices,
    /// What /api/status answers
    #[command(after_help = "Example: boxbridge schema api-status | jq .required")]
    ApiStatus,
    /// Both listeners, with the paths of these settings, as OpenAPI 3.1
    #[command(after_help = "Example: boxbridge schema openapi | jq '.paths | keys'")]
    Openapi,
    /// Topics, servers and messages on both buses, by the routes of these settings, as AsyncAPI 3.0
    #[command(after_help = "Examples:
  boxbridge schema asyncapi | jq '.channels[].address'
  boxbridge schema asyncapi --config /etc/boxbridge.toml > boxbridge.asyncapi.json")]
    Asyncapi,
    /// Every setting: what it does, what it may be, its default
    #[command(
        after_help = "Example: boxbridge schema config | jq '.properties.send.properties.kafka'"
    )]
    Config,
}

impl Options {
    /// Whether what is printed depends on the settings.
    pub fn reads_settings(&self) -> bool {
        matches!(self.which, Which::Openapi | Which::Asyncapi)
    }
}

pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    let config = options.reads_settings().then(config).transpose();
    let document = match config {
        Err(problems) => return refuse(&problems),
        Ok(config) => options.which.document(config.as_ref()),
    };
    say(document.trim_end());
    ExitCode::SUCCESS
}

impl Which {
    /// Of these settings, where it depends on them.
    fn document(&self, config: Option<&Config>) -> String {
        match self {
            Which::Event => route::EVENT_SCHEMA.to_owned(),
            Which::Status => send::mqtt::STATUS_SCHEMA.to_owned(),
            Which::Device => route::device_status::DEVICE_SCHEMA.to_owned(),
            Which::Pictures => route::pictures_told::PICTURES_SCHEMA.to_owned(),
            Which::Devices => answer("Devices", "urn:boxbridge:api:devices"),
            Which::ApiStatus => answer("Status", "urn:boxbridge:api:status"),
            Which::Openapi => of_settings(config, admin::openapi),
            Which::Asyncapi => of_settings(config, asyncapi::document),
            Which::Config => format!("{:#}", boxbridge_config::schema()),
        }
    }
}

fn of_settings(config: Option<&Config>, document: fn(&Config) -> Value) -> String {
    config.map_or_else(String::new, |config| format!("{:#}", document(config)))
}

/// The schema of an answer of the API.
fn answer(name: &str, id: &str) -> String {
    format!("{:#}", admin::schema_of_answer(name, id))
}
