//! How fast a connection is, and so how much of what one may act on may be under way: what stands in a thin line is stale when it arrives.
//!
//! Promises: bytes handed over and unanswered stay within a second of what the line was seen to carry, or twice what one round trip carries,
//! or 64 KiB; what it carries is learnt only while something fills it. Deliberately no clock: it is told the time.

use std::time::{Duration, Instant};

/// Always allowed: a line is to be filled before one can tell what it carries.
const ALWAYS: usize = 64 * 1024;
/// In flight for as long as a round lasts, or the round tells of the senders and not of the line.
const FILLED: usize = ALWAYS / 2;
/// A round is over at the latest after this long: a line that breaks down is to be noticed.
const ROUND_MAX: Duration = Duration::from_secs(1);
/// A rate that nothing has confirmed for so long is forgotten: that the broker once stood still must not make alerts late for ever.
const BELIEVED: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub struct Pace {
    /// Bytes per second, while something was in flight.
    rate: Option<f64>,
    /// When that was last seen.
    seen_at: Option<Instant>,
    round_trip: Option<Duration>,
    round: Option<Round>,
}

/// From a moment until what was in flight then is answered.
#[derive(Debug)]
struct Round {
    began: Instant,
    in_flight: usize,
    answered: usize,
}

impl Pace {
    /// A new connection, by another way perhaps. What the line carried is the best guess.
    pub fn restart(&mut self) {
        self.round = None;
        self.round_trip = None;
    }

    /// How much may be in flight.
    pub fn limit(&self) -> usize {
        let Some(rate) = self.rate else { return ALWAYS };
        let round_trips = 2.0 * self.round_trip.unwrap_or_default().as_secs_f64();
        // A rate is finite and positive; the conversion stops at the largest number.
        ALWAYS.max((rate * round_trips.max(1.0)) as usize)
    }

    /// How long what is handed over now waits for what is in flight.
    pub fn wait(&self, in_flight: usize) -> Duration {
        let waits = self.rate.map_or(0.0, |rate| in_flight as f64 / rate);
        Duration::try_from_secs_f64(waits).unwrap_or(Duration::MAX)
    }

    /// So much is in flight now that something was handed over.
    pub fn submitted(&mut self, in_flight: usize, now: Instant) {
        if self.round.is_none()
            && self
                .seen_at
                .is_some_and(|seen_at| now.saturating_duration_since(seen_at) > BELIEVED)
        {
            (self.rate, self.seen_at) = (None, None);
        }

        if self.round.is_none() && in_flight >= FILLED {
            self.round = Some(Round {
                began: now,
                in_flight,
                answered: 0,
            });
        }
    }

    /// So many bytes were answered, so long after they were handed over; so many are in flight still.
    pub fn answered(&mut self, bytes: usize, took: Duration, in_flight: usize, now: Instant) {
        self.round_trip = Some(self.round_trip.map_or(took, |least| least.min(took)));
        let Some(round) = &mut self.round else { return };
        round.answered += bytes;
        let took = now.saturating_duration_since(round.began);
        if round.answered < round.in_flight && took < ROUND_MAX {
            return;
        }

        // What a moment carries is beyond any window: no division by nothing.
        let seen = round.answered as f64 / took.as_secs_f64().max(0.000_1);
        self.rate = Some(
            self.rate
                .map_or(seen, |rate| {
                    if seen > rate {
                        seen
                    } else {
                        f64::midpoint(rate, seen)
                    }
                })
                .max(1.0),
        );
        self.seen_at = Some(now);

        self.round = (in_flight >= FILLED).then_some(Round {
            began: now,
            in_flight,
            answered: 0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of so many bytes a second with this round trip, kept full by a sender with messages of 2 KB; the largest wait of a message.
    fn fill(line: f64, round_trip: Duration, messages: usize) -> (Pace, Duration) {
        const BYTES: usize = 2_000;
        let (mut pace, mut now, start) = (Pace::default(), Instant::now(), Instant::now());
        let (mut in_flight, mut free_at, mut longest) =
            (std::collections::VecDeque::new(), start, Duration::ZERO);
        let mut sent = 0;
        while sent < messages || !in_flight.is_empty() {
            while sent < messages && in_flight.len() * BYTES < pace.limit() {
                free_at = free_at.max(now) + Duration::from_secs_f64(BYTES as f64 / line);
                in_flight.push_back((now, free_at + round_trip));
                sent += 1;
                pace.submitted(in_flight.len() * BYTES, now);
            }
            let Some((submitted, answered)) = in_flight.pop_front() else {
                break;
            };
            now = now.max(answered);
            longest = longest.max(now - submitted);
            pace.answered(BYTES, now - submitted, in_flight.len() * BYTES, now);
        }
        (pace, longest)
    }

    #[test]
    fn a_thin_line_holds_what_it_carries_in_three_seconds_and_a_wait_is_known() {
        let (pace, longest) = fill(25_000.0, Duration::from_millis(20), 300);
        assert!(longest < Duration::from_secs(4), "{longest:?}");
        assert_eq!(pace.limit(), ALWAYS);
        let wait = pace.wait(50_000);
        assert!(
            wait > Duration::from_millis(1_500) && wait < Duration::from_millis(2_500),
            "{wait:?}"
        );
    }

    #[test]
    fn a_fast_line_is_filled_however_long_it_is() {
        for round_trip in [1, 50, 300].map(Duration::from_millis) {
            let (pace, _) = fill(10_000_000.0, round_trip, 50_000);
            let carried = 10_000_000.0 * round_trip.as_secs_f64();
            assert!(
                pace.limit() as f64 > carried,
                "{round_trip:?}: {} bytes, the line carries {carried}",
                pace.limit()
            );
        }
    }

    #[test]
    fn a_broker_that_once_stood_still_does_not_make_alerts_late_for_ever() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        pace.submitted(FILLED, start);
        let thawed = start + Duration::from_secs(14);
        pace.answered(2_000, Duration::from_secs(14), 0, thawed);
        assert!(pace.wait(2_000) > Duration::from_secs(10));

        pace.submitted(2_000, thawed + BELIEVED * 2);
        assert_eq!(pace.wait(2_000), Duration::ZERO);
    }

    #[test]
    fn single_messages_tell_nothing_of_the_line() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for second in 1..100 {
            let now = now + Duration::from_secs(second);
            pace.submitted(2_000, now);
            pace.answered(
                2_000,
                Duration::from_millis(50),
                0,
                now + Duration::from_millis(50),
            );
        }
        assert_eq!((pace.limit(), pace.wait(ALWAYS)), (ALWAYS, Duration::ZERO));
    }
}
