//! Records that stand aside: with a template that does not flow, or alone because the connection dies on them; and their trials.
//!
//! Promises: what stands aside is out of its device's way, and takes its old place again when it may flow; where it fills the window, its person
//! type goes back to the cursor, so that the others are read on. Deliberately decides nothing: `flow` and `suspicion` do.

use std::time::{Duration, Instant};

use super::suspicion::{Suspicion, Trial};
use super::template::{Template, Timeliness};
use super::{Entry, Now, READ_AHEAD, SPAN, State, Window, span};
use crate::event::{PersonType, Sequence};

/// A type that fills the window is read again after this long at the earliest.
const SET_DOWN: Duration = Duration::from_secs(1);
/// A type fills the window from an eighth of it on: there are six types, so of a window that is full of what does not flow, one has as much.
const FILLS: usize = 8;

impl<T> Window<T> {
    /// Whether this record is the one that the connection dies on: to be set aside instead of admitted.
    pub fn is_condemned(&self, sequence: Sequence) -> bool {
        self.suspicion.as_ref().is_some_and(|suspicion| suspicion.is_condemned(sequence))
    }

    /// It is set aside.
    pub fn condemned(&mut self, sequence: Sequence) {
        self.suspicion.iter_mut().for_each(|suspicion| suspicion.forget(sequence));
        self.unpark_open();
    }

    /// Templates of which single records are held back, since the connection dies on them, and how many.
    pub fn suspects(&self) -> impl Iterator<Item = (Template, usize)> {
        self.suspicion.iter().flat_map(Suspicion::held)
    }

    pub(super) fn is_held(&self, sequence: Sequence) -> bool {
        self.suspicion.as_ref().is_some_and(|suspicion| suspicion.holds(sequence))
    }

    pub(super) fn is_closed(&self, template: Template) -> bool {
        let closes = |suspicion: &Suspicion| suspicion.closes(template);
        !self.flows[template.index()].is_open() || self.suspicion.as_ref().is_some_and(closes)
    }

    /// What is to be alone in the session now.
    pub(super) fn next_trial(&self, now: Now) -> Option<Sequence> {
        let suspicion = self.suspicion.as_ref()?;
        let is_here = |sequence: &Sequence| self.entries.get(sequence).is_some_and(|entry| matches!(entry.state, State::Parked(_)));
        let trials = suspicion.trials(now.at).into_iter();
        let mut found = trials.filter_map(|trial| match trial {
            Trial::Of(sequence) => Some(sequence).filter(is_here),
            Trial::Successor(template) => self.untried(template, now),
            Trial::Another(template) => {
                self.untried(template, now).or_else(|| suspicion.killers(template).into_iter().find(is_here))
            }
        });
        found.next().or_else(|| {
            let is_ready = |sequence: &Sequence| {
                let flows = |entry: &&Entry<T>| !self.is_closed(self.template(entry, now));
                self.entries.get(sequence).filter(flows).is_some_and(|entry| self.ready.contains(&(entry.replayed, *sequence)))
            };
            suspicion.isolated().into_iter().find(is_ready)
        })
    }

    /// The lowest of a template that is not known to kill.
    fn untried(&self, template: Template, now: Now) -> Option<Sequence> {
        let parked = self.parked[template.index()].iter().copied().find(|sequence| !self.is_held(*sequence));
        let is_of_it = |sequence: &Sequence| self.entries.get(sequence).is_some_and(|entry| self.template(entry, now) == template);
        parked.or_else(|| self.ready.iter().map(|(_, sequence)| *sequence).find(is_of_it))
    }

    /// One record of a template whose pause is over.
    pub(super) fn next_probe(&self) -> Option<Sequence> {
        let probing = Template::all().filter(|template| self.flows[template.index()].is_probing());
        let idle = probing.filter(|template| {
            let is_of_it = |sequence: &Sequence| {
                let state = self.entries.get(sequence).map(|entry| entry.state);
                matches!(state, Some(State::Submitted { template: other, .. }) if other == *template)
            };
            !self.submitted.iter().any(is_of_it) && !self.suspicion.as_ref().is_some_and(|suspicion| suspicion.closes(*template))
        });
        let mut lowest =
            idle.filter_map(|template| self.parked[template.index()].iter().copied().find(|sequence| !self.is_held(*sequence)));
        lowest.next()
    }

