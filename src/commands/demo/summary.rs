//! The demo's summary: what simulate sent and what reconcile found, in a few lines.

use std::fmt::Write;

use super::site::End;
use boxbridge_config::{KAFKA, MQTT};
use boxbridge_proof::reconcile::Report;

pub fn of(end: &End) -> String {
    let mut text = sent(end);
    for bus in [MQTT, KAFKA] {
        text += &delivered(&end.report, bus);
    }
    text += &pictures(&end.report);

    if end.waiting > 0 {
        let waiting = end.waiting;
        return text + &format!("waiting       {waiting} on disk: delivered at the next start");
    }
    text += &format!("lost          {}", lost(&end.report));
    if !end.report.passes() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n\n{}", end.report);
    }
    text
}

fn sent(
    End {
        outcome, report, ..
    }: &End,
) -> String {
    let seconds = outcome.elapsed_seconds;
    // Measured from the sending: the time for drawing is not the gateway's.
    let (p50, p99) = (outcome.exchange_ms.p50, outcome.exchange_ms.p99);
    let over = outcome.over_500_ms * 100.0;

    format!(
        "sent          {} events in {seconds:.0} s\n\
         acknowledged  {}, p50 {p50:.1} ms, p99 {p99:.1} ms, {over:.0} % over 500 ms\n",
        report.sent, report.acknowledged
    )
}

fn delivered(report: &Report, bus: &str) -> String {
    let Some(found) = report.buses.get(bus) else {
        return String::new();
    };
    let odd = [
        (found.late.count, "late"),
        (found.duplicated.count, "twice"),
        (found.reordered.count, "out of order"),
    ];

    format!(
        "{bus:<14}{} of {} delivered{}\n",
        found.received,
        found.expected,
        counted(&odd)
    )
}

fn pictures(report: &Report) -> String {
    let store = report.store.clone().unwrap_or_default();
    let odd = [
        (store.given_up.count, "given up"),
        (store.pending.count, "pending"),
    ];

    format!(
        "pictures      {} of {} stored, {} read and compared{}\n",
        store.stored,
        store.expected,
        store.verified,
        counted(&odd)
    )
}

/// `, 3 late, 1 twice`: those that occurred.
fn counted(odd: &[(u64, &str)]) -> String {
    let occurred = odd.iter().filter(|(count, _)| *count > 0);
    occurred
        .map(|(count, word)| format!(", {count} {word}"))
        .collect()
}

fn lost(report: &Report) -> u64 {
    let of_buses: u64 = report.buses.values().map(|bus| bus.lost.count).sum();
    let store = report.store.clone().unwrap_or_default();
    of_buses + store.lost.count + store.dangling.count
}
