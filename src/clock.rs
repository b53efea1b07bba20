//! How old something is, by a wall clock that may be set: a box that boots in 1970 and hears of the year an hour later ages nothing.
//!
//! Promises: each jump of the wall clock against uptime is noted in `data_dir/clock`, also one between two runs, and [`Clock::age`]
//! leaves out those that came after the time it is asked about; what cannot be known counts as younger. A file that cannot be read now is
//! read later, and not written over before. A machine that was off
//! ages what it holds, once its clock has been even for an hour. Deliberately no clock for anything else: events keep the wall
//! clock's own word, and what is short counts by `Instant`.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::disk::Disk;
use crate::event::Timestamp;

mod history;

pub use history::{History, Reading};

/// How old what was saved last may be: so imprecise is what is known after a power cut.
const SAVE_EVERY_MS: i64 = 600_000;

pub struct Clock {
    disk: Disk,
    path: PathBuf,
    read: Box<dyn Fn() -> Reading + Send + Sync>,
    state: Mutex<State>,
}

struct State {
    history: History,
    /// What was noted before this process is not in it yet: the disk did not answer.
    is_unread: bool,
    /// By uptime; `None` = there is something to save.
    saved_at_ms: Option<i64>,
    /// The last attempt to read or save failed, and that was said.
    is_failing: bool,
}

impl Clock {
    /// The clock of this machine, with what was noted in `data_dir`. Where the kernel does not say which start this is (`ProcSubset=pid`), some
    /// are taken for the same: then time when the machine was off ages nothing.
    pub fn open(disk: &Disk, data_dir: &Path) -> Clock {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim().to_owned();
        Clock::with(disk, data_dir, move || Reading { wall_ms: Timestamp::now().0, uptime_ms: uptime_ms(), boot: boot.clone() })
    }

    /// The same with other clocks to read.
    pub fn with(disk: &Disk, data_dir: &Path, read: impl Fn() -> Reading + Send + Sync + 'static) -> Clock {
        let path = data_dir.join("clock");
        let history = History::begin(&read());
        let state = State { history, is_unread: true, saved_at_ms: None, is_failing: false };
        let clock = Clock { disk: disk.clone(), path, read: Box::new(read), state: Mutex::new(state) };
        clock.read_noted();
        clock
    }

    /// Takes up what was noted before, once the disk says what that is.
    fn read_noted(&self) {
        let found = match self.disk.read(&self.path) {
            // One that is no history was damaged: the next begins with this process.
            Ok(text) => serde_json::from_slice::<History>(&text).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return self.failed(&error),
        };

        let mut state = self.state();
        if let Some(found) = found {
            state.history = found;
        }
        state.is_unread = false;
        state.history.look(&(self.read)());
        drop(state);
        self.succeeded();
    }

    /// Sees whether the clock has jumped, and writes it down; to be called every few seconds. Blocks for a sync now and then. What cannot
    /// be read or written is tried again the next time. Whether all of it is on disk.
    pub fn look(&self) -> bool {
        if self.state().is_unread {
            self.read_noted();
        }
        let (mut state, now) = self.looked();
        if state.is_unread {
            return false;
        }
        if state.saved_at_ms.is_some_and(|saved_at| now.uptime_ms - saved_at < SAVE_EVERY_MS) {
            return true;
        }
        let text = serde_json::to_vec(&state.history);
        state.saved_at_ms = Some(now.uptime_ms);
        drop(state);
        let saved = text.map_err(io::Error::from).and_then(|text| self.disk.replace(&self.path, &text));
        if let Err(error) = &saved {
            self.state().saved_at_ms = None;
            self.failed(error);
        } else {
            self.succeeded();
        }
        saved.is_ok()
    }

    fn failed(&self, error: &io::Error) {
        if !std::mem::replace(&mut self.state().is_failing, true) {
            tracing::warn!(%error, path = %self.path.display(), "the jumps of the clock cannot be noted: it is tried again");
        }
    }

    fn succeeded(&self) {
        if std::mem::take(&mut self.state().is_failing) {
            tracing::info!(path = %self.path.display(), "the jumps of the clock are noted again");
        }
    }

    /// How long ago `time` was; zero for what seems to come.
    pub fn age(&self, time: Timestamp) -> Duration {
        let (state, now) = self.looked();
        state.history.age(now.wall_ms, time.0)
    }

    /// The same, and what cannot be known counts as older: for what is over after a while.
    pub fn age_at_most(&self, time: Timestamp) -> Duration {
        let (state, now) = self.looked();
        state.history.age_at_most(now.wall_ms, time.0)
    }

    /// Read under the lock: a reading that comes in after a later one would look like another start of the machine.
    fn looked(&self) -> (MutexGuard<'_, State>, Reading) {
        let mut state = self.state();
        let now = (self.read)();
        if state.history.look(&now) {
            state.saved_at_ms = None;
        }
        (state, now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Since the machine's start, asleep or awake.
pub fn uptime_ms() -> i64 {
    let uptime = clock_gettime(ClockId::Boottime);
    uptime.tv_sec.saturating_mul(1_000).saturating_add(uptime.tv_nsec / 1_000_000)
}
