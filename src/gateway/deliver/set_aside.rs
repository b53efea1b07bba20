//! What becomes of a record that its destination does not take.
//!
//! Promises: it is durably set aside before its source is told. While the set-aside store takes nothing, the person types of such
//! records wait, on the topic that refused them, and all others flow: no answer of that store is waited for. Nothing is dropped. Deliberately does
//! not judge refusals: the window does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::backlog::Ending;
use super::{Delivery, Records};
use crate::gateway::kept::{Aside, SetAside, Why};
use crate::send::Rejection;
use crate::send::kafka::{AsideTopic, LeftAside, NotPut, Refused};
use crate::send::window::{Extent, TopicClass};
use crate::system::fault::Fault;
use boxbridge_event::{Message, PictureVerdict, Record, Timestamp};

/// How long a set-aside store that takes nothing is left alone.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// So many wait for it, and nothing more is read: each holds its event in memory. A topic stops at its first, so there are that many only
/// where records are unreadable or kill the connection, which no topic is known for.
const WAITING_MAX: usize = 100;

/// Where a delivery sets aside what its destination does not take.
pub enum AsidePlace {
    Folder(Arc<Aside>),
    /// Where no disk is to keep it; for the destination of this name.
    Topic(Arc<AsideTopic>, Arc<str>),
}

/// Records that the set-aside store has not taken yet, in the order in which they came.
#[derive(Default)]
pub struct Unplaced {
    waiting: VecDeque<Placing>,
    /// Of the first of them. It ends by itself.
    putting: Option<JoinHandle<Put>>,
    again: Option<Instant>,
}

type Put = Result<(), String>;

struct Placing {
    ending: Ending,
    aside: Arc<SetAside>,
    verdict: PictureVerdict,
}

impl Unplaced {
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < WAITING_MAX
    }

    /// When the store is asked again.
    pub(super) fn next_moment(&self) -> Option<Instant> {
        self.again.filter(|_| self.putting.is_none())
    }

    /// What the store says of the first. Cancel-safe.
    pub(super) async fn put(&mut self) -> Put {
        let Some(putting) = &mut self.putting else {
            return std::future::pending().await;
        };
        let put = putting.await;
        self.putting = None;
        put.unwrap_or_else(|_| Err(Fault.to_string()))
    }

    fn has(&self, class: TopicClass) -> bool {
        let mut waiting = self.waiting.iter();
        waiting.any(|placing| placing.ending.class == class)
    }
}

impl<D, R, S: Records> Delivery<D, R, S> {
    pub(super) async fn set_aside(&mut self, mut ending: Ending, rejection: &Rejection) {
        if ending.record.resent.is_some() {
            return self.stays_aside(ending, rejection).await;
        }

        let record = &ending.record;
        let aside = SetAside {
            destination: Arc::clone(&self.contact.destination),
            lane: self.lane,
            sequence: record.sequence,
            at: Timestamp::now(),
            why: self.why(&ending, rejection),
            topic: ending.topic.take(),
            event: record.event.clone(),
            pictures: std::mem::take(&mut ending.pictures),
        };
        let placing = Placing {
            ending,
            aside: Arc::new(aside),
            verdict: rejection.verdict,
        };

        self.backlog.block(placing.ending.class, true);
        self.unplaced.waiting.push_back(placing);
        self.place_next(Instant::now());
    }

    /// The first that waits for the set-aside store is put there, if it is time.
    pub(super) fn place_next(&mut self, now: Instant) {
        let is_early = self.unplaced.again.is_some_and(|again| again > now);
        if is_early || self.unplaced.putting.is_some() {
            return;
        }
        let first = self.unplaced.waiting.front();
        self.unplaced.putting = first.map(|placing| self.put_aside(placing));
    }

    /// The store has the first, or says why not.
    pub(super) fn was_put(&mut self, put: Put) {
        let Some(placing) = self.unplaced.waiting.pop_front() else {
            return;
        };
        match put {
            Ok(()) => {
                self.unplaced.again = None;
                self.placed(placing);
            }
            Err(error) => {
                self.say_unplaced(&placing, &error);
                self.unplaced.waiting.push_front(placing);
                self.unplaced.again = Some(Instant::now() + ASK_AGAIN);
            }
        }
        self.place_next(Instant::now());
    }

    /// At the end: else what is on its way there would be set aside once more.
    pub(super) async fn put_last(&mut self) {
        if self.unplaced.putting.is_some() {
            let put = self.unplaced.put().await;
            self.was_put(put);
        }
    }

