//! What one or two looks say of a gateway, as numbers: `boxbridge status --json`, and what the screen is drawn from.
//!
//! Totals are the gateway's own, across its restarts where it keeps them. Rates and quantiles are of the time between the two looks, and
//! absent without a second one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::look::{Look, Place, Readiness};
use super::samples::{Bound, Histogram, Samples};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub url: String,
    pub version: Option<String>,
    pub ready: bool,
    pub reasons: Vec<String>,
    pub notes: Vec<String>,
    /// Between the two looks.
    pub interval_seconds: Option<f64>,
    /// Events by what became of them; received is their sum.
    pub events: BTreeMap<&'static str, Counted>,
    pub status_reports: Counted,
    pub answers: Answers,
    pub queue: Option<Queue>,
    pub lanes: Vec<Lane>,
    pub pictures: Pictures,
    /// Refused events by reason, since the process started.
    pub refusals: BTreeMap<String, u64>,
    /// Where accepted is not delivered + waiting + set aside + expired; empty = the ledger adds up.
    pub ledger_differences: Vec<Difference>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    pub total: u64,
    pub per_second: Option<f64>,
}

/// Seconds, but for the share and the count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answers {
    pub p50: Option<Bound>,
    pub p99: Option<Bound>,
    /// 0 to 1: a box has hung up by then.
    pub over_500_ms: Option<f64>,
    pub sync_p99: Option<Bound>,
    /// Answered 503 and committed all the same, since the process started.
    pub late: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Queue {
    pub waiting_bytes: u64,
    pub kept_bytes: u64,
    /// What can be written now: the smaller of the rest of `max_bytes` and what the file system has.
    pub free_bytes: u64,
    pub max_bytes: u64,
    /// Absent where it cannot be told.
    pub disk_available_bytes: Option<u64>,
    /// Absent while it does not grow.
    pub full_in_seconds: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    pub destination: String,
    pub lane: String,
    /// Of the destination: whether every lane is connected.
    pub up: bool,
    /// Person types that are held back, after repeated refusals; `reasons` says which and why.
    pub paused: u64,
    pub accepted: u64,
    pub delivered: u64,
    pub waiting: u64,
    pub set_aside: u64,
    pub expired: u64,
    pub oldest_seconds: f64,
    /// From received to acknowledged.
    pub lag_p99: Option<Bound>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pictures {
    /// Taken out of events, by the state they came in, since the process started.
    pub taken: BTreeMap<String, u64>,
    /// Records whose pictures wait for the store.
    pub waiting: u64,
    pub saved_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub destination: String,
    pub lane: String,
    /// Accepted and not accounted for; negative: more than was accepted.
    pub records: i64,
}

/// In the order of the screen.
pub(super) const OUTCOMES: [&str; 5] = ["accepted", "duplicate", "refused", "aborted", "quarantined"];
const FEEDS: [&str; 3] = ["realtime", "history", "platform"];
/// A box waits so long for its answer.
const BOX_HANGS_UP_SECONDS: f64 = 0.5;

impl Report {
    pub fn of(place: &Place, before: Option<&Look>, now: &Look) -> Report {
        let span = Span { before, now };
        let samples = &now.samples;
        let Readiness { ready, reasons, notes, .. } = now.readiness.clone();
        let lanes = lanes(&span);
        let events = OUTCOMES.map(|outcome| (outcome, span.events(outcome)));
        let answers = span.histogram("boxbridge_ingest_answer_seconds", &[]);
        Report {
            url: place.to_string(),
            version: samples.label("boxbridge_build_info", "version").map(str::to_owned),
            ready,
            reasons,
            notes,
            interval_seconds: span.seconds(),
            events: events.into_iter().collect(),
            status_reports: span.counted(|samples| samples.count("boxbridge_ingest_events_total", &[("feed", "status")])),
            answers: Answers {
                p50: answers.quantile(0.5),
                p99: answers.quantile(0.99),
                over_500_ms: answers.share_over(BOX_HANGS_UP_SECONDS),
                sync_p99: span.histogram("boxbridge_queue_sync_seconds", &[]).quantile(0.99),
                late: samples.count("boxbridge_ingest_answered_late_total", &[]),
            },
            queue: queue(samples),
            ledger_differences: lanes.iter().filter_map(difference).collect(),
            lanes,
            pictures: Pictures {
                taken: samples.by("boxbridge_normalize_pictures_total", "state"),
                waiting: samples.count("boxbridge_send_pictures_waiting", &[]),
                saved_bytes: samples.count("boxbridge_send_pictures_saved_bytes_total", &[]),
            },
            refusals: samples.by("boxbridge_ingest_refusals_total", "code").into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Two looks, or one.
struct Span<'a> {
    before: Option<&'a Look>,
    now: &'a Look,
}

impl Span<'_> {
    fn seconds(&self) -> Option<f64> {
        let before = self.before?;
        Some(self.now.at.duration_since(before.at).as_secs_f64()).filter(|seconds| *seconds > 0.0)
    }

    /// A process that has started again counts from where it resumed.
    fn counted(&self, count: impl Fn(&Samples) -> u64) -> Counted {
        let total = count(&self.now.samples);
        let since = self.before.map(|before| total.saturating_sub(count(&before.samples)));
        let per_second = since.zip(self.seconds()).map(|(count, seconds)| count as f64 / seconds);
        Counted { total, per_second }
    }

    fn events(&self, outcome: &str) -> Counted {
        let of_feed =
            |samples: &Samples, feed| samples.count("boxbridge_ingest_events_total", &[("feed", feed), ("outcome", outcome)]);
        self.counted(|samples| FEEDS.iter().map(|feed| of_feed(samples, feed)).sum())
    }

    /// Empty without a second look.
    fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Histogram {
        let before = self.before.map(|before| before.samples.histogram(name, labels));
        before.map(|before| self.now.samples.histogram(name, labels).since(&before)).unwrap_or_default()
    }
}

/// `None` until it is open.
fn queue(samples: &Samples) -> Option<Queue> {
    let bytes = |state| samples.sum("boxbridge_queue_bytes", &[("state", state)]).map(|bytes| bytes as u64);
    let (waiting_bytes, kept_bytes, of_budget) = (bytes("waiting")?, bytes("kept")?, bytes("free")?);
    let disk_available_bytes = samples.sum("boxbridge_queue_disk_available_bytes", &[]).map(|bytes| bytes as u64);
    Some(Queue {
        waiting_bytes,
        kept_bytes,
        free_bytes: of_budget.min(disk_available_bytes.unwrap_or(u64::MAX)),
        max_bytes: waiting_bytes + kept_bytes + of_budget,
        disk_available_bytes,
        full_in_seconds: samples.sum("boxbridge_queue_time_to_full_seconds", &[]).filter(|seconds| seconds.is_finite()),
    })
}

fn lanes(span: &Span) -> Vec<Lane> {
    let samples = &span.now.samples;
    let destinations = samples.by("boxbridge_send_accepted_total", "destination").into_keys();
    let words = crate::event::Lane::ALL.iter().map(|lane| lane.as_str());
    let pairs = destinations.flat_map(|destination| words.clone().map(move |lane| (destination.clone(), lane)));
    pairs.map(|(destination, lane)| lane_of(span, destination, lane)).collect()
}

fn lane_of(span: &Span, destination: String, lane: &str) -> Lane {
    let samples = &span.now.samples;
    let labels = [("destination", destination.as_str()), ("lane", lane)];
    let ended = |outcome| samples.count("boxbridge_send_records_total", &[labels[0], labels[1], ("outcome", outcome)]);
    Lane {
        up: samples.sum("boxbridge_send_up", &labels[..1]) == Some(1.0),
        paused: samples.count("boxbridge_send_paused", &labels),
        accepted: samples.count("boxbridge_send_accepted_total", &labels),
        delivered: ended("delivered"),
        waiting: samples.count("boxbridge_queue_waiting_records", &labels),
        set_aside: ended("set_aside"),
        expired: ended("expired"),
        oldest_seconds: samples.sum("boxbridge_queue_oldest_seconds", &labels).unwrap_or(0.0),
        lag_p99: span.histogram("boxbridge_send_lag_seconds", &labels).quantile(0.99),
        lane: lane.to_owned(),
        destination,
    }
}

fn difference(lane: &Lane) -> Option<Difference> {
    let accounted = lane.delivered + lane.waiting + lane.set_aside + lane.expired;
    let records = i64::try_from(lane.accepted).ok()? - i64::try_from(accounted).ok()?;
    let found = Difference { destination: lane.destination.clone(), lane: lane.lane.clone(), records };
    Some(found).filter(|difference| difference.records != 0)
}
