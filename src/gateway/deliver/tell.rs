//! What people are told of events that wait: in the log, and in the state of the link.
//!
//! Promises: what waits is said once, with the other side's own words, and again when it flows.
//! Deliberately never an event's content, nor more of it than its topic.

use super::{Delivery, Records};
use crate::send::Rejection;
use crate::send::window::{Extent, News, Template, Timeliness};
use boxbridge_event::Sequence;

impl<D, R, S: Records> Delivery<D, R, S> {
    /// Says what the window found out, and shows what waits.
    pub(super) fn tell(&mut self) {
        while let Some(news) = self.backlog.news() {
            self.say(news);
        }

        let window = self.backlog.window();
        self.link.still_paused(self.lane, window.paused());
        let suspects: Vec<_> = window
            .suspects()
            .map(|(template, records)| suspected(template, records))
            .collect();
        self.link.suspect(self.lane, suspects);
    }

    fn say(&self, news: News) {
        match news {
            News::Held(template) => tracing::warn!(
                destination.name = &*self.link.destination,
                lane = %self.lane,
                person_type = %template.person_type,
                topic = kind(template),
                "the connection dies on one event: it is held back, alone, and tried from time to time until another of its type decides"
            ),
            News::Paused(template) => {
                let why = format!(
                    "the connection dies on them, and not on others ({} topic)",
                    kind(template)
                );
                self.link.paused(self.lane, template.person_type, why);
            }
            News::TakenAgain(template) => tracing::info!(
                destination.name = &*self.link.destination,
                lane = %self.lane,
                person_type = %template.person_type,
                topic = kind(template),
                "what was refused for now is taken"
            ),
        }
    }

    /// A record was refused, and waits with its device or with its whole type.
    pub(super) fn say_waiting(&self, sequence: Sequence, rejection: &Rejection, extent: Extent) {
        let (reason, detail) = (
            rejection.reason.as_str(),
            self.link.of_its_own(rejection.detail.clone()),
        );
        match extent {
            Extent::Device => {
                let admitted = self.backlog.window().payload(sequence);
                let topic = admitted.and_then(|admitted| admitted.topic.as_deref());
                tracing::warn!(
                    destination.name = &*self.link.destination,
                    lane = %self.lane,
                    topic,
                    reason,
                    detail,
                    "refused for now: the event is tried again, and those of its device wait behind it"
                );
            }
            Extent::Template(template) => {
                let why = format!("{reason}: {detail} ({} topic)", kind(template));
                self.link.paused(self.lane, template.person_type, why);
            }
        }
    }
}

/// Which of the two topics of a type.
fn kind(template: Template) -> &'static str {
    match template.timeliness {
        Timeliness::Live => "live",
        Timeliness::Late => "late",
    }
}

fn suspected(template: Template, records: usize) -> String {
    let person_type = template.person_type;
    let events = if records == 1 {
        "1 event".to_owned()
    } else {
        format!("{records} events")
    };
    format!(
        "the connection dies on {events} of type {person_type} ({} topic): held back, and tried from time to time",
        kind(template)
    )
}
