//! What a destination refuses: person types of which events wait, with the reason, for as long as they do.
//!
//! Promises: that a type waits, and that it flows again, is said once. Deliberately decides nothing: the window does.

use std::collections::BTreeMap;
use std::time::Instant;

use super::{Contact, State, Waits};
use crate::metrics;
use crate::send::window::{Extent, HeldBack, TopicClass};
use boxbridge_event::{Lane, PersonType, Timestamp};

impl Contact {
    /// A record was refused on this topic, and so much waits from now on and is tried from time to time.
    pub fn refused(&self, lane: Lane, extent: Extent, why: String, topic: Option<&str>) {
        let why = self.of_its_own(why);
        let (class, devices) = match extent {
            Extent::Topic(class) => (class, Some(1)),
            Extent::Class(class) => (class, None),
        };
        let mut lanes = self.lanes.lock();
        let state = lanes.of_mut(lane);

        let outage = state.refusals.of_mut(class);
        let is_news = outage.failed(&cause(devices, &why), Instant::now());
        if is_news.is_some() {
            self.say_refused(lane, extent, &why);
        }

        let waits = state.waits.entry(class).or_insert_with(|| Waits {
            class,
            devices,
            why: String::new(),
            since: Timestamp::now(),
            refused_at: Timestamp::now(),
            refused_topic: None,
            records: 1,
        });
        waits.why = why;
        waits.refused_at = Timestamp::now();
        if let Some(topic) = topic {
            waits.refused_topic = Some(topic.to_owned());
        }
        if devices.is_none() {
            waits.devices = None;
        }
        self.count_waits(lane, state);
    }

    /// A person type was refused when the last run ended: it waits until one event of it is taken.
    pub fn was_refused(&self, lane: Lane, class: TopicClass, why: String, since: Timestamp) {
        let mut lanes = self.lanes.lock();
        let state = lanes.of_mut(lane);
        let outage = state.refusals.of_mut(class);
        let is_news = outage.failed(&cause(None, &why), Instant::now()).is_some();
        if is_news {
            tracing::warn!(
                destination.name = &*self.destination,
                %lane,
                person_type = %class.person_type,
                topic = class.timeliness.as_str(),
                why,
                %since,
                "refused before the start: one event of this type is tried, and the others wait"
            );
        }

        let waits = Waits {
            class,
            devices: None,
            why,
            since,
            refused_at: since,
            refused_topic: None,
            records: 0,
        };
        state.waits.insert(class, waits);
        self.count_waits(lane, state);
    }

    fn say_refused(&self, lane: Lane, extent: Extent, why: &str) {
        let destination = &*self.destination;
        match extent {
            Extent::Topic(class) => tracing::warn!(
                destination.name = destination,
                %lane,
                person_type = %class.person_type,
                topic = class.timeliness.as_str(),
                why,
                "refused for now: the event is tried again, and those of its topic wait behind it"
            ),
            Extent::Class(class) => tracing::error!(
                destination.name = destination,
                %lane,
                person_type = %class.person_type,
                topic = class.timeliness.as_str(),
                why,
                "refused again and again: events of this type wait in the queue and are tried from time to time"
            ),
        }
    }

    /// What waits still: all else flows.
    pub fn still_waits(&self, lane: Lane, still: impl Iterator<Item = HeldBack>) {
        let mut lanes = self.lanes.lock();
        let state = lanes.of_mut(lane);
        if state.waits.is_empty() {
            return;
        }
        let mut waits: BTreeMap<TopicClass, Waits> = BTreeMap::new();
        for held in still {
            if let Some(mut same) = state.waits.remove(&held.class) {
                (same.devices, same.records) = (held.devices, held.records);
                waits.insert(held.class, same);
            }
        }

        let flowing = std::mem::replace(&mut state.waits, waits);
        for class in flowing.into_keys() {
            if state.refusals.of_mut(class).ended() {
                tracing::info!(
                    destination.name = &*self.destination,
                    %lane,
                    person_type = %class.person_type,
                    topic = class.timeliness.as_str(),
                    "events of this type flow again"
                );
            }
        }
        self.count_waits(lane, state);
    }

    /// What waits in this lane since it was refused.
    pub fn waits(&self, lane: Lane) -> Vec<Waits> {
        let lanes = self.lanes.lock();
        lanes.of(lane).waits.values().cloned().collect()
    }

    /// Whether a whole person type waits in this lane since it was refused, on its live topic or its late one.
    pub fn is_paused(&self, lane: Lane, person_type: PersonType) -> bool {
        let lanes = self.lanes.lock();
        let mut waits = lanes.of(lane).waits.values();
        waits.any(|waits| waits.class.person_type == person_type && waits.devices.is_none())
    }

    pub(super) fn count_waits(&self, lane: Lane, state: &State) {
        let mut types: Vec<PersonType> = state.waits.keys().map(|of| of.person_type).collect();
        types.dedup();
        metrics::paused(&self.destination, lane, types.len());
    }
}

/// That the whole type waits is said, also where the reason is known.
fn cause(devices: Option<usize>, why: &str) -> String {
    format!("{} {why}", if devices.is_none() { "all" } else { "one" })
}
