//! The second word on events that went out before their pictures were stored: told to a bus once the store has settled them.
//!
//! Promises: whatever went out as pending is told of, at least once, also after a restart; what a bus does not take for now is told again.
//! It has a connection of its own, so nothing here is in an event's way, and none is made before there is something to tell. Deliberately
//! remembers at most [`UNSAID_MAX`] events: a store that is down for longer has the rest of them told of by the next event alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::Links;
use crate::queue::{Queue, Search, Selection, Verdicts};
use crate::route::{PicturesNow, Router, Sending};
use crate::send::{Answer, Destination, Rejection, Session};
use boxbridge_config::Current;
use boxbridge_event::{Event, Lane, Message, PersonType, PictureVerdict, Sequence, Timestamp};

/// About 3 MB.
pub const UNSAID_MAX: usize = 100_000;
/// How often the store is looked at while something is unsaid.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Under way at once.
const WINDOW: usize = 16;
/// So many of each person type are asked for: one picture that the store does not take now holds up few others.
const ASKED: usize = 16;
/// A connection with nothing to tell is closed after so long.
const IDLE: Duration = Duration::from_secs(60);
const PAUSE_FIRST: Duration = Duration::from_secs(1);
const PAUSE_LAST: Duration = Duration::from_secs(60);

/// Of one bus.
#[derive(Default)]
pub struct Later {
    /// `None` = nothing is told.
    router: Current<Option<Router>>,
    unsaid: Mutex<Unsaid>,
    came: Notify,
    /// Buses that get out of this one what it is sent.
    readers: Vec<Arc<Later>>,
}

#[derive(Default)]
struct Unsaid {
    by_type: BTreeMap<(Lane, PersonType), BTreeSet<u64>>,
    count: usize,
    /// More were to be remembered than fit; said once.
    is_over: bool,
}

/// A record of which a message has left.
pub type Sent = (Sequence, Lane, PersonType);

