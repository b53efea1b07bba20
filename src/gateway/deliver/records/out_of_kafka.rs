//! The records of a consumer group: each of its partitions is a cursor of one delivery.
//!
//! Promises: a partition that goes to another gateway takes what has no outcome with it. What becomes of records is counted for people; for the
//! group, its own offsets count. Deliberately reads no wall clock but to tell how long an event took.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::intake::Lately;
use super::{Consumed, Counted};
use crate::gateway::Records;
use crate::send::kafka::group::Group;
use boxbridge_event::{Lane, Outcome, PersonType, PictureVerdict, Record, Sequence, Timestamp};

/// One lane of a destination, out of Kafka.
pub struct OutOfKafka {
    lane: Lane,
    group: Arc<Group>,
    /// Of the same destination's urgent lane; `None` in that lane.
    urgent: Option<Arc<Group>>,
    paused: Vec<PersonType>,
    counted: Arc<Counted>,
    lately: Arc<Lately>,
}

impl OutOfKafka {
    pub fn new(lane: Lane, consumed: &Consumed) -> OutOfKafka {
        let group = |lane| Arc::clone(consumed.groups.of(lane));
        OutOfKafka {
            lane,
            group: group(lane),
            urgent: (lane == Lane::Normal).then(|| group(Lane::Urgent)),
            paused: Vec::new(),
            counted: Arc::clone(&consumed.counted),
            lately: Arc::clone(consumed.lately.of(lane)),
        }
    }
}

impl Records for OutOfKafka {
    fn next(&mut self) -> impl Future<Output = Record> + Send {
        self.group.next(&self.paused)
    }

    fn rewind(&mut self) {
        self.group.rewind(Sequence(0));
    }

    fn read_again(&mut self, from: Sequence) {
        self.group.rewind(from);
    }

    fn pause(&mut self, person_type: PersonType) {
        if !self.is_paused(person_type) {
            self.paused.push(person_type);
        }
    }

    fn is_paused(&self, person_type: PersonType) -> bool {
        self.paused.contains(&person_type)
    }

    fn resume(&mut self, person_type: PersonType) {
        self.paused.retain(|paused| *paused != person_type);
        self.group.rewind_type(person_type);
    }

    fn settle(&mut self, sequence: Sequence, _verdict: PictureVerdict, outcome: Outcome) {
        self.lately.ended(sequence, outcome);
        if self.group.settle(sequence) {
            self.counted.ended(self.lane, outcome);
        }
    }

    fn age(&self, record: &Record) -> Duration {
        let age = Timestamp::now().since(record.received_at);
        Duration::from_millis(u64::try_from(age).unwrap_or(0))
    }

    fn is_wanted(&self, record: &Record) -> bool {
        self.group.is_wanted(record.sequence)
    }

    fn has(&self, sequence: Sequence) -> bool {
        self.group.holds(sequence)
    }

    fn urgent_waits(&self) -> bool {
        self.urgent.as_ref().is_some_and(|urgent| urgent.held() > 0)
    }
}
