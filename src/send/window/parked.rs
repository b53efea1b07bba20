//! Records that stand aside: with a template that does not flow, or alone because the connection dies on them; and their trials.
//!
//! Promises: what stands aside is out of its device's way, and takes its old place again when it may flow. Deliberately decides nothing: `flow` and
//! `suspicion` do.

use std::collections::HashSet;
use std::time::Instant;

use super::suspicion::{Suspicion, Trial};
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

    /// What is to be alone in the session now.
    pub(super) fn next_trial(&self, now: Now) -> Option<Sequence> {
        let suspicion = self.suspicion.as_ref()?;
        let is_here = |sequence: &Sequence| {
            let is_parked = |entry: &Entry<T>| {
                matches!(entry.state, State::Parked(_)) && !self.is_behind(*sequence, entry)
            };
            self.entries.get(sequence).is_some_and(is_parked)
        };
        let trials = suspicion.trials(now.at).into_iter();
        let mut found = trials.filter_map(|trial| match trial {
            Trial::Of(sequence) => Some(sequence).filter(is_here),
            Trial::Successor(template) => self.untried(template, now),
            Trial::Another(template) => self
                .untried(template, now)
                .or_else(|| suspicion.killers(template).into_iter().find(is_here)),
        });
        found.next().or_else(|| {
            let is_ready = |sequence: &Sequence| {
                let flows = |entry: &&Entry<T>| !self.is_closed(self.template(entry, now));
                self.entries
                    .get(sequence)
                    .filter(flows)
                    .is_some_and(|entry| self.ready.contains(&(entry.replayed, *sequence)))
            };
            suspicion.isolated().into_iter().find(is_ready)
        })
    }

    /// The lowest of a template that is not known to kill.
    fn untried(&self, template: Template, now: Now) -> Option<Sequence> {
        let parked = self
            .free_parked(template)
            .next()
            .map(|(sequence, _)| sequence);
        let is_of_it = |sequence: &Sequence| {
            self.entries
                .get(sequence)
                .is_some_and(|entry| self.template(entry, now) == template)
        };
        parked.or_else(|| {
            self.ready
                .iter()
                .map(|(_, sequence)| *sequence)
                .find(is_of_it)
        })
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
        let mut probes = idle.filter_map(|template| self.probe(template));
        probes.next()
    }

    /// The lowest of the device that was tried least: one that is refused for its own sake is not to speak for all the others.
    fn probe(&self, template: Template) -> Option<Sequence> {
        let mut devices = HashSet::new();
        let free = self.free_parked(template);
        let lowest = free.filter(|(_, entry)| devices.insert(entry.device.as_str()));
        lowest
            .min_by_key(|(_, entry)| entry.attempts)
            .map(|(sequence, _)| sequence)
    }

    /// Those of a template that are not known to kill and may go before the others of their device, in order.
    fn free_parked(&self, template: Template) -> impl Iterator<Item = (Sequence, &Entry<T>)> {
        let parked = self.parked[template.index()]
            .iter()
            .filter(|sequence| !self.is_held(**sequence));
        let parked = parked.filter_map(|sequence| Some((*sequence, self.entries.get(sequence)?)));
        parked.filter(|(sequence, entry)| {
            !self.is_behind(*sequence, entry) && !self.is_in_doubt(&entry.device)
        })
    }

    /// Whether a record of the same device, of a template that flows, is to go before this one.
    fn is_behind(&self, sequence: Sequence, entry: &Entry<T>) -> bool {
        self.devices
            .get(&entry.device)
            .and_then(|queue| queue.front())
            .is_some_and(|head| *head < sequence)
    }

    /// Out of its device's way; out of the window, where others of its template that come before it were left.
    pub(super) fn park(&mut self, sequence: Sequence, template: Template) {
        if self
            .entries
            .get(&sequence)
            .is_some_and(|entry| self.is_left(entry, template, sequence))
        {
            return self.leave(sequence);
        }
        self.leave_place(sequence);
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.state = State::Parked(template);
            self.parked[template.index()].insert(sequence);
        }
    }

    /// What was to be tried again on its own waits with the others, or one of them would be tried before it.
    pub(super) fn park_retrying(&mut self, template: Template) {
        let refused =
            |sequence: &Sequence| self.entries.get(sequence).and_then(|entry| entry.refused);
        let is_of_it =
            |sequence: &Sequence| refused(sequence).is_some_and(|(other, _)| other == template);
        let retrying: Vec<_> = self.retrying.iter().copied().filter(is_of_it).collect();
        retrying
            .into_iter()
            .for_each(|sequence| self.park(sequence, template));
    }

    fn unpark(&mut self, sequence: Sequence, template: Template) {
        if self
            .entries
            .get(&sequence)
            .is_some_and(|entry| self.is_left(entry, template, sequence))
        {
            return self.leave(sequence);
        }
        self.leave_place(sequence);
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.state = State::Queued;
            self.queue(sequence);
        }
    }

    /// What stood aside with a template that flows takes its place again.
    pub(super) fn unpark_open(&mut self) {
        let filled: Vec<_> = Template::all()
            .filter(|template| !self.parked[template.index()].is_empty())
            .collect();
        for template in filled {
            if self.is_closed(template) {
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
            let parked = self.parked[live.index()]
                .iter()
                .copied()
                .filter(|sequence| !self.is_held(*sequence));
            let is_late = |sequence: &Sequence| {
                self.entries
                    .get(sequence)
                    .is_some_and(|entry| self.template(entry, now) != live)
            };
            let late: Vec<_> = parked.take_while(is_late).collect();
            late.into_iter().for_each(|sequence| {
                self.unpark(
                    sequence,
                    Template {
                        timeliness: Timeliness::Late,
                        ..live
                    },
                )
            });
        }
    }

    /// It cannot be made into a message yet: it waits in front of its device until then, or until it is released. One that is to be tried alone
    /// keeps its place, and everything else waits with it: false.
    pub fn hold(&mut self, sequence: Sequence, until: Option<Instant>) -> bool {
        self.alone = self.alone.filter(|alone| *alone != sequence);
        if self
            .entries
            .get(&sequence)
            .is_none_or(|entry| matches!(entry.state, State::Parked(_)))
        {
            return false;
        }

        self.leave_place(sequence);
        match until {
            Some(until) => self.retry(sequence, until),
            None => {
                self.entries
                    .get_mut(&sequence)
                    .into_iter()
                    .for_each(|entry| entry.state = State::Waiting(None));
                self.queue(sequence);
            }
        }
        true
    }

    /// It waits for another try in front of its device.
    pub(super) fn retry(&mut self, sequence: Sequence, until: Instant) {
        if let Some(entry) = self.entries.get_mut(&sequence) {
            entry.state = State::Retrying(until);
            self.deadlines.insert((until, sequence));
            self.retrying.insert(sequence);
            self.queue(sequence);
        }
    }

    /// Takes its place among those of its device.
    pub(super) fn queue(&mut self, sequence: Sequence) {
        let Some(entry) = self.entries.get(&sequence) else {
            return;
        };
        let device = entry.device.clone();
        let queue = self.devices.entry(device.clone()).or_default();
        let place = queue.partition_point(|other| *other < sequence);
        queue.insert(place, sequence);
        let behind = queue.get(1).copied().filter(|_| place == 0);
        if let Some(behind) =
            behind.and_then(|behind| Some((self.entries.get(&behind)?.replayed, behind)))
        {
            self.ready.remove(&behind);
        }
        self.look_at_head(&device);
    }

    /// Whatever it stood in.
    pub(super) fn leave_place(&mut self, sequence: Sequence) {
        let Some(entry) = self.entries.get(&sequence) else {
            return;
        };
        match entry.state {
            State::Submitted { bytes, .. } => {
                if self.submitted.remove(&sequence) {
                    self.submitted_bytes -= bytes;
                }
                self.resubmitted.remove(&sequence);
                return;
            }
            State::Parked(template) => {
                self.parked[template.index()].remove(&sequence);
                return;
            }
            State::Waiting(Some(until)) | State::Retrying(until) => {
                self.deadlines.remove(&(until, sequence));
            }
            State::Waiting(None) | State::Queued => {}
        }
        self.waiting.remove(&sequence);
        self.retrying.remove(&sequence);
        self.ready.remove(&(entry.replayed, sequence));
        let device = entry.device.clone();
        let Some(queue) = self.devices.get_mut(&device) else {
            return;
        };
        if let Ok(place) = queue.binary_search(&sequence) {
            queue.remove(place);
        }
        if queue.is_empty() {
            self.devices.remove(&device);
        } else {
            self.look_at_head(&device);
        }
    }

    pub(super) fn look_at_head(&mut self, device: &str) {
        let Some(head) = self
            .devices
            .get(device)
            .and_then(|queue| queue.front())
            .copied()
        else {
            return;
        };
        if let Some(entry) = self
            .entries
            .get(&head)
            .filter(|entry| entry.state == State::Queued)
        {
            self.ready.insert((entry.replayed, head));
        }
    }
}
