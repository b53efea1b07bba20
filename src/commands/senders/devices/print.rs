//! The table of `boxbridge devices`, as wide as its longest cells.

use std::borrow::Cow;
use std::io::stdout;

use crate::commands::colour::{self, BAD, FAINT, ODD, paint_if};
use crate::commands::{Reader, note, say};
use crate::gateway::devices::{Found, Row, printable};
use boxbridge_event::DeviceState;

const COLUMNS: [&str; 12] = [
    "STATUS",
    "LAST SEEN",
    "SITE",
    "DEVICE",
    "NAME",
    "TYPE",
    "BOX",
    "EVENTS/H",
    "REFUSED/H",
    "NO PICTURE/H",
    "CLOCK",
    "WRITES",
];
/// A longer cell is cut: one odd name must not push all others off the screen.
const CELL_MAX: usize = 32;

type Cells = [String; COLUMNS.len()];

pub fn table(found: &Found) {
    if found.devices.is_empty() {
        return;
    }
    let rows: Vec<(Cells, DeviceState)> = found
        .devices
        .iter()
        .map(|row| (cells(row), row.status))
        .collect();
    let header: Cells = COLUMNS.map(str::to_owned);
    let all = || rows.iter().map(|(cells, _)| cells).chain([&header]);
    let widths: Vec<usize> = (0..COLUMNS.len())
        .map(|column| all().map(|cells| width(cells, column)).max().unwrap_or(0))
        .collect();

    let line = |cells: &Cells| {
        let padded = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let header = colour::paint(FAINT, &line(&header));
    if shown(&header) == Reader::Gone {
        return;
    }
    for (cells, status) in &rows {
        let line = line(cells);
        let line = paint_if(*status == DeviceState::Silent, BAD, &line);
        let line = paint_if(*status == DeviceState::Offline, ODD, &line);
        if shown(&line) == Reader::Gone {
            return;
        }
    }

    let more = found.total.saturating_sub(found.devices.len());
    if more > 0 {
        note(&format!(
            "and {more} more: --limit {}, or name a part of what you look for",
            found.total
        ));
    }
}

fn shown(line: &str) -> Reader {
    say(&colour::shown(line, &stdout()))
}

fn width(cells: &Cells, column: usize) -> usize {
    cells.get(column).map_or(0, |cell| cell.chars().count())
}

fn cells(row: &Row) -> Cells {
    let text = |text: &Option<String>| text.as_deref().map_or("-", |text| text).to_owned();
    let name = match (&row.name, &row.door) {
        (Some(name), Some(door)) => Some(format!("{name}, {door}")),
        (name, door) => name.clone().or_else(|| door.clone()),
    };
    let writes = [
        row.dialect.map(|dialect| dialect.as_str().to_owned()),
        row.firmware.clone(),
    ];
    let writes: Vec<String> = writes.into_iter().flatten().collect();

    [
        row.status.to_string(),
        last_seen(row),
        row.site.clone(),
        row.device.clone(),
        text(&name),
        text(&row.kind),
        text(&row.box_id),
        row.events_per_hour.to_string(),
        row.refusals_per_hour.to_string(),
        row.missing_pictures_per_hour.to_string(),
        row.clock_skew_ms.map_or_else(|| "-".to_owned(), skew),
        text(&Some(writes.join(" ")).filter(|writes| !writes.is_empty())),
    ]
    .map(|cell| cut(&printable(&cell)).into_owned())
}

/// One that sends only what is refused was heard, but nobody knows of which device.
fn last_seen(row: &Row) -> String {
    match row.last_seen {
        Some(at) => at.for_people(),
        None if row.refusals_per_hour > 0 => "only refused".to_owned(),
        None => "never".to_owned(),
    }
}

fn cut(cell: &str) -> Cow<'_, str> {
    match cell.char_indices().nth(CELL_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}…", cell.get(..end).unwrap_or_default())),
        None => Cow::Borrowed(cell),
    }
}

/// How far a clock is off; what the network takes is nothing to look at.
fn skew(milliseconds: i64) -> String {
    let seconds = milliseconds.unsigned_abs() / 1_000;
    let sign = if milliseconds < 0 { "+" } else { "-" };
    match seconds {
        0..=1 => "ok".to_owned(),
        2..=119 => format!("{sign}{seconds}s"),
        120..=7_199 => format!("{sign}{}m", seconds / 60),
        7_200..=172_799 => format!("{sign}{}h", seconds / 3_600),
        _ => format!("{sign}{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_told_in_words_that_fit() {
        // Received − occurred: a clock that is behind makes it positive.
        for (milliseconds, expected) in [
            (250, "ok"),
            (-250, "ok"),
            (5_000, "-5s"),
            (-400_000, "+6m"),
            (8_000_000, "-2h"),
            (229_325_046_103, "-2654d"),
        ] {
            assert_eq!(skew(milliseconds), expected);
        }
    }

    #[test]
    fn a_long_name_is_cut_between_its_letters() {
        assert_eq!(cut(&"东".repeat(33)), format!("{}…", "东".repeat(32)));
        assert_eq!(cut("short"), "short");
    }
}
