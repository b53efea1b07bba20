//! What the boxes were answered, and how fast.

use std::time::Duration;

/// A box hangs up after it, and never sends again.
const BOX_PATIENCE: Duration = Duration::from_millis(500);

#[derive(Clone, Default)]
pub struct Answers {
    /// In microseconds, of those answered 200.
    times: Vec<u32>,
    /// Answered something else.
    pub refused: u64,
    /// Not answered at all.
    pub failed: u64,
    pub seconds: f64,
}

impl Answers {
    pub fn accepted(&mut self, time: Duration) {
        self.times
            .push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }

    pub fn add(&mut self, other: Answers) {
        self.times.extend(other.times);
        self.refused += other.refused;
        self.failed += other.failed;
        self.seconds += other.seconds;
    }

    /// Events that were answered 200.
    pub fn events(&self) -> u64 {
        self.times.len() as u64
    }

    pub fn per_second(&self) -> f64 {
        self.events() as f64 / self.seconds
    }

    pub fn late(&self) -> usize {
        let patience = BOX_PATIENCE.as_micros();
        self.times
            .iter()
            .filter(|time| u128::from(**time) > patience)
            .count()
    }

    /// So many milliseconds or fewer took this share of the answers; the largest for 1.
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [f64; N] {
        let mut times = self.times.clone();
        times.sort_unstable();
        shares.map(|share| {
            let rank = (share * times.len() as f64).ceil() as usize;
            let time = times.get(rank.saturating_sub(1)).copied();
            time.map_or(f64::NAN, |time| f64::from(time) / 1_000.0)
        })
    }
}
