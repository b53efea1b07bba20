//! Wrong tokens by the source that showed them; of the tokens only hashes.
//!
//! Promises: bounded, also where somebody has many addresses: then the source whose minute began first is forgotten.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::Hash;
use boxbridge_event::ShareKey;

const FAILURES_MAX: u32 = 10;
/// So many different ones are guesses, and no script with an old token.
const GUESSES_MAX: usize = 10;
/// From the first of them on.
const MINUTE: Duration = Duration::from_secs(60);
/// Some hundred bytes each at most.
const SOURCES_MAX: usize = 1_024;

#[derive(Default)]
pub struct Failures(HashMap<ShareKey, Count>);

struct Count {
    began: Instant,
    failures: u32,
    /// The different tokens among them.
    guesses: Vec<Hash>,
}

/// What a source's failures of the last minute come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Few,
    /// Too many, of a few tokens.
    Repeats,
    /// Too many different ones.
    Guesses,
}

impl Failures {
    pub fn of(&self, source: ShareKey) -> Verdict {
        self.of_at(source, Instant::now())
    }

    pub fn note(&mut self, source: ShareKey, shown: &Hash) {
        self.note_at(source, shown, Instant::now());
    }

    fn of_at(&self, source: ShareKey, now: Instant) -> Verdict {
        let count = self.0.get(&source).filter(|count| !count.is_over(now));
        match count {
            Some(count) if count.guesses.len() >= GUESSES_MAX => Verdict::Guesses,
            Some(count) if count.failures >= FAILURES_MAX => Verdict::Repeats,
            Some(_) | None => Verdict::Few,
        }
    }

    fn note_at(&mut self, source: ShareKey, shown: &Hash, now: Instant) {
        self.0.retain(|_, count| !count.is_over(now));
        if self.0.len() >= SOURCES_MAX && !self.0.contains_key(&source) {
            let first = self.0.iter().min_by_key(|(_, count)| count.began);
            let first = first.map(|(source, _)| *source);
            first.map(|first| self.0.remove(&first));
        }

        let count = self.0.entry(source).or_insert(Count {
            began: now,
            failures: 0,
            guesses: Vec::new(),
        });
        count.failures = count.failures.saturating_add(1);
        if count.guesses.len() < GUESSES_MAX && !count.guesses.contains(shown) {
            count.guesses.push(*shown);
        }
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
        for guess in 0..10 {
            assert_eq!(failures.of_at(source(1), start), Verdict::Few);
            failures.note_at(source(1), &[guess; 32], start);
        }
        let (soon, later) = (start + MINUTE / 2, start + MINUTE);
        assert_eq!(failures.of_at(source(1), soon), Verdict::Guesses);
        assert_eq!(failures.of_at(source(1), later), Verdict::Few);
    }

    #[test]
    fn many_addresses_take_a_bounded_amount_of_memory() {
        let (mut failures, start) = (Failures::default(), Instant::now());
        for number in 0..2_000 {
            let now = start + Duration::from_millis(number.into());
            failures.note_at(source(number), &[0; 32], now);
        }
        assert_eq!(failures.0.len(), SOURCES_MAX);
        assert!(failures.0.contains_key(&source(1_999)));
    }
}
