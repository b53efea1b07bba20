//! The handle of an open queue.
//!
//! Promises: an append that was handed over is committed whether or not its caller waits; the directory is free again when
//! [`Queue::shutdown`] returns. Deliberately thin: the work is in the files beside it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;

use super::append::{AppendError, Appended, Entry};
use super::follow::{Cursor, Verdicts};
use super::log::OpenError;
use super::log::manifest::epoch_text;
use super::open_queue::OpenQueue;
use super::opening::{self, Threads};
use super::settings::Settings;
use super::status::{self, Status};
use crate::system::written::Written;
use boxbridge_event::{Feed, Lane, PersonType, PictureVerdict, Sequence, Timestamp};

mod look;
mod pictures;
mod replays;
mod standing;

pub use replays::{ReplayReport, ReplayState, ReplayTo, SendAgain, Survey};

/// An open queue. Clones are the same queue.
#[derive(Clone)]
pub struct Queue {
    open: Arc<OpenQueue>,
    epoch: Arc<str>,
    running: Arc<Running>,
}

/// Ends the threads when the last handle goes, without waiting for them.
struct Running {
    open: Arc<OpenQueue>,
    threads: Mutex<Option<Threads>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.open.intake.close();
        self.open.closing.close();
    }
}

impl Queue {
    /// Opens the queue below `settings.data_dir`, made if it is not there, for these destinations. Blocks: reads the indexes and
    /// the segment that was being written when the process ended.
    pub fn open(settings: Settings, destinations: &[&str]) -> Result<Queue, OpenError> {
        let (open, threads) = opening::open(settings, destinations)?;
        let epoch = epoch_text(open.log.epoch).into();
        let running = Arc::new(Running {
            open: Arc::clone(&open),
            threads: Mutex::new(Some(threads)),
        });
        Ok(Queue {
            open,
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
        self.open.was_clean
    }

    /// Keeps and forgets from now on by the rules of these settings; everything else of them needs a start.
    pub fn adopt(&self, settings: &Settings) {
        self.open.rules.replace(settings.rules());
    }

    /// Makes an entry durable. Waits for room among what waits to be written, and then for the sync. Dropping the future
    /// before it was handed over leaves nothing; afterwards it is committed all the same.
    pub async fn append(&self, entry: impl Into<Box<Entry>>) -> Result<Appended, AppendError> {
        if self.open.log.is_poisoned() {
            return Err(AppendError::Poisoned);
        }
        let answer = self.open.intake.hand_over(entry.into()).await?;
        // The writer answers everything that it takes, but where it poisons or dies.
        answer.await.unwrap_or(Err(AppendError::Poisoned))
    }

    /// The place of a configured destination in a lane; `None` if there is no such destination, or it was taken before.
    pub fn cursor(&self, destination: &str, lane: Lane) -> Option<Cursor> {
        let subscription = self.open.subscriptions.of(destination, lane)?;
        if subscription.taken.swap(true, Ordering::AcqRel) {
            return None;
        }

        let urgent = self.open.subscriptions.of(destination, Lane::Urgent);
        Some(Cursor::new(
            Arc::clone(&self.open.log),
            Arc::clone(subscription),
            urgent.cloned(),
        ))
    }

    /// What the destination `store` has settled in a lane.
    pub fn verdicts(&self, lane: Lane) -> Verdicts {
        let store = |lane| self.open.subscriptions.of_store(lane).cloned();
        Verdicts::new(store(Lane::Urgent), store(Lane::Normal), lane)
    }

    /// A record that the destination `store` had answered went to it again: what became of its pictures. Of any other destination nothing is noted.
    pub fn settle_again(
        &self,
        destination: &str,
        lane: Lane,
        sequence: Sequence,
        verdict: PictureVerdict,
    ) {
        if let Some(subscription) = self.open.subscriptions.of(destination, lane) {
            subscription.settle_again(sequence.0, verdict);
        }
    }

    /// Hands out again to a destination what was received in the last `period` before the log was opened, and was answered since: what
    /// a destination without a memory of its own may have lost with the process. As [`Queue::replay`].
    pub fn replay_before_start(&self, destination: &str, period: Duration) -> Option<String> {
        let last = self.open.log.last_at_start;
        let received_at = self.open.log.received_at(last)?;
        let period = i64::try_from(period.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp(received_at.0.saturating_sub(period));
        self.replay_through(destination, since, last)
    }

    /// Hands out again to a destination what was received at `since` or later and was answered since. Returns the id that goes with
    /// it; `None` if there is nothing, no such destination, or eight replays are under way.
    pub fn replay(&self, destination: &str, since: Timestamp) -> Option<String> {
        self.replay_through(destination, since, self.open.log.counts().last())
    }

    fn replay_through(&self, destination: &str, since: Timestamp, last: u64) -> Option<String> {
        let subscription = self.open.subscriptions.of(destination, Lane::Normal)?;
        let from = self
            .open
            .log
            .received_since(since)
            .inspect_err(|error| tracing::error!(%error, "the queue cannot be read"))
            .ok()?;
        subscription.attach(from, last)
    }

    /// What the destination `store` has settled without a gap, by [`Lane::number`] and [`PersonType::number`]: the last record of each.
    pub fn settled(&self) -> [[u64; PersonType::ALL.len()]; Lane::ALL.len()] {
        let mut settled = [[0; PersonType::ALL.len()]; Lane::ALL.len()];
        for lane in Lane::ALL {
            let of_lane = settled.get_mut(usize::from(lane.number()));
            let store = self.open.subscriptions.of_store(*lane);
            let Some((of_lane, store)) = of_lane.zip(store) else {
                continue;
            };
            let positions = store.progress().positions();
            for (through, position) in of_lane.iter_mut().zip(positions) {
                *through = position;
            }
        }
        settled
    }

    /// How many records came after a sequence, by [`Feed`], and the last of them. An error where the disk does not read an index now.
    pub fn accepted_after(
        &self,
        after: Sequence,
    ) -> io::Result<(Sequence, [u64; Feed::ALL.len()])> {
        self.open.log.count_feeds(after.0)
    }

    /// The last record that is on disk.
    pub fn newest(&self) -> Sequence {
        Sequence(self.open.log.counts().last())
    }

    pub fn status(&self) -> Status {
        status::status(&self.open)
    }

    /// Resolves when the log is poisoned: the process should end, since only a new start reads what the disk really has.
    pub fn poisoned(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut poisoned = self.open.log.poisoned();
        async move {
            if poisoned.wait_for(|poisoned| *poisoned).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// From now on the cursor of this destination passes a record on disk only once what it wrote for it is durable.
    pub fn stand_on(&self, destination: &str, written: &Arc<Written>) {
        let lanes = self.open.subscriptions.iter();
        lanes
            .filter(|lane| lane.destination == destination)
            .for_each(|lane| lane.stand_on(written));
    }

    /// Writes everything that was handed over, then the cursors, and lets go of the directory. Further appends are refused; cursors hand
    /// out nothing new. The second call returns at once.
    pub async fn shutdown(&self) {
        let Some(threads) = self.running.threads.lock().take() else {
            return;
        };
        let open = Arc::clone(&self.open);
        // A panic in there was logged by its thread.
        let _ = tokio::task::spawn_blocking(move || opening::close(&open, threads)).await;
    }
}
