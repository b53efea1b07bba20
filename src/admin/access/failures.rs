//! Wrong tokens by the source that showed them.
//!
//! Promises: bounded, also where somebody has many addresses: then the source whose minute began first is forgotten.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use boxbridge_event::ShareKey;

const FAILURES_MAX: u32 = 10;
/// From the first of them on.
const MINUTE: Duration = Duration::from_secs(60);
/// Some hundred bytes each at most.
const SOURCES_MAX: usize = 1_024;

#[derive(Default)]
pub struct Failures(HashMap<ShareKey, Count>);

struct Count {
    began: Instant,
    failures: u32,
}

impl Failures {
    pub fn are_too_many(&self, source: ShareKey) -> bool {
        self.are_too_many_at(source, Instant::now())
    }

    pub fn note(&mut self, source: ShareKey) {
        self.note_at(source, Instant::now());
    }

    fn are_too_many_at(&self, source: ShareKey, now: Instant) -> bool {
        let count = self.0.get(&source).filter(|count| !count.is_over(now));
        count.is_some_and(|count| count.failures >= FAILURES_MAX)
    }

    fn note_at(&mut self, source: ShareKey, now: Instant) {
        self.0.retain(|_, count| !count.is_over(now));
        if self.0.len() >= SOURCES_MAX && !self.0.contains_key(&source) {
            let first = self.0.iter().min_by_key(|(_, count)| count.began);
            let first = first.map(|(source, _)| *source);
            first.map(|first| self.0.remove(&first));
        }

        let count = self.0.entry(source).or_insert(Count {
            began: now,
            failures: 0,
        });
        count.failures += 1;
    }
}

impl Count {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) >= MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr};

    fn source(number: u32) -> ShareKey {
        ShareKey::of(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn a_minute_after_the_first_failure_a_source_is_listened_to_again() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        for _ in 0..10 {
            assert!(!failures.are_too_many_at(source(1), start));
            failures.note_at(source(1), start);
        }
        assert!(failures.are_too_many_at(source(1), start + MINUTE / 2));
        assert!(!failures.are_too_many_at(source(1), start + MINUTE));
    }

    #[test]
    fn many_addresses_take_a_bounded_amount_of_memory() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        for number in 0..2_000 {
            failures.note_at(source(number), start + Duration::from_millis(number.into()));
        }
        assert_eq!(failures.0.len(), SOURCES_MAX);
        assert!(failures.0.contains_key(&source(1_999)));
    }
}
