//! What became of a record at each destination, and why where it waits.
//!
//! Promises: that it was answered is the queue's word; when, the timetable's, and nobody's where that is too long ago. What is set aside
//! says why, for as long as it is. Reads files.

use serde_json::Value;

mod over_kafka;

use crate::admin::api::Operator;
use crate::admin::trace::{ADDED_LATER, Way, WayState};
use crate::gateway::{Ending, Preview};
use crate::queue::{Record, RecordState, Standing};
use crate::send::contact::Finding;
use boxbridge_config::KindName;
use boxbridge_event::{Event, Timestamp};

pub fn ways(operator: &Operator, record: &Record) -> Vec<Way> {
    let mut standings = operator.queue.standing(record);
    standings.sort_by(|one, other| one.destination.cmp(&other.destination));
    let previews = operator.reload.previews();

    let ways = standings.into_iter();
    ways.map(|standing| {
        let over_kafka = over_kafka::way(operator, record, &standing, &previews);
        let way = over_kafka.unwrap_or_else(|| way(operator, record, standing));
        let preview = preview_of(&previews, &way.destination);
        with_topic(operator, record, way, preview)
    })
    .collect()
}

fn preview_of<'p>(previews: &'p [Preview], destination: &str) -> Option<&'p Preview> {
    let mut of_it = previews.iter();
    of_it.find(|preview| *preview.destination == *destination)
}

/// Says of one that was delivered to a bus where it went, and of one that waits where it would go.
fn with_topic(operator: &Operator, record: &Record, way: Way, preview: Option<&Preview>) -> Way {
    let at = match way.state {
        WayState::Delivered => way.at,
        WayState::Waiting => Some(Timestamp::now()),
        _ => None,
    };
    let (Some(at), Some(preview)) = (at, preview) else {
        return way;
    };
    let was_aside = way.code.as_deref() == Some(SENT_AGAIN.0);
    let Some(message) = operator
        .documents
        .message_at(record, preview, at, was_aside)
    else {
        return way;
    };

    let topic = message.get("topic").and_then(Value::as_str);
    let event: Option<Event> = serde_json::from_slice(&record.event).ok();
    let replay = was_aside.then_some("aside");
    let until = event.and_then(|event| preview.router.act_before(&event, replay));
    let is_late = until.is_none_or(|until| until < at);
    Way {
        topic: topic.map(str::to_owned),
        late: (preview.kind == KindName::Mqtt).then_some(is_late),
        ..way
    }
}

fn way(operator: &Operator, record: &Record, standing: Standing) -> Way {
    let destination = standing.destination;
    match standing.state {
        RecordState::NotIts => {
            let (code, why) = ADDED_LATER;
            let why = Some((code, why.to_owned()));
            Way::of(destination, WayState::NotIts, None, why)
        }
        RecordState::Waiting => {
            let Finding { code, message, .. } = why_it_waits(operator, record, &destination);
            let why = Some((code.as_str(), message));
            Way::of(destination, WayState::Waiting, None, why)
        }
        RecordState::Answered { always_delivered } => {
            let (lane, sequence) = (record.lane, record.sequence);
            let aside = Way::set_aside(&operator.aside, &destination, lane, sequence);
            aside.unwrap_or_else(|| answered(operator, record, destination, always_delivered))
        }
    }
}

const TOO_LONG_AGO: (&str, &str) = (
    "too_long_ago",
    "delivered, set aside or expired: which, is remembered for the last 100000 of this process",
);

fn answered(
    operator: &Operator,
    record: &Record,
    destination: String,
    always_delivered: bool,
) -> Way {
    let column = operator.timetable.of(&destination.as_str().into());
    let (state, at, why) = match column.of(record.sequence) {
        Some(answered) => {
            let (state, why) = match answered.ending {
                Ending::Delivered => (WayState::Delivered, None),
                Ending::SetAside => (WayState::SetAside, Some(DROPPED)),
                Ending::SentAgain => (WayState::Delivered, Some(SENT_AGAIN)),
                Ending::Expired => (WayState::Expired, None),
            };
            (state, Some(answered.at), why)
        }
        None if always_delivered => (WayState::Delivered, None, None),
        None => (WayState::Answered, None, Some(TOO_LONG_AGO)),
    };
    let why = why.map(|(code, why): (&str, &str)| (code, why.to_owned()));
    Way::of(destination, state, at, why)
}

const DROPPED: (&str, &str) = (
    "dropped",
    "and dropped since: data_dir/audit.jsonl says by whom",
);
const SENT_AGAIN: (&str, &str) = ("sent_again", "it had been set aside, and was sent again");

fn why_it_waits(operator: &Operator, record: &Record, destination: &str) -> Finding {
    let mut contacts = operator.health.contacts().iter();
    let contact = contacts.find(|contact| *contact.destination == *destination);
    let known = contact.and_then(|contact| contact.why_not(record.lane, record.person_type));

    let is_bus = destination != boxbridge_config::STORE;
    let (code, why) = match is_bus && operator.documents.awaits_pictures(record) {
        true => ("awaits_pictures", "its pictures are not in the store yet"),
        false => ("under_way", "it is on its way, or behind others"),
    };
    known.unwrap_or_else(|| Finding::of(code, why.to_owned()))
}
