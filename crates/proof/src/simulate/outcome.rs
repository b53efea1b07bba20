//! What a run came to: counts by answer, the quantiles of the answer times, how punctual the simulator itself was.
//!
//! Times are exact: 12 bytes are kept per request. Deliberately judges nothing: whether a time is good enough is
//! the reader's business.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// A real box waits this long; a run may wait longer or shorter.
const BOX_PATIENCE: Duration = Duration::from_millis(500);

/// One box's measurements; microseconds.
#[derive(Debug, Default)]
pub struct Measured {
    /// From the intended moment to the answer.
    answers: Vec<u32>,
    /// From the sending to the answer.
    exchanges: Vec<u32>,
    /// From the intended moment to the sending.
    delays: Vec<u32>,
    /// Requests that nobody answered, however soon that was known.
    unanswered: u64,
    over_patience: u64,
    /// By HTTP status, or by why there was none; and the refusals by status and code.
    statuses: BTreeMap<String, u64>,
    refusals: BTreeMap<String, u64>,
    bytes: u64,
}

/// The result of `boxbridge simulate`.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Give it to `--seed` to send the same again.
    pub seed: u64,
    /// The first half of this run's markers.
    pub run: String,
    pub requests: u64,
    /// Of these, nobody answered so many.
    pub unanswered: u64,
    pub events: u64,
    /// Answered 200: the receiver's to lose from now on.
    pub acknowledged: u64,
    pub elapsed_seconds: f64,
    /// Events per second.
    pub rate: f64,
    pub megabytes_per_second: f64,
    /// Events by HTTP status, or by why there was none.
    pub statuses: BTreeMap<String, u64>,
    /// The refused among them by status and code, as `503 queue_full`; only from receivers that say one.
    pub refusals: BTreeMap<String, u64>,
    /// From the moment a request was meant to begin.
    pub answer_ms: Quantiles,
    /// From the moment it did begin.
    pub exchange_ms: Quantiles,
    /// How late requests began, since their box still waited or this program was slow.
    pub delay_ms: Quantiles,
    /// Requests without an answer after 500 ms, out of 1.
    pub over_500_ms: f64,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Quantiles {
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub p999: f64,
    pub max: f64,
}

/// Whether there was an answer, of whatever kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    Answer,
    Nothing,
}

impl Outcome {
    /// Not one answer: there is no receiver, or none that lives.
    pub fn is_unheard(&self) -> bool {
        self.requests > 0 && self.unanswered == self.requests
    }

    /// Answered, and not one event taken over: such a run measures nothing.
    pub fn is_refused(&self) -> bool {
        self.events > 0 && self.acknowledged == 0 && !self.is_unheard()
    }
}

impl Measured {
    pub fn request(&mut self, delay: Duration, exchange: Duration, bytes: usize, heard: Heard) {
        let microseconds = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.answers.push(microseconds(delay + exchange));
        self.exchanges.push(microseconds(exchange));
        self.delays.push(microseconds(delay));
        self.bytes += bytes as u64;
        self.unanswered += u64::from(heard == Heard::Nothing);
        self.over_patience += u64::from(heard == Heard::Nothing || delay + exchange > BOX_PATIENCE);
    }

    /// `reason` is the code of a refusal, or why there was no answer.
    pub fn event(&mut self, status: Option<u16>, reason: &str) {
        let Some(status) = status else {
            return add(&mut self.statuses, reason.to_owned(), 1);
        };

        add(&mut self.statuses, status.to_string(), 1);
        if !reason.is_empty() {
            add(&mut self.refusals, format!("{status} {reason}"), 1);
        }
    }

    pub fn merge(&mut self, other: Measured) {
        self.answers.extend(other.answers);
        self.exchanges.extend(other.exchanges);
        self.delays.extend(other.delays);
        self.bytes += other.bytes;
        self.unanswered += other.unanswered;
        self.over_patience += other.over_patience;

        for (status, events) in other.statuses {
            add(&mut self.statuses, status, events);
        }
        for (refusal, events) in other.refusals {
            add(&mut self.refusals, refusal, events);
        }
    }