    /// Out of its device's way.
    pub(super) fn park(&mut self, sequence: Sequence, template: Template) {
        self.leave_place(sequence);
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.state = State::Parked(template);
            self.parked[template.index()].insert(sequence);
        }
    }

    /// What was to be tried again on its own waits with the others, or one of them would be tried before it.
    pub(super) fn park_retrying(&mut self, template: Template) {
        let refused = |sequence: &Sequence| self.entries.get(sequence).and_then(|entry| entry.refused);
        let is_of_it = |sequence: &Sequence| refused(sequence).is_some_and(|(other, _)| other == template);
        let retrying: Vec<_> = self.retrying.iter().copied().filter(is_of_it).collect();
        retrying.into_iter().for_each(|sequence| self.park(sequence, template));
    }

    fn unpark(&mut self, sequence: Sequence) {
        self.leave_place(sequence);
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.state = State::Queued;
            self.queue(sequence);
        }
    }

    /// What stood aside with a template that flows takes its place again.
    pub(super) fn unpark_open(&mut self) {
        let filled: Vec<_> = Template::all().filter(|template| !self.parked[template.index()].is_empty()).collect();
        for template in filled {
            if self.is_closed(template) {
                continue;
            }
            let parked = self.parked[template.index()].iter().copied();
            let free: Vec<_> = parked.filter(|sequence| !self.is_held(*sequence)).collect();
            free.into_iter().for_each(|sequence| self.unpark(sequence));
        }
    }

    /// What has become too late for a live topic that does not flow may go to the late one.
    pub(super) fn unpark_late(&mut self, now: Now) {
        for live in Template::all().filter(|template| template.timeliness == Timeliness::Live) {
            while let Some(sequence) = self.parked[live.index()].first().copied() {
                let is_late = self.entries.get(&sequence).is_some_and(|entry| self.template(entry, now) != live);
                if !is_late || self.is_held(sequence) {
                    break;
                }
                self.unpark(sequence);
            }
        }
    }

    /// It waits for another try in front of its device.
    pub(super) fn retry(&mut self, sequence: Sequence, until: Instant) {
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.state = State::Waiting(Some(until));
            self.deadlines.insert((until, sequence));
            self.retrying.insert(sequence);
            self.queue(sequence);
        }
    }

    /// The type that fills the window with what does not flow, if nothing can be read for that: it is out of the window now, and is to be read
    /// again later.
    pub fn clogged(&mut self, now: Instant) -> Option<PersonType> {
        if self.has_room() {
            return None;
        }
        let person_type = *PersonType::ALL.iter().find(|person_type| self.fills(**person_type))?;
        let of_type = Template::all().filter(|template| template.person_type == person_type);
        let closed = of_type.flat_map(|template| {
            let gate = self.suspicion.as_ref().and_then(|suspicion| suspicion.closed_until(template));
            [self.flows[template.index()].paused_until(), gate]
        });
        let until = closed.flatten().min().unwrap_or(now).max(now + SET_DOWN);
        self.set_down[usize::from(person_type.number())] = Some(until);
        let of_type = self.entries.iter().filter(|(_, entry)| entry.person_type == person_type);
        let out: Vec<_> =
            of_type.filter(|(sequence, _)| !self.submitted.contains(sequence)).map(|(sequence, _)| *sequence).collect();
        out.into_iter().for_each(|sequence| self.drop_out(sequence));
        Some(person_type)
    }

    /// Whether a type has something that does not flow, and a good part of the window.
    fn fills(&self, person_type: PersonType) -> bool {
        let of_type = Template::all().filter(|template| template.person_type == person_type);
        let parked = of_type.flat_map(|template| self.parked[template.index()].iter());
        let is_of_type = |sequence: &&Sequence| self.entries.get(sequence).is_some_and(|entry| entry.person_type == person_type);
        if parked.chain(&self.retrying).find(is_of_type).is_none() {
            return false;
        }
        let waiting = self.entries.values().filter(|entry| entry.person_type == person_type);
        let (records, bytes) = waiting.fold((0, 0), |(records, bytes), entry| (records + 1, bytes + entry.held_bytes));
        let spans = self.live.get(usize::from(person_type.number())).map_or(0, span);
        FILLS * records >= self.settings.records * READ_AHEAD
            || FILLS * bytes >= self.settings.bytes
            || spans >= self.settings.records as u64 * SPAN
    }

    /// Out of the window without an answer; what is known of it stays.
    fn drop_out(&mut self, sequence: Sequence) {
        self.leave_place(sequence);
        let Some(entry) = self.entries.remove(&sequence) else { return };
        self.held_bytes -= entry.held_bytes;
        self.live[usize::from(entry.person_type.number())].remove(&sequence);
    }

    /// Types that the cursor is to read again.
    pub fn resumable(&mut self, now: Instant) -> Vec<PersonType> {
        let set_down = PersonType::ALL.iter().zip(&mut self.set_down);
        set_down.filter_map(|(person_type, until)| until.take_if(|until| *until <= now).map(|_| *person_type)).collect()
    }

    /// Takes its place among those of its device.
    pub(super) fn queue(&mut self, sequence: Sequence) {
        let Some(entry) = self.entries.get(&sequence) else { return };
        let device = entry.device.clone();
        let queue = self.devices.entry(device.clone()).or_default();
        let place = queue.iter().position(|other| *other > sequence).unwrap_or(queue.len());
        queue.insert(place, sequence);
        let behind = queue.get(1).copied().filter(|_| place == 0);
        if let Some(behind) = behind.and_then(|behind| Some((self.entries.get(&behind)?.replayed, behind))) {
            self.ready.remove(&behind);
        }
        self.look_at_head(&device);
    }

    /// Whatever it stood in.
    pub(super) fn leave_place(&mut self, sequence: Sequence) {
        let Some(entry) = self.entries.get(&sequence) else { return };
        match entry.state {
            State::Submitted { bytes, .. } => {
                if self.submitted.remove(&sequence) {
                    self.submitted_bytes -= bytes;
                }
                return;
            }
            State::Parked(template) => {
                self.parked[template.index()].remove(&sequence);
                return;
            }
            State::Waiting(Some(until)) => drop(self.deadlines.remove(&(until, sequence))),
            State::Waiting(None) | State::Queued => {}
        }
        self.waiting.remove(&sequence);
        self.retrying.remove(&sequence);
        self.ready.remove(&(entry.replayed, sequence));
        let device = entry.device.clone();
        let Some(queue) = self.devices.get_mut(&device) else { return };
        queue.retain(|other| *other != sequence);
        if queue.is_empty() {
            self.devices.remove(&device);
        } else {
            self.look_at_head(&device);
        }
    }

    pub(super) fn look_at_head(&mut self, device: &str) {
        let Some(head) = self.devices.get(device).and_then(|queue| queue.front()).copied() else { return };
        if let Some(entry) = self.entries.get(&head).filter(|entry| entry.state == State::Queued) {
            self.ready.insert((entry.replayed, head));
        }
    }
}
