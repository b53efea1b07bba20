//! `boxbridge queue`: looks into the queue on disk, whether or not the gateway runs. Only `forget` changes something.
//!
//! Shows no personal data, only sequence, id, times and sizes. Exit code 1 if `verify` finds something unsound.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Reader, complain, say};
use crate::app::destinations;
use crate::queue::OpenError;
use crate::queue::inspect::{self, Counted, CursorSummary, Overview, RecordSummary, Report};
use boxbridge_config::Config;
use boxbridge_event::{PersonType, Sequence, Size};

#[derive(Args)]
#[command(after_help = "Examples:
  boxbridge queue status                      who holds the disk
  boxbridge queue inspect --last 20           the newest records: times, sizes, no personal data
  boxbridge queue inspect --from 1200 --json  one JSON object a line
  boxbridge queue verify                      read everything, check every checksum, count again
  boxbridge queue forget kafka                give up what waits for a destination that was switched off")]
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
}

pub fn run(options: &Options, config: &Config) -> ExitCode {
    let data_dir = &config.data_dir;
    let done = match &options.action {
        Action::Status { json } => {
            inspect::status(data_dir).map(|overview| print_status(&overview, config, *json))
        }
        Action::Inspect {
            from,
            last,
            person_type,
            json,
        } => {
            let mut shown = Shown {
                last: *last,
                json: *json,
                kept: Vec::new(),
            };
            let wanted = |record: &RecordSummary| {
                record.sequence >= Sequence(*from)
                    && person_type.is_none_or(|word| record.person_type == word)
            };
            let read = inspect::records(data_dir, |record| {
                !wanted(&record) || shown.take(record) == Reader::There
            });
            read.map(|()| shown.finish())
        }
        Action::Verify => inspect::verify(data_dir).map(|report| print_report(&report)),
        Action::Forget { name } => forget(name, config),
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

    let overview = inspect::status(&config.data_dir)?;
    let waiting: Vec<_> = overview
        .cursors
        .iter()
        .filter(|cursor| cursor.destination == name)
        .collect();
    if waiting.is_empty() {
        let names: BTreeSet<_> = overview
            .cursors
            .iter()
            .map(|cursor| cursor.destination.as_str())
            .collect();
        complain(&format!(
            "the queue has no destination {name:?}, only {names:?}"
        ));
        return Ok(ExitCode::FAILURE);
    }

    inspect::forget(&config.data_dir, name)?;
    let records: u64 = waiting
        .iter()
        .filter_map(|cursor| cursor.counted.as_ref())
        .map(|counted| counted.waiting)
        .sum();
    say(&format!(
        "{name} is forgotten, and with it {records} records that waited for it"
    ));
    Ok(ExitCode::SUCCESS)
}

fn with_causes(error: &OpenError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));

    match error {
        OpenError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            format!("{text}; only the gateway's own user may read what it keeps")
        }
        _ => text,
    }
}

fn person_type(word: &str) -> Result<PersonType, String> {
    let words: Vec<_> = PersonType::ALL
        .iter()
        .map(|person_type| person_type.as_str())
        .collect();
    PersonType::from_word(word).ok_or_else(|| format!("must be one of {}", words.join(" ")))
}

fn print_status(overview: &Overview, config: &Config, json: bool) -> ExitCode {
    let used: u64 = overview
        .segments
        .iter()
        .map(|segment| segment.allocated_bytes)
        .sum();
    let records: usize = overview
        .segments
        .iter()
        .map(|segment| segment.records)
        .sum();

    if json {
        let cursors: Vec<_> = overview.cursors.iter().map(cursor_json).collect();
        let (segments, limit) = (overview.segments.len(), config.queue.max_bytes);
        let status = json!({"epoch": overview.epoch, "running": overview.is_locked, "records": records, "segments": segments,
            "bytes": used, "max_bytes": limit, "destinations": cursors});
        say(&status.to_string());
        return ExitCode::SUCCESS;
    }

    let state = match (overview.is_locked, overview.is_clean) {
        (true, _) => "in use by a running gateway",
        (false, true) => "closed properly",
        (false, false) => "not closed properly: the next start verifies its end",
    };
    say(&format!(
        "queue {} in {}: {state}",
        overview.epoch,
        config.data_dir.display()
    ));
    say(&format!(
        "{} in {}, {} of {} used",
        counted(records, "record"),
        counted(overview.segments.len(), "segment"),
        Size(used),
        Size(config.queue.max_bytes)
    ));
    if let Some(oldest) = overview.segments.first() {
        say(&format!(
            "oldest segment from {}, sequence {}",
            oldest.created_at.for_people(),
            oldest.first
        ));
    }
    print_cursors(&overview.cursors);
    ExitCode::SUCCESS
}

