//! Which record goes next: what flows, what is to be tried alone, and the probe of something that waits.
//!
//! Promises: live records go before replayed ones, which leave room for the next live one, and a device's records in order. While something of a device may be refused for now,
//! the next of it waits for the answer.

use std::collections::HashSet;
use std::ops::Bound;
use std::time::Duration;

use super::suspicion::Trial;
use super::topic_class::{Timeliness, TopicClass};
use super::{Entry, Now, Replayed, State, Window};
use boxbridge_event::Sequence;

impl<T> Window<T> {
    /// The oldest live record that may be submitted now, else the oldest replayed one; before them, what is to be tried.
    pub fn next_ready(&mut self, now: Now) -> Option<Sequence> {
        if !self.has_turn() {
            return None;
        }

        let flowing = self.next_flowing(now);
        if let Some(trial) = self.next_trial(now) {
            self.alone = Some(trial).filter(|_| self.submitted.is_empty());
            return self.alone;
        }
        let probe = self.next_probe().or_else(|| self.next_of_topics(now));
        probe.or(flowing)
    }

    /// Whether another record may be under way.
    fn has_turn(&self) -> bool {
        let most = self.limits.records;
        let records = self
            .suspicion
            .as_ref()
            .map_or(most, |suspicion| suspicion.trusts(most));
        self.alone.is_none()
            && self.submitted.len() < records
            && self.submitted_bytes < self.limits.bytes
    }

    /// Half of the window, and half of what a thin line carries in time, stay free for the live record that comes next.
    fn has_turn_for_replays(&self) -> bool {
        let bytes = self.limits.bytes.min(self.pace.limit());
        2 * self.submitted.len() < self.limits.records.max(2) && 2 * self.submitted_bytes < bytes
    }

    /// Parks what may not flow, on its way.
    fn next_flowing(&mut self, now: Now) -> Option<Sequence> {
        let is_troubled = self.is_troubled();
        let mut behind = None;
        loop {
            let after = behind.map_or(Bound::Unbounded, Bound::Excluded);
            let place = *self.ready.range((after, Bound::Unbounded)).next()?;
            let (replayed, sequence) = place;
            if replayed != Replayed::No && !self.has_turn_for_replays() {
                return None;
            }
            let entry = self.entries.get(&sequence)?;
            let class = self.class(entry, now);

            let is_stopped = self.is_stopped_topic(&entry.device, class);
            if is_stopped || self.is_left(entry, class, sequence) {
                self.park(sequence, class);
                continue;
            }
            if is_troubled && self.is_in_doubt(&entry.device, class) {
                behind = Some(place);
                continue;
            }
            // What comes behind it would keep the line full.
            let has_time =
                class.timeliness == Timeliness::Late || self.submitted_bytes < self.pace.limit();
            return has_time.then_some(sequence);
        }
    }

    fn is_troubled(&self) -> bool {
        !self.resubmitted.is_empty()
            || !self.setbacks.is_empty()
            || !self.flows.iter().all(|(_, flow)| flow.is_open())
    }

    /// Whether something of this device is under way that may well be refused for now: the next would overtake it. What is of another
    /// topic, one that waits alone, is overtaken in any case.
    fn is_in_doubt(&self, device: &str, class: TopicClass) -> bool {
        let troubled = self.setbacks.troubled();
        let is_troubled = |class| *troubled.of(class) || !self.flows.of(class).is_open();

        self.submitted.iter().any(|(sequence, other)| {
            let is_doubtful = is_troubled(*other) || self.resubmitted.contains(sequence);
            let is_of_it = |entry: &Entry<T>| entry.device == device;
            is_doubtful
                && self.entries.get(sequence).is_some_and(is_of_it)
                && (*other == class || !self.is_stopped_topic(device, *other))
        })
    }

    /// Of a record, if it were handed over now.
    pub(super) fn class(&self, entry: &Entry<T>, now: Now) -> TopicClass {
        let arrives = now.clock.plus(self.expected_wait());
        let is_live = entry
            .act_before
            .is_some_and(|act_before| arrives <= act_before);
        let timeliness = if is_live {
            Timeliness::Live
        } else {
            Timeliness::Late
        };
        TopicClass::new(entry.person_type, timeliness)
    }

    /// How long what is handed over now stands behind what is under way.
    fn expected_wait(&self) -> Duration {
        self.pace.wait(self.submitted_bytes)
    }

    /// The same for a record: nothing where it makes no difference to it.
    pub fn expected_wait_of(&self, sequence: Sequence) -> Duration {
        let entry = self.entries.get(&sequence);
        let act_before = entry.and_then(|entry| entry.act_before);
        act_before.map_or(Duration::ZERO, |_| self.expected_wait())
    }
}

