//! The way of an event through a gateway that is stopped, out of its directory.
//!
//! Promises: changes nothing, and no gateway starts on the directory meanwhile. Deliberately says of no delivery when it was: only a running
//! gateway remembers that.

use bytes::Bytes;

use crate::admin::Complaint;
use crate::admin::trace::{ADDED_LATER, OVER_KAFKA, Trace, Traced, Way, WayState};
use crate::app::{self, redact_key};
use crate::commands::kept::{not_read, open_aside};
use crate::gateway::kept::Aside;
use crate::queue::inspect::{self, RecordSummary};
use crate::queue::{RecordState, Search, Selection, Standing};
use boxbridge_config::Config;
use boxbridge_event::{Event, EventId, Sequence, Timestamp};

/// Of one id; a match has one revision, or a few.
const REVISIONS_MAX: usize = 100;

type Hit = (RecordSummary, Bytes);

pub fn trace(config: &Config, id: EventId) -> Result<Trace, Complaint> {
    let _held = inspect::hold(&config.data_dir).map_err(not_read)?;
    let (id, found) = found(config, id)?;

    let aside = open_aside(config)?;
    let records = found.iter();
    let records = records.map(|(record, event)| traced(config, &aside, record, event));
    Ok(Trace {
        id,
        records: records.collect::<Result<_, _>>()?,
    })
}

/// The event of this id, or the one for which it stands in messages of a route that leaves something out; with its own id.
fn found(config: &Config, id: EventId) -> Result<(EventId, Vec<Hit>), Complaint> {
    let found = with_id(config, id)?;
    if !found.is_empty() {
        return Ok((id, found));
    }

    match stood_for(config, id)? {
        Some(own) => Ok((own, with_id(config, own)?)),
        None => Err(nowhere(config, id)),
    }
}

fn stood_for(config: &Config, id: EventId) -> Result<Option<EventId>, Complaint> {
    let key = redact_key(config).map_err(not_read)?;
    let mut own = None;
    let seen = inspect::records(&config.data_dir, |record| {
        own = Some(record.id).filter(|it| key.id(*it) == id);
        own.is_none()
    });
    seen.map_err(not_read)?;
    Ok(own)
}

/// All of them, newest first.
fn with_id(config: &Config, id: EventId) -> Result<Vec<Hit>, Complaint> {
    let mut search = Search {
        selection: Selection {
            id: Some(id),
            ..Selection::default()
        },
        before: None,
        limit: REVISIONS_MAX,
    };

    let mut found = Vec::new();
    loop {
        let page = inspect::search(&config.data_dir, &search).map_err(not_read)?;
        found.extend(page.found);
        if page.next.is_none() || found.len() >= REVISIONS_MAX {
            return Ok(found);
        }
        search.before = page.next;
    }
}

fn nowhere(config: &Config, id: EventId) -> Complaint {
    let mut oldest = None;
    let seen = inspect::records(&config.data_dir, |record| {
        oldest = Some(record.received_at);
        false
    });
    if let Err(error) = seen {
        return not_read(error);
    }

    let since = |since: Timestamp| format!("it reaches back to {since}");
    let reaches = oldest.map_or_else(|| "it is empty".to_owned(), since);
    Complaint::not_found(format!("no event {id} is in the replay window: {reaches}"))
}

fn traced(
    config: &Config,
    aside: &Aside,
    record: &RecordSummary,
    event: &Bytes,
) -> Result<Traced, Complaint> {
    let event: Option<Event> = serde_json::from_slice(event).ok();
    let standings = inspect::standing(&config.data_dir, record).map_err(not_read)?;
    let ways = standings.into_iter();

    Ok(Traced {
        sequence: record.sequence.0,
        revision: record.revision,
        feed: record.feed,
        lane: record.lane,
        person_type: record.person_type,
        device: event.map(|event| event.device.id),
        accepted_at: record.received_at,
        destinations: ways
            .map(|standing| way(config, aside, record, standing))
            .collect(),
    })
}

fn way(config: &Config, aside: &Aside, record: &RecordSummary, standing: Standing) -> Way {
    let Standing { destination, state } = standing;
    let way = |state, why: Option<(&str, &str)>| {
        let why = why.map(|(code, sentence)| (code, sentence.to_owned()));
        Way::of(destination.clone(), state, None, why)
    };

    let handed_over = handed_over(config, &destination);
    if state != RecordState::NotIts && handed_over.is_some_and(|through| record.sequence > through)
    {
        return way(WayState::OverKafka, Some(NOT_READ));
    }
    let always_delivered = match state {
        RecordState::NotIts => return way(WayState::NotIts, Some(ADDED_LATER)),
        RecordState::Waiting => return way(WayState::Waiting, Some(STOPPED)),
        RecordState::Answered { always_delivered } => always_delivered,
    };
    let aside = Way::set_aside(aside, &destination, record.lane, record.sequence);
    aside.unwrap_or_else(|| match always_delivered {
        true => way(WayState::Delivered, None),
        false => way(WayState::Answered, Some(WHICH)),
    })
}

/// Behind this record a broker gets its events out of Kafka; `None` where it gets all of them out of the queue.
fn handed_over(config: &Config, destination: &str) -> Option<Sequence> {
    config.send.named(destination)?.source()?;
    let epoch = inspect::epoch(&config.data_dir).ok()?;
    app::handed_over(&config.data_dir, destination, &epoch)
}

const NOT_READ: (&str, &str) = (
    OVER_KAFKA,
    "the gateway that has its partition sends it; a stopped one knows no more",
);
const STOPPED: (&str, &str) = ("stopped", "the gateway is stopped");
const WHICH: (&str, &str) = (
    "too_long_ago",
    "delivered, set aside or expired: which, the gateway forgot with its stop",
);
