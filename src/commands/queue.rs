//! `boxbridge queue`: looks into the queue on disk, whether or not the gateway runs, and has a running one send a range of time again.
//!
//! Shows no personal data, only sequence, id, times and sizes. Exit code 1 if `verify` finds something unsound. Only `forget` and `replay`
//! change something.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{complain, person_type, say};
use crate::admin::{Act, Audit};
use crate::app::destinations;
use crate::queue::OpenError;
use crate::queue::inspect::{self, RecordSummary};
use boxbridge_config::{Config, Problems};
use boxbridge_event::{PersonType, Sequence};

mod print;
mod records;
mod replay;

#[derive(Args)]
#[command(after_help = "Examples:
  boxbridge queue status                      who holds the disk
  boxbridge queue inspect --last 20           the newest records: times, sizes, no personal data
  boxbridge queue inspect --from 1200 --json  one JSON object a line
  boxbridge queue verify                      read everything, check every checksum, count again
  boxbridge queue forget kafka                give up what waits for a destination that was switched off
  boxbridge queue replay --from 14:00 --to 15:00 --dry-run
                                              how far back it reaches, and what would be sent again")]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// What waits for whom
    #[command(
        after_help = "Example: boxbridge queue status --json | jq '.destinations[] | select(.counted.waiting > 0)'"
    )]
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// The records, oldest first
    #[command(after_help = "Example: boxbridge queue inspect --person-type blacklist --last 5")]
    Inspect {
        /// Start at this sequence
        #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
        from: u64,
        /// Only the newest N
        #[arg(long, value_name = "N", conflicts_with = "from")]
        last: Option<usize>,
        /// Only this person type
        #[arg(long, value_name = "WORD", value_parser = person_type)]
        person_type: Option<PersonType>,
        /// Print one JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Read everything, check every checksum, and count again
    #[command(
        after_help = "Example: boxbridge queue verify --config /etc/boxbridge.toml && echo sound"
    )]
    Verify,
    /// Give up what waits for a destination that is no longer configured; the gateway must not run
    #[command(
        after_help = "Example: boxbridge queue forget kafka     after send.kafka.brokers was emptied"
    )]
    Forget {
        /// As in [send.<name>]
        name: String,
    },
    /// Send what was received in a range of time again: late, behind everything live; the gateway must run
    #[command(
        after_help = "What goes out again has its old id and revision, `replay` set, and no act_before: it opens no door.

Examples:
  boxbridge queue replay --from 14:00 --to 15:00 --dry-run
  boxbridge queue replay --from 14:00 --to 15:00 --destination kafka
  boxbridge queue replay --from \"2h ago\" --person-type visitor --device 192.168.1.243 --rate 50"
    )]
    Replay(replay::Range),
    /// Show how far a replay is, or how it ended; or end it
    #[command(after_help = "Example: boxbridge queue replays --cancel replay-1f0c6e0c")]
    Replays(replay::Shown),
}

pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    match &options.action {
        Action::Replay(range) => return replay::replay(range, config),
        Action::Replays(shown) => return replay::replays(shown, config),
        _ => {}
    }
    match config() {
        Ok(config) => on_disk(&options.action, &config),
        Err(problems) => super::refuse(&problems),
    }
}

fn on_disk(action: &Action, config: &Config) -> ExitCode {
    let data_dir = &config.data_dir;
    let done = match action {
        Action::Status { json } => {
            inspect::status(data_dir).map(|overview| print::status(&overview, config, *json))
        }
        Action::Inspect {
            from,
            last,
            person_type,
            json,
        } => {
            let wanted = |record: &RecordSummary| {
                record.sequence >= Sequence(*from)
                    && person_type.is_none_or(|word| record.person_type == word)
            };
            records::show(data_dir, wanted, *last, *json)
        }
        Action::Verify => inspect::verify(data_dir).map(|report| print::report(&report)),
        Action::Forget { name } => forget(name, config),
        Action::Replay(_) | Action::Replays(_) => Ok(ExitCode::FAILURE),
    };

    done.unwrap_or_else(|error| {
        complain(&with_causes(&error));
        ExitCode::FAILURE
    })
}

/// Gives up the events that wait for a destination. It must be switched off, and known to the queue.
fn forget(name: &str, config: &Config) -> Result<ExitCode, OpenError> {
    if destinations::names(config)
        .iter()
        .any(|configured| **configured == *name)
    {
        complain(&format!(
            "{name} is still configured: switch it off first, or its events are delivered when it is back"
        ));
        return Ok(ExitCode::FAILURE);
    }

    let queue = inspect::status(&config.data_dir)?;
    let waiting = queue.waiting();
    let Some(&records) = waiting.get(name) else {
        let names: BTreeSet<&str> = waiting.into_keys().collect();
        complain(&format!(
            "the queue has no destination {name:?}, only {names:?}"
        ));
        return Ok(ExitCode::FAILURE);
    };

    inspect::forget(&config.data_dir, name, || note(config, name, records))?;
    say(&format!(
        "{name} is forgotten, and with it {records} records that waited for it"
    ));
    Ok(ExitCode::SUCCESS)
}

/// Written before it is done.
fn note(config: &Config, name: &str, records: u64) -> io::Result<()> {
    let act = Act {
        what: "queue.forget",
        how_many: Some(records),
        details: json!({ "destination": name }),
    };
    Audit::of_a_command(&config.data_dir, &act)
}

pub(super) fn with_causes(error: &OpenError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));

    match error {
        OpenError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            format!("{text}; only the gateway's own user may read what it keeps")
        }
        _ => text,
    }
}
