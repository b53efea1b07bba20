//! What `boxbridge aside` and `boxbridge quarantine` have in common: whom they ask, how they page and wait, what they print.
//!
//! Promises: what somebody else wrote cannot steer the terminal; a job that goes on is said to, with how to see and to end it. Deliberately
//! knows neither what is set aside nor what is in quarantine.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::operator::{self, Client, Operator, Whom, encoded};
use super::{complain, note, say};
use crate::admin::{Act, Audit, Complaint, JobReport, JobState};
use crate::gateway::kept::{Aside, harmless};
use crate::queue::inspect;
use crate::system::disk::Disk;
use boxbridge_config::{Config, Problems};
use boxbridge_event::Size;

pub mod aside;
pub mod quarantine;

/// Of a gateway that is stopped.
pub const STOPPED: &str =
    "the gateway is stopped: only a running one can do that. Start it, and ask again";

/// Entries of one request.
const PAGE: usize = 1_000;

/// Runs a command on the gateway that is meant, running or stopped.
pub fn on_gateway(
    whom: &Whom,
    config: impl FnOnce() -> Result<Config, Problems>,
    command: impl AsyncFnOnce(Operator) -> Result<ExitCode, Complaint>,
) -> ExitCode {
    operator::run(async {
        match Operator::of(whom, config).await {
            Ok(found) => command(found)
                .await
                .unwrap_or_else(|complaint| operator::refuse(&complaint)),
            Err(code) => code,
        }
    })
}

/// Writes down what is about to be dropped of what a stopped gateway keeps.
pub fn noted(
    config: &Config,
    what: &'static str,
    how_many: u64,
    filter: &impl Serialize,
) -> Result<(), Complaint> {
    let act = Act {
        what,
        how_many: Some(how_many),
        details: json!({ "filter": filter }),
    };
    let noted = Audit::of_a_command(&config.data_dir, &act);
    noted.map_err(|error| Complaint::not_audited(&error.to_string()))
}

/// One page after the other of what `ask` gives, up to `limit` entries of `list`; the first answer holds them all.
pub async fn pages(
    list: &str,
    limit: usize,
    after: Option<String>,
    mut ask: impl AsyncFnMut(Option<String>, usize) -> Result<Value, Complaint>,
) -> Result<Value, Complaint> {
    let mut entries = Vec::new();
    let mut next = after;
    loop {
        let missing = limit.saturating_sub(entries.len()).clamp(1, PAGE);
        let mut page = ask(next, missing).await?;
        let found = page.get_mut(list).and_then(Value::as_array_mut);
        entries.append(found.unwrap_or(&mut Vec::new()));

        next = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if next.is_none() || entries.len() >= limit {
            if let Some(members) = page.as_object_mut() {
                members.insert(list.to_owned(), entries.into());
            }
            return Ok(page);
        }
    }
}

/// The query of a filter, as an address has it.
pub fn query(filter: &Value, limit: usize, after: Option<&str>) -> String {
    let mut query = format!("?limit={limit}");
    let members = filter.as_object().into_iter().flatten();
    let texts = members.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    for (name, text) in texts.chain(after.map(|after| ("after", after))) {
        query += &format!("&{name}={}", encoded(text));
    }
    query
}

/// A filter without what nobody asked for.
pub fn filter(members: impl IntoIterator<Item = (&'static str, Option<String>)>) -> Value {
    let given = members
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), text?.into())));
    Value::Object(given.collect::<Map<_, _>>())
}

/// The filter as its owner reads it.
pub fn read<T: serde::de::DeserializeOwned>(filter: &Value) -> Result<T, Complaint> {
    serde_json::from_value(filter.clone())
        .map_err(|error| Complaint::bad("bad_filter", error.to_string()))
}

/// JSON as people read it.
pub fn say_json(value: &Value) {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    say(&harmless(text.as_bytes()));
}

