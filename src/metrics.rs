//! Every metric of the process; the doc comment of a name is its help text.
//!
//! Labels come from closed enums only, and every combination that can occur exists from the start, so that rates begin at zero.
//! What cursors and the log count is not counted again here: it is copied from them when somebody looks ([`observe`]). What
//! `/api/status` tells of the rest is counted in [`COUNTS`] as well, in the same call.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::queue::{SpaceUsed, Status};
use boxbridge_config::Config;
use boxbridge_event::{
    Code, Feed, Lane, PersonType, PictureKind, PictureState, Timestamp, WarningCode,
};

mod counts;
mod histogram;

pub use counts::COUNTS;
pub use histogram::{Bound, Bucket, Buckets};

macro_rules! names {
    ($($(#[doc = $help:literal])+ $kind:ident $constant:ident = $name:literal;)+) => {
        $($(#[doc = $help])+ const $constant: &str = $name;)+

        fn describe() {
            $(names!(@$kind $name, concat!($($help),+).trim());)+
        }
    };
    (@counter $name:literal, $help:expr) => { metrics::describe_counter!($name, $help) };
    (@gauge $name:literal, $help:expr) => { metrics::describe_gauge!($name, $help) };
    (@histogram $name:literal, $help:expr) => { metrics::describe_histogram!($name, $help) };
}

names! {
    /// The running version; always 1.
    gauge BUILD = "boxbridge_build_info";
    /// When the process started, in seconds since 1970.
    gauge STARTED = "boxbridge_start_time_seconds";
    /// Faults of the program itself (panics), each caught where it ends one thing: report it.
    counter FAULTS = "boxbridge_faults_total";
    /// Why boxes should not come here now: 1 for each cause that holds, all 0 = ready.
    gauge NOT_READY = "boxbridge_ingest_not_ready";
    /// Events by what became of them; received is their sum. Status reports are feed "status".
    counter EVENTS = "boxbridge_ingest_events_total";
    /// Accepted events by person type, since the process started.
    counter PERSON_TYPES = "boxbridge_ingest_accepted_total";
    /// Refused events by reason.
    counter REFUSALS = "boxbridge_ingest_refusals_total";
    /// From the last body byte to the answer.
    histogram ANSWER = "boxbridge_ingest_answer_seconds";
    /// Events that were committed after their box had been answered 503.
    counter ANSWERED_LATE = "boxbridge_ingest_answered_late_total";
    /// Size of request bodies.
    histogram BODY = "boxbridge_ingest_body_bytes";
    /// Connections open at the boxes' port.
    gauge CONNECTIONS = "boxbridge_ingest_connections";
    /// As many may be open; beyond it boxes wait to be let in.
    gauge CONNECTIONS_MAX = "boxbridge_ingest_connections_max";
    /// Bytes of refused bodies in quarantine.
    gauge QUARANTINE = "boxbridge_ingest_quarantine_bytes";
    /// Room for them.
    gauge QUARANTINE_MAX = "boxbridge_ingest_quarantine_max_bytes";
    /// Refused bodies that found no room in quarantine.
    counter QUARANTINE_FULL = "boxbridge_ingest_quarantine_full_total";
    /// Oddities that were taken all the same.
    counter WARNINGS = "boxbridge_normalize_warnings_total";
    /// Pictures by what they show and the state they came in.
    counter PICTURES = "boxbridge_normalize_pictures_total";
    /// One sync of the log to disk, shared by all that wait for it.
    histogram SYNC = "boxbridge_queue_sync_seconds";
    /// Records that a destination has not answered yet.
    gauge WAITING = "boxbridge_queue_waiting_records";
    /// Records that a replay has still to deliver; they are outside the counts of what was accepted.
    gauge REPLAYING = "boxbridge_queue_replaying_records";
    /// Age of the oldest record that waits; 0 where none does.
    gauge OLDEST = "boxbridge_queue_oldest_seconds";
    /// What the disk does not do at the moment and is asked again; /readyz names each, and who waits for it.
    gauge OUTAGES = "boxbridge_queue_outages";
    /// Disk of the queue: waiting for a destination, kept for the replay window, free.
    gauge BYTES = "boxbridge_queue_bytes";
    /// What it may take, by its settings.
    gauge BYTES_MAX = "boxbridge_queue_max_bytes";
    /// What the file system of the queue has left for events.
    gauge DISK_AVAILABLE = "boxbridge_queue_disk_available_bytes";
    /// Records that a destination refused and that are set aside.
    gauge ASIDE_RECORDS = "boxbridge_queue_aside_records";
    /// Bytes of the records that are set aside.
    gauge ASIDE_BYTES = "boxbridge_queue_aside_bytes";
    /// Room for them; full, and a destination that refuses stops.
    gauge ASIDE_MAX = "boxbridge_queue_aside_max_bytes";
    /// Until the queue is full at the growth of the last minutes; +Inf while it does not grow.
    gauge TIME_TO_FULL = "boxbridge_queue_time_to_full_seconds";
    /// Records that did not match their checksum and were stepped over.
    counter ROTTEN = "boxbridge_queue_rotten_records_total";
    /// Records that count for a destination since it joined.
    counter ACCEPTED = "boxbridge_send_accepted_total";
    /// Records by how they ended at a destination.
    counter RECORDS = "boxbridge_send_records_total";
    /// Expired records by the rule that ended them.
    counter EXPIRED = "boxbridge_send_expired_total";
    /// From received to acknowledged.
    histogram LAG = "boxbridge_send_lag_seconds";
    /// What a destination is: mqtt, kafka or store; always 1.
    gauge DESTINATION = "boxbridge_send_destination_info";
    /// Whether a destination has a working connection in every lane.
    gauge UP = "boxbridge_send_up";
    /// Messages that the broker took though nobody subscribes to their topic.
    counter NO_SUBSCRIBER = "boxbridge_send_no_subscriber_total";
    /// Urgent messages that the broker took though nobody subscribes to their topic: alerts that nobody heard.
    counter UNHEARD = "boxbridge_send_alerts_unheard_total";
    /// Bytes of pictures not sent again, since the store has them.
    counter SAVED = "boxbridge_send_pictures_saved_bytes_total";
    /// Records whose pictures wait for the store.
    gauge PICTURES_WAITING = "boxbridge_send_pictures_waiting";
    /// Messages that the broker in this process dropped before a subscriber took them.
    counter EMBEDDED_DROPPED = "boxbridge_send_embedded_dropped_total";
    /// Person types of which events wait at a destination since it refused them.
    gauge PAUSED = "boxbridge_send_paused";
}

/// Seconds from the last body byte; a box hangs up at 0.5.
const ANSWER_EDGES: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.4, 0.5, 1.0, 2.5,
];
const SYNC_EDGES: &[f64] = &[
    0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
];
const LAG_EDGES: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 300.0, 3600.0, 86400.0,
];
const BODY_EDGES: &[f64] = &[1e3, 1e4, 5e4, 1e5, 2e5, 5e5, 1e6, 2e6, 4e6, 8e6, 64e6];

/// The feed of status reports, which are no events.
const STATUS: &str = "status";

/// What became of an event or a request, as `outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    Duplicate,
    Refused,
    Aborted,
    Quarantined,
}

impl Outcome {
    pub const ALL: [Outcome; 5] = [
        Outcome::Accepted,
        Outcome::Duplicate,
        Outcome::Refused,
        Outcome::Aborted,
        Outcome::Quarantined,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Duplicate => "duplicate",
            Outcome::Refused => "refused",
            Outcome::Aborted => "aborted",
            Outcome::Quarantined => "quarantined",
        }
    }
}

