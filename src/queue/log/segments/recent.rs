//! The newest records, still in memory: a cursor that keeps up reads no disk, and wakes no thread to read it.
//!
//! Promises: holds nothing that is not durable, and of events and of pictures no more bytes than it was told; the oldest go first.
//! Deliberately is nobody's only copy.

use std::collections::VecDeque;
use std::sync::Weak;

use bytes::Bytes;
use parking_lot::Mutex;

use crate::queue::format::RecordHeader;
use crate::queue::log::segment::Segment;
use boxbridge_event::Picture;

pub struct Recent {
    events_max: usize,
    pictures_max: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// By sequence, without a gap.
    records: VecDeque<RecentRecord>,
    event_bytes: usize,
    /// Of some of them, by sequence.
    pictures: VecDeque<(u64, Vec<Picture>)>,
    picture_bytes: usize,
}

/// A record as it stands in the log.
pub struct RecentRecord {
    pub header: RecordHeader,
    /// Once it is deleted, its room is given back.
    pub segment: Weak<Segment>,
    /// In the segment.
    pub offset: u64,
    pub event: Bytes,
}

impl Recent {
    pub fn new(events_max: usize, pictures_max: usize) -> Recent {
        Recent {
            events_max,
            pictures_max,
            state: Mutex::default(),
        }
    }

    /// The next records of the log, with their pictures; they are durable.
    pub fn push(&self, records: impl IntoIterator<Item = (RecentRecord, Vec<Picture>)>) {
        let mut state = self.state.lock();
        for (record, pictures) in records {
            state.push(record, pictures);
        }
        state.shrink(self.events_max, self.pictures_max);
    }

    /// Shows records from `from` on, until `visit` says that it has enough. Shows nothing if that one is not here.
    pub fn visit(&self, from: u64, mut visit: impl FnMut(&RecentRecord) -> bool) {
        let state = self.state.lock();
        let first = state.records.front().map(|record| record.header.sequence);
        let Some(skipped) = first.and_then(|first| from.checked_sub(first)) else {
            return;
        };

        let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
        for record in state.records.iter().skip(skipped) {
            if !visit(record) {
                return;
            }
        }
    }

    pub fn pictures(&self, sequence: u64) -> Option<Vec<Picture>> {
        let state = self.state.lock();
        let place = state
            .pictures
            .binary_search_by_key(&sequence, |(sequence, _)| *sequence);
        let (_, pictures) = state.pictures.get(place.ok()?)?;
        Some(pictures.clone())
    }
}

impl State {
    fn push(&mut self, record: RecentRecord, pictures: Vec<Picture>) {
        let sequence = record.header.sequence;
        let is_next = |last: &RecentRecord| last.header.sequence + 1 == sequence;
        if !self.records.back().is_none_or(is_next) {
            *self = State::default();
        }

        self.event_bytes += record.event.len();
        self.records.push_back(record);
        if !pictures.is_empty() {
            self.picture_bytes += picture_bytes(&pictures);
            self.pictures.push_back((sequence, pictures));
        }
    }

    fn shrink(&mut self, events_max: usize, pictures_max: usize) {
        while self.event_bytes > events_max {
            let Some(oldest) = self.records.pop_front() else {
                break;
            };
            self.event_bytes -= oldest.event.len();
        }
        while self.picture_bytes > pictures_max {
            let Some((_, oldest)) = self.pictures.pop_front() else {
                break;
            };
            self.picture_bytes -= picture_bytes(&oldest);
        }
    }
}

fn picture_bytes(pictures: &[Picture]) -> usize {
    pictures.iter().map(|picture| picture.bytes.len()).sum()
}
