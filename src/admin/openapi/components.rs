//! The schemas that answers under `/api` share, by name.
//!
//! Promises: words come from the tables that the program uses. An object that is described here has exactly these members: the tests' client
//! holds every answer against it. Deliberately no derive: ten objects need no library.

use serde_json::{Map, Value, json};

use super::embed;
use super::shape::{
    about, count, count_or_null, counts, list, named, object, or_null, text, text_or_null, texts,
    time, time_or_null, truth, word, word_or_null,
};
use crate::metrics::{FromDisk, Outcome};
use crate::route;
use boxbridge_config::KindName;
use boxbridge_event::{
    Code, DeviceState, Dialect, Feed, Lane, PersonType, PictureKind, PictureState, WarningCode,
};

pub fn all() -> Map<String, Value> {
    let mut schemas = Map::new();
    for (name, schema) in [of_status(), of_events(), of_devices(), of_kept(), of_jobs()]
        .into_iter()
        .flatten()
    {
        schemas.insert(name.to_owned(), schema);
    }
    schemas.extend(embed::schemas("Match", route::EVENT_SCHEMA));
    schemas.insert("Complaint".to_owned(), complaint());
    schemas
}

fn complaint() -> Value {
    object(json!({
        "code": about(text(), "a word that programs read"),
        "message": about(text(), "a sentence for people"),
    }))
}

