//! The table that is printed, row by row, and the JSON that is kept.

use std::io;
use std::path::{Path, PathBuf};

use boxbridge_event::Timestamp;
use serde_json::{Value, json};

use crate::answers::Answers;
use crate::backlog::Drained;
use crate::measure::{Pair, Slice};
use crate::rows::{Backlog, Row};

const SHARES: [f64; 4] = [0.5, 0.99, 0.999, 1.0];

pub fn print_head() {
    println!(
        "{:<15} {:<34} {:>8} {:>8} {:>6} {:>10} {:>7} {:>7} {:>7} {:>7} {:>5} {:>5} {:>7} {:>7} {:>6} {:>5}",
        "CPU ms an event",
        "answers in ms",
        "beside",
        "gateway",
        "ratio",
        "from – to",
        "p50",
        "p99",
        "p99.9",
        "most",
        ">500",
        "not",
        "beside",
        "/s",
        "drain",
        "MiB"
    );
}

pub fn print_row(row: &Row, pairs: &[Pair]) {
    let beside = Side::of(pairs.iter().map(|pair| &pair.beside));
    let gateway = Side::of(pairs.iter().map(|pair| &pair.gateway));
    let ratios: Vec<f64> = pairs.iter().map(Pair::ratio).collect();
    let [p50, p99, p999, most_ms] = gateway.answers.quantiles(SHARES);

    println!(
        "{:<15} {:<34} {:>8.3} {:>8.3} {:>6.2} {:>10} {p50:>7.1} {p99:>7.1} {p999:>7.1} {most_ms:>7.1} {:>5} {:>5} {:>7.0} {:>7.0} {:>6.1} {:>5.0}",
        row.name,
        row.gateway.to_string(),
        beside.cpu,
        gateway.cpu,
        median(&ratios),
        format!("{:.2}–{:.2}", least(&ratios), most(&ratios)),
        gateway.answers.late(),
        gateway.answers.refused + gateway.answers.failed,
        beside.answers.per_second(),
        gateway.answers.per_second(),
        gateway.drain,
        gateway.memory
    );
}

pub fn print_drained(row: &Backlog, drained: &Drained) {
    let [p50, p99, _, most] = drained.alerts.quantiles(SHARES);
    println!(
        "{:<15} {} records of {} KB waiting: start {:.2} s, delivered at {:.0}/s with {:.3} ms CPU each, {:.0} MiB; \
         {} alerts meanwhile: p50 {p50} ms, p99 {p99} ms, most {most} ms, {} lost",
        row.name,
        drained.events,
        row.body_bytes / 1_000,
        drained.start.as_secs_f64(),
        drained.per_second(),
        drained.cpu_ms_per_event,
        drained.memory_peak_mib,
        drained.alerts.events(),
        drained.alerts.failed,
    );
}

/// What is kept of a backlog.
pub fn drained(row: &Backlog, drained: &Drained) -> Value {
    let [p50, p99, p999, most] = drained.alerts.quantiles(SHARES);
    json!({
        "name": row.name,
        "records": drained.events,
        "body_bytes": row.body_bytes,
        "start_seconds": drained.start.as_secs_f64(),
        "events_per_second": drained.per_second(),
        "cpu_ms_per_event": drained.cpu_ms_per_event,
        "memory_peak_mib": drained.memory_peak_mib,
        "alert_ms": { "p50": p50, "p99": p99, "p99.9": p999, "max": most },
        "alerts": drained.alerts.events(),
        "alerts_lost": drained.alerts.failed,
    })
}

/// All slices of one side of a row.
struct Side {
    answers: Answers,
    cpu: f64,
    drain: f64,
    memory: f64,
}

impl Side {
    fn of<'a>(slices: impl Iterator<Item = &'a Slice> + Clone) -> Side {
        let mut answers = Answers::default();
        for slice in slices.clone() {
            answers.add(slice.answers.clone());
        }
        let all = |figure: fn(&Slice) -> f64| slices.clone().map(figure).collect::<Vec<_>>();
        Side {
            answers,
            cpu: median(&all(|slice| slice.cpu_ms_per_event)),
            drain: median(&all(|slice| slice.delivered_after.as_secs_f64())),
            memory: most(&all(|slice| slice.memory_peak_mib)),
        }
    }
}

/// What is kept of a row: every slice, so that another statistic can be made of it.
pub fn row(row: &Row, pairs: &[Pair]) -> Value {
    let ratios: Vec<f64> = pairs.iter().map(Pair::ratio).collect();
    json!({
        "name": row.name,
        "load": row.gateway.to_string(),
        "load_beside": row.beside.to_string(),
        "ratio": median(&ratios),
        "beside": pairs.iter().map(|pair| slice(&pair.beside)).collect::<Vec<_>>(),
        "gateway": pairs.iter().map(|pair| slice(&pair.gateway)).collect::<Vec<_>>(),
    })
}

fn slice(slice: &Slice) -> Value {
    let [p50, p99, p999, max] = slice.answers.quantiles(SHARES);
    json!({
        "cpu_ms_per_event": slice.cpu_ms_per_event,
        "events": slice.answers.events(),
        "seconds": slice.answers.seconds,
        "delivered_after_seconds": slice.delivered_after.as_secs_f64(),
        "answer_ms": { "p50": p50, "p99": p99, "p99.9": p999, "max": max },
        "over_500_ms": slice.answers.late(),
        "refused": slice.answers.refused,
        "failed": slice.answers.failed,
        "memory_peak_mib": slice.memory_peak_mib,
    })
}

/// Writes what there is so far: a run that is ended keeps its rows.
pub fn write(path: &Path, machine: &Value, rows: &[Value]) -> io::Result<()> {
    let text = serde_json::to_string_pretty(&json!({ "machine": machine, "rows": rows }))?;
    std::fs::write(path, text + "\n")
}

/// A file of this run's own.
pub fn path(directory: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(directory)?;
    let now = Timestamp::now().to_string().replace(':', "");
    Ok(directory.join(format!("{now}.json")))
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len() % 2, sorted.len() / 2) {
        (_, 0) => sorted.first().copied().unwrap_or(f64::NAN),
        (0, middle) => (sorted[middle - 1] + sorted[middle]) / 2.0,
        (_, middle) => sorted[middle],
    }
}

fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}
