//! Every metric of the process: one function for each thing that happens, in the order of the stages.
//!
//! Promises: labels come from closed enums only. What cursors and the log count is not counted again here: it is copied from them when
//! somebody looks ([`observe`]). What `/api/status` tells of the rest is counted in [`COUNTS`] as well, in the same call.

use std::sync::Arc;
use std::time::Duration;

use metrics::{counter, gauge, histogram};

use boxbridge_config::Config;
use boxbridge_event::{
    ByLane, ByType, Code, DeviceState, Feed, Lane, PersonType, PictureKind, PictureState,
    Timestamp, WarningCode,
};

mod counts;
mod histogram;
mod install;
mod names;
mod observe;

pub use counts::COUNTS;
pub use histogram::{Bound, Bucket, Buckets};
pub use install::install;
pub use observe::{KAFKA_RETENTION, group_lags, observe};

use names::*;

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

    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Accepted => "accepted",
            Outcome::Duplicate => "duplicate",
            Outcome::Refused => "refused",
            Outcome::Aborted => "aborted",
            Outcome::Quarantined => "quarantined",
        }
    }
}

/// Why a box was answered from the disk, where Kafka and the store should have the event before, as `reason`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromDisk {
    /// It was under way for as long as its box may wait.
    Late,
    /// There is no connection.
    Down,
    /// Kafka, or the store, refuses events of this type at the moment.
    Paused,
    /// Kafka refused it for good.
    SetAside,
    /// The store refused a picture for good.
    Missing,
    /// A rule of the config ended it.
    Expired,
}

impl FromDisk {
    pub const ALL: [FromDisk; 6] = [
        FromDisk::Late,
        FromDisk::Down,
        FromDisk::Paused,
        FromDisk::SetAside,
        FromDisk::Missing,
        FromDisk::Expired,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            FromDisk::Late => "late",
            FromDisk::Down => "down",
            FromDisk::Paused => "paused",
            FromDisk::SetAside => "set_aside",
            FromDisk::Missing => "missing",
            FromDisk::Expired => "expired",
        }
    }

    /// Whether the same event may well be there when it comes again.
    pub const fn passes(self) -> bool {
        matches!(self, FromDisk::Late | FromDisk::Down | FromDisk::Paused)
    }
}

/// The states in which a picture is taken out of an event; the others are found when it is sent.
const TAKEN: [PictureState; 4] = [
    PictureState::Ok,
    PictureState::Truncated,
    PictureState::Undecodable,
    PictureState::Oversize,
];

/// Sets the limits that the settings give.
pub fn limits(config: &Config) {
    gauge!(CONNECTIONS_MAX).set(config.ingest.connections_max as f64);
    gauge!(QUARANTINE_MAX).set(config.ingest.quarantine.max_bytes as f64);
    gauge!(ASIDE_MAX).set(config.queue.aside_max_bytes as f64);
}

/// Which settings hold, and whether newer ones were refused.
pub fn config(generation: u64, is_refused: bool) {
    gauge!(CONFIG_GENERATION).set(generation as f64);
    gauge!(CONFIG_RELOAD_FAILED).set(f64::from(u8::from(is_refused)));
}

/// When the time of a listener's certificate is over; `None`: it shows none any more.
pub fn certificate(listener: &'static str, expires: Option<Timestamp>) {
    let seconds = expires.map_or(f64::NAN, |expires| expires.0 as f64 / 1_000.0);
    gauge!(CERTIFICATE_EXPIRY, "listener" => listener).set(seconds);
}

/// The label values of one destination, so that its rates start at zero.
pub fn destination_exists(destination: &Arc<str>, kind: &'static str) -> Lags {
    gauge!(DESTINATION, "destination" => Arc::clone(destination), "kind" => kind).set(1.0);
    for lane in Lane::ALL {
        paused(destination, *lane, 0);
    }
    up(destination, false);
    Lags::of(destination)
}

/// How long one destination's events took, from received to acknowledged. Held, since looking one up costs more than counting in it.
pub struct Lags {
    destination: Arc<str>,
    of_lanes: ByLane<ByType<metrics::Histogram>>,
}

impl Lags {
    fn of(destination: &Arc<str>) -> Lags {
        let of = |lane: Lane, person_type: PersonType| histogram!(LAG, "destination" => Arc::clone(destination), "lane" => lane.as_str(), "person_type" => person_type.as_str());
        Lags {
            destination: Arc::clone(destination),
            of_lanes: ByLane::new(|lane| ByType::new(|person_type| of(lane, person_type))),
        }
    }

    pub fn record(&self, lane: Lane, person_type: PersonType, took: Duration) {
        let of_lane = self.of_lanes.of(lane);
        of_lane.of(person_type).record(took.as_secs_f64());
        COUNTS.add_lag(&self.destination, lane, took);
    }
}

fn events(feed: &'static str, outcome: Outcome, count: u64) {
    counter!(EVENTS, "feed" => feed, "outcome" => outcome.as_str()).increment(count);
    if feed == STATUS {
        COUNTS.status_reports.add(count);
    } else {
        COUNTS.add_events(outcome, count);
    }
}

/// The counts of earlier processes.
pub fn events_before(feed: Feed, outcome: Outcome, count: u64) {
    events(feed.as_str(), outcome, count);
}

/// `feed` may also be the one of status reports. Called by `gateway::count` alone, which says what each outcome means.
pub fn event(feed: &'static str, outcome: Outcome) {
    events(feed, outcome, 1);
}

pub fn accepted(person_type: PersonType) {
    counter!(PERSON_TYPES, "person_type" => person_type.as_str()).increment(1);
    COUNTS.add_accepted(person_type);
}

/// Why an event, or a request that brought none, was refused.
pub fn refusal(code: Code) {
    counter!(REFUSALS, "code" => code.as_str()).increment(1);
    COUNTS.add_refusal(code);
}

pub fn answered(outcome: Outcome, took: Duration) {
    histogram!(ANSWER, "outcome" => outcome.as_str()).record(took.as_secs_f64());
    COUNTS.answers.record(took);
}

pub fn answered_late(count: u64) {
    counter!(ANSWERED_LATE).increment(count);
    COUNTS.answered_late.add(count);
}

pub fn answered_from_disk(reason: FromDisk) {
    counter!(FROM_DISK, "reason" => reason.as_str()).increment(1);
    COUNTS.add_from_disk(reason);
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

pub fn devices(state: DeviceState, count: usize) {
    gauge!(DEVICES, "state" => state.as_str()).set(count as f64);
}

/// Only of devices that the inventory names: their labels are as many as the operator wrote.
pub fn device(site: &str, device: &str, is_silent: bool, last_seen: Option<Timestamp>) {
    let labels = [("site", site.to_owned()), ("device", device.to_owned())];
    gauge!(DEVICE_SILENT, &labels).set(f64::from(u8::from(is_silent)));
    if let Some(Timestamp(ms)) = last_seen {
        gauge!(DEVICE_LAST_SEEN, &labels).set(ms as f64 / 1_000.0);
    }
}

pub fn status_report_unread() {
    counter!(REPORTS_UNREAD).increment(1);
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

/// A record on Kafka was passed over on its way to a destination.
pub fn passed_over(destination: &Arc<str>, lane: Lane, why: &'static str) {
    let destination = Arc::clone(destination);
    let labels = [
        ("destination", metrics::SharedString::from(destination)),
        ("lane", lane.as_str().into()),
        ("why", why.into()),
    ];
    counter!(PASSED_OVER, &labels).increment(1);
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

#[cfg(test)]
mod tests;
