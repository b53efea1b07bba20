//! `boxbridge resume`: the cause is gone for which a destination refused events; they are tried at once.
//!
//! Promises: exit code 0 if the gateway was told, 1 if nothing waits there. Deliberately does not wait for what comes of it: `status` shows that.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::commands::operator::{self, Whom, encoded, refuse};
use crate::commands::{person_type, say};
use boxbridge_config::{Config, Problems};
use boxbridge_event::PersonType;

#[derive(Args)]
#[command(
    after_help = "Exit code: 0 they are tried now, 1 nothing waits there, 64 wrong settings, 69 no gateway answers.

Examples:
  boxbridge resume mqtt                              after the ACL or a limit was changed
  boxbridge resume kafka --person-type visitor"
)]
pub struct Options {
    /// The destination, by its name in the settings
    #[arg(value_name = "NAME")]
    destination: String,
    /// Only this person type
    #[arg(long, value_name = "WORD", value_parser = person_type)]
    person_type: Option<PersonType>,
    #[command(flatten)]
    gateway: Whom,
}

pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    operator::run(async {
        let gateway = match operator::running(&options.gateway, config).await {
            Ok(gateway) => gateway,
            Err(code) => return code,
        };
        let path = format!("/api/destinations/{}/resume", encoded(&options.destination));
        let body = json!({"person_type": options.person_type});
        match gateway.post(&path, &body).await {
            Ok(resumed) => {
                say(&sentence(&options.destination, &resumed));
                ExitCode::SUCCESS
            }
            Err(complaint) => refuse(&complaint),
        }
    })
}

fn sentence(destination: &str, answer: &Value) -> String {
    let resumed = answer.get("resumed").and_then(Value::as_array);
    let words = resumed.into_iter().flatten();
    let words = words.filter_map(|paused| paused.get("person_type")?.as_str());
    let mut words: Vec<_> = words.collect();
    words.dedup();

    match words.as_slice() {
        [] => format!("{destination} is asked anew; no person type waited there"),
        words => format!(
            "{destination} is asked anew: {} tried now",
            words.join(", ")
        ),
    }
}
