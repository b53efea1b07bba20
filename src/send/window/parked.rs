//! Records that stand aside: with a class or topic that does not flow, or alone because the connection dies on them.
//!
//! Promises: such a record is out of its device's way, and takes its old place again when it may flow. Deliberately decides nothing:
//! `flow`, `setbacks` and `suspicion` do.

use super::suspicion::Suspicion;
use super::topic_class::{Timeliness, TopicClass};
use super::{Entry, Now, State, Window};
use boxbridge_event::Sequence;

impl<T> Window<T> {
    /// Whether this record is the one that the connection dies on: to be set aside instead of admitted.
    pub fn is_condemned(&self, sequence: Sequence) -> bool {
        self.suspicion
            .as_ref()
            .is_some_and(|suspicion| suspicion.is_condemned(sequence))
    }

    /// Whether this record is held back, since the connection died on it alone.
    pub fn is_suspect(&self, sequence: Sequence) -> bool {
        self.is_held(sequence)
    }

    /// It is set aside.
    pub fn condemned(&mut self, sequence: Sequence) {
        self.suspicion
            .iter_mut()
            .for_each(|suspicion| suspicion.forget(sequence));
        self.unpark_open();
    }

    /// Suspects that their source does not have any more are none.
    pub fn forget_gone(&mut self, is_there: impl Fn(Sequence) -> bool) {
        let suspicion = self.suspicion.iter_mut();
        suspicion.for_each(|suspicion| suspicion.forget_gone(&is_there));
    }

    /// Classes of which single records are held back, since the connection dies on them, and how many.
    pub fn suspects(&self) -> impl Iterator<Item = (TopicClass, usize)> {
        self.suspicion.iter().flat_map(Suspicion::held)
    }

    pub(super) fn is_held(&self, sequence: Sequence) -> bool {
        self.suspicion
            .as_ref()
            .is_some_and(|suspicion| suspicion.holds(sequence))
    }

    pub(super) fn is_closed(&self, class: TopicClass) -> bool {
        let closes = |suspicion: &Suspicion| suspicion.closes(class);
        !self.flows.of(class).is_open() || self.suspicion.as_ref().is_some_and(closes)
    }

    /// Whether a record of this topic may not go now, whatever else of its device may.
    pub(super) fn is_stopped_topic(&self, device: &str, class: TopicClass) -> bool {
        self.is_closed(class) || self.setbacks.is_aside(device, class)
    }

    /// Out of its device's way; out of the window, where others of its class that come before it were left.
    pub(super) fn park(&mut self, sequence: Sequence, class: TopicClass) {
        if self.has_left_before(sequence, class) {
            return self.leave(sequence);
        }

        self.leave_place(sequence);
        let is_held = self.is_held(sequence);
        let Some(entry) = self.entries.get_mut(&sequence) else {
            return;
        };
        entry.state = State::Parked(class);
        if is_held || !self.setbacks.put(&entry.device, class, sequence) {
            self.parked.of_mut(class).insert(sequence);
        }
    }

    /// What was to be tried again on its own waits with the others, or one of them would be tried before it.
    pub(super) fn park_retrying(
        &mut self,
        class: TopicClass,
        is_meant: impl Fn(&Entry<T>) -> bool,
    ) {
        let is_of_it = |sequence: &Sequence| {
            let entry = self.entries.get(sequence);
            entry.is_some_and(|entry| {
                is_meant(entry) && entry.refused.is_some_and(|(other, _)| other == class)
            })
        };

        let retrying: Vec<_> = self.retrying.iter().copied().filter(is_of_it).collect();
        retrying
            .into_iter()
            .for_each(|sequence| self.park(sequence, class));
    }

    pub(super) fn unpark(&mut self, sequence: Sequence, class: TopicClass) {
        if self.has_left_before(sequence, class) {
            return self.leave(sequence);
        }

        self.leave_place(sequence);
        if self.set_state(sequence, State::Queued) {
            self.queue(sequence);
        }
    }

    fn has_left_before(&self, sequence: Sequence, class: TopicClass) -> bool {
        let entry = self.entries.get(&sequence);
        entry.is_some_and(|entry| self.is_left(entry, class, sequence))
    }

    /// What stood aside with a class that flows takes its place again.
    pub(super) fn unpark_open(&mut self) {
        for class in TopicClass::all() {
            if self.parked.of(class).is_empty() || self.is_closed(class) {
                continue;
            }
            let parked = self.parked.of(class).iter().copied();
            let free: Vec<_> = parked.filter(|sequence| !self.is_held(*sequence)).collect();
            free.into_iter()
                .for_each(|sequence| self.unpark(sequence, class));
        }
    }

    /// What has become too late for a live topic that does not flow may go to the late one.
    pub(super) fn unpark_late(&mut self, now: Now) {
        for live in TopicClass::all().filter(|class| class.timeliness == Timeliness::Live) {
            let late = TopicClass {
                timeliness: Timeliness::Late,
                ..live
            };
            self.too_late_for(live, now)
                .into_iter()
                .for_each(|sequence| self.unpark(sequence, late));
        }
    }

    fn too_late_for(&self, live: TopicClass, now: Now) -> Vec<Sequence> {
        let is_late = |sequence: &Sequence| {
            let entry = self.entries.get(sequence);
            entry.is_some_and(|entry| self.class(entry, now) != live)
        };
        let parked = self.parked.of(live).iter().copied();
        let parked = parked
            .filter(|sequence| !self.is_held(*sequence))
            .take_while(is_late);

        let of_topics = self.setbacks.waiting();
        let of_topics = of_topics.filter(|(_, class, _)| *class == live);
        parked
            .chain(
                of_topics.flat_map(|(_, _, waiting)| waiting.iter().copied().take_while(is_late)),
            )
            .collect()
    }
}
