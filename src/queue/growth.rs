//! How fast the bytes that wait grow.
//!
//! Promises: a burst does not look like the end.

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

    /// `None` while they do not grow, or it is too early to tell.
    pub(super) fn bytes_per_second(&self) -> Option<u64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let grown = after.checked_sub(*before).filter(|grown| *grown > 0)?;

        let milliseconds = u64::try_from(to.duration_since(*from).as_millis()).ok();
        let milliseconds = milliseconds.filter(|took| *took >= SETTLED.as_millis() as u64)?;
        Some(grown.saturating_mul(1000) / milliseconds)
    }
}
