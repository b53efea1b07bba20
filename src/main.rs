//! The program: reads arguments and config, runs a command, and returns its exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use boxbridge::commands::{self, EXIT_CONFIG, EXIT_UNAVAILABLE};
use boxbridge_config::{Config, Layers};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

#[derive(Parser)]
#[command(version, about, after_help = EXAMPLES, args_conflicts_with_subcommands = false)]
struct Arguments {
    /// Settings that differ from the defaults (TOML; see config/boxbridge.toml)
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        env = "BOXBRIDGE_CONFIG"
    )]
    config: Option<PathBuf>,

    /// One setting, over file and environment; may be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,

    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "\
Examples:
  boxbridge demo                                  a whole site in this process, to look at
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
    /// Events that a destination refused: look at them, send them again, drop them
    Aside(commands::kept::aside::Options),
    /// What boxes sent wrong: look at it, hand it in again as history, drop it
    Quarantine(commands::kept::quarantine::Options),
    Demo(commands::demo::Options),
    /// Who sends, how much, since when one is silent, and what is wrong with its events
    Devices(commands::senders::devices::Options),
    /// Who may send: make, list and revoke the tokens that boxes show
    Token(commands::senders::token::Options),
    /// One screen of a running gateway; --watch keeps it up to date
    Status(commands::status::Options),
    /// Events as they are accepted, as consumers get them; the last 100 first
    Tap(commands::events::tap::Options),
    /// The way of one event: accepted when, delivered where, or why not
    Trace(commands::events::trace::Options),
    /// Have a running gateway read its settings again
    Reload(commands::tell::reload::Options),
    /// The cause of a refusal is gone: have a running gateway try at once what waits for it
    Resume(commands::tell::resume::Options),
    Simulate(boxbridge_proof::simulate::Options),
    Reconcile(boxbridge_proof::reconcile::Options),
    /// Print the contracts: what leaves (event, asyncapi, …), what answers (openapi), what can be set (config)
    Schema(commands::schema::Options),
}

impl Command {
    /// Global flags that this command ignores. Passing one is an error: the user expects it to matter.
    fn unread(&self) -> &'static [&'static str] {
        match self {
            Command::Simulate(_) => &["config", "set"],
            Command::Schema(options) if !options.reads_settings() => &["config", "set"],
            Command::Demo(_) => &["config"],
            _ => &[],
        }
    }
}

fn main() -> ExitCode {
    boxbridge::system::memory::return_what_is_freed();
    let matches = Arguments::command()
        .try_get_matches()
        .unwrap_or_else(|error| refuse_arguments(&error));
    let arguments =
        Arguments::from_arg_matches(&matches).unwrap_or_else(|error| refuse_arguments(&error));

    let given = |setting: &str| matches.value_source(setting) == Some(ValueSource::CommandLine);
    if let Some(unread) = arguments
        .command
        .iter()
        .flat_map(Command::unread)
        .find(|setting| given(setting))
    {
        refuse_arguments(&Arguments::command().error(
            ErrorKind::ArgumentConflict,
            format!("this command does not read --{unread}"),
        ));
    }

    // Both users of TLS (MQTT and object storage) are built without a provider of their own.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let layers = Layers {
        file: arguments.config,
        environment: Layers::environment(),
        flags: arguments.set,
    };
    let config = || Config::load(&layers);

    match arguments.command {
        None => config().map_or_else(|problems| commands::refuse(&problems), boxbridge::app::run),
        Some(Command::Check(options)) => commands::check::run(&options, config()),
        Some(Command::Queue(options)) => commands::queue::run(&options, config),
        Some(Command::Devices(options)) => commands::senders::devices::run(&options, config),
        Some(Command::Token(options)) => commands::senders::token::run(&options, &layers),
        Some(Command::Aside(options)) => commands::kept::aside::run(&options, config),
        Some(Command::Quarantine(options)) => commands::kept::quarantine::run(&options, config),
        Some(Command::Status(options)) => commands::status::run(&options, config),
        Some(Command::Tap(options)) => commands::events::tap::run(&options, config),
        Some(Command::Trace(options)) => commands::events::trace::run(&options, config),
        Some(Command::Reload(options)) => commands::tell::reload::run(&options, config),
        Some(Command::Resume(options)) => commands::tell::resume::run(&options, config),
        Some(Command::Schema(options)) => commands::schema::run(&options, config),
        Some(Command::Demo(options)) => report(commands::demo::run(options, layers.flags)),
        Some(Command::Simulate(options)) => report(commands::proof::simulate(options)),
        Some(Command::Reconcile(options)) => report(commands::proof::reconcile(options, layers)),
    }
}

/// Runs a command that measures; its verdict, or why there is none.
fn report(command: impl Future<Output = anyhow::Result<ExitCode>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from);
    runtime
        .and_then(|runtime| runtime.block_on(command))
        .unwrap_or_else(|error| {
            commands::complain(&format!("{error:#}"));
            ExitCode::from(if commands::is_usage(&error) {
                EXIT_CONFIG
            } else {
                EXIT_UNAVAILABLE
            })
        })
}

/// Prints clap's message and ends, also after `--help`. clap's own code 2 would make a service manager restart us for ever.
fn refuse_arguments(error: &clap::Error) -> ! {
    let _ = error.print();
    std::process::exit(if error.use_stderr() {
        EXIT_CONFIG.into()
    } else {
        0
    })
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or_else(|| format!("{text:?} is not KEY=VALUE, for example site=lobby"))?;
    Ok((key.trim().to_owned(), value.to_owned()))
}
