//! `boxbridge trace`: the way of one event, from the running gateway's `/api/events/{id}`, or from the directory of one that is stopped.
//!
//! Promises: changes nothing. Exit code 0 if the event is there, 1 if it is not.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::stopped;
use crate::admin::Complaint;
use crate::admin::trace::{Trace, Traced, Way};
use crate::commands::operator::{self, Client, Operator, Whom, refuse};
use crate::commands::{self, complain, say};
use crate::gateway::kept::harmless;
use boxbridge_config::{Config, Problems};
use boxbridge_event::EventId;

#[derive(Args)]
#[command(
    after_help = "Exit code: 0 the event is there, 1 it is not (or no longer: the replay window is queue.replay_window), 69 the gateway does not answer, 64 wrong settings.
A box gets the id in its answer, consumers in `id` (CloudEvents: before the dot).

Examples:
  boxbridge trace 5f0c6e0c-1c4f-8b1e-9c41-d0aa5f0c6e0c
  boxbridge trace 5f0c6e0c-1c4f-8b1e-9c41-d0aa5f0c6e0c --json | jq '.records[].destinations[] | select(.state == \"waiting\")'"
)]
pub struct Options {
    /// The event's id
    #[arg(value_name = "EVENT_ID")]
    id: EventId,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Whom,
}

pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    operator::run(async {
        match traced(options, config).await {
            Ok(answer) => show(options, answer),
            Err(code) => code,
        }
    })
}

async fn traced(
    options: &Options,
    config: impl FnOnce() -> Result<Config, Problems>,
) -> Result<Value, ExitCode> {
    let traced = if options.gateway.url.is_some() {
        let client = options.gateway.client(config);
        asked(&client.map_err(|unknown| unknown.say())?, options.id).await
    } else {
        let config = config().map_err(|problems| commands::refuse(&problems))?;
        match Operator::find(&config).await {
            Ok(Operator::Running(client)) => asked(&client, options.id).await,
            Ok(Operator::Stopped) => stopped::trace(&config, options.id).map(|trace| json!(trace)),
            Err(complaint) => Err(complaint),
        }
    };
    traced.map_err(|complaint| refuse(&complaint))
}

async fn asked(client: &Client, id: EventId) -> Result<Value, Complaint> {
    client.get(&format!("/api/events/{id}")).await
}

fn show(options: &Options, answer: Value) -> ExitCode {
    if options.json {
        say(&format!("{answer:#}"));
        return ExitCode::SUCCESS;
    }

    match serde_json::from_value::<Trace>(answer) {
        Ok(trace) => {
            say(&harmless(told(&trace).as_bytes()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(&format!("the answer is of another version: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn told(trace: &Trace) -> String {
    let records = trace.records.iter();
    let records = records.map(|record| of_record(trace.id, record));
    records.collect::<Vec<_>>().join("\n\n")
}

fn of_record(id: EventId, record: &Traced) -> String {
    let Traced {
        revision,
        feed,
        lane,
        person_type,
        ..
    } = record;
    let device = record.device.as_deref().unwrap_or("an unknown device");

    let mut lines = vec![
        format!("{id}  revision {revision}: {person_type} of {device}, {feed} feed, {lane} lane"),
        line("accepted", &record.accepted_at.for_people()),
    ];
    lines.extend(record.destinations.iter().map(of_way));
    lines.join("\n")
}

fn of_way(way: &Way) -> String {
    let at = way.at.map(|at| format!(" {}", at.for_people()));
    let why = way.why.as_ref().map(|why| format!(": {why}"));
    let (at, why) = (at.unwrap_or_default(), why.unwrap_or_default());
    line(
        &way.destination,
        &format!("{}{at}{why}", way.state.for_people()),
    )
}

fn line(name: &str, text: &str) -> String {
    format!("  {name:<12}{text}")
}
