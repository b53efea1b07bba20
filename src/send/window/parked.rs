//! Records that stand aside: with a template or topic that does not flow, or alone because the connection dies on them.
//!
//! Promises: such a record is out of its device's way, and takes its old place again when it may flow. Deliberately decides nothing:
//! `flow`, `setbacks` and `suspicion` do.

use super::suspicion::Suspicion;
use super::template::{Template, Timeliness};
use super::{Entry, Now, State, Window};
use boxbridge_event::Sequence;

impl<T> Window<T> {
    /// Whether this record is the one that the connection dies on: to be set aside instead of admitted.
    pub fn is_condemned(&self, sequence: Sequence) -> bool {
        self.suspicion
            .as_ref()
            .is_some_and(|suspicion| suspicion.is_condemned(sequence))
    }

    /// It is set aside.
    pub fn condemned(&mut self, sequence: Sequence) {
        self.suspicion
            .iter_mut()
            .for_each(|suspicion| suspicion.forget(sequence));
        self.unpark_open();
    }

    /// Templates of which single records are held back, since the connection dies on them, and how many.
    pub fn suspects(&self) -> impl Iterator<Item = (Template, usize)> {
        self.suspicion.iter().flat_map(Suspicion::held)
    }

    pub(super) fn is_held(&self, sequence: Sequence) -> bool {
        self.suspicion
            .as_ref()
            .is_some_and(|suspicion| suspicion.holds(sequence))
    }

    pub(super) fn is_closed(&self, template: Template) -> bool {
        let closes = |suspicion: &Suspicion| suspicion.closes(template);
        !self.flows[template.index()].is_open() || self.suspicion.as_ref().is_some_and(closes)
    }

    /// Whether a record of this topic may not go now, whatever else of its device may.
    pub(super) fn is_stopped_topic(&self, device: &str, template: Template) -> bool {
        self.is_closed(template) || self.setbacks.is_aside(device, template)
    }

    /// Out of its device's way; out of the window, where others of its template that come before it were left.
    pub(super) fn park(&mut self, sequence: Sequence, template: Template) {
        if self.has_left_before(sequence, template) {
            return self.leave(sequence);
        }

        self.leave_place(sequence);
        let is_held = self.is_held(sequence);
        let Some(entry) = self.entries.get_mut(&sequence) else {
            return;
        };
        entry.state = State::Parked(template);
        if is_held || !self.setbacks.put(&entry.device, template, sequence) {
            self.parked[template.index()].insert(sequence);
        }
    }

    /// What was to be tried again on its own waits with the others, or one of them would be tried before it.
    pub(super) fn park_retrying(
        &mut self,
        template: Template,
        is_meant: impl Fn(&Entry<T>) -> bool,
    ) {
        let is_of_it = |sequence: &Sequence| {
            let entry = self.entries.get(sequence);
            entry.is_some_and(|entry| {
                is_meant(entry) && entry.refused.is_some_and(|(other, _)| other == template)
            })
        };

        let retrying: Vec<_> = self.retrying.iter().copied().filter(is_of_it).collect();
        retrying
            .into_iter()
            .for_each(|sequence| self.park(sequence, template));
    }

    pub(super) fn unpark(&mut self, sequence: Sequence, template: Template) {
        if self.has_left_before(sequence, template) {
            return self.leave(sequence);
        }

        self.leave_place(sequence);
        if self.set_state(sequence, State::Queued) {
            self.queue(sequence);
        }
    }

    fn has_left_before(&self, sequence: Sequence, template: Template) -> bool {
        let entry = self.entries.get(&sequence);
        entry.is_some_and(|entry| self.is_left(entry, template, sequence))
    }

    /// What stood aside with a template that flows takes its place again.
    pub(super) fn unpark_open(&mut self) {
        for template in Template::all() {
            if self.parked[template.index()].is_empty() || self.is_closed(template) {
                continue;
            }
            let parked = self.parked[template.index()].iter().copied();
            let free: Vec<_> = parked.filter(|sequence| !self.is_held(*sequence)).collect();
            free.into_iter()
                .for_each(|sequence| self.unpark(sequence, template));
        }
    }

    /// What has become too late for a live topic that does not flow may go to the late one.
    pub(super) fn unpark_late(&mut self, now: Now) {
        for live in Template::all().filter(|template| template.timeliness == Timeliness::Live) {
            let late = Template {
                timeliness: Timeliness::Late,
                ..live
            };
            self.too_late_for(live, now)
                .into_iter()
                .for_each(|sequence| self.unpark(sequence, late));
        }
    }

    fn too_late_for(&self, live: Template, now: Now) -> Vec<Sequence> {
        let is_late = |sequence: &Sequence| {
            let entry = self.entries.get(sequence);
            entry.is_some_and(|entry| self.template(entry, now) != live)
        };
        let parked = self.parked[live.index()].iter().copied();
        let parked = parked
            .filter(|sequence| !self.is_held(*sequence))
            .take_while(is_late);

        let of_topics = self.setbacks.waiting();
        let of_topics = of_topics.filter(|(_, template, _)| *template == live);
        parked
            .chain(
                of_topics.flat_map(|(_, _, waiting)| waiting.iter().copied().take_while(is_late)),
            )
            .collect()
    }
}
