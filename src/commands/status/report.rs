//! The numbers of `boxbridge status`, made from one or two looks at a gateway: printed by `--json`, and drawn by the screen.
//!
//! Totals are the gateway's own; some are kept across its restarts. Rates and quantiles cover the time between the two looks, and are
//! absent without a second look.

use std::collections::BTreeMap;

use serde::Serialize;

use super::look::Look;
use crate::admin::snapshot::{self, PausedType, Pictures, Queue, Snapshot};
use crate::commands::operator::AdminAddress;
use crate::metrics::{Bound, Buckets, Outcome};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    pub url: String,
    pub version: String,
    pub ready: bool,
    pub reasons: Vec<String>,
    pub notes: Vec<String>,
    /// The time between the two looks.
    pub interval_seconds: Option<f64>,
    /// Events by outcome; their sum is the events received.
    pub events: BTreeMap<&'static str, Counted>,
    pub status_reports: Counted,
    pub answers: Answers,
    pub queue: Option<Queue>,
    pub lanes: Vec<Lane>,
    pub pictures: Pictures,
    /// Refused events by reason, since the process started.
    pub refusals: BTreeMap<String, u64>,
    /// The lanes where accepted is not delivered + waiting + set aside + expired; empty if the ledger adds up.
    pub ledger_differences: Vec<Difference>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    pub total: u64,
    pub per_second: Option<f64>,
}

/// Seconds, except for the share and the count.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answers {
    pub p50: Option<Bound>,
    pub p99: Option<Bound>,
    /// The share, 0 to 1, of answers that came after the box had hung up.
    pub over_500_ms: Option<f64>,
    pub sync_p99: Option<Bound>,
    /// Events answered 503 and committed all the same, since the process started.
    pub late: u64,
    /// Events answered from the disk, since Kafka and the store did not have them in time, by reason.
    pub from_disk: BTreeMap<String, u64>,
}

/// As in [`snapshot::Lane`].
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lane {
    pub destination: String,
    pub lane: String,
    pub up: bool,
    /// How many person types are paused.
    pub paused: usize,
    pub paused_types: Vec<PausedType>,
    pub accepted: u64,
    pub delivered: u64,
    pub waiting: u64,
    pub replaying: u64,
    pub set_aside: u64,
    pub aside: Option<u64>,
    pub expired: u64,
    pub oldest_seconds: f64,
    /// From received to acknowledged.
    pub lag_p99: Option<Bound>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub destination: String,
    pub lane: String,
    /// Records accepted but not accounted for; negative if there are more than were accepted.
    pub records: i64,
}

/// A box waits this long for its answer.
const BOX_HANGS_UP_SECONDS: f64 = 0.5;

impl Report {
    pub fn of(place: &AdminAddress, before: Option<&Look>, now: &Look) -> Report {
        let span = Span { before, now };
        let snapshot = &now.snapshot;
        let lanes: Vec<Lane> = snapshot
            .lanes
            .iter()
            .map(|lane| lane_of(&span, lane))
            .collect();

        Report {
            url: place.to_string(),
            version: snapshot.version.clone(),
            ready: snapshot.ready,
            reasons: snapshot.reasons.clone(),
            notes: snapshot.notes.clone(),
            interval_seconds: span.seconds(),
            events: events(&span),
            status_reports: span.counted(|snapshot| snapshot.status_reports),
            answers: answers(&span),
            queue: snapshot.queue.clone(),
            ledger_differences: lanes.iter().filter_map(difference).collect(),
            lanes,
            pictures: snapshot.pictures.clone(),
            refusals: snapshot.refusals.clone(),
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

    /// A total and its rate. A restarted process continues its totals or begins at zero: then the rate is zero, never negative.
    fn counted(&self, count: impl Fn(&Snapshot) -> u64) -> Counted {
        let total = count(&self.now.snapshot);
        let since = self
            .before
            .map(|before| total.saturating_sub(count(&before.snapshot)));
        let per_second = since
            .zip(self.seconds())
            .map(|(count, seconds)| count as f64 / seconds);
        Counted { total, per_second }
    }

    /// The durations measured between the two looks; empty without a second look.
    fn timed<'a>(&'a self, buckets: impl Fn(&'a Snapshot) -> Option<&'a Buckets>) -> Buckets {
        let before = self.before.map(|before| buckets(&before.snapshot));
        let now = buckets(&self.now.snapshot);
        now.zip(before)
            .map(|(now, before)| before.map_or_else(|| now.clone(), |before| now.since(before)))
            .unwrap_or_default()
    }
}

fn events(span: &Span) -> BTreeMap<&'static str, Counted> {
    let counted = |outcome: Outcome| {
        let word = outcome.as_str();
        let count = |snapshot: &Snapshot| snapshot.events.get(word).copied().unwrap_or(0);
        (word, span.counted(count))
    };
    Outcome::ALL.into_iter().map(counted).collect()
}

fn answers(span: &Span) -> Answers {
    let answers = span.timed(|snapshot| Some(&snapshot.answers.seconds));
    let syncs = span.timed(|snapshot| Some(&snapshot.answers.sync_seconds));

    Answers {
        p50: answers.quantile(0.5),
        p99: answers.quantile(0.99),
        over_500_ms: answers.share_over(BOX_HANGS_UP_SECONDS),
        sync_p99: syncs.quantile(0.99),
        late: span.now.snapshot.answers.late,
        from_disk: span.now.snapshot.answers.from_disk.clone(),
    }
}

fn lane_of(span: &Span, lane: &snapshot::Lane) -> Lane {
    let is_it =
        |other: &&snapshot::Lane| other.destination == lane.destination && other.lane == lane.lane;
    let lags = span.timed(|snapshot| {
        snapshot
            .lanes
            .iter()
            .find(is_it)
            .map(|lane| &lane.lag_seconds)
    });

    Lane {
        destination: lane.destination.clone(),
        lane: lane.lane.clone(),
        up: lane.up,
        paused: lane.paused_types.len(),
        paused_types: lane.paused_types.clone(),
        accepted: lane.accepted,
        delivered: lane.delivered,
        waiting: lane.waiting,
        replaying: lane.replaying,
        set_aside: lane.set_aside,
        aside: lane.aside,
        expired: lane.expired,
        oldest_seconds: lane.oldest_seconds,
        lag_p99: lags.quantile(0.99),
    }
}

fn difference(lane: &Lane) -> Option<Difference> {
    let accounted = lane.delivered + lane.waiting + lane.set_aside + lane.expired;
    let records = i64::try_from(lane.accepted).ok()? - i64::try_from(accounted).ok()?;
    let found = Difference {
        destination: lane.destination.clone(),
        lane: lane.lane.clone(),
        records,
    };
    Some(found).filter(|difference| difference.records != 0)
}
