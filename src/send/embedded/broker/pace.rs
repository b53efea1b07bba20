//! How long one subscriber may hold the normal lane back: as long as it keeps a pace and nobody else waits for it.
//!
//! The disk holds a backlog better than a queue in memory, so the lane is published at the pace of those who listen. Promises: one that
//! takes next to nothing holds it back for a second; a slow one for [`PATIENCE`] while others could take more; then its own oldest messages
//! go when its queue is full, until it has caught up. Alerts are never held back: `exchange` does not ask here for them.

use std::time::{Duration, Instant};

/// Messages waiting for a subscriber at which the lane waits for it: far from what its queue holds, few enough that what comes behind
/// them is still live.
pub(super) const FULL: usize = 64;
/// The same in bytes, for events with their pictures inline.
pub(super) const FULL_BYTES: usize = 4 << 20;
/// A person's screen or a gate takes more. Clients take them in bursts, so they are counted over a second.
const PACE: usize = 20;
const SECOND: Duration = Duration::from_secs(1);
/// While somebody else has room: an employee at a gate waits no longer for another's slow screen.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Pace {
    /// Messages it took since then.
    taken: usize,
    since: Instant,
    /// Since when somebody who had room has been waiting for it.
    in_the_way: Option<Instant>,
    given_up: bool,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { taken: 0, since: Instant::now(), in_the_way: None, given_up: false }
    }
}

impl Pace {
    pub fn took(&mut self) {
        self.taken += 1;
    }

    /// It is not full. Its pace counts only while somebody waits for it; with this little left it has caught up, unless that was dropped.
    pub fn has_room(&mut self, depth: usize) {
        let took = std::mem::take(&mut self.taken) > 0;
        self.since = Instant::now();
        if depth < FULL / 2 && (took || !self.given_up) {
            (self.in_the_way, self.given_up) = (None, false);
        }
    }

    /// Whether the lane waits for it, which is full; `others_wait` says that somebody else has room.
    pub fn holds_back(&mut self, others_wait: bool) -> bool {
        let now = Instant::now();
        if now.duration_since(self.since) >= SECOND {
            self.given_up |= self.taken < PACE;
            (self.taken, self.since) = (0, now);
        }
        if others_wait {
            let since = *self.in_the_way.get_or_insert(now);
            self.given_up |= now.duration_since(since) >= PATIENCE;
        }
        !self.given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ago(pace: &mut Pace, time: Duration) {
        pace.since -= time;
        pace.in_the_way = pace.in_the_way.map(|since| since - time);
    }

    #[test]
    fn one_that_keeps_a_pace_is_waited_for_and_one_that_takes_nothing_is_not() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            (0..PACE).for_each(|_| pace.took());
            ago(&mut pace, SECOND);
            assert!(pace.holds_back(false));
        }
        ago(&mut pace, SECOND);
        assert!(!pace.holds_back(false));
        pace.has_room(FULL - 1);
        assert!(!pace.holds_back(false), "it has not caught up");
        pace.has_room(FULL / 4);
        assert!(!pace.holds_back(false), "it took nothing: what waited for it was dropped");
        pace.took();
        pace.has_room(FULL / 4);
        assert!(pace.holds_back(false));
    }

    #[test]
    fn one_that_others_wait_for_is_given_up_whatever_its_pace() {
        let mut pace = Pace::default();
        assert!(pace.holds_back(true));
        (0..10 * PACE).for_each(|_| pace.took());
        ago(&mut pace, PATIENCE / 2);
        assert!(pace.holds_back(true));
        (0..10 * PACE).for_each(|_| pace.took());
        ago(&mut pace, PATIENCE / 2);
        assert!(!pace.holds_back(true));
    }
}
