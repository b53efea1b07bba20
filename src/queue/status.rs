//! How the queue is doing, for metrics, `/readyz` and people.
//!
//! Promises: per destination and lane, accepted = delivered + set aside + expired + waiting, in one look. Deliberately changes
//! nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::append::APPENDING;
use super::follow::{Progress, Replay, Subscription, Tally};
use super::format::IndexEntry;
use super::log::{Log, Part, space};
use super::open_queue::OpenQueue;
use boxbridge_config::OnFull;
use boxbridge_event::{Lane, PersonType, Sequence, Timestamp};

/// A group that takes longer makes the queue "stalled": by then a box has hung up.
const STALLED: Duration = Duration::from_millis(400);
/// So many parts of the log are looked into for the oldest record that waits: a type that is paused has its oldest close behind its place.
const LOOK_AHEAD_PARTS: usize = 16;

#[derive(Clone, Debug)]
pub struct Status {
    pub bytes: SpaceUsed,
    /// What the file system has left for segments: for an unprivileged process, and without the reserve.
    pub disk_available: Option<u64>,
    /// Until what waits fills `max_bytes` or the disk, at the pace of the last minute. `None` while it does not grow.
    pub time_to_full: Option<Duration>,
    /// There is no room for the next segment, and none left in this one.
    pub is_full: bool,
    pub is_poisoned: bool,
    /// The writer has been at one thing, a write, a sync, a new segment, for longer than a box waits.
    pub is_stalled: bool,
    /// What is appended is refused: the disk does not take it at the moment.
    pub is_refused: bool,
    /// What the disk does not do at the moment, and why. All of it is tried again.
    pub outages: Vec<String>,
    pub rotten_records: u64,
    /// When the last sync ended, and how long it took.
    pub last_sync: Option<(Timestamp, Duration)>,
    pub oldest: Option<Sequence>,
    pub newest: Sequence,
    pub subscriptions: Vec<SubscriptionStatus>,
}

/// The log on disk: what waits for somebody, what is kept for replays, what is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceUsed {
    pub waiting: u64,
    pub kept: u64,
    pub free: u64,
    pub limit: u64,
}

/// One destination in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionStatus {
    pub destination: String,
    pub lane: Lane,
    /// Since it joined.
    pub accepted: u64,
    pub tally: Tally,
    pub waiting: u64,
    /// Of the records that wait or that we repeat on our own account.
    pub oldest_waiting: Option<Timestamp>,
    /// Replays that are not over.
    pub replays: usize,
    /// Records that they have still to deliver, and which count as nothing else.
    pub replaying: u64,
}

pub(super) fn status(queue: &OpenQueue) -> Status {
    let log = &queue.log;
    let bytes = bytes(queue);
    let disk_available = disk_available(queue);
    Status {
        bytes,
        disk_available,
        time_to_full: time_to_full(queue, &bytes, disk_available),
        is_full: is_full(queue, &bytes),
        is_poisoned: log.is_poisoned(),
        is_stalled: queue.gauges.writing.elapsed() > STALLED,
        is_refused: log.outages.is_open(APPENDING),
        outages: log.outages.all(),
        rotten_records: log.rotten_records(),
        last_sync: queue.gauges.last_sync.get(),
        oldest: log.oldest().map(Sequence),
        newest: Sequence(log.counts().last()),
        subscriptions: queue
            .subscriptions
            .iter()
            .map(|subscription| of(log, subscription))
            .collect(),
    }
}

fn disk_available(queue: &OpenQueue) -> Option<u64> {
    let free = queue.log.disk.free_space(&queue.log.directory).ok()?;
    Some(
        free.bytes
            .saturating_sub(queue.settings.disk_limits().reserve_bytes),
    )
}

fn time_to_full(
    queue: &OpenQueue,
    bytes: &SpaceUsed,
    disk_available: Option<u64>,
) -> Option<Duration> {
    let segment_bytes = queue.settings.disk_limits().segment_bytes;
    let growth = queue.growth.lock().bytes_per_second(segment_bytes)?;
    // Records that are only kept give way.
    let on_disk = disk_available.map_or(u64::MAX, |available| available.saturating_add(bytes.kept));
    let room = bytes.limit.saturating_sub(bytes.waiting).min(on_disk);
    Some(Duration::from_secs(room / growth.max(1)))
}

