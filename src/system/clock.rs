//! Tells how old something is by a wall clock that may be set: a machine that boots in 1970 and learns the year later must age nothing.
//!
//! Promises: each jump of the wall clock against uptime is noted in `data_dir/clock`, also one between two runs. [`Clock::age`] leaves out
//! the jumps after the time it is asked about; in doubt the age is the younger one. A file that cannot be read now is read later, and not
//! overwritten before. Time when the machine was off counts once its clock has run evenly for an hour. Deliberately no clock for anything
//! else: events keep the wall clock's time, and short times are measured by `Instant`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rustix::time::{ClockId, clock_gettime};

use crate::system::disk::Disk;
use boxbridge_event::Timestamp;

mod jump_history;

pub use jump_history::{JumpHistory, Reading};

/// How often the file is saved at least: after a power cut the last reading is up to this old.
const SAVE_EVERY_MS: i64 = 600_000;

pub struct Clock {
    disk: Disk,
    path: PathBuf,
    read: Box<dyn Fn() -> Reading + Send + Sync>,
    state: Mutex<State>,
}

struct State {
    history: JumpHistory,
    /// The file of earlier runs is not read yet: the disk did not answer.
    is_unread: bool,
    /// By uptime; `None`: there is something to save.
    saved_at_ms: Option<i64>,
    /// The last attempt to read or save failed, and that was logged.
    is_failing: bool,
}

impl Clock {
    /// The clock of this machine, with the jumps noted in `data_dir`. Where the kernel hides the boot id (`ProcSubset=pid`), several starts
    /// may look like one: then time when the machine was off does not count.
    pub fn open(disk: &Disk, data_dir: &Path) -> Clock {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim().to_owned();
        Clock::with(disk, data_dir, move || Reading {
            wall_ms: Timestamp::now().0,
            uptime_ms: uptime_ms(),
            boot: boot.clone(),
        })
    }

    /// The same with another source of readings.
    pub fn with(
        disk: &Disk,
        data_dir: &Path,
        read: impl Fn() -> Reading + Send + Sync + 'static,
    ) -> Clock {
        let path = data_dir.join("clock");
        let history = JumpHistory::begin(&read());
        let state = State {
            history,
            is_unread: true,
            saved_at_ms: None,
            is_failing: false,
        };

        let clock = Clock {
            disk: disk.clone(),
            path,
            read: Box::new(read),
            state: Mutex::new(state),
        };
        clock.read_noted();
        clock
    }

    /// Reads the jumps that earlier runs noted, if the disk answers.
    fn read_noted(&self) {
        let found = match self.disk.read_if_there(&self.path) {
            // A damaged file is dropped: the history begins anew with this process.
            Ok(text) => text.and_then(|text| serde_json::from_slice::<JumpHistory>(&text).ok()),
            Err(error) => return self.failed(&error),
        };

        let mut state = self.state.lock();
        if let Some(found) = found {
            state.history = found;
        }
        state.is_unread = false;
        state.history.look(&(self.read)());
        drop(state);
        self.succeeded();
    }

    /// Notes whether the clock has jumped; to be called every few seconds. Blocks for a sync now and then. A failed read or write is tried
    /// again the next time. True if everything is on disk.
    pub fn look(&self) -> bool {
        if self.state.lock().is_unread {
            self.read_noted();
        }

        let (mut state, now) = self.looked();
        if state.is_unread {
            return false;
        }
        if state
            .saved_at_ms
            .is_some_and(|saved_at| now.uptime_ms - saved_at < SAVE_EVERY_MS)
        {
            return true;
        }

        let text = serde_json::to_vec(&state.history);
        state.saved_at_ms = Some(now.uptime_ms);
        drop(state);

        let saved = text
            .map_err(io::Error::from)
            .and_then(|text| self.disk.replace(&self.path, &text));
        if let Err(error) = &saved {
            self.state.lock().saved_at_ms = None;
            self.failed(error);
        } else {
            self.succeeded();
        }
        saved.is_ok()
    }

    fn failed(&self, error: &io::Error) {
        if !std::mem::replace(&mut self.state.lock().is_failing, true) {
            tracing::warn!(%error, path = %self.path.display(), "the jumps of the clock cannot be noted: it is tried again");
        }
    }

    fn succeeded(&self) {
        if std::mem::take(&mut self.state.lock().is_failing) {
            tracing::info!(path = %self.path.display(), "the jumps of the clock are noted again");
        }
    }

    /// How long ago `time` was; zero if it seems to be in the future.
    pub fn age(&self, time: Timestamp) -> Duration {
        let (state, now) = self.looked();
        state.history.age(now.wall_ms, time.0)
    }

    /// The same, but in doubt the older age: for whatever ends after a while.
    pub fn age_at_most(&self, time: Timestamp) -> Duration {
        let (state, now) = self.looked();
        state.history.age_at_most(now.wall_ms, time.0)
    }

    /// Reads the clocks under the lock: an older reading after a newer one would look like a new start of the machine.
    fn looked(&self) -> (MutexGuard<'_, State>, Reading) {
        let mut state = self.state.lock();
        let now = (self.read)();
        if state.history.look(&now) {
            state.saved_at_ms = None;
        }
        (state, now)
    }
}

/// Time since the machine's start, asleep or awake.
pub fn uptime_ms() -> i64 {
    let uptime = clock_gettime(ClockId::Boottime);
    uptime
        .tv_sec
        .saturating_mul(1_000)
        .saturating_add(uptime.tv_nsec / 1_000_000)
}
