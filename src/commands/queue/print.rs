//! What `boxbridge queue status` and `boxbridge queue verify` print.
//!
//! Deliberately reads nothing: it is given what was found.

use std::process::ExitCode;

use serde_json::json;

use crate::commands::say;
use crate::queue::inspect::{Counted, CursorSummary, Overview, Report};
use boxbridge_config::Config;
use boxbridge_event::Size;

pub fn status(overview: &Overview, config: &Config, json: bool) -> ExitCode {
    if json {
        say(&status_json(overview, config).to_string());
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
        counted(records(overview), "record"),
        counted(overview.segments.len(), "segment"),
        Size(used(overview)),
        Size(config.queue.max_bytes)
    ));
    if let Some(short) = short_disk(overview, config) {
        say(&short);
    }
    if let Some(oldest) = overview.segments.first() {
        let created_at = oldest.created_at.for_people();
        say(&format!(
            "oldest segment from {created_at}, sequence {}",
            oldest.first
        ));
    }

    cursors(&overview.cursors);
    ExitCode::SUCCESS
}

/// Said where the disk has less than the queue may still take.
fn short_disk(overview: &Overview, config: &Config) -> Option<String> {
    let allowed = config.queue.max_bytes.saturating_sub(used(overview));
    let available = overview
        .disk_available
        .filter(|available| *available < allowed)?;
    let (available, allowed) = (Size(available), Size(allowed));
    Some(format!(
        "its disk has {available} left, and the queue may take {allowed} more: other files fill it, or queue.max_bytes is larger than it"
    ))
}

fn used(overview: &Overview) -> u64 {
    let segments = overview.segments.iter();
    segments.map(|segment| segment.allocated_bytes).sum()
}

fn records(overview: &Overview) -> usize {
    overview
        .segments
        .iter()
        .map(|segment| segment.records)
        .sum()
}

fn status_json(overview: &Overview, config: &Config) -> serde_json::Value {
    let cursors: Vec<_> = overview.cursors.iter().map(cursor_json).collect();
    json!({
        "epoch": overview.epoch,
        "running": overview.is_locked,
        "records": records(overview),
        "segments": overview.segments.len(),
        "bytes": used(overview),
        "max_bytes": config.queue.max_bytes,
        "disk_available_bytes": overview.disk_available,
        "destinations": cursors,
    })
}

fn cursors(cursors: &[CursorSummary]) {
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

pub fn report(report: &Report) -> ExitCode {
    say(&format!(
        "{} records read, {} of them known to be lost",
        report.records, report.lost
    ));
    unsound(report);
    for cursor in &report.cursors {
        say(&recounted(cursor));
    }

    if report.is_sound() {
        say("sound");
        ExitCode::SUCCESS
    } else {
        say("NOT SOUND");
        ExitCode::FAILURE
    }
}

/// A line for each place where something is wrong.
fn unsound(report: &Report) {
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
            let path = path.display();
            say(&format!(
                "{what}: sequence {sequence}, {path} at byte {offset}"
            ));
        }
    }
}

fn recounted(cursor: &CursorSummary) -> String {
    let (destination, lane) = (&cursor.destination, cursor.lane);
    let Some(counted) = &cursor.counted else {
        return format!("{destination} {lane}: cursor unreadable");
    };

    let tally = &counted.tally;
    let verdict = if counted.is_exact() {
        "exact"
    } else {
        "DOES NOT ADD UP"
    };
    format!(
        "{destination} {lane}: accepted {} = delivered {} + set aside {} + expired {} + waiting {}: {verdict}",
        counted.accepted,
        tally.delivered,
        tally.set_aside,
        tally.expired_total(),
        counted.waiting,
    )
}
