//! What operators and the next run are told of events that wait: in the log, in the state of the contact, in `pauses`.
//!
//! Promises: what waits is said once, with the other side's own words, and again when it flows.
//! Deliberately never an event's content, nor more of it than its topic.

use std::time::Instant;

use super::pauses::Pause;
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
        self.note_pauses();
    }

    /// Delivery begins: what was refused when the last run ended is tried with one event.
    pub(super) fn begin(&mut self) {
        self.backlog.begin();
        self.noted.classes.clear();
        let before = self.noted.pauses.of(&self.contact.destination, self.lane);

        for Pause { class, why, since } in before {
            self.noted.classes.push(class);
            self.backlog.begin_refused(class, Instant::now());
            self.contact.was_refused(self.lane, class, why, since);
        }
    }

    /// Notes which person types are refused now, if these are others than before.
    fn note_pauses(&mut self) {
        let refused = self.backlog.window().refused_classes();
        if refused.eq(self.noted.classes.iter().copied()) {
            return;
        }

        self.noted.classes = self.backlog.window().refused_classes().collect();
        let waits = self.contact.waits(self.lane).into_iter();
        let refused = waits.filter(|waits| self.noted.classes.contains(&waits.class));
        let pauses = refused.map(|waits| Pause {
            class: waits.class,
            why: waits.why,
            since: waits.since,
        });
        self.replace_pauses(pauses.collect());
    }

    pub(super) fn forget_pauses(&self) {
        if !self.noted.classes.is_empty() {
            self.replace_pauses(Vec::new());
        }
    }

    fn replace_pauses(&self, pauses: Vec<Pause>) {
        let destination = &self.contact.destination;
        self.noted.pauses.replace(destination, self.lane, pauses);
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
                self.contact
                    .refused(self.lane, Extent::Class(class), why, None);
            }
        }
    }

    /// A record was refused, and waits with its topic or with its whole type.
    pub(super) fn say_waiting(&self, sequence: Sequence, rejection: &Rejection, extent: Extent) {
        let (reason, detail) = (rejection.reason.as_str(), &rejection.detail);
        let (Extent::Class(class) | Extent::Topic(class)) = extent;
        let admitted = self.backlog.window().payload(sequence);
        let topic = admitted.and_then(|admitted| admitted.topic.as_deref());
        // Of a whole type the topics differ by device, and the reason is to stay the same.
        let name = topic.filter(|_| matches!(extent, Extent::Topic(_)));

        let why = match (self.contact.timeliness_of(class), name) {
            (Some(kind), Some(name)) => format!("{reason}: {detail} ({kind} topic {name})"),
            (Some(kind), None) => format!("{reason}: {detail} ({kind} topic)"),
            (None, Some(name)) => format!("{reason}: {detail} (topic {name})"),
            (None, None) => format!("{reason}: {detail}"),
        };

        self.contact.refused(self.lane, extent, why, topic);
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
