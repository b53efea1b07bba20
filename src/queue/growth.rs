//! How fast the bytes that wait grow.
//!
//! Promises: a burst does not look like the end, and neither does the first event that waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A growth over less than this says nothing: one burst would look like the end.
const SETTLED: Duration = Duration::from_secs(10);
/// Growth is judged over so many samples, one a second.
const SAMPLES: usize = 60;

#[derive(Default)]
pub(super) struct Growth {
    samples: VecDeque<(Instant, u64)>,
}

impl Growth {
    pub(super) fn sample(&mut self, waiting: u64) {
        self.samples.push_back((Instant::now(), waiting));
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    /// `None` while they do not grow, or it is too early to tell. Bytes wait by whole segments: the first of them may hold a single event.
    pub(super) fn bytes_per_second(&self, segment_bytes: u64) -> Option<u64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let before = (*before).max(segment_bytes);
        let grown = after.checked_sub(before).filter(|grown| *grown > 0)?;

        let milliseconds = u64::try_from(to.duration_since(*from).as_millis()).ok();
        let milliseconds = milliseconds.filter(|took| *took >= SETTLED.as_millis() as u64)?;
        Some(grown.saturating_mul(1000) / milliseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: u64 = 64;

    /// A sample each second.
    fn growth(samples: impl IntoIterator<Item = u64>) -> Option<u64> {
        let start = Instant::now();
        let timed = samples.into_iter().enumerate();
        let samples =
            timed.map(|(second, waiting)| (start + Duration::from_secs(second as u64), waiting));
        let growth = Growth {
            samples: samples.collect(),
        };
        growth.bytes_per_second(SEGMENT)
    }

    #[test]
    fn the_first_segment_that_waits_is_no_growth_and_the_second_is() {
        let first = [0, SEGMENT, SEGMENT].into_iter();
        assert_eq!(growth(first.clone().chain([SEGMENT; 30])), None);
        let second = first.chain([2 * SEGMENT; 30]);
        assert_eq!(growth(second), Some(2), "64 bytes in 32 s");
        assert_eq!(growth((0..60).map(|second| second * SEGMENT)), Some(62));
    }

    #[test]
    fn a_growth_over_a_few_seconds_says_nothing() {
        assert_eq!(growth((0..9).map(|second| second * SEGMENT)), None);
    }
}