/// The recorder of this process, with every name described and every label value at zero. Once per process.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let edges = [
        (ANSWER, ANSWER_EDGES),
        (SYNC, SYNC_EDGES),
        (LAG, LAG_EDGES),
        (BODY, BODY_EDGES),
    ];
    let builder = edges
        .iter()
        .try_fold(PrometheusBuilder::new(), |builder, (name, edges)| {
            builder.set_buckets_for_metric(Matcher::Full((*name).to_owned()), edges)
        })?;
    let handle = builder.install_recorder()?;
    describe();
    create();
    Ok(handle)
}

/// The states in which a picture is taken out of an event; the others are found when it is sent.
const TAKEN: [PictureState; 4] = [
    PictureState::Ok,
    PictureState::Truncated,
    PictureState::Undecodable,
    PictureState::Oversize,
];

fn create() {
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    gauge!(STARTED).set(Timestamp::now().0 as f64 / 1_000.0);

    for outcome in Outcome::ALL {
        // Those that are kept across restarts begin where they were: a 0 before it would count everything again.
        let is_kept = !matches!(outcome, Outcome::Refused | Outcome::Aborted);
        for feed in Feed::ALL
            .iter()
            .map(|feed| feed.as_str())
            .filter(|_| !is_kept)
            .chain([STATUS])
        {
            events(feed, outcome, 0);
        }
        let _ = histogram!(ANSWER, "outcome" => outcome.as_str());
    }

    Code::ALL
        .iter()
        .for_each(|code| counter!(REFUSALS, "code" => code.as_str()).absolute(0));
    WarningCode::ALL
        .iter()
        .for_each(|code| counter!(WARNINGS, "code" => code.as_str()).absolute(0));
    for name in [PERSON_TYPES, NO_SUBSCRIBER, UNHEARD] {
        PersonType::ALL
            .iter()
            .for_each(|word| counter!(name, "person_type" => word.as_str()).absolute(0));
    }
    for kind in PictureKind::ALL {
        for state in TAKEN {
            counter!(PICTURES, "kind" => kind.as_str(), "state" => state.as_str()).absolute(0);
        }
    }

    [
        FAULTS,
        ANSWERED_LATE,
        QUARANTINE_FULL,
        ROTTEN,
        SAVED,
        EMBEDDED_DROPPED,
    ]
    .iter()
    .for_each(|name| counter!(*name).absolute(0));
    let _ = (histogram!(BODY), histogram!(SYNC));
    gauge!(CONNECTIONS).set(0.0);
}

