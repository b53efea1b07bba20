//! The set-aside records that are on their way to one destination once more.
//!
//! Promises: few at a time, in number and bytes; each ends once. A file goes only when the destination has its record for good: a store that
//! syncs in batches has it once that is synced, and gets it again if the sync failed. Deliberately reads no file.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::gateway::Column;
use crate::gateway::kept::Aside;
use crate::queue::Queue;
use crate::system::written::Written;
use boxbridge_event::{Outcome, PersonType, PictureVerdict, Record, Sequence};

/// Far above every sequence of a log: in the window a record that is sent again stands behind all others of its device.
const FIRST: u64 = 1 << 63;
/// So few may lie in a line in front of what is live.
const AT_ONCE: usize = 16;
/// The same in bytes of events, but for one that is larger.
const BYTES_AT_ONCE: usize = 4 << 20;
/// A record refused for a passing reason is tried so often: half a minute.
const TRIES_MAX: u32 = 6;
const TRY_FIRST: Duration = Duration::from_secs(1);
const TRY_LAST: Duration = Duration::from_secs(8);
/// How often is looked whether a store has synced.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Of one destination.
pub struct Line {
    pub destination: Arc<str>,
    aside: Arc<Aside>,
    /// It learns which pictures the store has after all.
    queue: Queue,
    /// It learns what was delivered after all.
    answers: Arc<Column>,
    /// Of a store that syncs in batches.
    written: Option<Arc<Written>>,
    state: Mutex<State>,
    /// There is something to hand out.
    offered: Notify,
    /// There is room, or all has ended.
    ended: Notify,
}

#[derive(Default)]
struct State {
    /// The replay of the order that is carried out.
    replay: Arc<str>,
    given: u64,
    /// Not handed out, by number.
    waiting: BTreeMap<u64, Offered>,
    /// Handed out, and without an outcome.
    out: BTreeMap<u64, Offered>,
    /// Taken by the destination, and not gone from the disk.
    going: BTreeMap<u64, Offered>,
    /// Nothing is handed out before.
    pause: Option<Instant>,
    delivered: u64,
    refused: u64,
}

#[derive(Clone)]
struct Offered {
    record: Record,
    tries: u32,
}

impl State {
    /// Those of the order that is carried out. What is left of one that was cancelled takes nobody's room.
    fn of_order(&self) -> impl Iterator<Item = &Offered> {
        let all = [&self.waiting, &self.out, &self.going].into_iter();
        all.flat_map(|offered| offered.values())
            .filter(|offered| self.is_of_order(offered))
    }

    fn has_room(&self) -> bool {
        let bytes = |offered: &Offered| offered.record.event.len();
        self.of_order().count() < AT_ONCE
            && self.of_order().map(bytes).sum::<usize>() < BYTES_AT_ONCE
    }

    fn is_of_order(&self, offered: &Offered) -> bool {
        offered.record.replay.as_deref() == Some(&*self.replay)
    }

    /// It comes again, unless its order was cancelled.
    fn wait_again(&mut self, number: u64, offered: Offered) {
        if self.is_of_order(&offered) {
            self.waiting.insert(number, offered);
        }
    }
}

impl Line {
    pub fn new(
        destination: Arc<str>,
        aside: Arc<Aside>,
        queue: Queue,
        answers: Arc<Column>,
        written: Option<Arc<Written>>,
    ) -> Line {
        Line {
            destination,
            aside,
            queue,
            answers,
            written,
            state: Mutex::default(),
            offered: Notify::new(),
            ended: Notify::new(),
        }
    }

    /// Whether a record of this number is one of a line.
    pub(super) fn is_number(sequence: Sequence) -> bool {
        sequence.0 >= FIRST
    }
}

/// For who carries out an order.
impl Line {
    pub(super) fn begin(&self, replay: &Arc<str>) {
        let mut state = self.state.lock();
        state.replay = Arc::clone(replay);
        (state.delivered, state.refused) = (0, 0);
    }

    /// A number for the next record, once there is room for it.
    pub(super) async fn number(&self) -> Sequence {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            {
                let mut state = self.state.lock();
                if state.has_room() {
                    state.given += 1;
                    return Sequence(FIRST + state.given);
                }
            }
            ended.await;
        }
    }

    pub(super) fn offer(&self, record: Record) {
        let number = record.sequence.0;
        let offered = Offered { record, tries: 0 };
        self.state.lock().waiting.insert(number, offered);
        self.offered.notify_one();
    }

    pub(super) fn cannot_be_sent(&self) {
        self.state.lock().refused += 1;
    }

    pub(super) async fn until_all_ended(&self) {
        loop {
            let mut ended = std::pin::pin!(self.ended.notified());
            ended.as_mut().enable();
            if self.state.lock().of_order().next().is_none() {
                return;
            }
            ended.await;
        }
    }

    /// What was not handed out goes no more; what was may be answered still.
    pub(super) fn cancel(&self) {
        let mut state = self.state.lock();
        state.waiting.clear();
        state.replay = Arc::default();
    }

    /// How many were delivered and how many refused.
    pub(super) fn ended(&self) -> (u64, u64) {
        let state = self.state.lock();
        (state.delivered, state.refused)
    }
}

