//! The jumps of a wall clock, and what they leave of an age. Pure: the readings are given.
//!
//! Between two jumps the clock went evenly: a stretch. A time belongs to every stretch in which it can have been read; of several, the
//! one counts by which it is youngest. A time of no stretch (a copied file) is taken as it stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the clocks say at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Since 1970.
    pub wall_ms: i64,
    /// Since the machine's start.
    pub uptime_ms: i64,
    /// Which start of the machine.
    pub boot: String,
}

/// All that is known of a wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    last: Reading,
    /// Wall clock less uptime, since the last jump: small steps add up until they are one.
    offset_ms: i64,
    /// Since when the clock goes evenly, by uptime.
    even_since_ms: i64,
    /// The oldest first.
    jumps: Vec<Jump>,
    /// The first jump across a time in which nobody looked; from there on it is open how much was a jump and how much the machine was off.
    open: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Jump {
    /// What the old clock read at last, at most.
    until_ms: i64,
    /// What the new one read at first, at least.
    from_ms: i64,
    /// How far it went, forwards or backwards.
    by_ms: i64,
}

/// Ages are days: less is no jump. NTP that only slews is slower than that, and moves uptime along.
const JUMP_MS: i64 = 60_000;
/// A time may be noted so long before or after it was read; also how old the last word of the run before may be.
const SLACK_MS: i64 = 900_000;
/// A clock without a battery is set within minutes of the network coming up.
const EVEN_MS: i64 = 3_600_000;
/// Longer than that a machine is hardly off; a clock that says so is more likely wrong.
const OFF_MAX_MS: i64 = 60 * 86_400_000;
/// Stands for "nobody knows", before the first look: nothing is old then.
const UNKNOWN_MS: i64 = 1_000 * 366 * 86_400_000;
/// Two for each start of a machine without a battery: a month of daily ones and more.
const JUMPS_MAX: usize = 256;

impl History {
    /// What was before is not known, and ages nothing until the clock has proven to be even.
    pub fn begin(now: &Reading) -> History {
        History {
            last: now.clone(),
            offset_ms: now.wall_ms - now.uptime_ms,
            even_since_ms: now.uptime_ms,
            jumps: vec![Jump { until_ms: now.wall_ms, from_ms: now.wall_ms - SLACK_MS, by_ms: UNKNOWN_MS }],
            open: Some(0),
        }
    }

    /// Takes a reading; whether something was learned that is worth keeping at once.
    pub fn look(&mut self, now: &Reading) -> bool {
        let is_same_boot = now.boot == self.last.boot && now.uptime_ms >= self.last.uptime_ms;
        let learned = if is_same_boot { self.go_on(now) } else { self.boot(now) };
        self.last = now.clone();
        learned
    }

    fn go_on(&mut self, now: &Reading) -> bool {
        let by_ms = now.wall_ms - now.uptime_ms - self.offset_ms;
        if by_ms.abs() >= JUMP_MS {
            let (until_ms, from_ms) = (now.wall_ms - by_ms + SLACK_MS, self.last.wall_ms + by_ms - SLACK_MS);
            self.jumped(Jump { until_ms, from_ms, by_ms }, now);
            return true;
        }
        self.open.is_some() && now.uptime_ms - self.even_since_ms >= EVEN_MS && self.settle()
    }

    /// The machine was started since: it was off for nobody knows how long, and its clock may have gone wrong meanwhile.
    fn boot(&mut self, now: &Reading) -> bool {
        let by_ms = now.wall_ms - self.last.wall_ms - now.uptime_ms;
        let (until_ms, from_ms) = (self.last.wall_ms + SLACK_MS, now.wall_ms - SLACK_MS);
        self.jumped(Jump { until_ms, from_ms, by_ms }, now);
        self.open = self.open.or(Some(self.jumps.len() - 1));
        true
    }

    fn jumped(&mut self, jump: Jump, now: &Reading) {
        self.jumps.push(jump);
        self.offset_ms = now.wall_ms - now.uptime_ms;
        self.even_since_ms = now.uptime_ms;
        if self.jumps.len() > JUMPS_MAX {
            self.merge_oldest();
        }
    }

    /// Two become one that leaves out no less than either way: what is older than both counts as younger, if anything.
    fn merge_oldest(&mut self) {
        let first = self.jumps.remove(0);
        if let Some(second) = self.jumps.first_mut() {
            second.by_ms = second.by_ms.max(first.by_ms.saturating_add(second.by_ms));
            second.until_ms = second.until_ms.max(first.until_ms);
        }
        self.open = self.open.map(|open| open.saturating_sub(1));
    }

    /// The clock is believed by now: what it went further than we saw, the machine was off.
    fn settle(&mut self) -> bool {
        let Some(open) = self.open.take() else { return false };
        let left_out: i64 = self.jumps.iter().skip(open).map(|jump| jump.by_ms).sum();
        let is_first = left_out > UNKNOWN_MS / 2;
        if let Some(jump) = self.jumps.get_mut(open)
            && (is_first || (0..=OFF_MAX_MS).contains(&left_out))
        {
            jump.by_ms -= left_out;
        }
        self.jumps.retain(|jump| jump.by_ms != 0);
        true
    }

    /// How long before `now_ms` it was that the clock read `time_ms`; of several times the last.
    pub fn age(&self, now_ms: i64, time_ms: i64) -> Duration {
        self.age_of(now_ms, time_ms, i64::min)
    }

    /// The same; of several times the first.
    pub fn age_at_most(&self, now_ms: i64, time_ms: i64) -> Duration {
        self.age_of(now_ms, time_ms, i64::max)
    }

    fn age_of(&self, now_ms: i64, time_ms: i64, choose: fn(i64, i64) -> i64) -> Duration {
        let (mut left_out, mut until_ms, mut chosen) = (0_i64, now_ms, None::<i64>);
        let mut belongs = |from_ms: i64, until_ms: i64, left_out: i64| {
            if (from_ms..=until_ms).contains(&time_ms) {
                let age = now_ms.saturating_sub(time_ms).saturating_sub(left_out);
                chosen = Some(chosen.map_or(age, |chosen| choose(chosen, age)));
            }
        };

        for jump in self.jumps.iter().rev() {
            belongs(jump.from_ms, until_ms, left_out);
            left_out = left_out.saturating_add(jump.by_ms);
            until_ms = jump.until_ms;
        }
        belongs(i64::MIN, until_ms, left_out);

        let age = chosen.unwrap_or(now_ms.saturating_sub(time_ms));
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
