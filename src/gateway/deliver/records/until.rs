//! The disk log of a destination that gets its events out of Kafka: it ends where Kafka begins.
//!
//! Promises: what stood in it before is delivered out of it; what came later is not, once it is known that the group reads it. Replays and what is
//! sent again go out of it as ever. Until that is known, newer records wait for [`WAIT`], and then go out: twice is better than never.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::gateway::Records;
use boxbridge_event::{Outcome, PersonType, PictureVerdict, Record, Sequence};

/// What the brokers take to tell of a group, many times over; an alert waits no longer for it.
const WAIT: Duration = Duration::from_secs(5);

/// Up to where the log is delivered; told once.
pub struct Handover {
    /// The newest record when this process began.
    newest_at_start: Sequence,
    began: Instant,
    told: watch::Sender<Option<Sequence>>,
}

impl Handover {
    /// `through` where it is known already.
    pub fn new(newest_at_start: Sequence, through: Option<Sequence>) -> Arc<Handover> {
        Arc::new(Handover {
            newest_at_start,
            began: Instant::now(),
            told: watch::Sender::new(through),
        })
    }

    /// Records behind this one go over Kafka.
    pub fn tell(&self, through: Sequence) {
        self.told.send_replace(Some(through));
    }
}

/// The log of any destination; to its end where there is no handover.
pub struct Until<S> {
    log: S,
    handover: Option<Waiting>,
    /// Read, and not known whether it is to go out.
    undecided: Option<Record>,
}

struct Waiting {
    handover: Arc<Handover>,
    told: watch::Receiver<Option<Sequence>>,
}

enum Way {
    Out,
    OverKafka,
    Undecided,
}

impl<S: Records> Until<S> {
    pub fn new(log: S, handover: Option<Arc<Handover>>) -> Until<S> {
        let waiting = |handover: Arc<Handover>| Waiting {
            told: handover.told.subscribe(),
            handover,
        };
        Until {
            log,
            handover: handover.map(waiting),
            undecided: None,
        }
    }

    async fn next_out(&mut self) -> Record {
        loop {
            let record = match self.undecided.take() {
                Some(record) => record,
                None => self.log.next().await,
            };
            let Some(waiting) = self.handover.as_mut() else {
                return record;
            };
            match waiting.way(&record) {
                Way::Out => return record,
                Way::OverKafka => {
                    self.log.settle(
                        record.sequence,
                        PictureVerdict::default(),
                        Outcome::Delivered,
                    );
                }
                Way::Undecided => {
                    self.undecided = Some(record);
                    waiting.until_told().await;
                }
            }
        }
    }
}

impl Waiting {
    fn way(&self, record: &Record) -> Way {
        let told = *self.told.borrow();
        let through = told.unwrap_or(self.handover.newest_at_start);
        if record.replay.is_some() || record.sequence <= through {
            return Way::Out;
        }
        match told {
            Some(_) => Way::OverKafka,
            None if self.handover.began.elapsed() >= WAIT => Way::Out,
            None => Way::Undecided,
        }
    }

    async fn until_told(&mut self) {
        let over = self.handover.began + WAIT;
        // That nobody tells any more cannot be: the handover is here.
        let _ = tokio::time::timeout_at(over, self.told.changed()).await;
    }
}

impl<S: Records> Records for Until<S> {
    fn next(&mut self) -> impl Future<Output = Record> + Send {
        self.next_out()
    }

    fn rewind(&mut self) {
        self.undecided = None;
        self.log.rewind();
    }

    fn read_again(&mut self, from: Sequence) {
        self.undecided = None;
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

    fn is_wanted(&self, record: &Record) -> bool {
        self.log.is_wanted(record)
    }

    fn urgent_waits(&self) -> bool {
        self.log.urgent_waits()
    }
}
