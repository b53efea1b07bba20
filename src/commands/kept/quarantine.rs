//! `boxbridge quarantine`: what boxes sent wrong, to look at, to hand in again as history and to drop.
//!
//! Promises: asks the running gateway, and reads the directory itself where that is stopped, under the queue's lock; what only a running one
//! can do is said. Exit code 1 where nothing matches, or where something was refused again.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::admin::kept::{KeptBodies, check_drop};
use crate::admin::{Complaint, JobReport};
use crate::commands::kept::{self, STOPPED, Things, number, text};
use crate::commands::operator::{Client, Operator, Whom, encoded};
use crate::commands::{complain, note, say};
use crate::gateway::kept::{Quarantine, QuarantineFilter};
use crate::queue::inspect;
use crate::system::disk::Disk;
use boxbridge_config::{Config, Problems};
use boxbridge_event::{Feed, Size};

#[derive(Args)]
#[command(after_help = "Examples:
  boxbridge quarantine list                          what came, from whom, and why it was refused
  boxbridge quarantine show ID                       one body, its fault marked, its pictures as sizes
  boxbridge quarantine resubmit --code json_invalid  hand in again, as history: after an upgrade, or a changed limit
  boxbridge quarantine drop --peer 192.168.1.19      remove those of one sender for good")]
pub struct Options {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    gateway: Whom,
}