/// For the source.
impl Line {
    /// The next record that is not of these types. Waits for one; cancel-safe.
    pub(super) async fn next(&self, paused: &[PersonType]) -> Record {
        loop {
            let (record, pause) = self.take(paused);
            if let Some(record) = record {
                return record;
            }
            match pause {
                Some(pause) => tokio::time::sleep_until(pause).await,
                None => self.offered.notified().await,
            }
        }
    }

    /// One that may go, else when one may.
    fn take(&self, paused: &[PersonType]) -> (Option<Record>, Option<Instant>) {
        let mut state = self.state.lock();
        state.pause = state.pause.filter(|pause| *pause > Instant::now());
        if state.pause.is_some() {
            return (None, state.pause);
        }

        let is_free =
            |(_, offered): &(&u64, &Offered)| !paused.contains(&offered.record.person_type);
        let number = state
            .waiting
            .iter()
            .find(is_free)
            .map(|(number, _)| *number);
        let offered = number.and_then(|number| state.waiting.remove_entry(&number));
        let record = offered.map(|(number, offered)| {
            let record = offered.record.clone();
            state.out.insert(number, offered);
            record
        });
        (record, None)
    }

    /// What was handed out comes again, unless its order was cancelled.
    pub(super) fn rewind(&self) {
        let mut state = self.state.lock();
        for (number, offered) in std::mem::take(&mut state.out) {
            state.wait_again(number, offered);
        }
        drop(state);
        self.offered.notify_one();
        self.ended.notify_waiters();
    }

    /// Whether the order that it was handed out for goes on.
    pub(super) fn is_wanted(&self, sequence: Sequence) -> bool {
        let state = self.state.lock();
        let offered = state.out.get(&sequence.0);
        offered.is_some_and(|offered| state.is_of_order(offered))
    }

    pub(super) fn settle(
        self: &Arc<Line>,
        sequence: Sequence,
        verdict: PictureVerdict,
        outcome: Outcome,
    ) {
        let mut state = self.state.lock();
        let Some(offered) = state.out.remove(&sequence.0) else {
            return;
        };
        if outcome == Outcome::Delivered {
            state.going.insert(sequence.0, offered.clone());
            tokio::spawn(Arc::clone(self).taken(sequence.0, offered));
            return;
        }

        state.refused += u64::from(state.is_of_order(&offered));
        drop(state);
        if verdict != PictureVerdict::default() {
            self.settle_pictures(&offered.record, verdict);
        }
        self.ended.notify_waiters();
    }

    /// A record was refused for a reason that passes: whether it comes again, behind a pause.
    pub(super) fn try_later(&self, sequence: Sequence) -> bool {
        let mut state = self.state.lock();
        let Some(mut offered) = state.out.remove(&sequence.0) else {
            return false;
        };
        if offered.tries >= TRIES_MAX || !state.is_of_order(&offered) {
            state.out.insert(sequence.0, offered);
            return false;
        }

        let pause = (TRY_FIRST * 2_u32.pow(offered.tries)).min(TRY_LAST);
        offered.tries += 1;
        state.pause = Some(Instant::now() + pause);
        state.waiting.insert(sequence.0, offered);
        true
    }

    /// The destination took it: its file goes once that is for good.
    async fn taken(self: Arc<Line>, number: u64, offered: Offered) {
        let is_for_good = self.is_for_good().await;
        if is_for_good {
            self.settle_pictures(&offered.record, PictureVerdict::default());
            if let Some(sequence) = offered.record.sequence_in_log() {
                self.answers.sent_again(sequence);
            }
            self.remove_file_of(&offered.record).await;
        }

        let mut state = self.state.lock();
        state.going.remove(&number);
        if is_for_good {
            state.delivered += u64::from(state.is_of_order(&offered));
        } else {
            state.wait_again(number, offered);
        }
        drop(state);
        self.offered.notify_one();
        self.ended.notify_waiters();
    }

    /// From now on events say so.
    fn settle_pictures(&self, record: &Record, verdict: PictureVerdict) {
        if let Some(sequence) = record.sequence_in_log() {
            self.queue
                .settle_again(&self.destination, record.lane, sequence, verdict);
        }
    }

    async fn remove_file_of(&self, record: &Record) {
        let Some(resent) = record.resent.clone() else {
            return;
        };
        let aside = Arc::clone(&self.aside);
        let removed = tokio::task::spawn_blocking(move || aside.remove(&resent.name)).await;
        if let Ok(Err(error)) = removed {
            tracing::warn!(%error, "a set-aside event was sent again, and its file could not be removed");
        }
    }

    /// Whether what the destination took by now outlives a power cut; false where its disk has lost it.
    async fn is_for_good(&self) -> bool {
        let Some(written) = &self.written else {
            return true;
        };
        let (count, losses) = (written.count(), written.losses());
        while !written.is_durable(count) {
            if written.losses() != losses {
                return false;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        true
    }
}
