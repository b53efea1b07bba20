//! How long a slow subscriber may hold the normal lane back: as long as it keeps a pace and no other subscriber waits for it.
//!
//! The disk holds a backlog better than a queue in memory, so the lane is published at its subscribers' pace.
//!
//! Promises: a subscriber that takes next to nothing holds the lane back for a second; a slow one for [`PATIENCE`] while others could take more;
//! then its own oldest messages go when its queue is full, until it has caught up. One address, however many sessions it opens one after the
//! other, holds the lane back for [`CREDIT`] and then for a tenth of the time. Alerts are never held back: `sessions` does not ask here for them.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::session::Session;
use boxbridge_event::ShareKey;

/// The lane waits for a subscriber with so many messages waiting: its queue holds far more, and the messages behind these are still live.
const FULL: usize = 64;
/// The same in bytes, for events with their pictures inline.
const FULL_BYTES: usize = 4 << 20;
/// A person's screen or a gate takes more. Clients take them in bursts, so they are counted over a second.
const PACE: usize = 20;
const SECOND: Duration = Duration::from_secs(1);
/// While somebody else has room: an employee at a gate waits no longer for another's slow screen.
const PATIENCE: Duration = Duration::from_secs(2);

/// For so long all sessions of one address may hold up subscribers that could take more.
const CREDIT: Duration = Duration::from_secs(4);
/// It comes back this many times slower than it goes.
const REGAINED: u32 = 10;

/// Whether the lane waits for one of these connected subscribers, and looks again after `look_again`.
pub(super) fn holds_back(
    mut subscribers: Vec<&mut Session>,
    credits: &mut HashMap<ShareKey, Credit>,
    look_again: Duration,
) -> bool {
    let others_wait = subscribers.iter().any(|session| !is_full(session));
    let mut slow = HashSet::new();
    for session in &mut subscribers {
        if !is_full(session) {
            let depth = session.depth();
            session.pace.has_room(depth);
        } else if session.pace.holds_back(others_wait) {
            slow.insert(session.from);
        }
    }
    if !others_wait {
        return !slow.is_empty();
    }

    // Each address is asked, so that each pays for its own.
    let paying = slow
        .into_iter()
        .filter(|address| credits.entry(*address).or_default().pays(look_again));
    paying.count() > 0
}

fn is_full(session: &Session) -> bool {
    session.depth() >= FULL || session.bytes() >= FULL_BYTES
}

/// For how long the sessions of one address may still hold the lane back while others could take more.
#[derive(Debug)]
pub(super) struct Credit {
    left: Duration,
    looked: Instant,
    /// The lane was held back for it then, in the way of others.
    is_used: bool,
}

impl Default for Credit {
    fn default() -> Credit {
        Credit {
            left: CREDIT,
            looked: Instant::now(),
            is_used: false,
        }
    }
}

impl Credit {
    /// Whether there is some; it is used then.
    fn pays(&mut self, look_again: Duration) -> bool {
        let is_left = self.is_left(look_again);
        self.is_used |= is_left;
        is_left
    }

    /// Whether there is some. While the lane is held back this is asked at least once every `look_again`.
    fn is_left(&mut self, look_again: Duration) -> bool {
        let now = Instant::now();
        let passed = now.duration_since(std::mem::replace(&mut self.looked, now));
        if std::mem::take(&mut self.is_used) {
            self.left = self.left.saturating_sub(passed.min(look_again));
        } else {
            self.left = CREDIT.min(self.left + passed / REGAINED);
        }
        !self.left.is_zero()
    }

    /// Nobody has used it for so long that it is whole again.
    pub fn is_whole(&self) -> bool {
        self.looked.elapsed() >= CREDIT * REGAINED
    }
}

#[derive(Debug)]
pub(super) struct Pace {
    /// Messages it took since then.
    taken: usize,
    since: Instant,
    /// Since when a subscriber with room has been waiting for it.
    in_the_way: Option<Instant>,
    given_up: bool,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            taken: 0,
            since: Instant::now(),
            in_the_way: None,
            given_up: false,
        }
    }
}

impl Pace {
    pub fn took(&mut self) {
        self.taken += 1;
    }

    /// It is not full. Its pace counts only while somebody waits for it; with this little left it has caught up, unless that was dropped.
    fn has_room(&mut self, depth: usize) {
        let took = std::mem::take(&mut self.taken) > 0;
        self.since = Instant::now();
        if depth < FULL / 2 && (took || !self.given_up) {
            (self.in_the_way, self.given_up) = (None, false);
        }
    }

    /// Whether the lane waits for it, which is full; `others_wait` says that somebody else has room.
    fn holds_back(&mut self, others_wait: bool) -> bool {
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
        assert!(
            !pace.holds_back(false),
            "it took nothing: what waited for it was dropped"
        );

        pace.took();
        pace.has_room(FULL / 4);
        assert!(pace.holds_back(false));
    }

    #[test]
    fn an_address_has_a_credit_that_goes_with_use_and_comes_back_slowly() {
        let mut credit = Credit::default();
        let mut after = |passed: Duration| {
            credit.looked -= passed;
            credit.pays(SECOND)
        };
        assert!((0..4).all(|_| after(SECOND)));
        assert!(
            !after(SECOND * 100),
            "it was in use at the last look; not for longer than between two looks"
        );

        credit.is_used = false;
        credit.looked -= SECOND;
        assert!(credit.is_left(SECOND) && credit.left <= SECOND / 5);
        credit.looked -= CREDIT * REGAINED;
        assert!(credit.is_whole());
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
