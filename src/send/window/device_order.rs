//! The order of a device: where each of its records stands while it waits, in line or aside.
//!
//! Promises: a device's records stand in the order of the log; whatever leaves its place is counted nowhere any more. Deliberately
//! decides nothing.

use std::time::Instant;

use super::{State, Window};
use boxbridge_event::Sequence;

impl<T> Window<T> {
    /// It cannot be made into a message yet: it waits in front of its device until then, or until it is released. One that is to be tried alone
    /// keeps its place, and everything else waits with it: false.
    pub fn hold(&mut self, sequence: Sequence, until: Option<Instant>) -> bool {
        self.alone = self.alone.filter(|alone| *alone != sequence);
        let is_aside = |state| matches!(state, State::Parked(_));
        if self
            .entries
            .get(&sequence)
            .is_none_or(|entry| is_aside(entry.state))
        {
            return false;
        }

        self.leave_place(sequence);
        match until {
            Some(until) => self.retry(sequence, until),
            None => {
                self.set_state(sequence, State::Waiting(None));
                self.queue(sequence);
            }
        }
        true
    }

    /// It waits for another try in front of its device.
    pub(super) fn retry(&mut self, sequence: Sequence, until: Instant) {
        if !self.set_state(sequence, State::Retrying(until)) {
            return;
        }
        self.deadlines.insert((until, sequence));
        self.retrying.insert(sequence);
        self.queue(sequence);
    }

    /// Whether it is here.
    pub(super) fn set_state(&mut self, sequence: Sequence, state: State) -> bool {
        let entry = self.entries.get_mut(&sequence);
        entry.map(|entry| entry.state = state).is_some()
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

        // The one that was the first of its device is so no more.
        let behind = queue.get(1).copied().filter(|_| place == 0);
        if let Some(behind) = behind
            && let Some(entry) = self.entries.get(&behind)
        {
            self.ready.remove(&(entry.replayed, behind));
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
                if self.submitted.remove(&sequence).is_some() {
                    self.submitted_bytes -= bytes;
                }
                self.resubmitted.remove(&sequence);
            }
            State::Parked(class) => {
                if !self.parked.of_mut(class).remove(&sequence) {
                    self.setbacks.remove(&entry.device, class, sequence);
                }
            }
            State::Waiting(Some(until)) | State::Retrying(until) => {
                self.deadlines.remove(&(until, sequence));
                self.leave_line(sequence);
            }
            State::Waiting(None) | State::Queued => self.leave_line(sequence),
        }
    }

    fn leave_line(&mut self, sequence: Sequence) {
        let Some(entry) = self.entries.get(&sequence) else {
            return;
        };
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
        let queue = self.devices.get(device);
        let Some(head) = queue.and_then(|queue| queue.front()).copied() else {
            return;
        };
        let entry = self.entries.get(&head);
        if let Some(entry) = entry.filter(|entry| entry.state == State::Queued) {
            self.ready.insert((entry.replayed, head));
        }
    }
}
