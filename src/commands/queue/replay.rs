//! `boxbridge queue replay` and `boxbridge queue replays`: a running gateway sends a range of time again; here it is asked, watched, cancelled.
//!
//! Promises: how far back the queue reaches, and how many events go where, is said before anything is sent. Ctrl-C ends this command and not
//! the replay. Deliberately sends nothing itself: live events go first, and only the gateway knows of them.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::admin::Complaint;
use crate::commands::operator::{self, Client, Operator, Whom};
use crate::commands::{complain, person_type, say};
use boxbridge_config::{Config, Problems};
use boxbridge_event::PersonType;

#[derive(Args)]
pub struct Range {
    /// Events received at this time or later: 14:00 (today), "2026-11-28 14:00", 2026-11-28T14:00:00Z, "2h ago"
    #[arg(long, value_name = "TIME")]
    from: String,
    /// And before this time
    #[arg(long, value_name = "TIME", default_value = "now")]
    to: String,
    /// Only to this destination, as in [send.<name>] [default: all of kind mqtt and kafka]
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// Only of this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Only of this person type
    #[arg(long, value_name = "WORD", value_parser = person_type)]
    person_type: Option<PersonType>,
    /// At most so many events a second, to each destination
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,
    /// Count, and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON, and do not wait for the end
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Whom,
}

#[derive(Args)]
pub struct Shown {
    /// End this one
    #[arg(long, value_name = "ID", value_parser = id)]
    cancel: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: Whom,
}

/// As it stands in a path.
fn id(text: &str) -> Result<String, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match !text.is_empty() && text.chars().all(is_plain) {
        true => Ok(text.to_owned()),
        false => Err("must be a name as `boxbridge queue replays` shows it".to_owned()),
    }
}

/// Sends a range again, and waits until it is over.
pub fn replay(range: &Range, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    of_running(&range.gateway, config, async |client| {
        ask(client, range).await
    })
}

/// Shows them, or ends one.
pub fn replays(shown: &Shown, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    of_running(&shown.gateway, config, async |client| {
        show(client, shown).await
    })
}

fn of_running(
    whom: &Whom,
    config: impl FnOnce() -> Result<Config, Problems>,
    command: impl AsyncFnOnce(&Client) -> Result<ExitCode, Complaint>,
) -> ExitCode {
    operator::run(async {
        match Operator::of(whom, config).await {
            Ok(Operator::Running(client)) => {
                let done = command(&client).await;
                done.unwrap_or_else(|why| operator::refuse(&why))
            }
            Ok(Operator::Stopped(_)) => {
                complain(
                    "the gateway is stopped, and only a running one sends events again: start it; what a replay had not sent yet goes on by itself then",
                );
                ExitCode::FAILURE
            }
            Err(code) => code,
        }
    })
}

