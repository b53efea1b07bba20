//! The disk log of a destination that gets its events out of Kafka: it ends where Kafka begins.
//!
//! Promises: what stood in it before is delivered out of it; what came later is not, once it is known where its groups begin, whether or not the
//! destination is there. Until then all of it goes out: twice is better than never. Replays and what is sent again go out of it as ever.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::gateway::Records;
use boxbridge_event::{Outcome, PersonType, PictureVerdict, Record, Sequence};

/// Up to where the log is delivered, once that is known.
pub struct Handover(Mutex<Option<Sequence>>);

impl Handover {
    pub fn new(through: Option<Sequence>) -> Arc<Handover> {
        Arc::new(Handover(Mutex::new(through)))
    }

    /// Records behind this one go over Kafka.
    pub fn tell(&self, through: Sequence) {
        self.0.lock().replace(through);
    }

    /// Whether a record of the log goes over Kafka.
    pub fn leaves_to_kafka(&self, record: &Record) -> bool {
        let through = *self.0.lock();
        record.replay.is_none() && through.is_some_and(|through| record.sequence > through)
    }
}

/// The log of any destination; to its end where there is no handover.
pub struct Until<S> {
    log: S,
    handover: Option<Arc<Handover>>,
}

impl<S: Records> Until<S> {
    pub fn new(log: S, handover: Option<Arc<Handover>>) -> Until<S> {
        Until { log, handover }
    }

    async fn next_out(&mut self) -> Record {
        loop {
            let record = self.log.next().await;
            let handover = self.handover.as_ref();
            if !handover.is_some_and(|handover| handover.leaves_to_kafka(&record)) {
                return record;
            }

            let (sequence, verdict) = (record.sequence, PictureVerdict::default());
            self.log.settle(sequence, verdict, Outcome::Delivered);
        }
    }
}

impl<S: Records> Records for Until<S> {
    fn next(&mut self) -> impl Future<Output = Record> + Send {
        self.next_out()
    }

    fn rewind(&mut self) {
        self.log.rewind();
    }

    fn read_again(&mut self, from: Sequence) {
        self.log.read_again(from);
    }

    fn pause(&mut self, person_type: PersonType) {
        self.log.pause(person_type);
    }

    fn is_paused(&self, person_type: PersonType) -> bool {
        self.log.is_paused(person_type)
    }

    fn resume(&mut self, person_type: PersonType) {
        self.log.resume(person_type);
    }

    fn settle(&mut self, sequence: Sequence, verdict: PictureVerdict, outcome: Outcome) {
        self.log.settle(sequence, verdict, outcome);
    }

    fn age(&self, record: &Record) -> Duration {
        self.log.age(record)
    }

    fn hold_replays(&mut self, are_held: bool) {
        self.log.hold_replays(are_held);
    }

    fn try_later(&mut self, sequence: Sequence) -> bool {
        self.log.try_later(sequence)
    }

    /// A broker that is away for days fills no disk with what waits for it on Kafka.
    async fn pass_over(&mut self) -> Infallible {
        if self.handover.is_some() {
            self.log.rewind();
            self.log.hold_replays(true);
            // What is left waits for a session, and all behind it.
            let _waits = self.next_out().await;
        }
        std::future::pending().await
    }

    fn is_wanted(&self, record: &Record) -> bool {
        self.log.is_wanted(record)
    }

    fn urgent_waits(&self) -> bool {
        self.log.urgent_waits()
    }
}