/// A member as a text.
pub fn text(value: &Value, name: &str) -> String {
    match value.get(name) {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => harmless(text.as_bytes()).replace('\n', " "),
        Some(other) => other.to_string(),
    }
}

pub fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// What a command calls the things that it lists.
pub struct Things {
    /// Their member in the answers.
    pub list: &'static str,
    pub one: &'static str,
    /// As in "3 set aside".
    pub kept: &'static str,
}

impl Things {
    /// Says a list, or that there is nothing in it.
    pub fn say_list(
        &self,
        listed: &Value,
        filter: &Value,
        is_json: bool,
        head: &str,
        say_line: impl Fn(&Value),
    ) -> ExitCode {
        let entries = listed.get(self.list).and_then(Value::as_array);
        let entries = entries.map(Vec::as_slice).unwrap_or_default();
        if is_json {
            say_json(listed);
        } else {
            if !entries.is_empty() {
                note(head);
            }
            entries.iter().for_each(say_line);
            self.say_foot(listed, entries.len());
        }

        if entries.is_empty() {
            let is_all = filter.as_object().is_some_and(Map::is_empty);
            complain(&match is_all {
                true => format!("there is no {}", self.one),
                false => format!(
                    "no {} matches {}; without a filter the list shows what there is",
                    self.one,
                    said(filter)
                ),
            });
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }

    fn say_foot(&self, listed: &Value, shown: usize) {
        let all = listed.get("kept").cloned().unwrap_or_default();
        let (count, bytes) = (number(&all, self.list), Size(number(&all, "bytes")));
        note(&format!(
            "{shown} shown, {count} {} in all, {bytes}",
            self.kept
        ));
        if listed.get("next").is_some_and(Value::is_string) {
            note(&format!("more: --after {}", text(listed, "next")));
        }
    }
}

/// A filter as it was asked for: `from 23:59, reason too_large`.
fn said(filter: &Value) -> String {
    let members = filter.as_object().into_iter().flatten();
    let said: Vec<_> = members
        .map(|(name, _)| format!("{} {}", name.replace('_', "-"), text(filter, name)))
        .collect();
    said.join(", ")
}

pub fn not_read(error: impl std::fmt::Display) -> Complaint {
    Complaint::not_now(
        "not_read",
        format!("the data directory cannot be read: {error}"),
    )
}

/// The set-aside events of a gateway that is stopped, and that is held while this is used.
pub fn open_aside(config: &Config) -> Result<Aside, Complaint> {
    let epoch = inspect::status(&config.data_dir).map(|found| found.epoch);
    let (epoch, max_bytes) = (epoch.unwrap_or_default(), config.queue.aside_max_bytes);
    let aside = Aside::open(&Disk::default(), &config.data_dir, &epoch, max_bytes);
    aside.map_err(not_read)
}

/// Waits for a job, and says how it ended; `command` follows or cancels it.
pub async fn wait_for(
    client: &Client,
    job: &str,
    command: &str,
    ended: impl FnOnce(&JobReport) -> ExitCode,
) -> Result<ExitCode, Complaint> {
    let goes_on = format!(
        "{job} goes on. See it: {command} --follow {job}    End it: {command} --cancel {job}"
    );
    let Some(report) = operator::follow(client, job, &goes_on).await? else {
        return Ok(ExitCode::SUCCESS);
    };
    Ok(said_end(&read(&report)?, ended))
}

fn said_end(report: &JobReport, ended: impl FnOnce(&JobReport) -> ExitCode) -> ExitCode {
    let id = &report.id;
    if let Some(error) = report.counts.get("error").and_then(Value::as_str) {
        complain(&format!("{id} ended early: {error}"));
        return ExitCode::FAILURE;
    }
    match report.state {
        JobState::Done => ended(report),
        JobState::Cancelled => {
            ended(report);
            note(&format!("{id} was cancelled"));
            ExitCode::FAILURE
        }
        _ => {
            complain(&format!("{id} broke off: the gateway's log says why"));
            ExitCode::FAILURE
        }
    }
}
