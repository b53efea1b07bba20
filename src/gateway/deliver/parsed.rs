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