async fn ask(client: &Client, range: &Range) -> Result<ExitCode, Complaint> {
    let counted = range.body(&range.from, &range.to, true);
    let planned = client.post("/api/replays", &counted).await?;
    if !range.json {
        plan(&planned);
    }
    if range.dry_run {
        if range.json {
            say(&planned.to_string());
        }
        return Ok(ExitCode::SUCCESS);
    }

    // As they were counted: "2h ago" and now mean something else by now.
    let (from, to) = (text(&planned, "from"), text(&planned, "to"));
    let begun = client
        .post("/api/replays", &range.body(from, to, false))
        .await?;
    if range.json {
        say(&begun.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let id = text(&begun, "id");
    say(&format!(
        "{id} has begun; `boxbridge queue replays` shows it, with --cancel {id} it ends"
    ));
    watch(client, id).await
}

impl Range {
    fn body(&self, from: &str, to: &str, dry_run: bool) -> Value {
        json!({
            "from": from,
            "to": to,
            "destination": self.destination,
            "device": self.device,
            "person_type": self.person_type,
            "rate": self.rate,
            "dry_run": dry_run,
        })
    }
}

/// What would be sent, and to whom.
fn plan(planned: &Value) {
    let time = |name: &str| text(planned, name).to_owned();
    say(&format!(
        "the queue reaches back to {}",
        time("reaches_back_to")
    ));
    say(&format!(
        "received from {} to {}:",
        time("from"),
        time("to")
    ));

    for each in list(planned, "destinations") {
        let (name, records, live) = (
            text(each, "destination"),
            number(each, "records"),
            number(each, "live"),
        );
        let live = match live {
            0 => String::new(),
            live => format!(", {live} more were never delivered and come live"),
        };
        say(&format!(
            "  {name:<12} {} events go out again{live}",
            records.saturating_sub(number(each, "live"))
        ));
    }
    for note in list(planned, "notes") {
        say(&format!("  {}", note.as_str().unwrap_or_default()));
    }
}

/// Follows a job to its end, and says what became of it.
async fn watch(client: &Client, id: &str) -> Result<ExitCode, Complaint> {
    let goes_on = format!("{id} goes on: `boxbridge queue replays` shows it");
    let ended = match operator::follow(client, id, &goes_on).await? {
        Some(_) => client.get("/api/replays").await?,
        None => return Ok(ExitCode::SUCCESS),
    };

    let mut replays = list(&ended, "replays");
    let Some(replay) = replays.find(|replay| text(replay, "id") == id) else {
        return Ok(ExitCode::SUCCESS);
    };
    line(replay);
    let is_whole = list(replay, "destinations").all(|each| number(each, "left") == 0);
    Ok(match is_whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

async fn show(client: &Client, shown: &Shown) -> Result<ExitCode, Complaint> {
    if let Some(id) = &shown.cancel {
        let cancelled = client.delete(&format!("/api/replays/{id}")).await?;
        say(&match shown.json {
            true => cancelled.to_string(),
            false => format!("{id} is cancelled"),
        });
        return Ok(ExitCode::SUCCESS);
    }

    let found = client.get("/api/replays").await?;
    if shown.json {
        say(&found.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    say(
        &match found.get("reaches_back_to").and_then(Value::as_str) {
            Some(oldest) => format!("the queue reaches back to {oldest}"),
            None => "the queue holds no event".to_owned(),
        },
    );
    list(&found, "replays").for_each(line);
    if list(&found, "replays").next().is_none() {
        say("no replay is under way, and none has ended since the gateway started");
    }
    Ok(ExitCode::SUCCESS)
}

/// A replay with a line for each destination.
fn line(replay: &Value) {
    let (from, to) = (text(replay, "from"), text(replay, "to"));
    let mut what = format!(
        "{} {}: received from {from} to {to}",
        text(replay, "id"),
        text(replay, "state")
    );
    if let Some(device) = replay.get("device").and_then(Value::as_str) {
        what += &format!(", device {device}");
    }
    if let Some(rate) = replay.get("rate").and_then(Value::as_u64) {
        what += &format!(", at most {rate} a second");
    }
    say(&what);
    for each in list(replay, "destinations") {
        say(&line_of_destination(each));
    }
}

fn line_of_destination(each: &Value) -> String {
    let (sent, live) = (number(each, "sent"), number(each, "live"));
    let (name, records) = (text(each, "destination"), number(each, "records"));
    let mut line = format!("  {name:<12} {sent} of {records} sent");

    let types = list(each, "person_types").filter_map(Value::as_str);
    let types: Vec<&str> = types.collect();
    if types.len() < PersonType::ALL.len() {
        line += &format!(", of {}", types.join(" "));
    }
    if live > 0 {
        line += &format!(", {live} came live");
    }

    line + &match (number(each, "left"), text(each, "state")) {
        (0, _) => String::new(),
        (left, "running") => format!(", {left} to go"),
        (left, "cancelled") => format!(", {left} not sent"),
        (left, _) => format!(", {left} not sent: they were no longer in the queue"),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
