//! What became of a record at each destination, and why where it waits.
//!
//! Promises: that it was answered is the queue's word; when, the timetable's, and nobody's where that is too long ago. What is set aside
//! says why, for as long as it is. Reads files.

use crate::admin::api::Operator;
use crate::admin::trace::{Way, WayState};
use crate::gateway::Ending;
use crate::queue::{Record, RecordState, Standing};
use boxbridge_event::Timestamp;

pub fn ways(operator: &Operator, record: &Record) -> Vec<Way> {
    let mut standings = operator.queue.standing(record);
    standings.sort_by(|one, other| one.destination.cmp(&other.destination));

    let ways = standings.into_iter();
    ways.map(|standing| way(operator, record, standing))
        .collect()
}

fn way(operator: &Operator, record: &Record, standing: Standing) -> Way {
    let destination = standing.destination;
    let (state, at, why) = match standing.state {
        RecordState::NotIts => (
            WayState::NotIts,
            None,
            Some("it was added later".to_owned()),
        ),
        RecordState::Waiting => (
            WayState::Waiting,
            None,
            Some(why_it_waits(operator, record, &destination)),
        ),
        RecordState::Answered { always_delivered } => {
            answered(operator, record, &destination, always_delivered)
        }
    };
    Way {
        destination,
        state,
        at,
        why,
    }
}

const TOO_LONG_AGO: &str =
    "delivered, set aside or expired: which, is remembered for the last 100000 of this process";

fn answered(
    operator: &Operator,
    record: &Record,
    destination: &str,
    always_delivered: bool,
) -> (WayState, Option<Timestamp>, Option<String>) {
    let aside = operator
        .aside
        .head_of(destination, record.lane, record.sequence);
    if let Ok(Some(head)) = aside {
        let why = format!("{}: {}", head.reason, head.detail);
        return (WayState::SetAside, Some(head.at), Some(why));
    }

    let column = operator.timetable.of(&destination.into());
    match column.of(record.sequence) {
        Some(answered) => {
            let state = match answered.ending {
                Ending::Delivered => WayState::Delivered,
                Ending::SetAside => WayState::SetAside,
                Ending::Expired => WayState::Expired,
            };
            let is_gone = state == WayState::SetAside;
            let why = is_gone.then(|| NO_LONGER_ASIDE.to_owned());
            (state, Some(answered.at), why)
        }
        None if always_delivered => (WayState::Delivered, None, None),
        None => (WayState::Answered, None, Some(TOO_LONG_AGO.to_owned())),
    }
}

const NO_LONGER_ASIDE: &str = "and sent again or dropped since: data_dir/audit.jsonl says by whom";

fn why_it_waits(operator: &Operator, record: &Record, destination: &str) -> String {
    let mut contacts = operator.health.contacts().iter();
    let contact = contacts.find(|contact| *contact.destination == *destination);
    let known = contact.and_then(|contact| contact.why_not(record.lane, record.person_type));

    let is_bus = destination != boxbridge_config::STORE;
    known.unwrap_or_else(
        || match is_bus && operator.documents.awaits_pictures(record) {
            true => "its pictures are not in the store yet".to_owned(),
            false => "it is on its way, or behind others".to_owned(),
        },
    )
}