/// What the settings allow.
pub fn limits(config: &Config) {
    gauge!(CONNECTIONS_MAX).set(config.ingest.connections_max as f64);
    gauge!(QUARANTINE_MAX).set(config.ingest.quarantine.max_bytes as f64);
    gauge!(ASIDE_MAX).set(config.queue.aside_max_bytes as f64);
}

/// The label values of one destination, so that its rates start at zero.
pub fn destination_exists(destination: &Arc<str>, kind: &'static str) {
    gauge!(DESTINATION, "destination" => Arc::clone(destination), "kind" => kind).set(1.0);
    for lane in Lane::ALL {
        for person_type in PersonType::ALL {
            let _ = histogram!(LAG, "destination" => Arc::clone(destination), "lane" => lane.as_str(), "person_type" => person_type.as_str());
        }
        paused(destination, *lane, 0);
    }
    up(destination, false);
}

fn events(feed: &'static str, outcome: Outcome, count: u64) {
    counter!(EVENTS, "feed" => feed, "outcome" => outcome.as_str()).increment(count);
    if feed == STATUS {
        COUNTS.status_reports.add(count)
    } else {
        COUNTS.add_events(outcome, count)
    }
}

/// What was counted before this process.
pub fn events_before(feed: Feed, outcome: Outcome, count: u64) {
    events(feed.as_str(), outcome, count);
}

pub fn event(feed: Feed, outcome: Outcome) {
    events(feed.as_str(), outcome, 1);
}

pub fn accepted(person_type: PersonType) {
    counter!(PERSON_TYPES, "person_type" => person_type.as_str()).increment(1);
}

pub fn status_report() {
    events(STATUS, Outcome::Accepted, 1);
}

/// An event, or a request that never became one, that was refused.
pub fn refused(feed: &'static str, code: Code) {
    events(feed, Outcome::Refused, 1);
    counter!(REFUSALS, "code" => code.as_str()).increment(1);
    COUNTS.add_refusal(code);
}

/// A request whose sender went away before its body had arrived.
pub fn aborted(feed: &'static str) {
    events(feed, Outcome::Aborted, 1);
}

pub fn answered(outcome: Outcome, took: Duration) {
    histogram!(ANSWER, "outcome" => outcome.as_str()).record(took.as_secs_f64());
    COUNTS.answers.record(took);
}

pub fn answered_late(count: u64) {
    counter!(ANSWERED_LATE).increment(count);
    COUNTS.answered_late.add(count);
}

pub fn body(bytes: usize) {
    histogram!(BODY).record(bytes as f64);
}

pub fn fault() {
    counter!(FAULTS).increment(1);
}

pub fn connection_opened() {
    gauge!(CONNECTIONS).increment(1.0);
}

pub fn connection_closed() {
    gauge!(CONNECTIONS).decrement(1.0);
}

pub fn not_ready(cause: &'static str, is_so: bool) {
    gauge!(NOT_READY, "cause" => cause).set(f64::from(u8::from(is_so)));
}

pub fn quarantine(bytes: u64) {
    gauge!(QUARANTINE).set(bytes as f64);
}

pub fn quarantine_full() {
    counter!(QUARANTINE_FULL).increment(1);
}

pub fn warning(code: WarningCode) {
    counter!(WARNINGS, "code" => code.as_str()).increment(1);
}

pub fn picture(kind: PictureKind, state: PictureState) {
    counter!(PICTURES, "kind" => kind.as_str(), "state" => state.as_str()).increment(1);
    COUNTS.add_picture(state);
}

