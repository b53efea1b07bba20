//! `boxbridge trace`: the way of one event, from the running gateway's `/api/events/{id}`, or from the directory of one that is stopped.
//!
//! Promises: changes nothing. Exit code 0 if the event is there, 1 if it is not.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::stopped;
use crate::admin::Complaint;
use crate::admin::trace::{Trace, Traced, Way, WayState};
use crate::commands::operator::{self, Client, Operator, Whom, refuse};
use crate::commands::{complain, say};
use crate::gateway::kept::harmless;
use boxbridge_config::{Config, Problems};
use boxbridge_event::EventId;

#[derive(Args)]
#[command(
    after_help = "Exit code: 0 the event is there, 1 it is not (or no longer: the replay window is queue.replay_window), 69 the gateway does not answer, 64 wrong settings.
A box gets the id in its answer, consumers in `id` (CloudEvents: before the dot). An id of a destination whose route leaves something out is found as well.

Examples:
  boxbridge trace 5f0c6e0c-1c4f-8b1e-9c41-d0aa5f0c6e0c
  boxbridge trace 5f0c6e0c-1c4f-8b1e-9c41-d0aa5f0c6e0c --json | jq '.records[].destinations[] | select(.state == \"waiting\")'"
)]
pub struct Options {
    /// The event's id
    #[arg(value_name = "EVENT_ID", value_parser = event_id)]
    id: EventId,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Whom,
}

fn event_id(text: &str) -> Result<EventId, String> {
    text.parse().map_err(|error| {
        format!("{error}; `boxbridge aside list` and `boxbridge queue inspect` show ids of events")
    })
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
    let traced = match Operator::of(&options.gateway, config).await? {
        Operator::Running(client) => asked(&client, options.id).await,
        Operator::Stopped(config) => stopped::trace(&config, options.id).map(|trace| json!(trace)),
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
    let mut text = way.state.for_people().to_owned();
    if let Some(at) = way.at {
        text += &format!(" {}", at.for_people());
    }
    if way.late == Some(true) {
        text += " late";
    }
    if let Some(topic) = &way.topic {
        text += &format!(" {} {topic}", preposition(way.state));
    }
    if let Some(why) = &way.why {
        text += &format!(": {why}");
    }
    line(&way.destination, &text)
}

/// Before the topic.
fn preposition(state: WayState) -> &'static str {
    match state {
        WayState::SetAside => "from",
        WayState::Waiting => "for",
        _ => "to",
    }
}

fn line(name: &str, text: &str) -> String {
    format!("  {name:<12}{text}")
}