    /// Everything without an outcome comes again from its source, what waits for the store with it.
    pub(super) fn forget_unplaced(&mut self) {
        let unplaced = std::mem::take(&mut self.unplaced);
        for placing in unplaced.waiting {
            self.backlog.block(placing.ending.class, false);
        }
    }

    /// It was sent again and refused again. What passes by itself is tried later.
    async fn stays_aside(&mut self, ending: Ending, rejection: &Rejection) {
        let sequence = ending.record.sequence;
        if rejection.reason.passes() && self.backlog.try_later(sequence) {
            return;
        }

        let why = self.why(&ending, rejection);
        if let AsidePlace::Folder(store) = &self.aside
            && let Some(resent) = ending.record.resent.clone()
        {
            let (store, topic) = (Arc::clone(store), ending.topic.clone());
            let say_why = move || store.refused_again(&resent.name, &why, topic);
            if let Ok(Err(error)) = tokio::task::spawn_blocking(say_why).await {
                let sequence = resent_as(&ending.record);
                tracing::warn!(%error, sequence, "it stays set aside, under its first reason");
            }
        }
        tracing::debug!(
            destination.name = &*self.contact.destination,
            sequence = resent_as(&ending.record),
            person_type = %ending.record.person_type,
            reason = rejection.reason.as_str(),
            "refused again: it stays set aside"
        );
        self.backlog.set_aside(ending, rejection.verdict);
    }

    fn why(&self, ending: &Ending, rejection: &Rejection) -> Why {
        Why {
            reason: rejection.reason.as_str(),
            detail: self.contact.of_its_own(rejection.detail.clone()),
            attempts: ending.attempts,
        }
    }

    fn placed(&mut self, placing: Placing) {
        let Placing {
            ending,
            aside,
            verdict,
        } = placing;
        tracing::warn!(
            destination.name = &*self.contact.destination,
            lane = %self.lane,
            sequence = ending.record.sequence.0,
            person_type = %ending.record.person_type,
            topic = aside.topic.as_deref(),
            reason = aside.why.reason,
            detail = aside.why.detail,
            "event set aside"
        );

        let class = ending.class;
        self.backlog.set_aside(ending, verdict);
        if !self.unplaced.has(class) {
            self.backlog.block(class, false);
        }
    }

    fn say_unplaced(&self, placing: &Placing, error: &str) {
        let why = format!(
            "{}, and the event cannot be set aside: {error}",
            placing.aside.why.reason
        );
        let extent = Extent::Class(placing.ending.class);
        let topic = placing.aside.topic.as_deref();
        self.contact.refused(self.lane, extent, why, topic);
    }

    fn put_aside(&self, placing: &Placing) -> JoinHandle<Put> {
        match &self.aside {
            AsidePlace::Folder(store) => {
                let (store, aside) = (Arc::clone(store), Arc::clone(&placing.aside));
                let put = move || store.put(&aside).map_err(|error| error.to_string());
                tokio::task::spawn_blocking(put)
            }
            AsidePlace::Topic(topic, destination) => {
                let (topic, left) = (Arc::clone(topic), placing.left_aside(destination));
                tokio::spawn(async move {
                    let put = match topic.put(&left).await {
                        // It stands on Kafka where it came from, and what is put says where.
                        Err(NotPut::Message(why)) => topic.put(&left.without_content(why)).await,
                        put => put,
                    };
                    put.map_err(|error| error.to_string())
                })
            }
        }
    }
}

impl Placing {
    /// As it lies on Kafka: for the destination that people know.
    fn left_aside(&self, destination: &str) -> LeftAside {
        let (aside, record) = (&*self.aside, &self.ending.record);
        let carried = record.carried.as_deref();
        let refused = Refused {
            destination,
            lane: aside.lane,
            reason: aside.why.reason,
            detail: &aside.why.detail,
            attempts: aside.why.attempts,
            topic: aside.topic.as_deref(),
        };
        let from = carried.map(|it| ("from", it.place.clone()));
        LeftAside {
            about: refused.about().into_iter().chain(from).collect(),
            message: Message {
                topic: String::new(),
                key: carried.map(|it| it.key.clone()).unwrap_or_default(),
                attributes: carried.map(|it| it.attributes.clone()).unwrap_or_default(),
                payload: record.event.clone(),
                timestamp: record.received_at,
                expires_in: None,
            },
        }
    }
}

/// The number under which a record stood in its log.
fn resent_as(record: &Record) -> u64 {
    let resent = record.resent.as_ref();
    resent.map_or(record.sequence, |resent| resent.sequence).0
}
