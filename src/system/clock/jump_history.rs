//! The jumps of a wall clock, and ages corrected by them. Pure: the readings are given.
//!
//! Between two jumps the clock runs evenly: a stretch. A time belongs to every stretch in which the clock can have shown it. Of several
//! stretches the one counts that makes it youngest. A time in no stretch (of a copied file) is taken as it stands.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the clocks say at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Since 1970.
    pub wall_ms: i64,
    /// Since the machine's start.
    pub uptime_ms: i64,
    /// Names this start of the machine.
    pub boot: String,
}

/// Everything that is known about a wall clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JumpHistory {
    last: Reading,
    /// Wall clock minus uptime at the last jump: small steps add up until they count as a jump.
    offset_ms: i64,
    /// When the clock last began to run evenly, by uptime.
    even_since_ms: i64,
    /// The oldest first.
    jumps: Vec<Jump>,
    /// The first jump across a time in which no process looked. From there on nobody knows how much was a jump, and how long the machine
    /// was off.
    open: Option<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Jump {
    /// The latest time that the clock can have shown before the jump.
    until_ms: i64,
    /// The earliest time that it can have shown after the jump.
    from_ms: i64,
    /// How far it went, forwards or backwards.
    by_ms: i64,
}

/// A smaller step is no jump: ages are days. NTP that only slews is slower than that, and moves uptime along.
const JUMP_MS: i64 = 60_000;
/// A time may be noted this long before or after it was read. The last reading of the run before may be this old too.
const SLACK_MS: i64 = 900_000;
/// A clock without a battery is set within minutes of the network coming up.
const EVEN_MS: i64 = 3_600_000;
/// A machine is hardly off for longer; a clock that says so is more likely wrong.
const OFF_MAX_MS: i64 = 60 * 86_400_000;
/// Stands for an unknown jump before the first look: no age reaches across it.
const UNKNOWN_MS: i64 = 1_000 * 366 * 86_400_000;
/// Two for each start of a machine without a battery: enough for four months of daily starts.
const JUMPS_MAX: usize = 256;

impl JumpHistory {
    /// Begins without a past. Older times have age zero until the clock has run evenly for a while.
    pub fn begin(now: &Reading) -> JumpHistory {
        JumpHistory {
            last: now.clone(),
            offset_ms: now.wall_ms - now.uptime_ms,
            even_since_ms: now.uptime_ms,
            jumps: vec![Jump {
                until_ms: now.wall_ms,
                from_ms: now.wall_ms - SLACK_MS,
                by_ms: UNKNOWN_MS,
            }],
            open: Some(0),
        }
    }

    /// Takes a reading; true if it is worth saving at once.
    pub fn look(&mut self, now: &Reading) -> bool {
        let is_same_boot = now.boot == self.last.boot && now.uptime_ms >= self.last.uptime_ms;
        let learned = if is_same_boot {
            self.go_on(now)
        } else {
            self.boot(now)
        };
        self.last = now.clone();
        learned
    }

    fn go_on(&mut self, now: &Reading) -> bool {
        let by_ms = now.wall_ms - now.uptime_ms - self.offset_ms;
        if by_ms.abs() >= JUMP_MS {
            let (until_ms, from_ms) = (
                now.wall_ms - by_ms + SLACK_MS,
                self.last.wall_ms + by_ms - SLACK_MS,
            );
            self.jumped(
                Jump {
                    until_ms,
                    from_ms,
                    by_ms,
                },
                now,
            );
            return true;
        }
        self.open.is_some() && now.uptime_ms - self.even_since_ms >= EVEN_MS && self.settle()
    }

    /// The machine has started since. Nobody knows how long it was off, and its clock may have gone wrong meanwhile.
    fn boot(&mut self, now: &Reading) -> bool {
        let by_ms = now.wall_ms - self.last.wall_ms - now.uptime_ms;
        let (until_ms, from_ms) = (self.last.wall_ms + SLACK_MS, now.wall_ms - SLACK_MS);
        self.jumped(
            Jump {
                until_ms,
                from_ms,
                by_ms,
            },
            now,
        );
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

    /// Merges the two oldest jumps into one that leaves out at least as much time. Times before both can only seem younger.
    fn merge_oldest(&mut self) {
        let first = self.jumps.remove(0);
        if let Some(second) = self.jumps.first_mut() {
            second.by_ms = second.by_ms.max(first.by_ms.saturating_add(second.by_ms));
            second.until_ms = second.until_ms.max(first.until_ms);
        }
        self.open = self.open.map(|open| open.saturating_sub(1));
    }

    /// The clock has run evenly for long enough to be believed: the time that nobody saw was time when the machine was off.
    fn settle(&mut self) -> bool {
        let Some(open) = self.open.take() else {
            return false;
        };
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

    /// How long before `now_ms` the clock showed `time_ms`; if it did so several times, the last of them.
    pub fn age(&self, now_ms: i64, time_ms: i64) -> Duration {
        self.age_of(now_ms, time_ms, i64::min)
    }

    /// The same, for the first of several times.
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
