//! The sources that have sent something that was taken, within the last day.
//!
//! Promises: bounded; who is known is not forgotten for others, however many addresses they have. Deliberately in memory alone: a start
//! takes the senders of the last day from the table of devices. All others are strangers until their first event.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use boxbridge_event::ShareKey;

/// As many as there are devices; some 50 bytes each.
const SOURCES_MAX: usize = 10_000;
/// A box at a door that opens once a day is known.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// Looking for those whose day is over costs a look at all.
const LOOK_EVERY: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct KnownSources {
    last_seen: HashMap<ShareKey, Instant>,
    looked: Option<Instant>,
}

impl KnownSources {
    pub fn has(&self, source: ShareKey) -> bool {
        self.last_seen.contains_key(&source)
    }

    pub fn note(&mut self, source: ShareKey, now: Instant) {
        if let Some(last_seen) = self.last_seen.get_mut(&source) {
            *last_seen = now;
            return;
        }

        if self.last_seen.len() >= SOURCES_MAX {
            self.forget(now);
        }
        if self.last_seen.len() < SOURCES_MAX {
            self.last_seen.insert(source, now);
        }
    }

    fn forget(&mut self, now: Instant) {
        let is_due = |looked| now.duration_since(looked) >= LOOK_EVERY;
        if self.looked.is_none_or(is_due) {
            self.looked = Some(now);
            let is_known = |last_seen: Instant| now.duration_since(last_seen) < REMEMBERED;
            self.last_seen.retain(|_, last_seen| is_known(*last_seen));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_strangers_makes_a_known_source_unknown_and_a_day_of_silence_does() {
        let of = |number: u32| ShareKey::of(number.to_be_bytes().into());
        let (mut known, now) = (KnownSources::default(), Instant::now());
        for number in 0..20_000 {
            known.note(of(number), now);
        }
        assert_eq!(known.last_seen.len(), SOURCES_MAX);
        assert!(known.has(of(0)) && !known.has(of(19_999)));

        let day_after = now + REMEMBERED;
        known.note(of(0), day_after - LOOK_EVERY);
        known.note(of(19_999), day_after);
        assert!(known.has(of(0)) && known.has(of(19_999)) && !known.has(of(1)));
    }
}