/// How its messages for one kind of bus are made; `None` where the bus hears of no such event.
pub type ToMessage = fn(&Router, &Event, &Sending<'_>) -> Option<Message>;

/// What telling needs besides the bus.
pub struct Telling {
    pub later: Arc<Later>,
    pub queue: Queue,
    pub verdicts: Verdicts,
    pub links: Arc<Links>,
    pub to_message: ToMessage,
}

impl Later {
    /// `readers` hear of the same records.
    pub fn new(router: Option<Router>, readers: Vec<Arc<Later>>) -> Arc<Later> {
        Arc::new(Later {
            router: Current::new(router),
            unsaid: Mutex::default(),
            came: Notify::new(),
            readers,
        })
    }

    /// From now on by this router, or not at all.
    pub fn adopt(&self, router: Option<Router>) {
        if router.is_none() {
            *self.unsaid.lock() = Unsaid::default();
        }
        self.router.replace(router);
    }

    /// A message about this record leaves, and says of its pictures that they are pending.
    pub fn sent_without(&self, sequence: Sequence, lane: Lane, person_type: PersonType) {
        self.note([(sequence, lane, person_type)]);
        for reader in &self.readers {
            reader.sent_without(sequence, lane, person_type);
        }
    }

    fn note(&self, sent: impl IntoIterator<Item = Sent>) {
        if self.router.now().is_none() {
            return;
        }

        let mut unsaid = self.unsaid.lock();
        for (sequence, lane, person_type) in sent {
            unsaid.add(sequence, lane, person_type);
        }
        drop(unsaid);
        self.came.notify_one();
    }

    fn forget(&self, sequence: Sequence) {
        self.unsaid.lock().remove(sequence);
    }

    fn is_empty(&self) -> bool {
        self.unsaid.lock().count == 0
    }

    /// One whose pictures are settled and that is not among these.
    fn settled(&self, verdicts: &Verdicts, under_way: &BTreeSet<u64>) -> Option<Settled> {
        let asked: Vec<_> = {
            let unsaid = self.unsaid.lock();
            let of_types = unsaid.by_type.iter();
            let first = of_types.flat_map(|(of, sequences)| {
                let others = sequences.iter().filter(|it| !under_way.contains(it));
                others.take(ASKED).map(|sequence| (*of, *sequence))
            });
            first.collect()
        };

        let mut settled = asked
            .into_iter()
            .filter_map(|((lane, person_type), sequence)| {
                let sequence = Sequence(sequence);
                let verdict = verdicts.of(sequence, lane, person_type)?;
                Some(Settled { sequence, verdict })
            });
        settled.next()
    }
}

impl Unsaid {
    fn add(&mut self, sequence: Sequence, lane: Lane, person_type: PersonType) {
        if self.count >= UNSAID_MAX {
            if !std::mem::replace(&mut self.is_over, true) {
                tracing::warn!(
                    events = UNSAID_MAX,
                    "so many events went out without their pictures: nothing is announced of further ones until the store has settled some"
                );
            }
            return;
        }
        let of_type = self.by_type.entry((lane, person_type)).or_default();
        self.count += usize::from(of_type.insert(sequence.0));
    }

    fn remove(&mut self, sequence: Sequence) {
        let mut sets = self.by_type.values_mut();
        if sets.any(|of_type| of_type.remove(&sequence.0)) {
            self.count -= 1;
            self.is_over &= self.count > 0;
        }
    }
}

struct Settled {
    sequence: Sequence,
    verdict: PictureVerdict,
}

/// Why a connection is closed.
enum End {
    Idle,
    /// And whether something was taken before.
    Lost {
        error: String,
        has_told: bool,
    },
}

impl Telling {
    /// Tells this bus, for as long as it is polled.
    pub async fn tell<D: Destination<Message = Message>>(&self, bus: &D) {
        let mut failures = 0;
        loop {
            let first = self.next(&BTreeSet::new()).await;
            let end = self.over_one_connection(bus, first).await;
            match end {
                End::Idle => failures = 0,
                End::Lost { error, has_told } => {
                    failures = if has_told { 0 } else { failures + 1 };
                    tracing::debug!(error, "stored pictures are announced later");
                    let pause = PAUSE_FIRST.saturating_mul(2_u32.saturating_pow(failures));
                    sleep(pause.min(PAUSE_LAST)).await;
                }
            }
        }
    }

    /// Those that had gone out as pending when the process before this one ended.
    pub async fn take_up(&self, sent: impl Future<Output = io::Result<Vec<Sent>>>) {
        if self.later.router.now().is_none() {
            return;
        }
        match sent.await {
            Ok(sent) => self.later.note(sent),
            Err(error) => tracing::warn!(
                %error,
                "which events had gone out without their pictures cannot be read: their pictures are not announced"
            ),
        }
    }

    async fn over_one_connection<D: Destination<Message = Message>>(
        &self,
        bus: &D,
        first: (Sequence, Message),
    ) -> End {
        let lost = |error: String, has_told| End::Lost { error, has_told };
        let mut session = match bus.connect(Lane::Normal).await {
            Ok(session) => session,
            Err(error) => return lost(error.to_string(), false),
        };

        let most = session.window().records.clamp(1, WINDOW);
        let mut under_way = BTreeSet::from([first.0.0]);
        session.submit(first.0, first.1);
        let mut has_told = false;
        let mut busy = Instant::now();
        loop {
            tokio::select! {
                answer = session.next() => match answer {
                    Ok(answer) => match self.answered(answer) {
                        Ok(sequence) => {
                            under_way.remove(&sequence.0);
                            (has_told, busy) = (true, Instant::now());
                        }
                        Err(error) => return lost(error, has_told),
                    },
                    Err(end) => return lost(end.error, has_told),
                },
                (sequence, message) = self.next(&under_way), if under_way.len() < most => {
                    under_way.insert(sequence.0);
                    session.submit(sequence, message);
                }
                () = tokio::time::sleep_until(busy + IDLE), if under_way.is_empty() => {
                    session.finish().await;
                    return End::Idle;
                }
            }
        }
    }

    /// The record that is told of; an error if the bus is to be left alone for now.
    fn answered(&self, answer: Answer) -> Result<Sequence, String> {
        let sequence = match answer {
            Answer::Acknowledged { sequence, .. } | Answer::Expired { sequence, .. } => sequence,
            Answer::Rejected {
                sequence,
                rejection,
            } => {
                refused(&rejection)?;
                sequence
            }
        };
        self.later.forget(sequence);
        Ok(sequence)
    }

    /// The next message. Waits for one; cancel-safe.
    async fn next(&self, under_way: &BTreeSet<u64>) -> (Sequence, Message) {
        loop {
            let settled = self.later.settled(&self.verdicts, under_way);
            if let Some(settled) = settled {
                let sequence = settled.sequence;
                match self.message(settled).await {
                    Ok(Some(message)) => return (sequence, message),
                    // It is not kept any more, holds no event, or goes nowhere on this bus.
                    Ok(None) => self.later.forget(sequence),
                    Err(error) => {
                        tracing::debug!(%error, "an event cannot be read now");
                        sleep(LOOK_AGAIN).await;
                    }
                }
                continue;
            }

            match self.later.is_empty() {
                true => self.later.came.notified().await,
                false => {
                    let _ = timeout(LOOK_AGAIN, self.later.came.notified()).await;
                }
            }
        }
    }

    async fn message(&self, settled: Settled) -> io::Result<Option<Message>> {
        let Settled { sequence, verdict } = settled;
        let search = Search {
            selection: Selection::default(),
            before: Some(Sequence(sequence.0 + 1)),
            limit: 1,
        };
        let mut found = self.queue.search(search).await?.found;
        let record = found.pop().filter(|record| record.sequence == sequence);
        let event = record.and_then(|record| {
            let event: Option<Event> = serde_json::from_slice(&record.event).ok();
            event.map(|event| (record.lane, event))
        });
        let router = self.later.router.now();
        let (Some((lane, event)), Some(router)) = (event, &*router) else {
            return Ok(None);
        };

        let now = Timestamp::now();
        let links = self.links.of(&event, Some(sequence), now);
        let sending = Sending {
            sequence,
            epoch: None,
            lane,
            now,
            age: Duration::ZERO,
            replay: None,
            pictures: PicturesNow::Settled(verdict),
            links: &links,
            inline: &[],
        };
        Ok((self.to_message)(router, &event, &sending))
    }
}

/// An error where the same may be taken later.
fn refused(rejection: &Rejection) -> Result<(), String> {
    let Rejection { reason, detail, .. } = rejection;
    if reason.passes() {
        return Err(detail.clone());
    }
    tracing::warn!(
        reason = reason.as_str(),
        detail,
        "that pictures are stored could not be announced: does the bus allow boxbridge/+/pictures/+, or boxbridge.pictures? \
         send.store.links.announce = false switches it off"
    );
    Ok(())
}
