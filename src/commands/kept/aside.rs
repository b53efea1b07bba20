//! `boxbridge aside`: events that a destination refused, to look at, to send again and to drop.
//!
//! Promises: asks the running gateway, and reads the directory itself where that is stopped, under the queue's lock; what only a running one
//! can do is said. Exit code 1 where nothing matches, or where something was refused again.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::admin::Complaint;
use crate::admin::kept::{KeptAside, check_drop};
use crate::app::destinations::{self, picture_store};
use crate::app::redact_key;
use crate::commands::kept::{self, STOPPED};
use crate::commands::operator::{Client, Operator, Whom, encoded};
use crate::commands::{complain, person_type, say};
use crate::gateway::kept::AsideFilter;
use crate::queue::inspect;
use boxbridge_config::{Config, Problems};
use boxbridge_event::{EventId, PersonType};

mod print;

use print::{EVENTS, print_dropped, print_list, print_matching, print_one, print_resent};

#[derive(Args)]
#[command(after_help = "Examples:
  boxbridge aside list                                   what was refused, by whom and why
  boxbridge aside show ID                                one event as its message would leave now
  boxbridge aside resend --destination kafka --dry-run   how many would be sent again
  boxbridge aside resend --destination kafka --rate 50   send them, 50 a second, late and behind everything live
  boxbridge aside drop --reason too_large --to \"2d ago\"  remove old ones for good")]
pub struct Options {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    gateway: Whom,
}

#[derive(Subcommand)]
enum Action {
    /// What was refused, by whom and why; the oldest first
    #[command(after_help = "Example: boxbridge aside list --person-type vip --from 14:00")]
    List {
        #[command(flatten)]
        filter: Filter,
        /// At most so many
        #[arg(long, value_name = "N", default_value_t = 100)]
        limit: usize,
        /// Go on behind this one
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// Print JSON, as /api/aside gives it
        #[arg(long)]
        json: bool,
    },
    /// One event: why it was refused, and its message as it would leave now, pictures as sizes
    #[command(
        after_help = "Example: boxbridge aside show b81f00aa-00000000000000000007-mqtt-normal"
    )]
    Show {
        /// As in the list
        id: String,
        /// Print JSON, as /api/aside/{id} gives it
        #[arg(long)]
        json: bool,
    },
    /// Send again, late and behind everything live; what is refused again stays
    #[command(
        after_help = "Example: boxbridge aside resend --destination kafka --reason too_large     after the broker's limit was raised"
    )]
    Resend {
        #[command(flatten)]
        filter: Filter,
        /// At most so many a second to each destination
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rate: Option<u32>,
        /// Only say how many would be sent
        #[arg(long)]
        dry_run: bool,
        /// Wait for a resend that goes on
        #[arg(long, value_name = "JOB", conflicts_with_all = ["cancel", "dry_run", "rate"])]
        follow: Option<String>,
        /// End a resend that goes on
        #[arg(long, value_name = "JOB", conflicts_with_all = ["dry_run", "rate"])]
        cancel: Option<String>,
    },
    /// Remove for good; needs a filter, or --all
    #[command(after_help = "Example: boxbridge aside drop --destination old-broker")]
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
    /// Refused by this destination, as in [send.<name>]
    #[arg(long, value_name = "NAME")]
    destination: Option<String>,
    /// For this reason, as it stands in the list
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
    /// Of this person type
    #[arg(long, value_name = "WORD", value_parser = person_type)]
    person_type: Option<PersonType>,
    /// Of this device
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// Set aside at this time or later: 14:00, "2h ago", 2026-11-28T14:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Set aside before this time
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// This event
    #[arg(long, value_name = "EVENT_ID")]
    event: Option<EventId>,
    /// This one alone, by its ID in the list
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

impl Filter {
    fn to_json(&self) -> Value {
        kept::filter([
            ("destination", self.destination.clone()),
            ("reason", self.reason.clone()),
            ("person_type", self.person_type.map(|word| word.to_string())),
            ("device", self.device.clone()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("event", self.event.map(|id| id.to_string())),
            ("id", self.id.clone()),
        ])
    }
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
                    client.get(&format!("/api/aside{query}")).await
                };
                let listed = kept::pages(EVENTS.list, *limit, after.clone(), ask).await?;
                Ok(print_list(&listed, &filter, *json))
            }
            Action::Show { id, json } => {
                let shown = client.get(&format!("/api/aside/{}", encoded(id))).await?;
                print_one(&shown, *json);
                Ok(ExitCode::SUCCESS)
            }
            Action::Resend {
                cancel: Some(job), ..
            } => {
                client.delete(&format!("/api/jobs/{job}")).await?;
                say(&format!("{job} ends; what it has sent is sent"));
                Ok(ExitCode::SUCCESS)
            }
            Action::Resend {
                follow: Some(job), ..
            } => resent(client, job).await,
            Action::Resend {
                filter,
                rate,
                dry_run,
                ..
            } => {
                let body = json!({"filter": filter.to_json(), "rate": rate, "dry_run": dry_run});
                let begun = client.post("/api/aside/resend", &body).await?;
                print_matching(&begun, *dry_run, "would be sent again", "are sent again");
                match begun.get("job").and_then(Value::as_str) {
                    Some(job) => resent(client, job).await,
                    None => Ok(ExitCode::SUCCESS),
                }
            }
            Action::Drop {
                filter,
                all,
                dry_run,
            } => {
                let body = json!({"filter": filter.to_json(), "all": all, "dry_run": dry_run});
                let dropped = client.post("/api/aside/drop", &body).await?;
                print_dropped(&dropped, *dry_run);
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    /// Of a stopped one. It cannot start meanwhile.
    async fn read(&self, config: &Config) -> Result<ExitCode, Complaint> {
        if matches!(self, Action::Resend { .. }) {
            complain(STOPPED);
            return Ok(ExitCode::FAILURE);
        }

        let _held = inspect::hold(&config.data_dir).map_err(kept::not_read)?;
        let aside = kept::open_aside(config)?;
        let locations = picture_store::configured(config);
        let key = redact_key(config).map_err(kept::not_read)?;
        let shown = (&locations, &Arc::default());
        let kept = KeptAside {
            aside: &aside,
            previews: &destinations::previews(config, shown, aside.epoch(), &key),
            verdicts: None,
        };
        self.read_from(&kept, config).await
    }

    async fn read_from(
        &self,
        kept: &KeptAside<'_>,
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
                let wanted: AsideFilter = kept::read(&filter)?;
                let ask = async |after: Option<String>, limit| {
                    kept.list(&wanted, after.as_deref(), limit)
                };
                let listed = kept::pages(EVENTS.list, *limit, after.clone(), ask).await?;
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
                let filter: AsideFilter = kept::read(&filter.to_json())?;
                check_drop(filter.is_empty(), *all)?;
                let matching = kept.count(&filter)?;
                let dropped = match dry_run {
                    true => json!({"matching": matching, "kept": kept.kept()}),
                    false => {
                        kept::noted(config, "aside.drop", matching.records, &filter)?;
                        kept.drop_all(&filter)?
                    }
                };
                print_dropped(&dropped, *dry_run);
                Ok(ExitCode::SUCCESS)
            }
            Action::Resend { .. } => Ok(ExitCode::FAILURE),
        }
    }
}

async fn resent(client: &Client, job: &str) -> Result<ExitCode, Complaint> {
    kept::wait_for(client, job, "boxbridge aside resend", print_resent).await
}