#[derive(Subcommand)]
enum Action {
    /// What came, from whom, and why it was refused; the oldest first
    #[command(after_help = "Example: boxbridge quarantine list --from \"2h ago\"")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Go on behind this one
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// Print JSON, as /api/quarantine gives it
        #[arg(long)]
        json: bool,
    },
    /// One body: why it was refused, its pictures as sizes, the place of the fault marked
    #[command(
        after_help = "Example: boxbridge quarantine show 1795341600123-000007-json_invalid-192.168.1.19"
    )]
    Show {
        /// As in the list
        id: String,
        /// Print JSON, as /api/quarantine/{id} gives it
        #[arg(long)]
        json: bool,
    },
    /// Hand in again, as history: nobody acts on it; what is refused again stays
    #[command(after_help = "Example: boxbridge quarantine resubmit --peer 192.168.1.19 --dry-run")]
    Resubmit {
        #[command(flatten)]
        filter: Filter,
        /// Only say how many would be handed in
        #[arg(long)]
        dry_run: bool,
        /// Wait for a resubmission that goes on
        #[arg(long, value_name = "JOB", conflicts_with_all = ["cancel", "dry_run"])]
        follow: Option<String>,
        /// End a resubmission that goes on
        #[arg(long, value_name = "JOB", conflicts_with = "dry_run")]
        cancel: Option<String>,
    },
    /// Remove for good; needs a filter, or --all
    #[command(after_help = "Example: boxbridge quarantine drop --code body_empty")]
    Drop {
        #[command(flatten)]
        filter: Filter,
        /// All of them
        #[arg(long)]
        all: bool,
        /// Only say how many would be removed
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which are meant; without any, all of them.
#[derive(Args)]
struct Filter {
    /// Refused with this code
    #[arg(long, value_name = "WORD")]
    code: Option<String>,
    /// Sent from this address
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<String>,
    /// Sent on this path
    #[arg(long, value_name = "realtime|history", value_parser = feed)]
    feed: Option<Feed>,
    /// Received at this time or later: 14:00, "2h ago", 2026-11-28T14:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Received before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// This one
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

impl Filter {
    fn to_json(&self) -> Value {
        kept::filter([
            ("code", self.code.clone()),
            ("peer", self.peer.clone()),
            ("feed", self.feed.map(|word| word.to_string())),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("id", self.id.clone()),
        ])
    }
}

fn feed(word: &str) -> Result<Feed, String> {
    Feed::from_word(word).ok_or_else(|| "must be realtime or history".to_owned())
}

pub fn run(options: &Options, config: impl FnOnce() -> Result<Config, Problems>) -> ExitCode {
    kept::on_gateway(&options.gateway, config, async |found| match found {
        Operator::Running(client) => options.action.ask(&client).await,
        Operator::Stopped(config) => options.action.read(&config).await,
    })
}

impl Action {
    /// Of a running gateway.
    async fn ask(&self, client: &Client) -> Result<ExitCode, Complaint> {
        match self {
            Action::List {
                filter,
                limit,
                after,
                json,
            } => {
                let filter = filter.to_json();
                let ask = async |after: Option<String>, limit| {
                    let query = kept::query(&filter, limit, after.as_deref());
                    client.get(&format!("/api/quarantine{query}")).await
                };
                let listed = kept::pages(BODIES.list, *limit, after.clone(), ask).await?;
                Ok(print_list(&listed, &filter, *json))
            }
            Action::Show { id, json } => {
                let path = format!("/api/quarantine/{}", encoded(id));
                print_one(&client.get(&path).await?, *json);
                Ok(ExitCode::SUCCESS)
            }
            Action::Resubmit {
                cancel: Some(job), ..
            } => {
                client.delete(&format!("/api/jobs/{job}")).await?;
                say(&format!("{job} ends; what it has handed in is accepted"));
                Ok(ExitCode::SUCCESS)
            }
            Action::Resubmit {
                follow: Some(job), ..
            } => resubmitted(client, job).await,
            Action::Resubmit {
                filter, dry_run, ..
            } => {
                let body = json!({"filter": filter.to_json(), "dry_run": dry_run});
                let begun = client.post("/api/quarantine/resubmit", &body).await?;
                print_matching(
                    &begun,
                    *dry_run,
                    "would be handed in again",
                    "are handed in again",
                );
                match begun.get("job").and_then(Value::as_str) {
                    Some(job) => resubmitted(client, job).await,
                    None => Ok(ExitCode::SUCCESS),
                }
            }
            Action::Drop {
                filter,
                all,
                dry_run,
            } => {
                let body = json!({"filter": filter.to_json(), "all": all, "dry_run": dry_run});
                let dropped = client.post("/api/quarantine/drop", &body).await?;
                print_dropped(&dropped, *dry_run);
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    /// Of a stopped one. It cannot start meanwhile.
    async fn read(&self, config: &Config) -> Result<ExitCode, Complaint> {
        if matches!(self, Action::Resubmit { .. }) {
            complain(STOPPED);
            return Ok(ExitCode::FAILURE);
        }

        let _held = inspect::hold(&config.data_dir).map_err(kept::not_read)?;
        let settings = &config.ingest.quarantine;
        let quarantine = Quarantine::open(&Disk::default(), &config.data_dir, settings);
        let quarantine = quarantine.map_err(kept::not_read)?;
        self.read_from(&KeptBodies(&quarantine), config).await
    }

    async fn read_from(
        &self,
        kept: &KeptBodies<'_>,
        config: &Config,
    ) -> Result<ExitCode, Complaint> {
        match self {
            Action::List {
                filter,
                limit,
                after,
                json,
            } => {
                let filter = filter.to_json();
                let wanted: QuarantineFilter = kept::read(&filter)?;
                let ask = async |after: Option<String>, limit| {
                    kept.list(&wanted, after.as_deref(), limit)
                };
                let listed = kept::pages(BODIES.list, *limit, after.clone(), ask).await?;
                Ok(print_list(&listed, &filter, *json))
            }
            Action::Show { id, json } => {
                print_one(&kept.show(id)?, *json);
                Ok(ExitCode::SUCCESS)
            }
            Action::Drop {
                filter,
                all,
                dry_run,
            } => {
                let filter: QuarantineFilter = kept::read(&filter.to_json())?;
                check_drop(filter.is_empty(), *all)?;
                let matching = kept.count(&filter)?;
                let dropped = match dry_run {
                    true => json!({"matching": matching, "kept": kept.kept()}),
                    false => {
                        kept::noted(config, "quarantine.drop", matching, &filter)?;
                        kept.drop_all(&filter)?
                    }
                };
                print_dropped(&dropped, *dry_run);
                Ok(ExitCode::SUCCESS)
            }
            Action::Resubmit { .. } => Ok(ExitCode::FAILURE),
        }
    }
}

async fn resubmitted(client: &Client, job: &str) -> Result<ExitCode, Complaint> {
    kept::wait_for(
        client,
        job,
        "boxbridge quarantine resubmit",
        print_resubmitted,
    )
    .await
}

fn print_resubmitted(report: &JobReport) -> ExitCode {
    let count = |name| number(&report.counts, name);
    let (accepted, known, refused) = (count("accepted"), count("duplicate"), count("refused"));
    say(&format!(
        "{accepted} accepted as history and gone from here, {known} of them known already"
    ));
    if refused > 0 {
        note(&format!(
            "{refused} stay in quarantine: `boxbridge quarantine show ID` says why"
        ));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

const BODIES: Things = Things {
    list: "bodies",
    one: "body in quarantine",
    kept: "in quarantine",
};

fn print_list(listed: &Value, filter: &Value, is_json: bool) -> ExitCode {
    let head = row(["RECEIVED AT", "FEED", "CODE", "FROM", "SIZE", "ID"]);
    BODIES.say_list(listed, filter, is_json, &head, print_line)
}

fn print_line(body: &Value) {
    let of = |name| text(body, name);
    let size = Size(number(body, "bytes")).to_string();
    let cells = [
        of("received_at"),
        of("feed"),
        of("code"),
        of("peer"),
        size,
        of("id"),
    ];
    say(&row(cells.each_ref().map(String::as_str)));
}

fn row([at, feed, code, peer, size, id]: [&str; 6]) -> String {
    format!("{at:<24}  {feed:<8} {code:<22} {peer:<15} {size:>10} {id}")
}

fn print_one(shown: &Value, is_json: bool) {
    if is_json {
        return kept::say_json(shown);
    }
    for name in [
        "id",
        "received_at",
        "feed",
        "peer",
        "site",
        "box",
        "code",
        "field",
        "message",
        "bytes",
        "resubmitted",
    ] {
        say(&format!("{name:<12} {}", text(shown, name)));
    }

    let body = shown.get("body").cloned().unwrap_or_default();
    let is = |name| body.get(name).and_then(Value::as_bool) == Some(true);
    let part = |name| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let fault = match part("at") {
        "" => String::new(),
        at => format!("\n>>> here: {} <<<\n{at}", text(shown, "message")),
    };
    let (start, end) = (
        if is("starts_later") { "…" } else { "" },
        if is("ends_earlier") { "…" } else { "" },
    );
    // It is safe for a terminal as the gateway gives it.
    say(&format!("\n{start}{}{fault}{end}", part("before")));
}

fn print_matching(answer: &Value, is_dry: bool, would: &str, are: &str) {
    let kept = answer.get("kept").cloned().unwrap_or_default();
    let verb = if is_dry { would } else { are };
    let (matching, all) = (number(answer, "matching"), number(&kept, "bodies"));
    say(&format!("{matching} of {all} bodies in quarantine {verb}"));
}

fn print_dropped(answer: &Value, is_dry: bool) {
    if is_dry {
        return print_matching(answer, true, "would be removed", "");
    }
    let count = |name: &str| {
        let of = answer.get(name).cloned().unwrap_or_default();
        number(&of, "bodies")
    };
    let (dropped, before, after) = (number(answer, "dropped"), count("before"), count("after"));
    say(&format!(
        "{dropped} of {before} bodies removed, {after} are left"
    ));
}