type Named = Vec<(&'static str, Value)>;

fn of_status() -> Named {
    let status = object(json!({
        "version": about(text(), "of the program"),
        "ready": about(truth(), "whether boxes should come here"),
        "reasons": about(texts(), "all that is wrong, also if it does not keep boxes away"),
        "findings": about(list(named("Finding")), "the same, each with a word for programs"),
        "notes": about(texts(), "warnings about the settings, and what was refused within the hour"),
        "lately": object(json!({
            "set_aside": about(count(), "events that a destination refused within about the last hour"),
            "refused": about(count(), "bodies that were no event, within about the last hour"),
        })),
        "events": about(counts(Outcome::ALL.map(Outcome::as_str)), "by outcome; received is their sum; refused and aborted count since the process started"),
        "person_types": about(counts(person_types()), "accepted events, since the process started"),
        "status_reports": about(count(), "reports of boxes about themselves; they are no events"),
        "refusals": about(counts(codes()), "refused events by reason, since the process started"),
        "answers": object(json!({
            "seconds": about(named("Buckets"), "from the last body byte to the answer"),
            "sync_seconds": about(named("Buckets"), "one sync of the queue to disk, which answers wait for"),
            "late": about(count(), "events answered 503 and committed all the same"),
            "from_disk": about(counts(FromDisk::ALL.map(FromDisk::as_str)), "events answered from the disk, since Kafka and the store did not have them in time, by reason, since the process started"),
        })),
        "pictures": object(json!({
            "taken": about(counts(states()), "taken out of events, by the state they came in, since the process started"),
            "waiting": about(count(), "records whose pictures wait for the store"),
            "saved_bytes": count(),
        })),
        "queue": about(or_null(named("Queue")), "null until it is open"),
        "lanes": about(list(named("Lane")), "by destination; the urgent lane first"),
    }));
    vec![
        ("Status", status),
        ("Buckets", buckets()),
        ("Queue", queue()),
        ("Lane", lane()),
        ("Finding", finding()),
        ("PausedType", paused_type()),
        ("Partition", partition()),
        ("Readiness", readiness()),
    ]
}

fn buckets() -> Value {
    let bucket = object(json!({
        "at_most": {"type": ["number", "null"], "description": "seconds; null in the last one, which holds them all"},
        "count": about(count(), "so many took at most so long"),
    }));
    list(bucket)
}

fn queue() -> Value {
    object(json!({
        "waiting_bytes": count(),
        "kept_bytes": count(),
        "free_bytes": about(count(), "that can be written now: the smaller of the rest of max_bytes and what the file system has"),
        "max_bytes": count(),
        "disk_available_bytes": about(count_or_null(), "null where it cannot be told"),
        "full_in_seconds": {"type": ["number", "null"], "description": "null while it does not grow"},
    }))
}

fn lane() -> Value {
    object(json!({
        "destination": text(),
        "kind": about(word_or_null(KindName::ALL.map(KindName::as_str)), "of the destination; null where nothing is sent there any more"),
        "lane": word(lanes()),
        "up": about(truth(), "of the destination: whether every lane is connected"),
        "paused_types": about(list(named("PausedType")), "events that wait since the destination refused them"),
        "accepted": about(count(), "delivered + waiting + set_aside + expired"),
        "delivered": count(),
        "waiting": count(),
        "replaying": about(count(), "events that a replay has still to deliver; they count as nothing else"),
        "set_aside": about(count(), "since the destination joined"),
        "aside": about(count_or_null(), "of those what lies there now; null where that is not known"),
        "expired": count(),
        "oldest_seconds": {"type": "number", "description": "age of the oldest that waits or is to be replayed; 0 where none is"},
        "lag_seconds": about(named("Buckets"), "from received to acknowledged, since the process started"),
        "partitions": about(list(named("Partition")), "where it gets its events out of Kafka: those that this gateway has now"),
    }))
}

fn paused_type() -> Value {
    object(json!({
        "person_type": word(person_types()),
        "reason": about(text(), "the destination's own words"),
        "topic": about(word(["live", "late"]), "which topics of the type"),
        "devices": about(count_or_null(), "how many of them; null where the whole type waits"),
        "since": time(),
        "refused_at": about(time(), "when one of them was refused last"),
        "refused_topic": about(text_or_null(), "on this topic; null where that is not known"),
        "waiting": about(count(), "events that wait for this, as far as they were read: at least so many"),
    }))
}

fn finding() -> Value {
    object(json!({
        "code": about(text(), "starting, draining, queue_full, queue_stalled, queue_refused, queue_poisoned, queue_outage, destination_down, destination_will_refuse, type_paused, refused_for_now, held_back, answered_from_disk, replaying, devices_silent, settings_refused, …"),
        "destination": about(text_or_null(), "null where it is the gateway itself"),
        "person_type": word_or_null(person_types()),
        "message": about(text(), "as in `reasons`"),
    }))
}

fn partition() -> Value {
    object(json!({
        "topic": text(),
        "partition": count(),
        "waiting": about(count(), "records behind its group's place, by the brokers' own offsets"),
    }))
}

fn readiness() -> Value {
    object(json!({
        "ready": about(truth(), "whether boxes should come here"),
        "reasons": about(texts(), "all that is wrong, also if it does not keep boxes away"),
        "destinations": {"type": "object", "additionalProperties": word(["up", "down"])},
        "notes": about(texts(), "warnings about the settings, and what was refused within the hour"),
    }))
}

fn of_events() -> Named {
    let states = [
        "delivered",
        "waiting",
        "set_aside",
        "expired",
        "answered",
        "over_kafka",
        "not_its",
    ];
    let way = object(json!({
        "destination": text(),
        "state": about(word(states), "answered: one of delivered, set_aside and expired, too long ago to tell which; over_kafka: a broker gets it out of Kafka, and what became of it is not known here; not_its: the destination was added later"),
        "at": about(time_or_null(), "when it ended; null while it waits, and where nobody remembers"),
        "topic": about(text_or_null(), "of a bus: where it went at that time, by the routes of now; where it was refused; where it would go now, while it waits"),
        "aside": about(text_or_null(), "its id under /api/aside, while it is set aside"),
        "late": {"type": ["boolean", "null"], "description": "of a broker with live and late topics: whether one could no longer act on it then"},
        "code": about(text_or_null(), "why, in a word for programs: what it was set aside for, or destination_down, type_paused, refused_for_now, awaits_pictures, under_way, over_kafka, sent_again, dropped, too_long_ago, added_later, …"),
        "why": about(text_or_null(), "the same in a sentence"),
    }));

    let traced = object(json!({
        "sequence": count(),
        "revision": text(),
        "feed": word(feeds()),
        "lane": word(lanes()),
        "person_type": word(person_types()),
        "device": text_or_null(),
        "accepted_at": time(),
        "destinations": list(named("Way")),
    }));
    vec![("Way", way), ("TracedEvent", traced)]
}

fn of_devices() -> Named {
    let device = object(json!({
        "site": text(),
        "device": about(text(), "its id, as in events"),
        "status": about(word(DeviceState::ALL.iter().map(|it| it.as_str())), "more words may come"),
        "since": about(time(), "when that began"),
        "last_seen": time_or_null(),
        "name": about(text_or_null(), "by the inventory, else by what its box reports"),
        "door": text_or_null(),
        "expected": {"type": ["boolean", "null"], "description": "null for a device that the inventory does not name"},
        "type": about(text_or_null(), "as events name it; a box that reports is a `box`"),
        "box": about(text_or_null(), "the licence code of its box"),
        "peer": about(text_or_null(), "the address that it, or its box, last sent from"),
        "firmware": about(text_or_null(), "by the box's report"),
        "dialect": about(word_or_null(Dialect::ALL.iter().map(|it| it.as_str())), "in which events are written"),
        "reported": about(truth(), "whether a status report told of it"),
        "events_per_hour": about(count(), "within about the last hour, as are the other counts"),
        "refusals_per_hour": about(count(), "bodies that were refused for their content"),
        "missing_pictures_per_hour": about(count(), "events that brought no sound picture"),
        "warnings": about(list(word(WarningCode::ALL.iter().map(|it| it.as_str()))), "what was odd about its events"),
        "clock_skew_ms": {"type": ["integer", "null"], "description": "received - occurred, of its last real-time event"},
    }));

    let devices = object(json!({
        "devices": list(named("Device")),
        "total": about(count(), "how many there are on all pages"),
        "next": about(count_or_null(), "`from` of the next page; null on the last"),
    }));
    vec![("Device", device), ("Devices", devices)]
}

fn of_kept() -> Named {
    vec![
        ("AsideEvent", aside_event(json!({}))),
        ("AsideEventWhole", aside_event(aside_message())),
        ("QuarantinedBody", quarantined_body(json!({}))),
        ("QuarantinedBodyWhole", quarantined_body(excerpt())),
    ]
}

fn aside_event(more: Value) -> Value {
    let picture = object(json!({
        "kind": word(PictureKind::ALL.iter().map(|it| it.as_str())),
        "bytes": count(),
    }));
    with(
        json!({
            "id": text(),
            "destination": text(),
            "lane": word(lanes()),
            "sequence": count(),
            "epoch": about(text_or_null(), "of the log that the sequence counts in"),
            "at": about(time(), "when it was set aside"),
            "reason": about(text(), "a word: too_large, not_authorised, topic_invalid, payload_refused, missing, poison, unreadable, …"),
            "detail": about(text(), "the destination's own words"),
            "attempts": count(),
            "topic": about(text_or_null(), "that refused it last; null where it did not get that far"),
            "event": about(text_or_null(), "the event's id"),
            "person_type": word_or_null(person_types()),
            "device": text_or_null(),
            "event_bytes": count(),
            "pictures": list(picture),
        }),
        more,
    )
}

fn aside_message() -> Value {
    let message = object(json!({
        "topic": text(),
        "key": text_or_null(),
        "bytes": count(),
        "payload": {"description": "as it would leave now"},
    }));
    let objects = object(json!({"objects": list(json!({"type": "object"}))}));
    json!({
        "message": {"anyOf": [message, objects, {"type": "null"}], "description": "null: by its route nothing of it goes there now"},
        "event_as_kept": {"description": "the record's event as it lies in the log"},
    })
}

fn quarantined_body(more: Value) -> Value {
    with(
        json!({
            "id": text(),
            "received_at": time(),
            "feed": word(feeds()),
            "peer": about(text(), "the sender's address"),
            "site": text_or_null(),
            "box": text_or_null(),
            "charset": about(text_or_null(), "as its sender declared it"),
            "authenticated": about(word(["none", "token", "certificate"]), "how its sender had proved itself; more words may come"),
            "only_device": about(text_or_null(), "the only device that its sender may tell of"),
            "code": about(word(codes()), "why it was refused; more words may come"),
            "field": text_or_null(),
            "message": text(),
            "bytes": count(),
            "resubmitted": about(count(), "how often it was handed in again and refused again"),
        }),
        more,
    )
}

fn excerpt() -> Value {
    let body = object(json!({
        "before": about(text(), "up to the fault"),
        "at": about(text(), "from there on"),
        "starts_later": truth(),
        "ends_earlier": truth(),
    }));
    json!({"body": body})
}

/// The object of these members and more.
fn with(members: Value, more: Value) -> Value {
    let mut members = members;
    if let (Some(members), Value::Object(more)) = (members.as_object_mut(), more) {
        members.extend(more);
    }
    object(members)
}

fn of_jobs() -> Named {
    let job = object(json!({
        "id": text(),
        "kind": word(["replay", "resend", "resubmit"]),
        "asked": {"description": "what was asked for"},
        "started_at": time(),
        "state": word(["running", "cancelling", "done", "cancelled", "broke_off"]),
        "done": count(),
        "total": count(),
        "per_second": {"type": "number"},
        "counts": {"description": "what became of it; null until it ends"},
    }));

    let state = word(["running", "done", "cancelled"]);
    let to = object(json!({
        "destination": text(),
        "state": state,
        "person_types": list(word(person_types())),
        "records": about(count(), "so many are meant"),
        "sent": count(),
        "live": about(count(), "so many of them were never delivered: they come live, and not twice"),
        "left": count(),
    }));
    let replay = object(json!({
        "id": about(text(), "stands in `replay` of each event"),
        "state": state,
        "began_at": time(),
        "rate": count_or_null(),
        "from": time_or_null(),
        "to": time_or_null(),
        "device": text_or_null(),
        "destinations": list(named("ReplayTo")),
    }));
    vec![("Job", job), ("ReplayTo", to), ("Replay", replay)]
}

fn person_types() -> impl Iterator<Item = &'static str> {
    PersonType::ALL.iter().map(|it| it.as_str())
}

fn lanes() -> impl Iterator<Item = &'static str> {
    Lane::ALL.iter().map(|it| it.as_str())
}

fn feeds() -> impl Iterator<Item = &'static str> {
    Feed::ALL.iter().map(|it| it.as_str())
}

fn states() -> impl Iterator<Item = &'static str> {
    PictureState::ALL.iter().map(|it| it.as_str())
}

fn codes() -> impl Iterator<Item = &'static str> {
    Code::ALL.iter().map(|it| it.as_str())
}
