//! Arguments, config, run, exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use boxbridge::commands;
use boxbridge::config::{Config, Layers, Problems};
use clap::{Parser, Subcommand};

/// Wrong settings or arguments: nothing was started (sysexits.h EX_USAGE).
const EXIT_CONFIG: u8 = 64;

#[derive(Parser)]
#[command(version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = false)]
struct Arguments {
    /// Settings that differ from the defaults (TOML; see config/boxbridge.toml)
    #[arg(long, short, global = true, value_name = "FILE", env = "BOXBRIDGE_CONFIG")]
    config: Option<PathBuf>,

    /// One setting, over file and environment; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,

    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  boxbridge                                       MQTT broker in this process, pictures under ./data
  boxbridge --config /etc/boxbridge.toml          real brokers and stores
  BOXBRIDGE_SEND__KAFKA__BROKERS=kafka:9092 boxbridge
  boxbridge --set ingest.listen=127.0.0.1:9528 --set site=lobby
Without a command the gateway runs. Boxes POST to http://HOST:9528/RealTimeEvent; health and metrics are on 127.0.0.1:9529.";

#[derive(Subcommand)]
enum Command {
    /// Say what is wrong with the settings; --online also tries brokers, topics, store and disk
    Check(commands::check::Options),
    /// Look into the queue on disk, whether or not the gateway runs
    Queue(commands::queue::Options),
    /// Print the contracts: what leaves (event) and what can be set (config)
    Schema(commands::schema::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Both TLS users (MQTT and object storage) are built without a provider of their own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let layers = Layers { file: arguments.config, environment: Layers::environment(), flags: arguments.set };
    let config = Config::load(&layers);
    match (arguments.command, config) {
        (Some(Command::Schema(options)), _) => commands::schema::run(&options),
        (Some(Command::Check(options)), config) => commands::check::run(&options, config),
        (_, Err(problems)) => refuse(&problems),
        (Some(Command::Queue(options)), Ok(config)) => commands::queue::run(&options, &config),
        (None, Ok(config)) => boxbridge::app::run(config),
    }
}

fn refuse(problems: &Problems) -> ExitCode {
    eprintln!("{problems}");
    ExitCode::from(EXIT_CONFIG)
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| format!("{text:?} is not KEY=VALUE, for example site=lobby"))?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
