//! Who has to have an event before its box is answered: a Kafka destination and the store, where `queue.answer_from` says so.
//!
//! Promises: an event counts as held only once both said so for this very record; what is late, refused or down is told with its reason, and
//! known to operators for as long as it goes on. Waits no longer than it is told to. Deliberately delivers nothing: the destinations' loops do,
//! at their own pace and in their own order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::gateway::timetable::{Column, Ending};
use crate::metrics::{self, FromDisk};
use crate::queue::{Queue, RecordState};
use crate::send::contact::Contact;
use boxbridge_event::{Lane, PersonType, Sequence, Timestamp};

/// Nothing was answered from the disk for so long: that is over.
const QUIET: Duration = Duration::from_secs(60);

pub struct Holders {
    queue: Queue,
    kafka: Holder,
    store: Holder,
    now: Mutex<Option<Stretch>>,
}

/// One destination that has to have an event.
pub struct Holder {
    pub answers: Arc<Column>,
    pub contact: Arc<Contact>,
}

/// An event that is on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnDisk {
    pub sequence: Sequence,
    pub lane: Lane,
    pub person_type: PersonType,
    /// The store gets something of it.
    pub has_pictures: bool,
    /// It came before: perhaps before this process.
    pub is_repeated: bool,
}

/// A time in which boxes were answered from the disk again and again.
struct Stretch {
    since: Timestamp,
    last: Instant,
    counts: [u64; FromDisk::ALL.len()],
}

impl Holders {
    pub fn new(queue: Queue, kafka: Holder, store: Holder) -> Holders {
        Holders {
            queue,
            kafka,
            store,
            now: Mutex::default(),
        }
    }

    /// Waits until all have it, or why they do not by then.
    pub(super) async fn have(&self, event: &OnDisk, late: Instant) -> Result<(), FromDisk> {
        if event.has_pictures {
            let stored = self.store.has(&self.queue, event, late).await;
            stored.map_err(|why| match why {
                FromDisk::SetAside => FromDisk::Missing,
                why => why,
            })?;
        }
        self.kafka.has(&self.queue, event, late).await
    }

    /// A box was answered for an event that the disk alone has.
    pub(super) fn answered_from_disk(&self, why: FromDisk) {
        metrics::answered_from_disk(why);
        let mut now = self.now.lock();
        let before = now.take_if(|stretch| stretch.is_over());
        self.say_over(before);

        if now.is_none() {
            let kafka = &*self.kafka.contact.destination;
            tracing::warn!(
                destination.name = kafka,
                reason = why.as_str(),
                "boxes are answered from the disk: it alone has these events for now, and what is on one disk ends with it"
            );
        }
        now.get_or_insert_with(Stretch::begin).add(why);
    }

    /// To be called from time to time: says when boxes are answered as they should be again.
    pub fn look(&self) {
        let over = self.now.lock().take_if(|stretch| stretch.is_over());
        self.say_over(over);
    }

    /// What people should know now.
    pub fn trouble(&self) -> Option<String> {
        let now = self.now.lock();
        let stretch = now.as_ref().filter(|stretch| !stretch.is_over())?;
        let (since, counted) = (stretch.since, stretch.counted());
        let kafka = &self.kafka.contact.destination;
        Some(format!(
            "boxes are answered from the disk and not from {kafka}, since {since}: {counted}"
        ))
    }

    fn say_over(&self, over: Option<Stretch>) {
        if let Some(stretch) = over {
            tracing::info!(
                destination.name = &*self.kafka.contact.destination,
                from_disk = stretch.counted(),
                "boxes are answered from kafka and the store again"
            );
        }
    }
}

impl Holder {
    /// Waits until it has the event, or why it does not by then.
    async fn has(&self, queue: &Queue, event: &OnDisk, late: Instant) -> Result<(), FromDisk> {
        if event.is_repeated
            && let Some(had) = self.had_before_this_process(queue, event)
        {
            return had;
        }
        if self.answers.of(event.sequence).is_none() {
            self.may_come(event)?;
        }

        let ending = tokio::time::timeout_at(late.into(), self.answers.ending(event.sequence));
        match ending.await {
            Ok(Ending::Delivered | Ending::SentAgain) => Ok(()),
            Ok(Ending::SetAside) => Err(FromDisk::SetAside),
            Ok(Ending::Expired) => Err(FromDisk::Expired),
            Err(_) => self.may_come(event).and(Err(FromDisk::Late)),
        }
    }

    /// Not where it is known already that nothing of this type is taken now.
    fn may_come(&self, event: &OnDisk) -> Result<(), FromDisk> {
        if self.contact.is_down(event.lane) {
            return Err(FromDisk::Down);
        }
        match self.contact.is_paused(event.lane, event.person_type) {
            true => Err(FromDisk::Paused),
            false => Ok(()),
        }
    }

    /// Of one that will not be answered any more, and whose answer nobody remembers: it was taken if everything was. In doubt, and where this
    /// one went before there was a `queue.answer_from`, the disk has to do. `None` for all others.
    fn had_before_this_process(
        &self,
        queue: &Queue,
        event: &OnDisk,
    ) -> Option<Result<(), FromDisk>> {
        let OnDisk {
            sequence,
            lane,
            person_type,
            ..
        } = *event;
        let state = queue.state_with(&self.contact.destination, lane, sequence, person_type)?;
        // An answer of this process was noted before the queue had it.
        if self.answers.of(sequence).is_some() {
            return None;
        }

        match state {
            RecordState::Waiting => None,
            RecordState::Answered {
                always_delivered: true,
            } => Some(Ok(())),
            RecordState::Answered { .. } | RecordState::NotIts => Some(Err(FromDisk::SetAside)),
        }
    }
}

impl Stretch {
    fn begin() -> Stretch {
        Stretch {
            since: Timestamp::now(),
            last: Instant::now(),
            counts: [0; FromDisk::ALL.len()],
        }
    }

    fn add(&mut self, why: FromDisk) {
        self.last = Instant::now();
        if let Some(count) = self.counts.get_mut(why as usize) {
            *count += 1;
        }
    }

    fn is_over(&self) -> bool {
        self.last.elapsed() > QUIET
    }

    /// `10 late, 2 paused`.
    fn counted(&self) -> String {
        let counts = FromDisk::ALL.iter().zip(self.counts);
        let counts = counts.filter(|(_, count)| *count > 0);
        let words: Vec<String> = counts
            .map(|(why, count)| format!("{count} {}", why.as_str().replace('_', " ")))
            .collect();
        words.join(", ")
    }
}
