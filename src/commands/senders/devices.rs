//! `boxbridge devices`: the table of devices, of a running gateway by its API, of a stopped one from its file.
//!
//! Promises: silent ones come first; what a box wrote cannot steer the terminal. Deliberately shows a hundred rows unless more are asked
//! for: ten thousand are for `--json`.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::admin::Complaint;
use crate::commands::operator::{self, Client, Operator, Whom, encoded, refuse};
use crate::commands::{complain, note, say};
use crate::gateway::devices::{Found, Wanted, saved};
use crate::system::disk::Disk;
use boxbridge_config::{Config, Problems};
use boxbridge_event::DeviceState;

mod print;

/// Rows of one answer.
const PAGE: usize = 1_000;

#[derive(Args)]
#[command(after_help = "Examples:
  boxbridge devices                          all devices, silent ones first
  boxbridge devices --silent                 who has stopped sending, and since when; exit code 1 if nobody has
  boxbridge devices 192.168.1.19             those with this in id, name, door, box or sender
  boxbridge devices --site lobby --limit 1000
  boxbridge devices --json | jq '.devices[] | select(.clock_skew_ms > 300000)'")]
pub struct Options {
    /// Only those with this in their id, name, door, box or sender
    text: Option<String>,
    /// Only those that sent within the last day, and then nothing for ingest.devices.silent_after
    #[arg(long, conflicts_with = "status")]
    silent: bool,
    /// Only those in this state
    #[arg(long, value_name = "WORD", value_parser = state)]
    status: Option<DeviceState>,
    /// Only those of this site
    #[arg(long, value_name = "SITE")]
    site: Option<String>,
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Print JSON, as /api/devices gives it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Whom,
}

pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    operator::run(async {
        let found = match Operator::of(&options.gateway, config).await {
            Ok(Operator::Running(client)) => options.asked(&client).await,
            Ok(Operator::Stopped(config)) => options.read(&config),
            Err(code) => return code,
        };
        match found {
            Ok(found) => options.show(&found),
            Err(complaint) => refuse(&complaint),
        }
    })
}

impl Options {
    fn wanted(&self) -> Wanted {
        Wanted {
            status: self.silent.then_some(DeviceState::Silent).or(self.status),
            site: self.site.clone(),
            text: self.text.clone(),
        }
    }

    /// As many pages as the limit asks for.
    async fn asked(&self, client: &Client) -> Result<Found, Complaint> {
        let mut found = Found::default();
        loop {
            let missing = self.limit.saturating_sub(found.devices.len());
            let limit = missing.clamp(1, PAGE);
            let page = client.get(&self.path(found.devices.len(), limit)).await?;
            let page = read(page)?;

            found.devices.extend(page.devices);
            (found.total, found.next) = (page.total, page.next);
            if found.next.is_none() || found.devices.len() >= self.limit {
                return Ok(found);
            }
        }
    }

    fn path(&self, from: usize, limit: usize) -> String {
        let wanted = self.wanted();
        let status = wanted.status.map(|status| status.as_str().to_owned());
        let texts = [
            ("status", status),
            ("site", wanted.site),
            ("text", wanted.text),
        ];

        let mut path = format!("/api/devices?from={from}&limit={limit}");
        for (name, text) in texts {
            if let Some(text) = text {
                path += &format!("&{name}={}", encoded(&text));
            }
        }
        path
    }

    /// What the gateway had written when it was stopped.
    fn read(&self, config: &Config) -> Result<Found, Complaint> {
        let saved = saved(&Disk::default(), &config.data_dir).map_err(|error| {
            unreadable(format!(
                "cannot read {}: {error}",
                config.data_dir.join("devices").display()
            ))
        })?;
        let Some(saved) = saved else {
            return Ok(Found::default());
        };

        let at = saved.saved_at.for_people();
        note(&format!(
            "the gateway is stopped: this is what it knew at {at}"
        ));
        Ok(Found::among(saved.devices, &self.wanted(), 0, self.limit))
    }

    fn show(&self, found: &Found) -> ExitCode {
        if self.json {
            say(&serde_json::to_string(found).unwrap_or_default());
        } else {
            print::table(found);
        }

        let is_filtered = self.wanted() != Wanted::default();
        match (found.devices.is_empty(), is_filtered) {
            (false, _) => ExitCode::SUCCESS,
            (true, false) => {
                note("no device has sent anything yet");
                ExitCode::SUCCESS
            }
            (true, true) => {
                complain(match self.silent {
                    true => "no device is silent",
                    false => "no device is like that",
                });
                ExitCode::FAILURE
            }
        }
    }
}

fn read(page: Value) -> Result<Found, Complaint> {
    serde_json::from_value(page)
        .map_err(|error| unreadable(format!("what the gateway answered is no table: {error}")))
}

fn unreadable(message: String) -> Complaint {
    Complaint {
        status: 0,
        code: "unreadable".into(),
        message,
    }
}

fn state(word: &str) -> Result<DeviceState, String> {
    let words = DeviceState::ALL.iter().map(|state| state.as_str());
    DeviceState::from_word(word)
        .ok_or_else(|| format!("must be one of {}", words.collect::<Vec<_>>().join(" ")))
}
