//! How one person type fares at one destination: open, paused after too many refusals, or probed with one record.

use std::time::{Duration, Instant};

/// More refusals of a topic than this in a minute are a matter of settings, not of records.
const REFUSALS_PER_MINUTE: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// The first pause of a refused type or record, doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
pub enum Flow {
    Open {
        minute_began: Option<Instant>,
        refusals: u32,
    },
    Paused {
        until: Instant,
        pause: Duration,
    },
    /// One record at a time, to see whether it is taken now.
    Probing {
        pause: Duration,
    },
}

/// Before the next attempt, after so many.
pub fn pause_after(attempts: u32) -> Duration {
    (PAUSE_FIRST * 2_u32.saturating_pow(attempts.saturating_sub(1).min(10))).min(PAUSE_LAST)
}

impl Flow {
    pub const OPEN: Flow = Flow::Open { minute_began: None, refusals: 0 };

    pub fn is_open(&self) -> bool {
        matches!(self, Flow::Open { .. })
    }

    /// When its pause is over, if it is paused.
    pub fn paused_until(&self) -> Option<Instant> {
        match self {
            Flow::Paused { until, .. } => Some(*until),
            Flow::Open { .. } | Flow::Probing { .. } => None,
        }
    }

    /// A probe came through, or was judged for itself and not for its topic.
    pub fn came_through(&mut self) {
        if matches!(self, Flow::Probing { .. }) {
            *self = Flow::OPEN;
        }
    }

    /// Its topic was refused: whether it is paused now.
    pub fn refused(&mut self, now: Instant) -> bool {
        let pause = match self {
            Flow::Paused { .. } => return true,
            Flow::Probing { pause } => (*pause * 2).min(PAUSE_LAST),
            Flow::Open { minute_began, refusals } => {
                if minute_began.is_none_or(|began| now.duration_since(began) > MINUTE) {
                    (*minute_began, *refusals) = (Some(now), 0);
                }
                *refusals += 1;
                if *refusals <= REFUSALS_PER_MINUTE {
                    return false;
                }
                PAUSE_FIRST
            }
        };
        *self = Flow::Paused { until: now + pause, pause };
        true
    }

    /// Probes if its pause is over: whether it was.
    pub fn probes(&mut self, now: Instant) -> bool {
        let Flow::Paused { until, pause } = *self else { return false };
        if until <= now {
            *self = Flow::Probing { pause };
        }
        until <= now
    }
}
