//! A class of which a record kills the connection: its killers, and when one of them is tried again.
//!
//! Deliberately judges nothing: `suspicion` does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Finding;
use boxbridge_event::Sequence;

/// Between two trials of what kills; doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);
/// So many killers of a class, and the pause does not grow yet: they may be neighbours, sent by one odd device.
const NEIGHBOURS: usize = 4;
/// Killers remembered per class. With more in a row than this a class has only its pauses.
const KILLERS_MAX: usize = 64;

/// Deaths of one record alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deaths {
    /// Promptly, and the destination was there again at once.
    pub clear: u32,
    /// Not so: it may have died of something else.
    pub crashes: u32,
}

impl Deaths {
    pub fn count(&mut self, is_prompt: bool) {
        let deaths = if is_prompt {
            &mut self.clear
        } else {
            &mut self.crashes
        };
        *deaths += 1;
    }

    pub fn total(self) -> u32 {
        self.clear + self.crashes
    }
}

#[derive(Debug)]
pub(super) struct Gate {
    /// Held back, with their deaths alone.
    pub killers: BTreeMap<Sequence, Deaths>,
    /// The next trial.
    pub until: Instant,
    pause: Duration,
    /// It killed while others passed: it is not the destination.
    pub is_established: bool,
    /// Another record of the class has passed: the class flows, its killers do not.
    pub is_open: bool,
    /// How many records had been answered when one of it last killed.
    pub answered_before: u64,
    pub said: Option<Finding>,
}

impl Gate {
    pub fn new(now: Instant, answered_before: u64) -> Gate {
        Gate {
            killers: BTreeMap::new(),
            until: now,
            pause: PAUSE_FIRST,
            is_established: false,
            is_open: false,
            answered_before,
            said: None,
        }
    }

    /// Those with the fewest deaths first: one that came under suspicion by chance is not to wait behind one that kills each time.
    pub fn by_deaths(&self) -> Vec<Sequence> {
        let killers = self.killers.iter();
        let mut killers: Vec<_> = killers
            .map(|(sequence, deaths)| (deaths.total(), *sequence))
            .collect();
        killers.sort_unstable();
        killers.into_iter().map(|(_, sequence)| sequence).collect()
    }

    /// Without this killer; whether there is another.
    pub fn outlives(&mut self, sequence: Sequence) -> bool {
        self.killers.remove(&sequence);
        !self.killers.is_empty()
    }

    /// With these of its killers alone; whether there is one.
    pub fn keep(&mut self, is_there: impl Fn(Sequence) -> bool) -> bool {
        self.killers.retain(|sequence, _| is_there(*sequence));
        !self.killers.is_empty()
    }

    /// One more record kills.
    pub fn add(&mut self, sequence: Sequence, deaths: Deaths) {
        if self.killers.len() < KILLERS_MAX {
            self.killers.insert(sequence, deaths);
        }
        // What passed before it was another kind of record, or the rules have changed.
        self.is_open = false;
    }

    pub fn has_neighbours_only(&self) -> bool {
        self.killers.len() <= NEIGHBOURS
    }

    /// Until the next trial; the pause after that may be longer.
    pub fn pause(&mut self, grows: bool, now: Instant) {
        self.until = now + self.pause;
        if grows {
            self.pause = (self.pause * 2).min(PAUSE_LAST);
        }
    }

    /// Another record of the class has passed.
    pub fn open(&mut self, now: Instant) {
        self.is_open = true;
        self.until = now;
        self.pause = PAUSE_FIRST;
        self.said = None;
    }
}
