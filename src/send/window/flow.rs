//! How one class fares at one destination: open, paused after too many refusals, or probed with one record.
//!
//! Promises: what a broker refuses for lack of a permission pauses the class. So does content that it refuses again and again
//! without taking anything in between: that is a matter of settings. Deliberately knows no device: `setbacks` does.

use std::time::{Duration, Instant};

use super::setbacks;
use crate::send::Reason;

/// More refusals than this in a minute are a matter of settings or of the destination, not of records.
const REFUSALS_PER_MINUTE: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// The first pause of a refused class, doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, Default)]
pub struct Flow {
    state: State,
    refusals: Count,
    /// Records refused for their content since one was last taken.
    misfits: Count,
    /// Its refused records cannot be set aside for now.
    is_blocked: bool,
    /// Records taken so far.
    pub taken: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Open,
    Paused {
        until: Instant,
        pause: Duration,
    },
    /// One record at a time, to see whether it is taken now.
    Probing {
        pause: Duration,
    },
}

/// Of what happened within a minute of the first.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    began: Option<Instant>,
    number: u32,
}

impl Count {
    fn add(&mut self, number: u32, now: Instant) {
        let is_over = |began| now.duration_since(began) > MINUTE;
        if self.began.is_none_or(is_over) {
            (self.began, self.number) = (Some(now), 0);
        }
        self.number += number;
    }

    fn is_too_many(&self) -> bool {
        self.number > REFUSALS_PER_MINUTE
    }
}

/// What a refusal means for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    SetAside,
    /// It is tried again, on its own.
    Retry,
    /// It waits with its whole class.
    Pause,
}

impl Flow {
    /// Refused when the last run ended: one record is tried at once, and nothing more is set aside before one is taken than while it is paused.
    pub fn refused_before(now: Instant) -> Flow {
        let mut misfits = Count::default();
        misfits.add(REFUSALS_PER_MINUTE + 1, now);
        Flow {
            state: State::Probing { pause: PAUSE_FIRST },
            misfits,
            ..Flow::default()
        }
    }

    /// Whether it waits since it was refused.
    pub fn is_refused(&self) -> bool {
        !matches!(self.state, State::Open)
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open) && !self.is_blocked
    }

    pub fn is_probing(&self) -> bool {
        matches!(self.state, State::Probing { .. }) && !self.is_blocked
    }

    /// When its pause is over, if it is paused.
    pub fn paused_until(&self) -> Option<Instant> {
        match self.state {
            State::Paused { until, .. } => Some(until),
            State::Open | State::Probing { .. } => None,
        }
    }

    /// The cause is said to be gone: it is probed at once, and its pauses are short again.
    pub fn resume(&mut self) {
        if matches!(self.state, State::Paused { .. } | State::Probing { .. }) {
            self.state = State::Probing { pause: PAUSE_FIRST };
        }
    }

    /// Nothing of it is sent until that is over, whatever the destination says.
    pub fn block(&mut self, is_blocked: bool) {
        self.is_blocked = is_blocked;
    }

    /// A record was taken.
    pub fn took(&mut self) {
        self.taken += 1;
        if self.misfits.is_too_many() {
            self.state = State::Open;
        }
        self.misfits = Count::default();
        self.judged_for_itself();
    }

    /// A probe came through, or was judged for itself and not for its topic.
    pub fn judged_for_itself(&mut self) {
        if matches!(self.state, State::Probing { .. }) {
            self.state = State::Open;
        }
    }

    /// A record of it was refused for where it goes; whether it counts, or is no other matter than one that waits already.
    pub fn refused(&mut self, reason: Reason, counts: bool, now: Instant) -> Course {
        if reason == Reason::TopicUnfit {
            // The next record would be refused as well.
            return self.pause(reason, now);
        }
        if !matches!(self.state, State::Open) {
            return self.pause(reason, now);
        }

        self.refusals.add(u32::from(counts), now);
        match self.refusals.is_too_many() {
            true => self.pause(reason, now),
            false if reason.passes() => Course::Retry,
            false => Course::SetAside,
        }
    }

    /// A record of it was refused for its content: what a destination refuses to each is a matter of settings.
    pub fn misfit(&mut self, reason: Reason, now: Instant) -> Course {
        let is_settings = self.misfits.is_too_many();
        match self.state {
            // Several were on their way.
            State::Paused { .. } if is_settings => Course::Pause,
            State::Paused { .. } => Course::SetAside,
            // The next probe is another record: it may be that only this one does not fit.
            State::Probing { .. } if is_settings => {
                self.pause(reason, now);
                Course::SetAside
            }
            State::Open | State::Probing { .. } => {
                self.judged_for_itself();
                self.misfits.add(1, now);
                match self.misfits.is_too_many() {
                    true => self.pause(reason, now),
                    false => Course::SetAside,
                }
            }
        }
    }

    fn pause(&mut self, reason: Reason, now: Instant) -> Course {
        let last = if reason.passes() {
            setbacks::PAUSE_LAST
        } else {
            PAUSE_LAST
        };

        let pause = match self.state {
            // Several were on their way.
            State::Paused { .. } => return Course::Pause,
            State::Probing { pause } => (pause * 2).min(last),
            State::Open => PAUSE_FIRST,
        };
        self.state = State::Paused {
            until: now + pause,
            pause,
        };
        Course::Pause
    }

    /// Probes if its pause is over.
    pub fn tick(&mut self, now: Instant) {
        if let State::Paused { until, pause } = self.state
            && until <= now
        {
            self.state = State::Probing { pause };
        }
    }
}
