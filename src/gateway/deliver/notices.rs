//! What operators are told of events that wait: in the log, and in the state of the contact.
//!
//! Promises: what waits is said once, with the other side's own words, and again when it flows.
//! Deliberately never an event's content, nor more of it than its topic.

use super::{Delivery, Records};
use crate::send::Rejection;
use crate::send::window::{Extent, News, TopicClass};
use boxbridge_event::Sequence;

impl<D, R, S: Records> Delivery<D, R, S> {
    /// Says what the window found out, and shows what waits.
    pub(super) fn tell(&mut self) {
        while let Some(news) = self.backlog.news() {
            self.say(news);
        }

        let window = self.backlog.window();
        self.contact.still_waits(self.lane, window.held_back());
        let suspects: Vec<_> = window
            .suspects()
            .map(|(class, records)| suspected(class, records))
            .collect();
        self.contact.suspect(self.lane, suspects);
    }

    fn say(&self, news: News) {
        match news {
            News::Held(class) => tracing::warn!(
                destination.name = &*self.contact.destination,
                lane = %self.lane,
                person_type = %class.person_type,
                topic = class.timeliness.as_str(),
                "the connection dies on one event: it is held back, alone, and tried from time to time until another of its type decides"
            ),
            News::Paused(class) => {
                let why = format!(
                    "the connection dies on them, and not on others ({} topic)",
                    class.timeliness.as_str()
                );
                self.contact.refused(self.lane, Extent::Class(class), why);
            }
        }
    }

    /// A record was refused, and waits with its topic or with its whole type.
    pub(super) fn say_waiting(&self, sequence: Sequence, rejection: &Rejection, extent: Extent) {
        let (reason, detail) = (rejection.reason.as_str(), &rejection.detail);
        let why = match extent {
            Extent::Class(class) => {
                let kind = class.timeliness.as_str();
                format!("{reason}: {detail} ({kind} topic)")
            }
            Extent::Topic(class) => {
                let admitted = self.backlog.window().payload(sequence);
                let topic = admitted.and_then(|admitted| admitted.topic.as_deref());
                let (kind, topic) = (class.timeliness.as_str(), topic.unwrap_or_default());
                format!("{reason}: {detail} ({kind} topic {topic})")
            }
        };

        self.contact.refused(self.lane, extent, why);
    }
}

fn suspected(class: TopicClass, records: usize) -> String {
    let person_type = class.person_type;
    let events = if records == 1 {
        "1 event".to_owned()
    } else {
        format!("{records} events")
    };
    format!(
        "the connection dies on {events} of type {person_type} ({} topic): held back, and tried from time to time",
        class.timeliness.as_str()
    )
}