fn of(log: &Log, subscription: &Subscription) -> SubscriptionStatus {
    let progress = subscription.progress();
    // Under the progress lock, so that nothing is answered that is not yet accepted.
    let accepted = subscription.accepted(log, &progress);
    let tally = progress.answered();
    let waiting = accepted.saturating_sub(tally.total());
    let oldest_waiting = match waiting {
        0 => None,
        _ => oldest_waiting(log, subscription.lane, &progress),
    };

    // What an operator has sent again is old, and keeps nobody waiting.
    let to_replay = progress.replays.iter();
    let to_replay = to_replay.filter(|replay| replay.errand.is_none());
    let oldest_replaying = to_replay.filter_map(|replay| oldest_of_replay(log, replay));

    SubscriptionStatus {
        destination: subscription.destination.clone(),
        lane: subscription.lane,
        accepted,
        tally,
        waiting,
        oldest_waiting: oldest_waiting.into_iter().chain(oldest_replaying).min(),
        replays: progress.replays.len(),
        replaying: progress
            .replays
            .iter()
            .map(|replay| left_of(log, replay))
            .sum(),
    }
}

/// What a replay has still to deliver, as far as the disk tells now.
fn left_of(log: &Log, replay: &Replay) -> u64 {
    if let Some(errand) = &replay.errand {
        let (sent, live) = replay.done();
        return errand.records.saturating_sub(sent + live);
    }

    let through = |sequence| {
        let counts = log.counts_through(sequence).ok()?;
        let lanes = Lane::ALL.iter().filter(|lane| replay.has(**lane));
        Some(lanes.map(|lane| counts.lane(*lane)).sum::<u64>())
    };
    let before = through(replay.position().saturating_sub(1));
    let left = through(replay.to())
        .zip(before)
        .map(|(all, before)| all.saturating_sub(before));
    left.unwrap_or(0).saturating_sub(replay.settled_ahead())
}

fn oldest_of_replay(log: &Log, replay: &Replay) -> Option<Timestamp> {
    let is_of_it = |entry: &IndexEntry| replay.has(entry.lane);
    let found = first_from(log, replay.position(), |_, entry| is_of_it(entry));
    found
        .filter(|(sequence, _)| *sequence <= replay.to())
        .map(|(_, received_at)| received_at)
}

/// When the oldest record came that waits: handed out, or not yet read.
fn oldest_waiting(log: &Log, lane: Lane, progress: &Progress) -> Option<Timestamp> {
    let open = progress.oldest_unanswered();
    let scanned = PersonType::ALL
        .iter()
        .map(|person_type| progress.scanned(*person_type));
    let all_read = scanned.min()?;
    let unread = match open {
        Some((sequence, _)) if sequence <= all_read => None,
        _ => oldest_unread(log, lane, progress, all_read),
    };

    let oldest = open.into_iter().chain(unread).min();
    oldest.map(|(_, received_at)| received_at)
}

/// The first record beyond `after` that nobody has read yet for its type, and when it came.
fn oldest_unread(
    log: &Log,
    lane: Lane,
    progress: &Progress,
    after: u64,
) -> Option<(u64, Timestamp)> {
    first_from(log, after + 1, |sequence, entry| {
        entry.lane == lane && sequence > progress.scanned(entry.person_type)
    })
}

/// The first record from there on that is meant, and when it came.
fn first_from(
    log: &Log,
    from: u64,
    is_meant: impl Fn(u64, &IndexEntry) -> bool,
) -> Option<(u64, Timestamp)> {
    for (from, part) in log.parts(from).take(LOOK_AHEAD_PARTS) {
        let Part::Segment(segment) = part else {
            continue;
        };

        let mut found = None;
        let seen = segment.visit(from, |sequence, entry| {
            let is_it = !entry.lost && is_meant(sequence, entry);
            found = is_it.then_some((sequence, entry.received_at));
            found.is_none()
        });
        if seen.is_ok() && found.is_some() {
            return found;
        }
    }
    None
}

/// As of now, not as of the last append: a gateway that a load balancer took out gets no append, and would stay out for ever.
fn is_full(queue: &OpenQueue, bytes: &SpaceUsed) -> bool {
    let limits = queue.settings.disk_limits();
    let wanted = limits.segment_bytes;
    let has_no_room = bytes.waiting + wanted > bytes.limit
        || space::missing(&queue.log, wanted.saturating_add(limits.reserve_bytes)).is_some();

    let segments = queue.log.segments();
    let is_open = segments.last().is_some_and(|segment| !segment.is_sealed());
    let was_refused = queue.gauges.full.load(Ordering::Relaxed);
    has_no_room && queue.rules.now().on_full == OnFull::Refuse && (!is_open || was_refused)
}

pub(super) fn bytes(queue: &OpenQueue) -> SpaceUsed {
    let passed = queue.subscriptions.position();
    let limit = queue.settings.max_bytes;
    let mut used = SpaceUsed {
        limit,
        ..SpaceUsed::default()
    };

    for segment in &queue.log.state().segments {
        let bytes = segment.allocated.load(Ordering::Relaxed);
        match segment.through().last() > passed {
            true => used.waiting += bytes,
            false => used.kept += bytes,
        }
    }
    used.free = limit.saturating_sub(used.waiting + used.kept);
    used
}
