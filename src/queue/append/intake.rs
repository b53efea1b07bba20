//! What waits to be written: three queues, one for each urgency, in front of the one writer.
//!
//! Promises: bounded in bytes and records. History has a budget of its own, so a box that empties its history never makes a live event
//! wait. Sources take turns, at being written and, where it is full, at getting in: one that fills it makes another wait for a group or
//! two. What was handed over is written whether or not its sender still listens. Deliberately drops nothing: who finds no room waits.

use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::entry::{AppendError, Appended, Entry};
use super::pending::Pending;
use super::write_budget::WriteBudget;
use crate::queue::format::RECORD_HEADER;
use boxbridge_event::{FairQueue, Feed, Lane, ShareKey};

/// Bytes that wait to be written, of the live feeds: some groups of 4 MiB, so that the disk never idles, and no more.
const LIVE_BYTES: usize = 24 << 20;
/// The same of history, which is one body at a time.
const HISTORY_BYTES: usize = 8 << 20;
/// What a record counts at least: 4,096 of the smallest fill the live budget.
const RECORD_BYTES_MIN: usize = LIVE_BYTES / 4096;
/// A usual event as JSON, so that its text does not grow step by step.
const EVENT_BYTES: usize = 2 << 10;
/// Records of a group: with four pictures each, and what lies between them, they stay below the 1,024 pieces of one `pwritev`.
const RECORDS_MAX: usize = 128;

pub struct Intake {
    queues: Mutex<Queues>,
    arrived: Condvar,
    live: Arc<WriteBudget>,
    history: Arc<WriteBudget>,
}

#[derive(Default)]
struct Queues {
    /// Urgent, real-time, history.
    waiting: [FairQueue<Pending>; 3],
    closed: bool,
}

/// What the writer is to do next.
pub enum Next {
    Write(Vec<Pending>),
    /// Nothing came until the deadline.
    Idle,
    /// Nothing will come any more.
    Closed,
}

impl Intake {
    pub fn new() -> Intake {
        Intake {
            queues: Mutex::default(),
            arrived: Condvar::new(),
            live: WriteBudget::new(LIVE_BYTES),
            history: WriteBudget::new(HISTORY_BYTES),
        }
    }

    /// Hands an entry over once there is room for it; the answer comes through the receiver.
    pub async fn hand_over(
        &self,
        entry: Box<Entry>,
    ) -> Result<oneshot::Receiver<Result<Appended, AppendError>>, AppendError> {
        let mut event = Vec::with_capacity(EVENT_BYTES);
        serde_json::to_writer(&mut event, &entry.event).map_err(|_| AppendError::Unwritable)?;
        let pictures = entry.pictures.iter();
        let pictures: usize = pictures.map(|picture| picture.bytes.len()).sum();

        let (budget, most) = match entry.event.feed {
            Feed::History => (&self.history, HISTORY_BYTES),
            Feed::Realtime | Feed::Platform => (&self.live, LIVE_BYTES),
        };
        let bytes = (RECORD_HEADER + event.len() + pictures).clamp(RECORD_BYTES_MIN, most);
        let source = ShareKey::of_peer(&entry.event.origin.peer).with_pass(entry.pass);
        let granted = budget
            .take(source, bytes)
            .await
            .ok_or(AppendError::Closed)?;

        let (reply, answer) = oneshot::channel();
        self.push(source, Pending::new(*entry, event, reply, granted))?;
        Ok(answer)
    }

    fn push(&self, source: ShareKey, pending: Pending) -> Result<(), AppendError> {
        let mut queues = self.queues.lock();
        if queues.closed {
            return Err(AppendError::Closed);
        }

        let [urgent, live, history] = &mut queues.waiting;
        let queue = match (pending.lane, pending.feed) {
            (Lane::Urgent, _) => urgent,
            (Lane::Normal, Feed::History) => history,
            (Lane::Normal, _) => live,
        };
        queue.push(source, pending);
        drop(queues);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next group, the most urgent first: up to `bytes_max` or one record. Waits until `deadline`, if there is one.
    pub fn take(&self, bytes_max: u64, deadline: Option<Instant>) -> Next {
        let mut queues = self.queues.lock();
        loop {
            let group = queues.group(bytes_max);
            if !group.is_empty() {
                return Next::Write(group);
            }
            if queues.closed {
                return Next::Closed;
            }

            match deadline {
                Some(deadline) if deadline <= Instant::now() => return Next::Idle,
                Some(deadline) => {
                    self.arrived.wait_until(&mut queues, deadline);
                }
                None => self.arrived.wait(&mut queues),
            }
        }
    }

    /// Takes no more; what waits is still written.
    pub fn close(&self) {
        self.queues.lock().closed = true;
        self.live.close();
        self.history.close();
        self.arrived.notify_all();
    }
}

impl Queues {
    fn group(&mut self, bytes_max: u64) -> Vec<Pending> {
        let mut group = Vec::new();
        let mut bytes = 0;
        for queue in &mut self.waiting {
            while let Some(next) = queue.next() {
                bytes += next.record_bytes();
                if (bytes > bytes_max || group.len() == RECORDS_MAX) && !group.is_empty() {
                    return group;
                }
                group.extend(queue.pop());
            }
        }
        group
    }
}
