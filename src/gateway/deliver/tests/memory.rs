//! A source of records that is nothing but a list in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::gateway::Records;
use crate::queue::Tally;
use boxbridge_event::{
    Event, Lane, Outcome, PersonType, Picture, PictureVerdict, Record, Sequence, Timestamp,
};

#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Shared>);

#[derive(Default)]
struct Shared {
    list: Mutex<List>,
    grown: Notify,
}

#[derive(Default)]
struct List {
    /// Number one has sequence one.
    records: Vec<Record>,
    outcomes: BTreeMap<Sequence, Outcome>,
}

/// A place in the list, as a cursor is one in the log.
pub(super) struct Reader {
    memory: Memory,
    next: usize,
    paused: Vec<PersonType>,
}

impl Memory {
    pub(super) fn append(&self, event: &Event, pictures: Vec<Picture>) {
        let mut list = self.0.list.lock();
        let record = Record {
            sequence: Sequence(list.records.len() as u64 + 1),
            received_at: Timestamp::now(),
            id: event.id,
            revision: event.revision,
            person_type: event.person_type,
            feed: event.feed,
            lane: Lane::Normal,
            event: serde_json::to_vec(event).unwrap().into(),
            has_pictures: !pictures.is_empty(),
            replay: None,
            resent: None,
            appended_before_this_process: false,
            carried: None,
            picture_reader: Arc::new(pictures),
        };
        list.records.push(record);
        self.0.grown.notify_one();
    }

    pub(super) fn reader(&self) -> Reader {
        Reader {
            memory: self.clone(),
            next: 0,
            paused: Vec::new(),
        }
    }

    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for outcome in self.0.list.lock().outcomes.values() {
            match outcome {
                Outcome::Delivered => tally.delivered += 1,
                Outcome::SetAside => tally.set_aside += 1,
                Outcome::Expired { rule } => {
                    *tally.expired.entry((*rule).to_owned()).or_default() += 1
                }
            }
        }
        tally
    }
}

impl Reader {
    fn read(&mut self) -> Option<Record> {
        let list = self.memory.0.list.lock();
        let unread = list.records.iter().enumerate().skip(self.next);
        let (place, record) = unread
            .filter(|(_, record)| !list.outcomes.contains_key(&record.sequence))
            .find(|(_, record)| !self.paused.contains(&record.person_type))?;
        self.next = place + 1;
        Some(record.clone())
    }
}

impl Records for Reader {
    async fn next(&mut self) -> Record {
        loop {
            if let Some(record) = self.read() {
                return record;
            }
            self.memory.0.grown.notified().await;
        }
    }

    fn age(&self, _record: &Record) -> Duration {
        Duration::ZERO
    }

    fn rewind(&mut self) {
        self.next = 0;
    }

    fn read_again(&mut self, from: Sequence) {
        self.next = self.next.min(from.0 as usize - 1);
    }

    fn pause(&mut self, person_type: PersonType) {
        self.paused.push(person_type);
    }

    fn is_paused(&self, person_type: PersonType) -> bool {
        self.paused.contains(&person_type)
    }

    fn resume(&mut self, person_type: PersonType) {
        self.paused.retain(|paused| *paused != person_type);
        self.next = 0;
    }

    fn settle(&mut self, sequence: Sequence, _verdict: PictureVerdict, outcome: Outcome) {
        let before = self.memory.0.list.lock().outcomes.insert(sequence, outcome);
        assert_eq!(before, None, "{sequence} ends twice");
    }
}
