//! `boxbridge reload`: has a running gateway read its settings again, and says what came of it.
//!
//! Promises: exit code 0 if they hold now, 64 if they are wrong, 1 if the gateway keeps those before, 69 if no gateway answers.
//! Deliberately sends no settings: the gateway reads its own file.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::admin::Complaint;
use crate::commands::operator::{self, Whom};
use crate::commands::{EXIT_UNAVAILABLE, complain, say};
use boxbridge_config::{Config, Problems};

#[derive(Args)]
#[command(
    after_help = "Exit code: 0 they hold now, 1 the gateway keeps those before, 64 wrong settings, 69 no gateway answers.

Examples:
  boxbridge reload                                 the gateway of these settings
  boxbridge reload --url http://127.0.0.1:9531     another one on this machine"
)]
pub struct Options {
    #[command(flatten)]
    gateway: Whom,
}

/// `config` is loaded only if no URL is given; one that is wrong would be refused by the gateway as well.
pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    let gateway = match options.gateway.client(config) {
        Ok(gateway) => gateway,
        Err(unknown) => return unknown.say(),
    };

    operator::run(async {
        match gateway.post("/api/reload", &json!({})).await {
            Ok(taken) => {
                say(&sentence(&taken));
                ExitCode::SUCCESS
            }
            Err(complaint) => refused(&complaint),
        }
    })
}

fn sentence(taken: &Value) -> String {
    let changed = taken["changed"].as_array().into_iter().flatten();
    let changed: Vec<_> = changed.filter_map(Value::as_str).collect();
    match changed.as_slice() {
        [] => "nothing has changed".to_owned(),
        changed => format!("they hold now: {}", changed.join(", ")),
    }
}

fn refused(complaint: &Complaint) -> ExitCode {
    complain(&complaint.message);
    match complaint.status {
        0 => ExitCode::from(EXIT_UNAVAILABLE),
        _ => ExitCode::FAILURE,
    }
}