pub fn queue_synced(took: Duration) {
    histogram!(SYNC).record(took.as_secs_f64());
    COUNTS.syncs.record(took);
}

pub fn queue_rotten(records: u64) {
    counter!(ROTTEN).increment(records);
}

pub fn lag(destination: &Arc<str>, lane: Lane, person_type: PersonType, took: Duration) {
    histogram!(LAG, "destination" => Arc::clone(destination), "lane" => lane.as_str(), "person_type" => person_type.as_str())
        .record(took.as_secs_f64());
    COUNTS.add_lag(destination, lane, took);
}

pub fn up(destination: &Arc<str>, up: bool) {
    gauge!(UP, "destination" => Arc::clone(destination)).set(f64::from(u8::from(up)));
}

/// The broker took a message that nobody subscribes to; in the urgent lane that is an alert without a listener.
pub fn no_subscriber(lane: Lane, person_type: PersonType) {
    counter!(NO_SUBSCRIBER, "person_type" => person_type.as_str()).increment(1);
    if lane == Lane::Urgent {
        counter!(UNHEARD, "person_type" => person_type.as_str()).increment(1);
    }
}

pub fn aside(records: usize, bytes: u64) {
    gauge!(ASIDE_RECORDS).set(records as f64);
    gauge!(ASIDE_BYTES).set(bytes as f64);
}

pub fn pictures_saved(bytes: u64) {
    counter!(SAVED).increment(bytes);
    COUNTS.pictures_saved_bytes.add(bytes);
}

pub fn embedded_dropped(messages: u64) {
    counter!(EMBEDDED_DROPPED).increment(messages);
}

pub fn paused(destination: &Arc<str>, lane: Lane, count: usize) {
    gauge!(PAUSED, "destination" => Arc::clone(destination), "lane" => lane.as_str())
        .set(count as f64);
}

/// Copies what the log and the cursors count; they keep it across restarts.
pub fn observe(queue: &Status, age: impl Fn(Timestamp) -> Duration) {
    let SpaceUsed {
        waiting,
        kept,
        free,
        limit,
    } = queue.bytes;
    for (state, bytes) in [("waiting", waiting), ("kept", kept), ("free", free)] {
        gauge!(BYTES, "state" => state).set(bytes as f64);
    }
    gauge!(BYTES_MAX).set(limit as f64);
    gauge!(OUTAGES).set(queue.outages.len() as f64);
    gauge!(DISK_AVAILABLE).set(queue.disk_available.map_or(f64::NAN, |bytes| bytes as f64));
    gauge!(TIME_TO_FULL).set(
        queue
            .time_to_full
            .map_or(f64::INFINITY, |time| time.as_secs_f64()),
    );
    for follower in &queue.followers {
        let labels = [
            ("destination", follower.destination.clone()),
            ("lane", follower.lane.to_string()),
        ];
        counter!(ACCEPTED, &labels).absolute(follower.accepted);
        gauge!(WAITING, &labels).set(follower.waiting as f64);
        gauge!(REPLAYING, &labels).set(follower.replaying as f64);
        gauge!(OLDEST, &labels).set(
            follower
                .oldest_waiting
                .map_or(Duration::ZERO, &age)
                .as_secs_f64(),
        );
        let expired = follower.tally.expired_total();
        for (outcome, count) in [
            ("delivered", follower.tally.delivered),
            ("set_aside", follower.tally.set_aside),
            ("expired", expired),
        ] {
            let labels = labels
                .clone()
                .into_iter()
                .chain([("outcome", outcome.to_owned())])
                .collect::<Vec<_>>();
            counter!(RECORDS, &labels).absolute(count);
        }
        for rule in EXPIRY_RULES {
            let count = follower.tally.expired.get(rule).copied().unwrap_or(0);
            let labels = labels
                .clone()
                .into_iter()
                .chain([("rule", rule.to_owned())])
                .collect::<Vec<_>>();
            counter!(EXPIRED, &labels).absolute(count);
        }
    }
    let of_store = queue
        .followers
        .iter()
        .filter(|follower| follower.destination == boxbridge_config::STORE);
    gauge!(PICTURES_WAITING).set(
        of_store
            .map(|follower| follower.waiting as f64)
            .sum::<f64>(),
    );
}

/// Every rule by which a record can expire: the queue is full, the picture store is full, the log is rotten where the record was.
const EXPIRY_RULES: [&str; 3] = ["on_full", "max_bytes", "rotten"];

#[cfg(test)]
mod tests;
