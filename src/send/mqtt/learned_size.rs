//! Which payload size a broker refuses, where it does not announce its limit: learned from its refusals.
//!
//! Such a broker ends the connection over each message that is too large (mosquitto's `message_size_limit`). Once it is known, a message of that size
//! is refused here, and costs the others nothing. Promises: a size that the broker was seen to take is never refused. Deliberately forgets after a
//! while, and when an operator says so: the limit may have been raised.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// One lost connection each time is little.
const REMEMBERED: Duration = Duration::from_secs(600);

#[derive(Debug, Default)]
pub(super) struct LearnedSize(Mutex<Option<Learned>>);

#[derive(Clone, Copy, Debug)]
struct Learned {
    /// The smallest payload that was refused as too large.
    refused: usize,
    at: Instant,
}

impl Learned {
    fn counts(&self) -> bool {
        self.at.elapsed() < REMEMBERED
    }
}

impl LearnedSize {
    /// The smallest payload that the broker is known to refuse.
    pub fn refused(&self) -> Option<usize> {
        self.0
            .lock()
            .filter(Learned::counts)
            .map(|learned| learned.refused)
    }

    /// The broker refused a payload of so many bytes as too large.
    pub fn refuses(&self, bytes: usize) {
        let mut learned = self.0.lock();
        let refused = learned
            .filter(Learned::counts)
            .map_or(bytes, |known| known.refused.min(bytes));
        *learned = Some(Learned {
            refused,
            at: Instant::now(),
        });
    }

    /// The limit may be another now.
    pub fn forget(&self) {
        *self.0.lock() = None;
    }

    /// The broker took a payload of so many bytes: a smaller one that it refused was refused for something else.
    pub fn takes(&self, bytes: usize) {
        let mut learned = self.0.lock();
        if learned.is_some_and(|learned| bytes >= learned.refused) {
            *learned = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_refused_size_counts_until_the_broker_takes_one_as_large() {
        let learned = LearnedSize::default();
        assert_eq!(learned.refused(), None);

        learned.refuses(3_000);
        learned.refuses(2_000);
        learned.refuses(5_000);
        learned.takes(1_999);
        assert_eq!(learned.refused(), Some(2_000));

        learned.takes(2_000);
        assert_eq!(learned.refused(), None);
    }
}