    pub fn into_outcome(
        mut self,
        seed: u64,
        run: u32,
        acknowledged: u64,
        elapsed: Duration,
    ) -> Outcome {
        let seconds = elapsed.as_secs_f64().max(1e-9);
        let events: u64 = self.statuses.values().sum();
        let requests = self.answers.len();

        Outcome {
            seed,
            run: format!("{run:08x}"),
            requests: requests as u64,
            unanswered: self.unanswered,
            events,
            acknowledged,
            elapsed_seconds: seconds,
            rate: events as f64 / seconds,
            megabytes_per_second: self.bytes as f64 / 1e6 / seconds,
            answer_ms: Quantiles::of(&mut self.answers),
            exchange_ms: Quantiles::of(&mut self.exchanges),
            delay_ms: Quantiles::of(&mut self.delays),
            statuses: self.statuses,
            refusals: self.refusals,
            over_500_ms: self.over_patience as f64 / requests.max(1) as f64,
        }
    }
}

fn add(counts: &mut BTreeMap<String, u64>, name: String, events: u64) {
    *counts.entry(name).or_default() += events;
}

impl Quantiles {
    /// Of microseconds, in milliseconds. Sorts them.
    fn of(values: &mut [u32]) -> Quantiles {
        values.sort_unstable();
        let at = |quantile: f64| {
            let rank = (values.len() as f64 * quantile).ceil() as usize;
            let value = values.get(rank.saturating_sub(1));
            value.map_or(0.0, |value| f64::from(*value) / 1000.0)
        };

        Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        }
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Quantiles {
            p50,
            p90,
            p99,
            p999,
            max,
        } = self;
        write!(f, "p50 {p50:>8.2}   p90 {p90:>8.2}   p99 {p99:>8.2}   ")?;
        write!(f, "p99.9 {p999:>8.2}   max {max:>8.2}   ms")
    }
}

impl Outcome {
    fn write_answers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "acknowledged  {}", self.acknowledged)?;
        for (status, events) in &self.statuses {
            writeln!(f, "  {status:<18}{events}")?;
            for (refusal, events) in &self.refusals {
                let code = refusal.strip_prefix(&format!("{status} "));
                if let Some(code) = code {
                    writeln!(f, "    {code:<24}{events}")?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outcome {
            run,
            seed,
            events,
            requests,
            rate,
            ..
        } = self;
        let (seconds, megabytes) = (self.elapsed_seconds, self.megabytes_per_second);
        writeln!(f, "run           {run}   (--seed {seed})")?;
        writeln!(
            f,
            "sent          {events} events in {requests} requests, {seconds:.1} s"
        )?;
        writeln!(f, "rate          {rate:.1} events/s, {megabytes:.1} MB/s")?;

        self.write_answers(f)?;
        if self.is_unheard() {
            return write!(f, "answered      by nobody");
        }

        writeln!(
            f,
            "answered      {}   from the intended moment",
            self.answer_ms
        )?;
        writeln!(f, "              {}   from the sending", self.exchange_ms)?;
        writeln!(f, "begun late    {}", self.delay_ms)?;
        write!(f, "over 500 ms   {:.3} %", self.over_500_ms * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let mut values: Vec<u32> = (1..=1000).rev().map(|value| value * 1000).collect();
        let quantiles = Quantiles::of(&mut values);
        assert_eq!(
            (quantiles.p50, quantiles.p90, quantiles.p99),
            (500.0, 900.0, 990.0)
        );
        assert_eq!((quantiles.p999, quantiles.max), (999.0, 1000.0));
        assert_eq!(Quantiles::of(&mut []).max, 0.0);
    }

    #[test]
    fn an_answer_is_late_from_the_intended_moment_on() {
        let mut measured = Measured::default();
        measured.request(
            Duration::from_millis(450),
            Duration::from_millis(51),
            10,
            Heard::Answer,
        );
        measured.request(
            Duration::ZERO,
            Duration::from_millis(499),
            10,
            Heard::Answer,
        );

        let outcome = measured.into_outcome(1, 2, 2, Duration::from_secs(1));
        assert_eq!(outcome.over_500_ms, 0.5);
        assert_eq!(outcome.answer_ms.max, 501.0);
    }

    #[test]
    fn a_request_without_an_answer_is_over_every_patience() {
        let mut measured = Measured::default();
        measured.request(
            Duration::ZERO,
            Duration::from_micros(50),
            10,
            Heard::Nothing,
        );

        let outcome = measured.into_outcome(1, 2, 0, Duration::from_secs(1));
        assert_eq!((outcome.unanswered, outcome.over_500_ms), (1, 1.0));
        assert!(outcome.is_unheard());
        let said = outcome.to_string();
        assert!(said.ends_with("answered      by nobody"), "{said}");
    }
}
