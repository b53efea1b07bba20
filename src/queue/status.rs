//! How the queue is doing, for metrics, `/readyz` and people.
//!
//! Promises: per destination and lane, accepted = delivered + set aside + expired + waiting, in one look. Deliberately changes
//! nothing.

use std::collections::VecDeque;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::inner::Inner;
use super::log::{Log, Part};
use super::progress::{Progress, Tally};
use super::space::{self, APPENDING};
use boxbridge_config::OnFull;
use boxbridge_event::{Lane, PersonType, Sequence, Timestamp};

/// A group that takes longer makes the queue "stalled": by then a box has hung up.
const STALLED: Duration = Duration::from_millis(400);
/// A growth over less than this says nothing: one burst would look like the end.
const SETTLED: Duration = Duration::from_secs(10);
/// Growth is judged over so many samples, one a second.
const SAMPLES: usize = 60;

#[derive(Clone, Debug)]
pub struct Status {
    pub bytes: SpaceUsed,
    /// What the file system has left for segments: for an unprivileged process, and without the reserve.
    pub disk_available: Option<u64>,
    /// Until what waits fills the budget or the disk, at the pace of the last minute. `None` while it does not grow.
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
    pub followers: Vec<FollowerStatus>,
}

/// The budget: what waits for somebody, what is kept for replays, what is free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpaceUsed {
    pub waiting: u64,
    pub kept: u64,
    pub free: u64,
    pub limit: u64,
}

/// One destination in one lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowerStatus {
    pub destination: String,
    pub lane: Lane,
    /// Since it joined.
    pub accepted: u64,
    pub tally: Tally,
    pub waiting: u64,
    pub oldest_waiting: Option<Timestamp>,
    /// Replays that are not over.
    pub replays: usize,
}

pub(super) fn status(inner: &Inner) -> Status {
    let bytes = bytes(inner);
    let growth = inner
        .growth
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .bytes_per_second();
    let available = inner
        .log
        .disk
        .free_space(&inner.log.directory)
        .ok()
        .map(|room| room.bytes);
    let disk_available =
        available.map(|bytes| bytes.saturating_sub(inner.settings.reserve_bytes()));
    // What is only kept gives way.
    let on_disk = disk_available.map_or(u64::MAX, |available| available.saturating_add(bytes.kept));
    let room = bytes.limit.saturating_sub(bytes.waiting).min(on_disk);
    Status {
        bytes,
        disk_available,
        time_to_full: growth.map(|growth| Duration::from_secs(room / growth.max(1))),
        is_full: is_full(inner, &bytes),
        is_poisoned: inner.is_poisoned(),
        is_stalled: inner.writing.elapsed() > STALLED,
        is_refused: inner.log.outages.is_open(APPENDING),
        outages: inner.log.outages.all(),
        rotten_records: inner.log.rotten_records(),
        last_sync: inner.syncing.last(),
        oldest: inner.log.oldest().map(Sequence),
        newest: Sequence(inner.log.counts().last()),
        followers: inner
            .followers
            .iter()
            .map(|follower| of(inner, follower))
            .collect(),
    }
}

fn of(inner: &Inner, follower: &super::follower::Follower) -> FollowerStatus {
    let progress = follower.progress();
    // Under the progress lock, so that nothing is answered that is not yet accepted.
    let accepted = follower.accepted(&inner.log, &progress);
    let tally = progress.answered();
    let waiting = accepted.saturating_sub(tally.total());
    let oldest_waiting = if waiting == 0 {
        None
    } else {
        oldest_waiting(&inner.log, follower.lane, &progress)
    };
    let replays = progress.replays.len();
    FollowerStatus {
        destination: follower.destination.clone(),
        lane: follower.lane,
        accepted,
        tally,
        waiting,
        oldest_waiting,
        replays,
    }
}

/// When the oldest record came that is waiting: handed out, or not yet read.
fn oldest_waiting(log: &Log, lane: Lane, progress: &Progress) -> Option<Timestamp> {
    let open = progress.oldest_unanswered();
    let scanned = |person_type: PersonType| progress.scanned(person_type);
    let unread = PersonType::ALL
        .iter()
        .map(|person_type| scanned(*person_type))
        .min()?;
    if let Some((sequence, received_at)) = open
        && sequence <= unread
    {
        return Some(received_at);
    }
    let mut from = unread + 1;
    // A few segments: a type that is paused has its oldest close behind its place.
    for _ in 0..LOOK_AHEAD_SEGMENTS {
        let segment = match log.part(from)? {
            Part::Segment(segment) => segment,
            Part::Gap(gap) => {
                from = gap.last + 1;
                continue;
            }
        };
        let mut found = None;
        let seen = segment.visit(from, |sequence, entry| {
            let is_ours =
                entry.lane == lane && !entry.lost && sequence > scanned(entry.person_type);
            found = is_ours.then_some((sequence, entry.received_at));
            found.is_none()
        });
        if let (Ok(()), Some(found)) = (seen, found) {
            return open
                .into_iter()
                .chain([found])
                .min()
                .map(|(_, received_at)| received_at);
        }
        from = segment.through().last() + 1;
    }
    open.map(|(_, received_at)| received_at)
}

const LOOK_AHEAD_SEGMENTS: usize = 16;

/// As of now, not as of the last append: whoever is taken out of a load balancer gets none, and would stay out for ever.
fn is_full(inner: &Inner, bytes: &SpaceUsed) -> bool {
    let wanted = inner.settings.segment_bytes;
    let has_no_room =
        bytes.waiting + wanted > bytes.limit || space::missing(inner, wanted).is_some();
    let is_open = inner
        .log
        .state()
        .segments
        .back()
        .is_some_and(|segment| !segment.is_sealed());
    has_no_room
        && inner.settings.on_full == OnFull::Refuse
        && (!is_open || inner.full.load(Ordering::Relaxed))
}

pub(super) fn bytes(inner: &Inner) -> SpaceUsed {
    let passed = inner
        .followers
        .iter()
        .map(|follower| follower.progress().position())
        .min()
        .unwrap_or(u64::MAX);
    let limit = inner.settings.max_bytes;
    let mut used = SpaceUsed {
        limit,
        ..SpaceUsed::default()
    };
    for segment in &inner.log.state().segments {
        let bytes = segment.allocated.load(Ordering::Relaxed);
        if segment.through().last() > passed {
            used.waiting += bytes
        } else {
            used.kept += bytes
        }
    }
    used.free = limit.saturating_sub(used.waiting + used.kept);
    used
}

/// How fast the bytes that wait grow.
#[derive(Default)]
pub(super) struct Growth {
    samples: VecDeque<(Instant, u64)>,
}

impl Growth {
    pub(super) fn sample(&mut self, waiting: u64) {
        self.samples.push_back((Instant::now(), waiting));
        if self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    fn bytes_per_second(&self) -> Option<u64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let grown = after.checked_sub(*before).filter(|grown| *grown > 0)?;
        let milliseconds = u64::try_from(to.duration_since(*from).as_millis()).ok();
        let milliseconds = milliseconds.filter(|took| *took >= SETTLED.as_millis() as u64)?;
        Some(grown.saturating_mul(1000) / milliseconds)
    }
}
