//! `boxbridge schema`: prints the contracts: events and settings as JSON Schema, the operator's API as OpenAPI.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::say;
use crate::{admin, route};

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
    /// The message that leaves for MQTT and Kafka (boxbridge.match.v1)
    #[command(after_help = "Example: boxbridge schema event > boxbridge.match.v1.schema.json")]
    Event,
    /// What is told of a device on both buses (boxbridge.device.v1)
    #[command(after_help = "Example: boxbridge schema device > boxbridge.device.v1.schema.json")]
    Device,
    /// What is told once the pictures of an event are stored that had gone out before (boxbridge.pictures.v1)
    #[command(
        after_help = "Example: boxbridge schema pictures > boxbridge.pictures.v1.schema.json"
    )]
    Pictures,
    /// Every setting: what it does, what it may be, its default
    #[command(
        after_help = "Example: boxbridge schema config | jq '.properties.send.properties.kafka'"
    )]
    Config,
    /// The operator's API on the admin listener, as OpenAPI 3.1
    #[command(after_help = "Example: boxbridge schema openapi | jq '.paths | keys'")]
    Openapi,
}

pub fn run(options: &Options) -> ExitCode {
    match options.which {
        Which::Event => say(route::EVENT_SCHEMA.trim_end()),
        Which::Device => say(route::device_status::DEVICE_SCHEMA.trim_end()),
        Which::Pictures => say(route::pictures_told::PICTURES_SCHEMA.trim_end()),
        Which::Config => say(&format!("{:#}", boxbridge_config::schema())),
        Which::Openapi => say(&format!("{:#}", admin::openapi())),
    };
    ExitCode::SUCCESS
}
