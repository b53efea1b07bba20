//! What this process has counted, as numbers that can be read back, for `/api/status`.
//!
//! The exporter of the metrics hands out only its text, so the functions of [`super`] that count for both count here too.
//! Deliberately not what the queue counts: that is asked of the queue.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::histogram::{Buckets, Histogram};
use super::{ANSWER_EDGES, FromDisk, LAG_EDGES, Outcome, SYNC_EDGES, TAKEN};
use boxbridge_event::{Code, Lane, PersonType, PictureState};

pub static COUNTS: Counts = Counts::new();

pub struct Counts {
    events: [AtomicU64; Outcome::ALL.len()],
    person_types: [AtomicU64; PersonType::ALL.len()],
    pub status_reports: Count,
    refusals: [AtomicU64; Code::ALL.len()],
    pub answered_late: Count,
    from_disk: [AtomicU64; FromDisk::ALL.len()],
    pictures: [AtomicU64; PictureState::ALL.len()],
    pub pictures_saved_bytes: Count,
    pub answers: Histogram,
    pub syncs: Histogram,
    lags: Mutex<BTreeMap<(Arc<str>, Lane), Histogram>>,
}

/// One number that only grows.
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counts {
    const fn new() -> Counts {
        Counts {
            events: [const { AtomicU64::new(0) }; Outcome::ALL.len()],
            person_types: [const { AtomicU64::new(0) }; PersonType::ALL.len()],
            status_reports: Count(AtomicU64::new(0)),
            refusals: [const { AtomicU64::new(0) }; Code::ALL.len()],
            answered_late: Count(AtomicU64::new(0)),
            from_disk: [const { AtomicU64::new(0) }; FromDisk::ALL.len()],
            pictures: [const { AtomicU64::new(0) }; PictureState::ALL.len()],
            pictures_saved_bytes: Count(AtomicU64::new(0)),
            answers: Histogram::new(ANSWER_EDGES),
            syncs: Histogram::new(SYNC_EDGES),
            lags: Mutex::new(BTreeMap::new()),
        }
    }

    pub fn add_events(&self, outcome: Outcome, count: u64) {
        add(&self.events, outcome as usize, count);
    }

    /// Over all feeds; status reports are none.
    pub fn events(&self, outcome: Outcome) -> u64 {
        self.events
            .get(outcome as usize)
            .map_or(0, |count| count.load(Ordering::Relaxed))
    }

    pub fn add_accepted(&self, person_type: PersonType) {
        add(&self.person_types, person_type as usize, 1);
    }

    /// Accepted since the process started, by person type.
    pub fn person_types(&self) -> BTreeMap<String, u64> {
        let counted = PersonType::ALL.iter().zip(&self.person_types);
        let counted = counted.map(|(of, count)| (of.to_string(), count.load(Ordering::Relaxed)));
        counted.collect()
    }

    pub fn add_refusal(&self, code: Code) {
        add(&self.refusals, code as usize, 1);
    }

    /// Those that occurred.
    pub fn refusals(&self) -> BTreeMap<String, u64> {
        let counted = Code::ALL.iter().zip(&self.refusals);
        let counted =
            counted.map(|(code, count)| (code.as_str().to_owned(), count.load(Ordering::Relaxed)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    pub fn add_from_disk(&self, reason: FromDisk) {
        add(&self.from_disk, reason as usize, 1);
    }

    /// Those that occurred.
    pub fn answered_from_disk(&self) -> BTreeMap<String, u64> {
        let counted = FromDisk::ALL.iter().zip(&self.from_disk);
        let counted = counted
            .map(|(reason, count)| (reason.as_str().to_owned(), count.load(Ordering::Relaxed)));
        counted.filter(|(_, count)| *count > 0).collect()
    }

    pub fn add_picture(&self, state: PictureState) {
        add(&self.pictures, state as usize, 1);
    }

    /// By the state they came in.
    pub fn pictures(&self) -> BTreeMap<String, u64> {
        let of_state = |state: PictureState| {
            self.pictures
                .get(state as usize)
                .map_or(0, |count| count.load(Ordering::Relaxed))
        };
        TAKEN
            .into_iter()
            .map(|state| (state.as_str().to_owned(), of_state(state)))
            .collect()
    }

    pub fn add_lag(&self, destination: &Arc<str>, lane: Lane, took: Duration) {
        let mut lags = self.lags.lock();
        lags.entry((Arc::clone(destination), lane))
            .or_insert_with(|| Histogram::new(LAG_EDGES))
            .record(took);
    }

    pub fn lag(&self, destination: &str, lane: Lane) -> Buckets {
        let lags = self.lags.lock();
        lags.get(&(Arc::from(destination), lane))
            .map_or_else(|| Histogram::new(LAG_EDGES).read(), Histogram::read)
    }
}

fn add(counts: &[AtomicU64], place: usize, count: u64) {
    if let Some(counted) = counts.get(place) {
        counted.fetch_add(count, Ordering::Relaxed);
    }
}
