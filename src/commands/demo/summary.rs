//! The demo's summary: what simulate sent and what reconcile found, in a few lines.

use std::fmt::Write;

use super::site::End;
use boxbridge_config::{KAFKA, MQTT};

pub fn of(end: &End) -> String {
    let End {
        outcome,
        report,
        waiting,
    } = end;
    let mut text = String::new();
    let lost = report.buses.values().map(|bus| bus.lost.count);
    let store = report.store.clone().unwrap_or_default();

    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "sent          {} events in {:.0} s",
        report.sent, outcome.elapsed_seconds
    );
    // Measured from the sending: the time for drawing is not the gateway's.
    let (p50, p99) = (outcome.exchange_ms.p50, outcome.exchange_ms.p99);
    let over = outcome.over_500_ms * 100.0;
    let _ = writeln!(
        text,
        "acknowledged  {}, p50 {p50:.1} ms, p99 {p99:.1} ms, {over:.0} % over 500 ms",
        report.acknowledged
    );

    for bus in [MQTT, KAFKA] {
        let Some(found) = report.buses.get(bus) else {
            continue;
        };
        let _ = write!(
            text,
            "{bus:<14}{} of {} delivered",
            found.received, found.expected
        );
        for (count, word) in [
            (found.late.count, "late"),
            (found.duplicated.count, "twice"),
            (found.reordered.count, "out of order"),
        ] {
            if count > 0 {
                let _ = write!(text, ", {count} {word}");
            }
        }
        text.push('\n');
    }

    let _ = write!(
        text,
        "pictures      {} of {} stored, {} read and compared",
        store.stored, store.expected, store.verified
    );
    for (count, word) in [
        (store.given_up.count, "given up"),
        (store.pending.count, "pending"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {word}");
        }
    }

    if *waiting > 0 {
        let _ = write!(
            text,
            "\nwaiting       {waiting} on disk: delivered at the next start"
        );
        return text;
    }

    let _ = write!(
        text,
        "\nlost          {}",
        lost.sum::<u64>() + store.lost.count + store.dangling.count
    );
    if !report.passes() {
        let _ = write!(text, "\n\n{report}");
    }
    text
}
