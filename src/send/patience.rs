//! How long the other side may be silent before we give up a connection or an upload: twice as long as the last time.
//!
//! A large message on a thin line takes longer than any timeout that notices a dead line soon. From outside the two look alike, so the first attempt
//! is given up early and the next ones later. Promises: a transfer that moves at all gets through in the end; a side that is silent is noticed after the
//! setting's time at first, and after [`GROWTH_MAX`] times that at the latest. The longer time is forgotten when nothing has needed it for a while.

use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

/// Eight minutes, of 15 s: a message of 8 MB on a line of 17 KB/s.
const GROWTH_MAX: u32 = 32;
/// A day's lines are not an hour's. Learning it again costs one attempt.
const REMEMBERED: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub struct Patience {
    /// As the operator set it.
    first: Duration,
    grown: Mutex<Option<Grown>>,
}

#[derive(Clone, Copy, Debug)]
struct Grown {
    to: Duration,
    /// When it was last needed.
    needed_at: Instant,
}

impl Patience {
    pub fn new(first: Duration) -> Patience {
        Patience {
            first,
            grown: Mutex::default(),
        }
    }

    /// For an attempt that begins now.
    pub fn now(&self) -> Duration {
        self.at(Instant::now())
    }

    /// The most that it ever is.
    pub fn longest(&self) -> Duration {
        self.first * GROWTH_MAX
    }

    /// An attempt was given up that had this much patience: the next has twice as much. Many at once count as one.
    pub fn given_up(&self, had: Duration) {
        self.given_up_at(had, Instant::now());
    }

    /// The answer took so long.
    pub fn answered(&self, took: Duration) {
        if took > self.first
            && let Some(grown) = self.grown().as_mut()
        {
            grown.needed_at = Instant::now();
        }
    }

    fn at(&self, now: Instant) -> Duration {
        let is_remembered =
            |grown: &Grown| now.saturating_duration_since(grown.needed_at) < REMEMBERED + grown.to;
        self.grown()
            .filter(is_remembered)
            .map_or(self.first, |grown| grown.to)
    }

    fn given_up_at(&self, had: Duration, now: Instant) {
        let to = had.saturating_mul(2).max(self.at(now)).min(self.longest());
        *self.grown() = Some(Grown { to, needed_at: now });
    }

    fn grown(&self) -> MutexGuard<'_, Option<Grown>> {
        self.grown.lock()
    }
}

/// Waits until then; without a moment, for ever.
pub async fn until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(15);

    #[test]
    fn each_attempt_that_was_given_up_makes_the_next_more_patient_up_to_a_limit() {
        let (patience, now) = (Patience::new(FIRST), Instant::now());
        let grown: Vec<u64> = (0..8)
            .map(|_| {
                let had = patience.at(now);
                patience.given_up_at(had, now);
                had.as_secs()
            })
            .collect();
        assert_eq!(grown, [15, 30, 60, 120, 240, 480, 480, 480]);
    }

    #[test]
    fn many_that_were_given_up_at_once_count_as_one() {
        let (patience, now) = (Patience::new(FIRST), Instant::now());
        (0..16).for_each(|_| patience.given_up_at(FIRST, now));
        assert_eq!(patience.at(now), FIRST * 2);
    }

    #[test]
    fn what_nothing_has_needed_for_a_while_is_forgotten() {
        let (patience, now) = (Patience::new(FIRST), Instant::now());
        patience.given_up_at(FIRST, now);
        assert_eq!(patience.at(now + REMEMBERED), FIRST * 2);
        assert_eq!(patience.at(now + REMEMBERED + FIRST * 2), FIRST);
    }
}
