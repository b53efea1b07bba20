//! What waits to be written: three queues, one for each urgency, in front of the one writer.
//!
//! Promises: bounded in bytes and records, history apart from the live feeds, so that a box that empties its history never makes
//! a live event wait; written, and let in where it is full, in turn by source, so that one which fills it makes another wait for a group
//! or two and not for all it has; what was handed over is written whether or not its sender still listens. Deliberately drops nothing:
//! whoever finds no room waits.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use self::allowance::{Allowance, Granted};
use super::layout::{KINDS, RECORD_HEADER};
use super::{AppendError, Appended, Entry};
use crate::in_turn::InTurn;
use boxbridge_event::{
    EventId, Feed, Lane, PersonType, PictureKind, PictureSet, Revision, Sharer, Timestamp,
};

mod allowance;

/// Bytes that wait to be written, of the live feeds: some groups of 4 MiB, so that the disk never idles, and no more.
const LIVE_BYTES: usize = 24 << 20;
/// The same of history, which is one body at a time.
const HISTORY_BYTES: usize = 8 << 20;
/// What a record counts at least: 4,096 of the smallest fill the live budget.
const RECORD_BYTES_MIN: usize = LIVE_BYTES / 4096;
/// Records of a group: with four pictures each, and what lies between them, they stay below the 1,024 pieces of one `pwritev`.
const RECORDS_MAX: usize = 128;

pub(super) type Reply = oneshot::Sender<Result<Appended, AppendError>>;

/// A record that waits to be written.
pub(super) struct Pending {
    pub id: EventId,
    pub revision: Revision,
    /// For a record that nobody may act on: the revision that its content would have had live.
    pub live_revision: Option<Revision>,
    pub feed: Feed,
    pub lane: Lane,
    pub person_type: PersonType,
    pub received_at: Timestamp,
    /// JSON.
    pub event: Vec<u8>,
    /// Its CRC, and those of the pictures, without the seed of the place they will have.
    pub event_crc: u32,
    pub picture_crcs: [u32; KINDS],
    pub present: PictureSet,
    /// By [`PictureKind::number`]; empty where there is none.
    pub pictures: [Bytes; KINDS],
    /// The first 32 bits of each SHA-256; 0 where there is none.
    pub digests: [u32; KINDS],
    pub reply: Reply,
    _room: Granted,
}

impl Pending {
    pub(super) fn pictures_bytes(&self) -> u64 {
        self.pictures
            .iter()
            .map(|picture| picture.len() as u64)
            .sum()
    }
}

pub(super) struct Intake {
    queues: Mutex<Queues>,
    arrived: Condvar,
    live: Arc<Allowance>,
    history: Arc<Allowance>,
}

#[derive(Default)]
struct Queues {
    /// Urgent, real-time, history.
    waiting: [InTurn<Pending>; 3],
    closed: bool,
}

/// What the writer is to do next.
pub(super) enum Work {
    Write(Vec<Pending>),
    /// Nothing came until the deadline.
    Idle,
    /// Nothing will come any more.
    Closed,
}

impl Intake {
    pub(super) fn new() -> Intake {
        Intake {
            queues: Mutex::default(),
            arrived: Condvar::new(),
            live: Allowance::new(LIVE_BYTES),
            history: Allowance::new(HISTORY_BYTES),
        }
    }

    /// Hands an entry over once there is room for it; the answer comes through the receiver.
    pub(super) async fn hand_over(
        &self,
        entry: Entry,
    ) -> Result<oneshot::Receiver<Result<Appended, AppendError>>, AppendError> {
        let event = serde_json::to_vec(&entry.event).map_err(|_| AppendError::Unwritable)?;
        let pictures: usize = entry
            .pictures
            .iter()
            .map(|picture| picture.bytes.len())
            .sum();
        let (room, most) = match entry.event.feed {
            Feed::History => (&self.history, HISTORY_BYTES),
            Feed::Realtime | Feed::Platform => (&self.live, LIVE_BYTES),
        };
        let bytes = (RECORD_HEADER + event.len() + pictures).clamp(RECORD_BYTES_MIN, most);
        let sharer = Sharer::of_peer(&entry.event.origin.peer);
        let room = room.take(sharer, bytes).await.ok_or(AppendError::Closed)?;

        let (reply, answer) = oneshot::channel();
        self.push(sharer, pending(entry, event, reply, room))?;
        Ok(answer)
    }

