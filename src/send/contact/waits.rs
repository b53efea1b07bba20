//! What waits at a destination since it was refused, as a sentence for people.

use crate::send::window::TopicClass;
use boxbridge_event::Timestamp;

/// A person type of which records wait since its live topic, or its late one, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    pub class: TopicClass,
    /// On how many devices; `None` = the whole type.
    pub devices: Option<usize>,
    /// The reason, and the other side's words.
    pub why: String,
    pub since: Timestamp,
    /// When one of them was refused last, and on which topic as far as that is known.
    pub refused_at: Timestamp,
    pub refused_topic: Option<String>,
    /// Records that wait at least: of more than a window nobody counts them.
    pub records: usize,
}

impl Waits {
    pub(super) fn code(&self) -> &'static str {
        match self.devices {
            None => "type_paused",
            Some(_) => "refused_for_now",
        }
    }

    pub(super) fn sentence(&self) -> String {
        let Waits {
            class,
            devices,
            why,
            since,
            records,
            ..
        } = self;
        let person_type = class.person_type;

        let state = match devices {
            None => format!("{person_type} is paused"),
            Some(1) => format!("{person_type} is refused for now on one device"),
            Some(devices) => format!("{person_type} is refused for now on {devices} devices"),
        };
        format!("{state}: {why}, since {since}, {records} or more events wait")
    }
}
