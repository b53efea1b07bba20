//! A report as one screen of 80 columns, for people.

use std::fmt::Write;

use super::report::{Answers, Counted, Difference, Lane, Report};
use crate::commands::colour::{BAD, FAINT, GOOD, ODD, Style, paint, paint_if};
use crate::metrics::{Bound, Outcome};
use boxbridge_event::Size;

const WIDTH: usize = 80;
/// The width of the words before a line's text.
const INDENT: usize = 10;

/// Renders the whole screen, painted; each line ends in a line feed.
pub fn render(report: &Report) -> String {
    let mut out = String::new();
    line(
        &mut out,
        &format!("boxbridge {} at {}", report.version, report.url),
    );
    readiness(&mut out, report);

    line(&mut out, "");
    traffic(&mut out, report);

    line(&mut out, "");
    queue(&mut out, report);
    lanes(&mut out, report);
    ledger(&mut out, report);
    pictures(&mut out, report);
    refusals(&mut out, report);

    for note in &report.notes {
        wrapped(&mut out, "note", note, |text| paint(FAINT, text));
    }
    out
}

fn refusals(out: &mut String, report: &Report) {
    if report.refusals.is_empty() {
        return;
    }
    let refusals = report.refusals.iter();
    let refusals: Vec<_> = refusals
        .map(|(code, total)| format!("{code} {}", count(*total)))
        .collect();
    wrapped(out, "refused", &refusals.join(", "), str::to_owned);
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

fn readiness(out: &mut String, report: &Report) {
    let (word, ink) = if report.ready {
        ("ready", GOOD)
    } else {
        ("NOT READY", BAD)
    };
    line(out, &paint(ink, word));

    let (joint, ink) = if report.ready {
        ("but", ODD)
    } else {
        ("because", BAD)
    };
    for (number, reason) in report.reasons.iter().enumerate() {
        let word = if number == 0 { joint } else { "" };
        wrapped(out, word, reason, |text| paint(ink, text));
    }
}

/// Events on the left, answers on the right.
fn traffic(out: &mut String, report: &Report) {
    let span = report.interval_seconds.map_or("".to_owned(), |seconds| {
        format!("of the last {seconds:.1} s")
    });
    let head = format!(
        "{:<16}{:>12}{:>10}     {span}",
        "events", "total", "a second"
    );
    line(out, &paint(FAINT, &head));

    let events = Outcome::ALL
        .iter()
        .filter_map(|outcome| report.events.get_key_value(outcome.as_str()));
    let rows = events
        .map(|(word, counted)| (*word, counted))
        .chain([("status reports", &report.status_reports)]);
    for ((word, Counted { total, per_second }), right) in rows.zip(answers(report)) {
        let rate = per_second.map_or("-".to_owned(), |rate| format!("{rate:.1}"));
        let total = count(*total);
        line(out, &format!("{word:<16}{total:>12}{rate:>10}     {right}"));
    }
}

/// As many rows as there are on the left.
fn answers(report: &Report) -> [String; 6] {
    let answers = &report.answers;
    let is_late = answers.over_500_ms.is_some_and(|share| share > 0.0);
    let share = answers
        .over_500_ms
        .map_or("-".to_owned(), |share| format!("{:.2} %", share * 100.0));
    let row = |word: &str, value: &str| format!("{word:<18}{value}");

    [
        row("answers p50", &bound(answers.p50)),
        row("answers p99", &bound(answers.p99)),
        row("over 500 ms", &paint_if(is_late, BAD, &share)),
        row("disk sync p99", &bound(answers.sync_p99)),
        row(
            "answered late",
            &format!("{} since the start", count(answers.late)),
        ),
        from_disk(answers),
    ]
}

/// Nothing where boxes are always answered from there.
fn from_disk(answers: &Answers) -> String {
    let total: u64 = answers.from_disk.values().sum();
    match total {
        0 => String::new(),
        _ => {
            let text = format!("{} since the start", count(total));
            format!("{:<18}{}", "from the disk", paint(ODD, &text))
        }
    }
}

fn queue(out: &mut String, report: &Report) {
    let Some(queue) = &report.queue else {
        return line(out, "queue     not open yet");
    };
    let [waiting, kept, free] = [queue.waiting_bytes, queue.kept_bytes, queue.free_bytes].map(Size);

    let allowed = queue
        .max_bytes
        .saturating_sub(queue.waiting_bytes + queue.kept_bytes);
    let available = queue
        .disk_available_bytes
        .filter(|available| *available < allowed);
    let of = if available.is_some() {
        "on its disk".to_owned()
    } else {
        format!("of {}", Size(queue.max_bytes))
    };
    let full = queue.full_in_seconds;
    let until = match full {
        None => "does not grow".to_owned(),
        Some(0.0) => "FULL".to_owned(),
        Some(seconds) => format!("full in {}", duration(seconds)),
    };

    let until = paint_if(full.is_some(), ODD, &until);
    let text = format!("{waiting} waiting, {kept} kept, {free} free {of}; {until}");
    line(out, &format!("{:<INDENT$}{text}", "queue"));

    if let Some(available) = available {
        let (available, allowed) = (Size(available), Size(allowed));
        let text = format!(
            "has {available} left, and the queue may take {allowed} more: other files fill it, or queue.max_bytes is larger than it"
        );
        wrapped(out, "its disk", &text, |text| paint(ODD, text));
    }
}

const LANE_COLUMNS: &str = " accepted delivered waiting oldest   lag p99  aside expired";

/// The width of a destination's name. A longer one makes all lines longer.
const NAME_WIDTH: usize = 7;

fn lanes(out: &mut String, report: &Report) {
    let lengths = report.lanes.iter().map(|lane| lane.destination.len());
    let Some(longest) = lengths.max() else {
        return;
    };
    let width = longest.max(NAME_WIDTH);

    let head = format!("{:<width$} {:<7}{:<6}{LANE_COLUMNS}", "to", "", "lane");
    line(out, &paint(FAINT, &head));
    for of_lane in &report.lanes {
        line(out, &lane(of_lane, width));
    }
}

fn lane(lane: &Lane, width: usize) -> String {
    let (state, ink) = match (lane.up, lane.paused) {
        (false, _) => ("down", BAD),
        (true, 0) => ("up", GOOD),
        (true, _) => ("paused", BAD),
    };
    let state = paint(ink, &format!("{state:<7}"));
    let oldest = if lane.waiting + lane.replaying == 0 {
        "-".to_owned()
    } else {
        duration(lane.oldest_seconds)
    };

    let is_held = !lane.up || lane.paused > 0;
    let waiting = noted(is_held, ODD, lane.waiting, 8);
    let aside = noted(true, BAD, lane.aside.unwrap_or(lane.set_aside), 7);
    let expired = noted(true, BAD, lane.expired, 8);
    let (accepted, delivered) = (count(lane.accepted), count(lane.delivered));
    let lag = bound(lane.lag_p99);
    format!(
        "{:<width$} {state}{:<6}{accepted:>9}{delivered:>10}{waiting}{oldest:>7}{lag:>10}{aside}{expired}",
        lane.destination, lane.lane
    )
}

/// A count of so many columns, painted if it is over zero and `is_odd`.
fn noted(is_odd: bool, ink: Style, total: u64, width: usize) -> String {
    let text = format!("{:>width$}", count(total));
    paint_if(is_odd && total > 0, ink, &text)
}

fn ledger(out: &mut String, report: &Report) {
    if report.lanes.is_empty() {
        return;
    }
    if report.ledger_differences.is_empty() {
        return line(
            out,
            "ledger    adds up: accepted = delivered + waiting + set aside + expired",
        );
    }

    let differences: Vec<_> = report.ledger_differences.iter().map(difference).collect();
    let text = format!("DOES NOT ADD UP: {}", differences.join(", "));
    wrapped(out, "ledger", &text, |text| paint(BAD, text));
}

fn difference(of: &Difference) -> String {
    let word = if of.records > 0 {
        "not accounted for"
    } else {
        "more than accepted"
    };
    let records = of.records.unsigned_abs();
    format!("{} {}: {records} {word}", of.destination, of.lane)
}

fn pictures(out: &mut String, report: &Report) {
    let taken = report
        .pictures
        .taken
        .iter()
        .filter(|(_, total)| **total > 0)
        .map(|(state, total)| format!("{} {state}", count(*total)));
    let taken = Some(taken.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty());

    let text = format!(
        "{}; {} events wait for the store, {} not sent twice",
        taken.as_deref().unwrap_or("none yet"),
        count(report.pictures.waiting),
        Size(report.pictures.saved_bytes)
    );
    wrapped(out, "pictures", &text, |text| text.to_owned());
}

/// Writes `word`, and beside it the text in as many lines as it takes.
fn wrapped(out: &mut String, word: &str, text: &str, paint: impl Fn(&str) -> String) {
    let mut rows = vec![String::new()];
    for part in text.split_whitespace() {
        let last = rows.last_mut().filter(|row| {
            row.is_empty() || row.chars().count() + 1 + part.chars().count() <= WIDTH - INDENT
        });
        match last {
            Some(row) if row.is_empty() => row.push_str(part),
            Some(row) => {
                let _ = write!(row, " {part}");
            }
            None => rows.push(part.to_owned()),
        }
    }

    for (place, row) in rows.iter().enumerate() {
        let word = if place == 0 { word } else { "" };
        line(out, &format!("{word:<INDENT$}{}", paint(row)));
    }
}

/// A count, exact as long as it fits its column.
fn count(count: u64) -> String {
    let units = [
        (1_000_000_000_000, "T"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
    ];
    let unit = units
        .iter()
        .find(|(factor, _)| count >= *factor && count >= 10_000_000);
    unit.map_or_else(
        || count.to_string(),
        |(factor, unit)| format!("{:.2}{unit}", count as f64 / *factor as f64),
    )
}

fn bound(bound: Option<Bound>) -> String {
    match bound {
        None => "-".to_owned(),
        Some(Bound::AtMost(seconds)) => format!("≤ {}", duration(seconds)),
        Some(Bound::Over(seconds)) => format!("> {}", duration(seconds)),
    }
}

/// A duration of two or three digits: `0.25ms`, `15ms`, `2.5s`, `90s`, `12m`, `31h`, `4d`.
fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 0.001 => format!("{}ms", (s * 100_000.0).round() / 100.0),
        s if s < 1.0 => format!("{}ms", (s * 10_000.0).round() / 10.0),
        s if s < 10.0 => format!("{}s", (s * 10.0).round() / 10.0),
        s if s < 120.0 => format!("{s:.0}s"),
        s if s < 7_200.0 => format!("{:.0}m", s / 60.0),
        s if s < 172_800.0 => format!("{:.0}h", s / 3_600.0),
        s => format!("{:.0}d", s / 86_400.0),
    }
}
