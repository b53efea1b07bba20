//! What a refusal means: the record is set aside, or it waits, with its device or with its whole template.
//!
//! Promises: what passes by itself sets nothing aside, ever. Deliberately says nothing: the caller has the other side's words.

use std::time::Instant;

use super::flow::Course;
use super::template::Template;
use super::{State, Window};
use crate::send::Reason;
use boxbridge_event::Sequence;

/// A record that alone is refused so often without a reason, while others of its template are taken, is itself the reason: half a minute.
const UNEXPLAINED_TRIES: u32 = 6;

/// What to do with a refused record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    SetAside,
    /// It is tried again later. One that waits alone is said once, a template as often as it is refused.
    Wait(Option<Extent>),
}

/// What waits after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    Device,
    Template(Template),
}

impl<T> Window<T> {
    /// The destination refused it.
    pub fn refused(&mut self, sequence: Sequence, reason: Reason, now: Instant) -> Consequence {
        self.suspicion
            .iter_mut()
            .for_each(|suspicion| suspicion.answered(sequence));
        let waits_already = self.waits_for_another_try(sequence);
        let Some(entry) = self.entries.get_mut(&sequence) else {
            return Consequence::Wait(None);
        };
        let State::Submitted { template, .. } = entry.state else {
            return Consequence::Wait(None);
        };
        let flow = &mut self.flows[template.index()];
        let (_, taken_before) = *entry.refused.get_or_insert((template, flow.taken));
        let is_odd_one_out = reason == Reason::Unexplained
            && entry.attempts >= UNEXPLAINED_TRIES
            && flow.taken > taken_before;
        if reason.is_about_the_record() || is_odd_one_out {
            flow.came_through();
            return Consequence::SetAside;
        }
        // One device whose quota is used up must not pause a type for all the others.
        let counts = !reason.passes() || (entry.attempts == 1 && !waits_already);
        let course = flow.refused(reason, entry.attempts, counts, now);
        if course == Course::SetAside {
            return Consequence::SetAside;
        }
        self.alone = self.alone.filter(|alone| *alone != sequence);
        let is_news = matches!(course, Course::Retry(_)) && flow.is_news(now);
        self.leave_place(sequence);
        match course {
            Course::Retry(pause) => {
                self.retry(sequence, now + pause);
                Consequence::Wait(is_news.then_some(Extent::Device))
            }
            Course::Pause | Course::SetAside => {
                self.park(sequence, template);
                self.park_retrying(template);
                Consequence::Wait(Some(Extent::Template(template)))
            }
        }
    }

    /// Whether the device of this record has another that was refused, and waits.
    fn waits_for_another_try(&self, sequence: Sequence) -> bool {
        let device = |sequence: &Sequence| self.entries.get(sequence).map(|entry| &entry.device);
        self.retrying
            .iter()
            .any(|other| device(other) == device(&sequence))
    }
}