    fn push(&self, sharer: Sharer, pending: Pending) -> Result<(), AppendError> {
        let mut queues = self.queues();
        if queues.closed {
            return Err(AppendError::Closed);
        }
        let [urgent, live, history] = &mut queues.waiting;
        let queue = match (pending.lane, pending.feed) {
            (Lane::Urgent, _) => urgent,
            (Lane::Normal, Feed::History) => history,
            (Lane::Normal, _) => live,
        };
        queue.push(sharer, pending);
        drop(queues);
        self.arrived.notify_one();
        Ok(())
    }

    /// The next group, the most urgent first: up to `bytes_max` or one record. Waits until `deadline`, if there is one.
    pub(super) fn take(&self, bytes_max: u64, deadline: Option<Instant>) -> Work {
        let mut queues = self.queues();
        loop {
            let group = queues.group(bytes_max);
            if !group.is_empty() {
                return Work::Write(group);
            }
            if queues.closed {
                return Work::Closed;
            }
            queues =
                match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                    Some(left) if left.is_zero() => return Work::Idle,
                    Some(left) => {
                        self.arrived
                            .wait_timeout(queues, left)
                            .unwrap_or_else(PoisonError::into_inner)
                            .0
                    }
                    None => self
                        .arrived
                        .wait(queues)
                        .unwrap_or_else(PoisonError::into_inner),
                };
        }
    }

    /// Takes no more; what waits is still written.
    pub(super) fn close(&self) {
        self.queues().closed = true;
        self.live.close();
        self.history.close();
        self.arrived.notify_all();
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queues {
    fn group(&mut self, bytes_max: u64) -> Vec<Pending> {
        let mut group = Vec::new();
        let mut bytes = 0;
        for queue in &mut self.waiting {
            while let Some(next) = queue.next() {
                bytes += super::group::record_bytes(next);
                if (bytes > bytes_max || group.len() == RECORDS_MAX) && !group.is_empty() {
                    return group;
                }
                group.extend(queue.pop());
            }
        }
        group
    }
}

fn pending(entry: Entry, event: Vec<u8>, reply: Reply, room: Granted) -> Pending {
    let Entry {
        event: parsed,
        pictures,
        lane,
        live_revision,
    } = entry;
    let digests = std::array::from_fn(|number| {
        let kind = u8::try_from(number).ok().and_then(PictureKind::from_number);
        let reference = kind.and_then(|kind| parsed.pictures.get(kind));
        let digest = reference
            .and_then(|reference| u32::from_str_radix(reference.sha256.get(..8)?, 16).ok());
        digest.map_or(0, |digest| digest.max(1))
    });
    let mut pending = Pending {
        id: parsed.id,
        revision: parsed.revision,
        live_revision,
        feed: parsed.feed,
        lane,
        person_type: parsed.person_type,
        received_at: parsed.received_at,
        event_crc: crc32fast::hash(&event),
        picture_crcs: Default::default(),
        event,
        present: PictureSet::default(),
        pictures: Default::default(),
        digests,
        reply,
        _room: room,
    };
    for picture in pictures {
        let number = usize::from(picture.kind.number());
        pending.present.insert(picture.kind);
        pending.picture_crcs[number] = crc32fast::hash(&picture.bytes);
        pending.pictures[number] = picture.bytes;
    }
    pending
}

#[cfg(test)]
#[path = "intake/tests.rs"]
mod tests;
