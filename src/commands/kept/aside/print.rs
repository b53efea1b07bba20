//! What `boxbridge aside` prints.

use std::process::ExitCode;

use serde_json::Value;

use crate::admin::JobReport;
use crate::commands::kept::{self, Things, number, text};
use crate::commands::{note, say};
use boxbridge_event::Size;

pub(super) fn print_resent(report: &JobReport) -> ExitCode {
    let count = |name| number(&report.counts, name);
    let (refused, strays) = (count("refused"), count("without_destination"));
    say(&format!(
        "{} sent again and gone from here",
        count("delivered")
    ));
    if refused > 0 {
        note(&format!(
            "{refused} stay set aside: `boxbridge aside show ID` says why"
        ));
    }
    if strays > 0 {
        note(&format!(
            "{strays} stay set aside: their destination is not configured any more"
        ));
    }
    match refused + strays {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

const HEAD: [&str; 7] = [
    "SET ASIDE AT",
    "BY",
    "REASON",
    "TYPE",
    "DEVICE",
    "EVENT",
    "ID",
];

pub(super) const EVENTS: Things = Things {
    list: "records",
    one: "set-aside event",
    kept: "set aside",
};

pub(super) fn print_list(listed: &Value, filter: &Value, is_json: bool) -> ExitCode {
    EVENTS.say_list(listed, filter, is_json, &row(HEAD), print_line)
}

fn print_line(record: &Value) {
    let members = [
        "at",
        "destination",
        "reason",
        "person_type",
        "device",
        "event",
        "id",
    ];
    let cells = members.map(|name| text(record, name));
    say(&row(cells.each_ref().map(String::as_str)));
}

fn row(cells: [&str; 7]) -> String {
    let [at, destination, reason, person_type, device, event, id] = cells;
    format!(
        "{at:<24}  {destination:<8} {reason:<16} {person_type:<9} {device:<15} {event:<36} {id}"
    )
}

pub(super) fn print_one(shown: &Value, is_json: bool) {
    if is_json {
        return kept::say_json(shown);
    }
    for name in [
        "id",
        "destination",
        "lane",
        "at",
        "reason",
        "detail",
        "attempts",
        "topic",
        "event",
        "person_type",
        "device",
    ] {
        say(&format!("{name:<12} {}", text(shown, name)));
    }

    let pictures = shown.get("pictures").and_then(Value::as_array);
    for picture in pictures.into_iter().flatten() {
        let size = Size(number(picture, "bytes"));
        say(&format!(
            "{:<12} {} {size}",
            "picture",
            text(picture, "kind")
        ));
    }
    match shown.get("message").filter(|message| !message.is_null()) {
        Some(message) => {
            say("it would leave as:");
            kept::say_json(message);
        }
        None => {
            say("nothing of it would leave now: by its route there is no topic for what is late");
        }
    }
}

pub(super) fn print_matching(answer: &Value, is_dry: bool, would: &str, are: &str) {
    let matching = answer.get("matching").cloned().unwrap_or_default();
    let kept = answer.get("kept").cloned().unwrap_or_default();
    let verb = if is_dry { would } else { are };
    let (records, all) = (number(&matching, "records"), number(&kept, "records"));
    say(&format!("{records} of {all} set-aside events {verb}"));

    let destinations = matching.get("destinations").and_then(Value::as_object);
    for (name, records) in destinations.into_iter().flatten() {
        say(&format!("  {name}: {records}"));
    }
}

pub(super) fn print_dropped(answer: &Value, is_dry: bool) {
    if is_dry {
        return print_matching(answer, true, "would be removed", "");
    }
    let count = |name: &str| {
        let of = answer.get(name).cloned().unwrap_or_default();
        number(&of, "records")
    };
    let (dropped, before, after) = (count("dropped"), count("before"), count("after"));
    say(&format!(
        "{dropped} of {before} set-aside events removed, {after} are left"
    ));
}
