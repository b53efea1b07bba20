//! `/api/events`: events out of the replay window, newest first; the same as they come; and the way of one through the gateway.

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::{Endpoint, Operator, Ready, time};
use crate::admin::answer::{Answer, Asked, Complaint, Named, off_the_runtime, ok, page};
use crate::admin::openapi::shape;
use crate::admin::trace::{Trace, Traced};
use crate::queue::{Record, Search, Selection};
use boxbridge_event::{Event, EventId, PersonType, Sequence};

mod live;
mod way;

pub use live::Watchers;

/// Of one id; a match has one revision, or a few.
const REVISIONS_MAX: usize = 100;
/// A page passes millions of records: no log holds more than so many pages.
const PAGES_MAX: usize = 1_000;

pub fn endpoints() -> Vec<Endpoint> {
    let person_type = json!({"enum": PersonType::ALL});
    vec![
        Endpoint::get("/events", list)
            .summary("Events out of the replay window as consumers would get them now, newest first")
            .parameter("person_type", "only this one", person_type.clone())
            .parameter("device", "only of the device with this id", json!({"type": "string"}))
            .parameter("from", "received at this moment or later", json!({"type": "string"}))
            .parameter("to", "received before this one", json!({"type": "string"}))
            .parameter("before", "only events before this sequence number: `next` of the page before", json!({"type": "integer", "minimum": 1}))
            .parameter("limit", "so many at most", json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}))
            .gives(json!({
                "events": shape::list(shape::named("Match")),
                "next": {"type": ["integer", "null"], "description": "`before` of the next page, which may be there although this one is short; null at the end"},
            }))
            .complains(400, "bad_query")
            .complains(400, "bad_filter")
            .complains(400, "bad_limit"),
        Endpoint::get("/events/live", live::live)
            .summary("Events as they come, the last 100 first, as server-sent events: `event`, and before the end `dropped` with the reason")
            .parameter("person_type", "only this one", person_type)
            .parameter("device", "only of the device with this id", json!({"type": "string"}))
            .parameter("destination", "what leaves for this one from now on, once it has it: of each event {message, event}", json!({"type": "string"}))
            .gives_other("text/event-stream", json!({"type": "string"}))
            .complains(400, "bad_query")
            .complains(400, "over_kafka")
            .complains(404, "unknown_destination")
            .complains(503, "too_many_watchers"),
        Endpoint::get("/events/{id}", one)
            .summary("The way of an event: when it was accepted, and what became of it at each destination")
            .parameter("id", "of the event, or what stands for it in messages of a route that leaves something out", json!({"type": "string", "format": "uuid"}))
            .gives(json!({
                "id": {"type": "string"},
                "records": shape::about(shape::list(shape::named("TracedEvent")), "newest first: one for each revision that was accepted"),
            }))
            .complains(400, "bad_id")
            .complains(404, "not_found"),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    person_type: Option<PersonType>,
    device: Option<String>,
    from: Option<String>,
    to: Option<String>,
    before: Option<u64>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Listed {
    events: Vec<Box<RawValue>>,
    next: Option<u64>,
}

async fn list(Ready(operator): Ready, Asked(wanted): Asked<Wanted>) -> Answer {
    let moment = |text: Option<String>| text.map(|text| time(&text)).transpose();
    let selection = Selection {
        from: moment(wanted.from)?,
        to: moment(wanted.to)?,
        ..selection(wanted.person_type, wanted.device)
    };
    let search = Search {
        selection,
        before: wanted.before.map(Sequence),
        limit: page(wanted.limit)?,
    };
    let page = operator.queue.search(search).await.map_err(unread)?;

    let documents = page.found.iter();
    let documents = documents.filter_map(|record| operator.documents.of(record));
    ok(&Listed {
        events: documents.collect(),
        next: page.next.map(|next| next.0),
    })
}

fn selection(person_type: Option<PersonType>, device: Option<String>) -> Selection {
    Selection {
        person_types: person_type.into_iter().collect(),
        device,
        ..Selection::default()
    }
}

fn unread(error: std::io::Error) -> Complaint {
    Complaint::not_now("disk", format!("the log cannot be read now: {error}"))
}

async fn one(Ready(operator): Ready, Named(id): Named) -> Answer {
    let id: EventId = id
        .parse()
        .map_err(|_| Complaint::bad("bad_id", format!("{id:?} is no event id, which is a UUID")))?;

    let (id, records) = found(&operator, id).await?;
    let records = off_the_runtime(move || {
        let traced = records.iter().map(|record| traced(&operator, record));
        Ok(traced.collect())
    });
    ok(&Trace {
        id,
        records: records.await?,
    })
}

/// The event of this id, or the one for which it stands in messages of a route that leaves something out; with its own id.
async fn found(operator: &Operator, id: EventId) -> Result<(EventId, Vec<Record>), Complaint> {
    let records = with_id(operator, id).await?;
    if !records.is_empty() {
        return Ok((id, records));
    }

    let router = operator.documents.gateway.router.now();
    let is_it = move |own| router.stand_in(own) == id;
    let own = operator.queue.id_that(is_it).await.map_err(unread)?;
    match own {
        Some(own) => Ok((own, with_id(operator, own).await?)),
        None => Err(nowhere(operator, id).await),
    }
}

/// All of them, newest first.
async fn with_id(operator: &Operator, id: EventId) -> Result<Vec<Record>, Complaint> {
    let mut search = Search {
        selection: Selection {
            id: Some(id),
            ..Selection::default()
        },
        before: None,
        limit: REVISIONS_MAX,
    };
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let page = operator
            .queue
            .search(search.clone())
            .await
            .map_err(unread)?;
        found.extend(page.found);
        if page.next.is_none() || found.len() >= REVISIONS_MAX {
            break;
        }
        search.before = page.next;
    }
    Ok(found)
}

async fn nowhere(operator: &Operator, id: EventId) -> Complaint {
    let reaches = match operator.queue.oldest().await {
        Ok(Some((_, since))) => format!("it reaches back to {since}"),
        Ok(None) => "it is empty".to_owned(),
        Err(error) => return unread(error),
    };
    Complaint::not_found(format!("no event {id} is in the replay window: {reaches}"))
}

fn traced(operator: &Operator, record: &Record) -> Traced {
    let event: Option<Event> = serde_json::from_slice(&record.event).ok();
    Traced {
        sequence: record.sequence.0,
        revision: record.revision,
        feed: record.feed,
        lane: record.lane,
        person_type: record.person_type,
        device: event.map(|event| event.device.id),
        accepted_at: record.received_at,
        destinations: way::ways(operator, record),
    }
}