/// What is tried.
impl<T> Window<T> {
    /// What is to be alone in the session now.
    fn next_trial(&self, now: Now) -> Option<Sequence> {
        let suspicion = self.suspicion.as_ref()?;
        let mut trials = suspicion.trials(now.at).into_iter();
        let found = trials.find_map(|trial| match trial {
            Trial::Of(sequence) => Some(sequence).filter(|sequence| self.is_free(*sequence)),
            Trial::Successor(class) => self.untried(class, now),
            Trial::Another(class) => self.untried(class, now).or_else(|| {
                let mut killers = suspicion.killers(class).into_iter();
                killers.find(|sequence| self.is_free(*sequence))
            }),
        });

        let is_ready = |sequence: &Sequence| {
            let flows = |entry: &&Entry<T>| !self.is_closed(self.class(entry, now));
            let entry = self.entries.get(sequence).filter(flows);
            entry.is_some_and(|entry| self.ready.contains(&(entry.replayed, *sequence)))
        };
        found.or_else(|| suspicion.isolated().into_iter().find(is_ready))
    }

    /// Whether this record stands aside and may go before the others of its device.
    fn is_free(&self, sequence: Sequence) -> bool {
        let entry = self.entries.get(&sequence);
        entry.is_some_and(|entry| {
            matches!(entry.state, State::Parked(_)) && !self.is_behind(sequence, entry)
        })
    }

    /// The lowest of a class that is not known to kill.
    fn untried(&self, class: TopicClass, now: Now) -> Option<Sequence> {
        let is_of_it = |sequence: &Sequence| {
            let entry = self.entries.get(sequence);
            entry.is_some_and(|entry| self.class(entry, now) == class)
        };
        let mut parked = self.free_parked(class);
        let of_topics = || {
            let mut lowest = self.setbacks.waiting();
            lowest.find_map(|(_, other, waiting)| {
                let lowest = waiting.first().filter(|_| other == class)?;
                self.is_free(*lowest).then_some(*lowest)
            })
        };

        let parked = parked.next().map(|(sequence, _)| sequence);
        let mut ready = self.ready.iter().map(|(_, sequence)| *sequence);
        parked.or_else(|| ready.find(is_of_it)).or_else(of_topics)
    }

    /// One record of a class whose pause is over.
    fn next_probe(&self) -> Option<Sequence> {
        let closes = |class: TopicClass| {
            let suspicion = self.suspicion.as_ref();
            suspicion.is_some_and(|suspicion| suspicion.closes(class))
        };
        let is_idle = |class: &TopicClass| {
            self.flows.of(*class).is_probing()
                && !self.submitted.values().any(|other| other == class)
                && !closes(*class)
        };
        TopicClass::all()
            .filter(is_idle)
            .find_map(|class| self.probe(class))
    }

    /// The lowest of the device that was tried least: one that is refused for its own sake is not to speak for all the others.
    fn probe(&self, class: TopicClass) -> Option<Sequence> {
        let mut devices = HashSet::new();
        let free = self.free_parked(class);
        let lowest = free.filter(|(_, entry)| devices.insert(entry.device.as_str()));
        lowest
            .min_by_key(|(_, entry)| entry.attempts)
            .map(|(sequence, _)| sequence)
    }

    /// One record of a topic that waits alone and is to be tried again.
    fn next_of_topics(&self, now: Now) -> Option<Sequence> {
        let mut due = self.setbacks.due(now.at);
        let may_go = |(class, sequence): &(TopicClass, Sequence)| {
            let entry = self.entries.get(sequence);
            entry.is_some_and(|entry| {
                !self.is_closed(*class)
                    && !self.is_behind(*sequence, entry)
                    && !self.is_in_doubt(&entry.device, *class)
            })
        };
        due.find(may_go).map(|(_, sequence)| sequence)
    }

    /// Those of a class that are not known to kill and may go before the others of their device, in order.
    fn free_parked(&self, class: TopicClass) -> impl Iterator<Item = (Sequence, &Entry<T>)> {
        let parked = self
            .parked
            .of(class)
            .iter()
            .filter(|sequence| !self.is_held(**sequence));
        let parked = parked.filter_map(|sequence| Some((*sequence, self.entries.get(sequence)?)));
        parked.filter(move |(sequence, entry)| {
            !self.is_behind(*sequence, entry) && !self.is_in_doubt(&entry.device, class)
        })
    }

    /// Whether a record of the same device, of a class that flows, is to go before this one.
    fn is_behind(&self, sequence: Sequence, entry: &Entry<T>) -> bool {
        self.devices
            .get(&entry.device)
            .and_then(|queue| queue.front())
            .is_some_and(|head| *head < sequence)
    }
}
