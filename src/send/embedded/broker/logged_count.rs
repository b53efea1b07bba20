//! Counts something that may happen thousands of times a second, and tells when a line in the log is due.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Default)]
pub(super) struct LoggedCount(AtomicU64);

impl LoggedCount {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds these. The new count where a line is due: at the first, and at each doubling.
    pub fn add(&self, more: usize) -> Option<u64> {
        let before = self.0.fetch_add(more as u64, Ordering::Relaxed);
        let count = before + more as u64;
        (before.checked_ilog2() != count.checked_ilog2()).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_due_at_the_first_and_at_each_doubling() {
        let logged_count = LoggedCount::default();
        let due: Vec<u64> = (0..100).filter_map(|_| logged_count.add(1)).collect();
        assert_eq!(due, [1, 2, 4, 8, 16, 32, 64]);
        assert_eq!(
            (logged_count.add(0), logged_count.add(500)),
            (None, Some(600))
        );
        assert_eq!(logged_count.count(), 600);
    }
}
