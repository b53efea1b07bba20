//! The way of an event to a broker that gets it out of Kafka.
//!
//! Promises: says what this gateway's own share of the group knows, and else that it does not know. Deliberately asks neither brokers nor other
//! gateways.

use serde_json::Value;

use super::preview_of;
use crate::admin::api::Operator;
use crate::admin::trace::{OVER_KAFKA, Way, WayState};
use crate::gateway::{Answered, Consumed, Ending, Found, FoundStanding, Preview};
use crate::queue::{Record, RecordState, Standing};
use crate::send::kafka::ASIDE_TOPIC;
use boxbridge_event::{EventId, Revision, Timestamp};

/// `None` where the queue delivers it, or where nothing of it goes to Kafka.
pub fn way(
    operator: &Operator,
    record: &Record,
    standing: &Standing,
    previews: &[Preview],
) -> Option<Way> {
    let destination = &standing.destination;
    let consumed = operator.health.consumed().iter();
    let consumed = consumed
        .filter(|it| *it.destination == **destination)
        .find(|it| it.handover.leaves_to_kafka(record))?;
    if standing.state == RecordState::NotIts {
        return None;
    }

    let source = preview_of(previews, &consumed.source)?;
    let (id, revision) = on_kafka(operator, record, source)?;
    let found = consumed.find(id, revision);
    let (state, at, why) = match &found {
        Some(found) => told(operator, record, consumed, found),
        None => (WayState::OverKafka, None, not_read(consumed)),
    };
    let why = Some((OVER_KAFKA, why));
    Some(Way::of(destination.clone(), state, at, why))
}

/// What it is called there: a route may leave out what its id and revision are made of.
fn on_kafka(operator: &Operator, record: &Record, source: &Preview) -> Option<(EventId, Revision)> {
    let documents = &operator.documents;
    let message = documents.message_at(record, source, Timestamp::now(), false)?;
    let said = |name: &str| message.get("payload")?.get(name).and_then(Value::as_str);
    Some((said("id")?.parse().ok()?, said("revision")?.parse().ok()?))
}

fn not_read(consumed: &Consumed) -> String {
    let source = &consumed.source;
    format!(
        "{source} has it, or gets it; this gateway has not read it there: the one that has its partition sends it"
    )
}

fn told(
    operator: &Operator,
    record: &Record,
    consumed: &Consumed,
    found: &Found,
) -> (WayState, Option<Timestamp>, String) {
    let ((topic, partition), offset) = (&found.seen.place, found.seen.offset);
    let place = format!("topic {topic}, partition {partition}, offset {offset}");

    match found.standing {
        FoundStanding::Answered(answered) => ended(answered, &place),
        FoundStanding::Held => {
            let why = why_it_waits(operator, record, consumed, found);
            let why = format!("{why}; it stands in {place}");
            (WayState::Waiting, None, why)
        }
        FoundStanding::Gone => {
            let who = "the gateway that has got its partition from this one sends it";
            (WayState::OverKafka, None, format!("{who}: {place}"))
        }
    }
}

fn ended(answered: Answered, place: &str) -> (WayState, Option<Timestamp>, String) {
    let (state, why) = match answered.ending {
        Ending::Delivered | Ending::SentAgain => (WayState::Delivered, format!("out of {place}")),
        Ending::Expired => (WayState::Expired, format!("out of {place}")),
        Ending::SetAside => {
            let lies = format!("it lies in the topic {ASIDE_TOPIC} with the reason");
            (
                WayState::SetAside,
                format!("{lies}; it came out of {place}"),
            )
        }
    };
    (state, Some(answered.at), why)
}

fn why_it_waits(
    operator: &Operator,
    record: &Record,
    consumed: &Consumed,
    found: &Found,
) -> String {
    let name = &consumed.counted.destination;
    let mut contacts = operator.health.contacts().iter();
    let contact = contacts.find(|contact| contact.destination == *name);
    let known = contact.and_then(|it| it.why_not(found.lane, record.person_type));
    known.map_or_else(
        || "it is on its way, or behind others".to_owned(),
        |finding| finding.message,
    )
}
