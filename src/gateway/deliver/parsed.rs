//! The events of records, parsed once for all destinations that get them at about the same time.
//!
//! Promises: keeps nothing alive: an event lives as long as a window holds it. Two records share one only if their
//! text is the same memory, so a place in another source, or a later record, never gets it. Deliberately does not
//! look for equal texts: the newest records of the log are handed to each destination from one place.

use std::ops::Deref;
use std::sync::{Arc, Weak};

use bytes::Bytes;
use parking_lot::Mutex;

use boxbridge_event::{Event, Record};

/// Destinations that keep up are no further apart.
const REMEMBERED: usize = 256;

pub struct ParsedEvents(Mutex<Vec<Weak<ParsedEvent>>>);

/// An event, and the text that it was read from.
pub struct ParsedEvent {
    text: Bytes,
    event: Event,
}

impl Deref for ParsedEvent {
    type Target = Event;

    fn deref(&self) -> &Event {
        &self.event
    }
}

impl Default for ParsedEvents {
    fn default() -> ParsedEvents {
        ParsedEvents(Mutex::new((0..REMEMBERED).map(|_| Weak::new()).collect()))
    }
}

impl ParsedEvents {
    pub(super) fn of(&self, record: &Record) -> Result<Arc<ParsedEvent>, serde_json::Error> {
        let place = usize::try_from(record.sequence.0).unwrap_or(0) % REMEMBERED;
        let known = self.0.lock().get(place).and_then(Weak::upgrade);
        if let Some(known) = known.filter(|known| is_same(&known.text, &record.event)) {
            return Ok(known);
        }

        let parsed = Arc::new(ParsedEvent {
            event: serde_json::from_slice(&record.event)?,
            text: record.event.clone(),
        });
        if let Some(known) = self.0.lock().get_mut(place) {
            *known = Arc::downgrade(&parsed);
        }
        Ok(parsed)
    }
}

/// While one of them is held, nothing else can come to its place in memory.
fn is_same(one: &Bytes, other: &Bytes) -> bool {
    one.as_ptr() == other.as_ptr() && one.len() == other.len()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use boxbridge_event::{
        EventId, Feed, Lane, PersonType, Picture, Revision, Sequence, Timestamp,
    };

    fn text(device: &str) -> Bytes {
        let event = serde_json::json!({
            "id": EventId([0; 16]), "revision": Revision(1), "feed": Feed::Realtime, "occurred_at": Timestamp(1),
            "received_at": Timestamp(1), "person_type": PersonType::Vip, "identity": {"id": null, "name": null},
            "match": {"score": null, "group": null},
            "device": {"id": device, "ip": null, "type": "gate", "name": null, "box": null},
            "origin": {"site": "lobby", "gateway": "edge-1", "peer": "127.0.0.1", "authenticated": "none"},
            "clock": {"from": "box", "skew_ms": null},
            "pictures": {"registered": null, "scene": null, "face": null, "infrared": null},
            "quality": {"camera": null, "box": null}, "source": {}, "extra": {}, "warnings": [],
        });
        serde_json::to_vec(&event).unwrap().into()
    }

    fn record(sequence: u64, event: &Bytes) -> Record {
        Record {
            sequence: Sequence(sequence),
            received_at: Timestamp(1),
            id: EventId([0; 16]),
            revision: Revision(1),
            person_type: PersonType::Vip,
            feed: Feed::Realtime,
            lane: Lane::Normal,
            event: event.clone(),
            has_pictures: false,
            replay: None,
            resent: None,
            appended_before_this_process: false,
            carried: None,
            picture_reader: Arc::new(Vec::<Picture>::new()),
        }
    }

    #[test]
    fn one_text_in_memory_is_parsed_once_for_as_long_as_somebody_holds_it() {
        let (events, text) = (ParsedEvents::default(), text("gate"));
        let first = events.of(&record(7, &text)).unwrap();
        let second = events.of(&record(7, &text)).unwrap();
        assert!(Arc::ptr_eq(&first, &second));

        let held = Arc::downgrade(&first);
        drop((first, second));
        assert!(held.upgrade().is_none(), "nothing else keeps it");
    }

    #[test]
    fn the_record_of_another_source_with_the_same_place_is_not_taken_for_it() {
        let (events, live, aside) = (ParsedEvents::default(), text("gate"), text("door"));
        let first = events.of(&record(7, &live)).unwrap();
        let other = events.of(&record(7, &aside)).unwrap();
        assert_eq!((&*first.device.id, &*other.device.id), ("gate", "door"));
    }
}
