//! The handle of an open queue.
//!
//! Promises: an append that was handed over is committed whether or not its caller waits; the directory is free again when
//! [`Queue::shutdown`] returns. Deliberately thin: the work is in the files beside it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::cursor::Cursor;
use super::inner::Inner;
use super::open::{self, Threads};
use super::settings::{OpenError, Settings};
use super::status::{self, Status};
use super::verdicts::Verdicts;
use boxbridge_event::{
    Event, Feed, Lane, PersonType, Picture, Revision, Sequence, Size, Timestamp,
};

/// An open queue. Clones are the same queue.
#[derive(Clone)]
pub struct Queue {
    inner: Arc<Inner>,
    epoch: Arc<str>,
    running: Arc<Running>,
}

/// What goes into the queue. A kind of picture has one place: of two with the same kind the last counts.
#[derive(Clone, Debug)]
pub struct Entry {
    pub event: Event,
    pub pictures: Vec<Picture>,
    pub lane: Lane,
    /// For one that nobody may act on: the revision that its content would have had live.
    pub live_revision: Option<Revision>,
}

/// Where an entry is. Durable in both cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    Stored(Sequence),
    /// It repeats the record there.
    Duplicate(Sequence),
}

/// Why an entry is not in the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("queue is full: {} of {} used", Size(*.used), Size(*.limit))]
    Full { used: u64, limit: u64 },
    /// The budget is not used up, and the disk is.
    #[error("queue is full: {reason}")]
    DiskFull { reason: String },
    /// The disk does not take it at the moment, and nothing is wrong with what it holds: to be tried again.
    #[error("the disk does not take it now: {reason}")]
    NotNow { reason: String },
    #[error("the log is poisoned by a failed write or sync")]
    Poisoned,
    #[error("the queue is closed")]
    Closed,
    /// Never for an event that was read from JSON.
    #[error("the event cannot be written as JSON")]
    Unwritable,
}

/// Ends the threads when the last handle goes, without waiting for them.
struct Running {
    inner: Arc<Inner>,
    threads: Mutex<Option<Threads>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.inner.intake.close();
        self.inner.closing.close();
    }
}

impl Queue {
    /// Opens the queue below `settings.data_dir`, made if it is not there, for these destinations. Blocks: reads the indexes and
    /// whatever was being written when the process ended.
    pub fn open(settings: Settings, destinations: &[&str]) -> Result<Queue, OpenError> {
        let (inner, threads) = open::open(settings, destinations)?;
        let epoch = super::follower::hex(&inner.log.epoch).into();
        let running = Arc::new(Running {
            inner: inner.clone(),
            threads: Mutex::new(Some(threads)),
        });
        Ok(Queue {
            inner,
            epoch,
            running,
        })
    }

    /// Which log this is: made once for this disk, 32 hex digits.
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Whether the queue was closed properly before it was opened.
    pub fn was_clean(&self) -> bool {
        self.inner.was_clean
    }

    /// Makes an entry durable. Waits for room among what waits to be written, and then for the sync. Dropping the future
    /// before it was handed over leaves nothing; afterwards it is committed all the same.
    pub async fn append(&self, entry: Entry) -> Result<Appended, AppendError> {
        if self.inner.is_poisoned() {
            return Err(AppendError::Poisoned);
        }
        let answer = self.inner.intake.hand_over(entry).await?;
        // The writer answers whatever it takes, but where it poisons or dies.
        answer.await.unwrap_or(Err(AppendError::Poisoned))
    }

    /// The place of a configured destination in a lane; `None` if there is no such destination, or it was taken before.
    pub fn cursor(&self, destination: &str, lane: Lane) -> Option<Cursor> {
        let follower = self.inner.follower(destination, lane)?;
        let was_taken = follower
            .taken
            .swap(true, std::sync::atomic::Ordering::AcqRel);
        (!was_taken).then(|| Cursor::new(self.inner.clone(), follower.clone()))
    }

    /// What the destination `store` has settled in a lane.
    pub fn verdicts(&self, lane: Lane) -> Verdicts {
        let store = |lane| self.inner.follower(super::follower::STORE, lane).cloned();
        Verdicts::new(
            store(Lane::Urgent)
                .zip(store(Lane::Normal))
                .map(|(urgent, normal)| [urgent, normal]),
            lane,
        )
    }

    /// Hands out again to a destination what was received in the last `period` before the log was opened, and was answered since: what
    /// a destination without a memory of its own may have lost with the process. As [`Queue::replay`].
    pub fn replay_before_start(
        &self,
        destination: &str,
        period: std::time::Duration,
    ) -> Option<String> {
        let last = self.inner.last_at_start;
        let received_at = self.inner.log.received_at(last)?;
        let since = Timestamp(
            received_at
                .0
                .saturating_sub(i64::try_from(period.as_millis()).unwrap_or(i64::MAX)),
        );
        let follower = self.inner.follower(destination, Lane::Normal)?;
        let from = self
            .inner
            .log
            .received_since(since)
            .inspect_err(|error| tracing::error!(%error, "the queue cannot be read"))
            .ok()?;
        (from <= last)
            .then(|| follower.attach(from, last))
            .flatten()
    }

    /// Hands out again to a destination what was received at `since` or later and was answered since. Returns the id that goes with
    /// it; `None` if there is nothing, no such destination, or eight replays are under way.
    pub fn replay(&self, destination: &str, since: Timestamp) -> Option<String> {
        let follower = self.inner.follower(destination, Lane::Normal)?;
        let from = self
            .inner
            .log
            .received_since(since)
            .inspect_err(|error| tracing::error!(%error, "the queue cannot be read"))
            .ok()?;
        follower.attach(from, self.inner.log.counts().last())
    }

    /// What the destination `store` has settled without a gap, by [`Lane::number`] and [`PersonType::number`]: the last record of each.
    pub fn settled(&self) -> [[u64; PersonType::ALL.len()]; Lane::ALL.len()] {
        let mut settled = [[0; PersonType::ALL.len()]; Lane::ALL.len()];
        for store in Lane::ALL
            .iter()
            .filter_map(|lane| self.inner.follower(super::follower::STORE, *lane))
        {
            let positions = store.progress().positions();
            let of_lane = settled
                .get_mut(usize::from(store.lane.number()))
                .into_iter()
                .flatten();
            of_lane
                .zip(positions)
                .for_each(|(through, position)| *through = position);
        }
        settled
    }

    /// How many records came after a sequence, by [`Feed`], and the last of them. An error where the disk does not read an index now.
    pub fn accepted_after(
        &self,
        after: Sequence,
    ) -> std::io::Result<(Sequence, [u64; Feed::ALL.len()])> {
        self.inner.log.count_feeds(after.0)
    }

    /// The last record that is on disk.
    pub fn newest(&self) -> Sequence {
        Sequence(self.inner.log.counts().last())
    }

    pub fn status(&self) -> Status {
        status::status(&self.inner)
    }

    /// Resolves when the log is poisoned: the process should end, since only a new start reads what the disk really has.
    pub fn poisoned(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut poisoned = self.inner.poisoned.subscribe();
        async move {
            if poisoned.wait_for(|poisoned| *poisoned).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Writes what was handed over, then the cursors, and lets go of the directory. Further appends are refused; cursors hand
    /// out nothing new. The second call returns at once.
    pub async fn shutdown(&self) {
        let threads = self
            .running
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(threads) = threads else { return };
        let inner = self.inner.clone();
        // A panic in there was logged by its thread.
        let _ = tokio::task::spawn_blocking(move || open::close(&inner, threads)).await;
    }
}