fn print_cursors(cursors: &[CursorSummary]) {
    say(&format!(
        "\n{:<12} {:<7} {:>12} {:>12} {:>10} {:>10} {:>12}",
        "destination", "lane", "accepted", "delivered", "set aside", "expired", "waiting"
    ));
    for cursor in cursors {
        match &cursor.counted {
            None => say(&format!(
                "{:<12} {:<7} cursor unreadable: redelivered from the oldest, as a replay, at the next start",
                cursor.destination,
                cursor.lane.as_str()
            )),
            Some(Counted {
                accepted,
                tally,
                waiting,
            }) => say(&format!(
                "{:<12} {:<7} {accepted:>12} {:>12} {:>10} {:>10} {waiting:>12}",
                cursor.destination,
                cursor.lane.as_str(),
                tally.delivered,
                tally.set_aside,
                tally.expired_total()
            )),
        };
    }
}

/// `1 record`, `2 records`.
fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn cursor_json(cursor: &CursorSummary) -> serde_json::Value {
    let counted = cursor.counted.as_ref().map(|Counted { accepted, tally, waiting }| {
        json!({"accepted": accepted, "delivered": tally.delivered, "set_aside": tally.set_aside, "expired": tally.expired, "waiting": waiting})
    });
    json!({"destination": cursor.destination, "lane": cursor.lane, "counted": counted})
}

/// Prints records as they come, or keeps the newest.
struct Shown {
    last: Option<usize>,
    json: bool,
    kept: Vec<RecordSummary>,
}

impl Shown {
    fn take(&mut self, record: RecordSummary) -> Reader {
        let Some(last) = self.last else {
            return self.print(&record);
        };

        self.kept.push(record);
        if self.kept.len() >= last.saturating_mul(2).max(1024) {
            self.kept.drain(..self.kept.len() - last);
        }
        Reader::There
    }

    fn finish(self) -> ExitCode {
        let newest = self.kept.len().saturating_sub(self.last.unwrap_or(0));
        let _ = self
            .kept
            .iter()
            .skip(newest)
            .all(|record| self.print(record) == Reader::There);
        ExitCode::SUCCESS
    }

    fn print(&self, record: &RecordSummary) -> Reader {
        let RecordSummary {
            sequence,
            id,
            revision,
            received_at,
            feed,
            lane,
            person_type,
            event_bytes,
            pictures_bytes,
            is_lost,
        } = record;

        if self.json {
            let record = json!({"sequence": sequence.0, "id": id, "revision": revision, "received_at": received_at, "feed": feed,
                "lane": lane, "person_type": person_type, "event_bytes": event_bytes, "pictures_bytes": pictures_bytes, "lost": is_lost});
            return say(&record.to_string());
        }

        let lost = if *is_lost { "  LOST" } else { "" };
        let (received_at, event, pictures) = (
            received_at.for_people(),
            Size(*event_bytes),
            Size(*pictures_bytes),
        );
        say(&format!(
            "{sequence:>12}  {received_at}  {id} {revision}  {feed:<9} {lane:<7} {person_type:<10} {event:>9} + pictures {pictures:>9}{lost}"
        ))
    }
}

fn print_report(report: &Report) -> ExitCode {
    say(&format!(
        "{} records read, {} of them known to be lost",
        report.records, report.lost
    ));
    for missing in &report.missing {
        let (first, last) = (missing.start(), missing.end());
        say(&format!(
            "missing: sequences {first} to {last} stand in no segment; the next start steps over them, and they end as expired (rotten)"
        ));
    }

    let unsound = [
        ("rotten record", &report.rotten),
        ("rotten picture", &report.rotten_pictures),
        ("not read", &report.unread),
    ];
    for (what, places) in unsound {
        for (path, offset, sequence) in places {
            say(&format!(
                "{what}: sequence {sequence}, {} at byte {offset}",
                path.display()
            ));
        }
    }

    for CursorSummary {
        destination,
        lane,
        counted,
    } in &report.cursors
    {
        match counted {
            None => say(&format!("{destination} {lane}: cursor unreadable")),
            Some(counted) => say(&format!(
                "{destination} {lane}: accepted {} = delivered {} + set aside {} + expired {} + waiting {}: {}",
                counted.accepted,
                counted.tally.delivered,
                counted.tally.set_aside,
                counted.tally.expired_total(),
                counted.waiting,
                if counted.is_exact() {
                    "exact"
                } else {
                    "DOES NOT ADD UP"
                }
            )),
        };
    }

    say(if report.is_sound() {
        "sound"
    } else {
        "NOT SOUND"
    });
    if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
