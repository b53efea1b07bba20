//! What the log says of something that works, fails, and works again: enough to follow it, never a flood.
//!
//! Promises: a cause is said when it is new, once in [`QUIET`]; whatever lasts longer than [`LASTING`] is said, and so is its end. Failures in
//! between are counted. Bounded, also where two causes take turns, and where something comes and goes many times a second. Pure: it is told
//! the time.

use std::time::{Duration, Instant};

/// A cause that was said is not said again for so long, unless the outage lasts.
const QUIET: Duration = Duration::from_secs(600);
/// An outage of a cause that is known is said after all once it has lasted so long.
const LASTING: Duration = Duration::from_secs(10);
/// So many causes are told apart in one [`QUIET`]; more would be the same one in ever other words.
const CAUSES_MAX: usize = 8;

#[derive(Default)]
pub(super) struct Outage {
    began: Option<Instant>,
    is_said: bool,
    /// Since something was said last.
    failures: u32,
    /// What was said, and when.
    causes: Vec<(String, Instant)>,
}

/// What is to be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say {
    /// It fails now, after so many failures that were not said, this one included.
    Fails { failures: u32 },
    /// It was said to fail, and does so for another cause.
    OtherCause,
}

impl Outage {
    pub(super) fn failed(&mut self, error: &str, now: Instant) -> Option<Say> {
        let began = *self.began.get_or_insert(now);
        self.failures = self.failures.saturating_add(1);
        self.causes
            .retain(|(_, said)| now.duration_since(*said) < QUIET);

        let cause = without_particulars(error);
        let is_known = self.causes.iter().any(|(known, _)| *known == cause);
        let is_new = !is_known && self.causes.len() < CAUSES_MAX;
        let is_overdue = !self.is_said && now.duration_since(began) >= LASTING;
        if !is_new && !is_overdue {
            return None;
        }

        if is_new {
            self.causes.push((cause, now));
        }
        let failures = std::mem::take(&mut self.failures);
        let was_said = std::mem::replace(&mut self.is_said, true);
        Some(if was_said {
            Say::OtherCause
        } else {
            Say::Fails { failures }
        })
    }

    /// It works: whether that is to be said.
    pub(super) fn ended(&mut self) -> bool {
        self.began = None;
        std::mem::take(&mut self.is_said)
    }
}

/// The same failure may count or name something else each time: "nothing acknowledged, 37 submitted", "PUT …/6aee45cc.jpg in 375ms".
fn without_particulars(error: &str) -> String {
    error
        .split_whitespace()
        .filter(|word| !word.contains(|c: char| c.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_cause_and_each_other_are_said_once() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        assert_eq!(
            outage.failed("refused", now),
            Some(Say::Fails { failures: 1 })
        );
        for second in 1..300 {
            let error = if second % 2 == 0 {
                "refused"
            } else {
                "no answer for 15 s"
            };
            let said = outage.failed(error, now + SECOND * second);
            assert_eq!(
                said,
                (second == 1).then_some(Say::OtherCause),
                "second {second}"
            );
        }
        assert!(outage.ended(), "what was said to fail is said to work");
        assert!(!outage.ended());
    }

    #[test]
    fn what_comes_and_goes_is_said_once_in_a_while() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        let mut lines = 0;
        for round in 0..36_000 {
            lines += u32::from(
                outage
                    .failed(
                        &format!("taken over, round {round}"),
                        start + SECOND / 10 * round,
                    )
                    .is_some(),
            );
            lines += u32::from(outage.ended());
        }
        assert_eq!(
            lines, 12,
            "of an hour, in which it failed ten times a second"
        );
    }

    #[test]
    fn an_outage_that_lasts_is_said_however_often_the_cause_was() {
        let (mut outage, start) = (Outage::default(), Instant::now());
        assert!(outage.failed("refused", start).is_some());
        assert!(outage.ended());
        let again = start + SECOND * 30;
        assert_eq!(outage.failed("refused", again), None);
        assert_eq!(
            outage.failed("refused", again + LASTING),
            Some(Say::Fails { failures: 2 })
        );
        assert!(outage.ended());
    }

    #[test]
    fn the_same_failure_of_another_object_is_the_same_cause() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        assert!(
            outage
                .failed(
                    "PUT http://127.0.0.1:9/6a/6aee.jpg in 375.4ms: timed out",
                    now
                )
                .is_some()
        );
        assert_eq!(
            outage.failed("PUT http://127.0.0.1:9/70/703f.jpg in 1.2s: timed out", now),
            None
        );
        assert_eq!(
            outage.failed("PUT http://127.0.0.1:9/70/703f.jpg in 1.2s: refused", now),
            Some(Say::OtherCause)
        );
    }

    #[test]
    fn causes_without_end_are_bounded() {
        let (mut outage, now) = (Outage::default(), Instant::now());
        let words = |number: usize| "x".repeat(number + 1);
        let lines = (0..1_000_usize)
            .filter(|number| outage.failed(&words(*number), now).is_some())
            .count();
        assert_eq!(lines, CAUSES_MAX);
    }
}
