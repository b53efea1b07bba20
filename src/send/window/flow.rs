//! How one template fares at one destination: open, paused after too many refusals, or probed with one record.

use std::time::{Duration, Instant};

use crate::send::Reason;

/// More refusals than this in a minute are a matter of settings or of the destination, not of records.
const REFUSALS_PER_MINUTE: u32 = 10;
const MINUTE: Duration = Duration::from_secs(60);
/// The first pause of a refused template or record, doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);
/// The same where it passes by itself: nobody has to do anything, and what waits is to go on soon.
const PASSING_LAST: Duration = Duration::from_secs(8);

#[derive(Clone, Copy, Debug)]
pub struct Flow {
    state: State,
    minute_began: Option<Instant>,
    refusals: u32,
    trouble: Trouble,
    /// When it was last said that something is refused here.
    said: Option<Instant>,
    /// Records taken so far.
    pub taken: u64,
}

/// Whether something of it was refused, and waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trouble {
    None,
    Silent,
    Said,
}

#[derive(Clone, Copy, Debug)]
enum State {
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

/// What a refusal means for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    SetAside,
    /// It is tried again after this long.
    Retry(Duration),
    /// It waits with its whole template.
    Pause,
}

impl Flow {
    pub const OPEN: Flow = Flow {
        state: State::Open,
        minute_began: None,
        refusals: 0,
        trouble: Trouble::None,
        said: None,
        taken: 0,
    };

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    pub fn is_probing(&self) -> bool {
        matches!(self.state, State::Probing { .. })
    }

    /// When its pause is over, if it is paused.
    pub fn paused_until(&self) -> Option<Instant> {
        match self.state {
            State::Paused { until, .. } => Some(until),
            State::Open | State::Probing { .. } => None,
        }
    }

    /// A probe came through, or was judged for itself and not for its topic.
    pub fn came_through(&mut self) {
        if self.is_probing() {
            self.state = State::Open;
        }
    }

    /// Whether something of it was refused, and none of that taken since: what comes behind is to be sent one by one.
    pub fn is_troubled(&self) -> bool {
        self.trouble != Trouble::None
    }

    /// A record was taken that had perhaps been refused before. Whether it was said that one is refused for now, and that is over.
    pub fn took(&mut self, was_refused: bool) -> bool {
        self.taken += 1;
        let recovers = was_refused || self.is_probing();
        self.came_through();
        recovers && std::mem::replace(&mut self.trouble, Trouble::None) == Trouble::Said
    }

    /// A record waits. Whether that is to be said: the first time, and after a recovery at most once a minute.
    pub fn is_news(&mut self, now: Instant) -> bool {
        let is_news = self.trouble == Trouble::None
            && self
                .said
                .is_none_or(|said| now.duration_since(said) > MINUTE);
        if is_news {
            (self.said, self.trouble) = (Some(now), Trouble::Said);
        } else if self.trouble == Trouble::None {
            self.trouble = Trouble::Silent;
        }
        is_news
    }

    /// A record of it was refused, after so many tries; whether it counts, or is no other matter than one that waits already.
    pub fn refused(&mut self, reason: Reason, tries: u32, counts: bool, now: Instant) -> Course {
        let last = if reason.passes() {
            PASSING_LAST
        } else {
            PAUSE_LAST
        };
        let pause = match self.state {
            // Several were on their way.
            State::Paused { .. } => return Course::Pause,
            State::Probing { pause } => (pause * 2).min(last),
            // The next record would be refused as well.
            State::Open if reason == Reason::TopicUnfit => PAUSE_FIRST,
            State::Open => {
                if self
                    .minute_began
                    .is_none_or(|began| now.duration_since(began) > MINUTE)
                {
                    (self.minute_began, self.refusals) = (Some(now), 0);
                }
                self.refusals += u32::from(counts);
                match self.refusals <= REFUSALS_PER_MINUTE {
                    true if reason.passes() => return Course::Retry(pause_after(tries)),
                    true => return Course::SetAside,
                    false => PAUSE_FIRST,
                }
            }
        };
        self.state = State::Paused {
            until: now + pause,
            pause,
        };
        // What comes behind it is sent one by one.
        self.trouble = self.trouble.max(Trouble::Silent);
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

/// Before the next attempt, after so many.
fn pause_after(tries: u32) -> Duration {
    (PAUSE_FIRST * 2_u32.saturating_pow(tries.saturating_sub(1).min(10))).min(PASSING_LAST)
}
