//! What an answer means: the record is out of the window, is to be set aside, or waits, with its device, its topic or its whole class.
//!
//! Promises: what passes by itself sets nothing aside, ever. Deliberately says nothing: the caller has the other side's words.

use std::time::Instant;

use super::flow::Course;
use super::topic_class::TopicClass;
use super::{Now, Replayed, State, Window};
use crate::send::Reason;
use boxbridge_event::Sequence;

/// A record that alone is refused so often without a reason, while others of its class are taken, is itself the reason: half a minute.
const UNEXPLAINED_TRIES: u32 = 6;

/// What to do with a refused record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    SetAside,
    /// It is tried again later. Nothing waits where the record is not known.
    Wait(Option<Extent>),
}

/// What waits after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// This class on one device, and for the first few tries the whole device.
    Topic(TopicClass),
    Class(TopicClass),
}

impl<T> Window<T> {
    /// It is in the session now.
    pub fn submitted(&mut self, sequence: Sequence, bytes: usize, now: Now) {
        let Some(entry) = self.entries.get(&sequence) else {
            return;
        };
        let class = self.class(entry, now);

        self.leave_place(sequence);
        let Some(entry) = self.entries.get_mut(&sequence) else {
            return;
        };
        entry.state = State::Submitted {
            class,
            bytes,
            at: now.at,
        };
        entry.attempts += 1;
        if entry.refused.is_some() {
            self.resubmitted.insert(sequence);
        }

        self.submitted.insert(sequence, class);
        self.submitted_bytes += bytes;
        self.pace.submitted(self.submitted_bytes, now.at);
    }

    /// It is answered, or there was nothing to send: out of the window.
    pub fn answered(&mut self, sequence: Sequence, now: Instant) -> Option<T> {
        self.leave_place(sequence);
        let entry = self.entries.remove(&sequence)?;

        self.alone = self.alone.filter(|alone| *alone != sequence);
        self.full_since = None;
        self.held_bytes -= entry.held_bytes;
        if entry.replayed != Replayed::No {
            self.replayed.records -= 1;
            self.replayed.bytes -= entry.held_bytes;
        }
        self.live.of_mut(entry.person_type).remove(&sequence);

        if let Some((class, _)) = entry.refused {
            self.setbacks.gone(&entry.device, class, now);
        }
        self.suspicion
            .iter_mut()
            .for_each(|suspicion| suspicion.forget(sequence));
        self.unpark_open();
        Some(entry.payload)
    }

    /// Nothing of it is sent: its class is none that is refused any more.
    pub fn skipped(&mut self, sequence: Sequence, now: Now) -> Option<T> {
        let entry = self.entries.get(&sequence)?;
        let class = self.class(entry, now);
        self.flows.of_mut(class).judged_for_itself();
        self.answered(sequence, now.at)
    }

    /// The destination took it: its topic flows, and the connection lives.
    pub fn taken(&mut self, sequence: Sequence, now: Instant) -> Option<T> {
        let entry = self.entries.get(&sequence)?;
        let State::Submitted { class, bytes, at } = entry.state else {
            return self.answered(sequence, now);
        };

        let freed = self.setbacks.taken(&entry.device, class);
        self.flows.of_mut(class).took();
        self.suspicion
            .iter_mut()
            .for_each(|suspicion| suspicion.taken(sequence, class, now));

        let in_flight = self.submitted_bytes - bytes;
        let took = now.saturating_duration_since(at);
        self.pace.answered(bytes, took, in_flight, now);

        let payload = self.answered(sequence, now);
        freed
            .into_iter()
            .for_each(|sequence| self.unpark(sequence, class));
        payload
    }

    /// The destination refused it.
    pub fn refused(&mut self, sequence: Sequence, reason: Reason, now: Instant) -> Consequence {
        self.suspicion
            .iter_mut()
            .for_each(|suspicion| suspicion.answered(sequence));
        let Some(State::Submitted { class, .. }) =
            self.entries.get(&sequence).map(|entry| entry.state)
        else {
            return Consequence::Wait(None);
        };

        let course = self.course(sequence, class, reason, now);
        if course == Course::SetAside {
            return Consequence::SetAside;
        }
        self.alone = self.alone.filter(|alone| *alone != sequence);
        self.leave_place(sequence);
        Consequence::Wait(Some(match course {
            Course::Retry => self.set_back(sequence, class, now),
            Course::Pause | Course::SetAside => self.wait_with_class(sequence, class),
        }))
    }

    fn course(
        &mut self,
        sequence: Sequence,
        class: TopicClass,
        reason: Reason,
        now: Instant,
    ) -> Course {
        let waits_already = self.waits_for_another_try(sequence, class);
        let Some(entry) = self.entries.get_mut(&sequence) else {
            return Course::Retry;
        };
        if entry.replayed == Replayed::SetAside {
            return Course::SetAside;
        }
        let flow = self.flows.of_mut(class);
        let (_, taken_before) = *entry.refused.get_or_insert((class, flow.taken));

        let is_odd_one_out = reason == Reason::Unexplained
            && entry.attempts >= UNEXPLAINED_TRIES
            && flow.taken > taken_before;
        if reason.is_about_its_content() {
            return flow.misfit(reason, now);
        }
        if reason.is_about_the_record() || is_odd_one_out {
            flow.judged_for_itself();
            return Course::SetAside;
        }

        // One device whose quota is used up must not pause a type for all the others.
        let counts = !reason.passes() || (entry.attempts == 1 && !waits_already);
        flow.refused(reason, counts, now)
    }

    /// Whether another record of this topic or of its device was refused, and waits.
    fn waits_for_another_try(&self, sequence: Sequence, class: TopicClass) -> bool {
        let Some(entry) = self.entries.get(&sequence) else {
            return false;
        };
        let is_of_it = |other: &Sequence| {
            let other = self.entries.get(other);
            other.is_some_and(|other| other.device == entry.device)
        };
        self.setbacks.has(&entry.device, class) || self.retrying.iter().any(is_of_it)
    }

    /// It is tried again: in front of its device, and from the third try on in front of its topic.
    fn set_back(&mut self, sequence: Sequence, class: TopicClass, now: Instant) -> Extent {
        let Some(entry) = self.entries.get(&sequence) else {
            return Extent::Topic(class);
        };
        let device = entry.device.clone();
        let again = self.setbacks.refused(&device, class, now);

        if self.setbacks.is_aside(&device, class) {
            self.park(sequence, class);
            self.park_retrying(class, |entry| entry.device == device);
        } else {
            self.retry(sequence, again);
        }
        Extent::Topic(class)
    }

    fn wait_with_class(&mut self, sequence: Sequence, class: TopicClass) -> Extent {
        let set_back = self.setbacks.give_up(class);
        set_back
            .into_iter()
            .for_each(|sequence| self.park(sequence, class));

        self.park(sequence, class);
        self.park_retrying(class, |_| true);
        Extent::Class(class)
    }

    /// Its refused records cannot be set aside: nothing of its class is sent until they can.
    pub fn block(&mut self, class: TopicClass, is_blocked: bool) {
        self.flows.of_mut(class).block(is_blocked);
        self.unpark_open();
    }
}
