//! How old something is, by a wall clock that may be set: a box that boots in 1970 and hears of the year an hour later ages nothing.
//!
//! Promises: each jump of the wall clock against uptime is noted in `data_dir/clock`, also one between two runs, and [`Clock::age`]
//! leaves out those that came after the time it is asked about; what cannot be known counts as younger. A machine that was off
//! ages what it holds, once its clock has been even for an hour. Deliberately no clock for anything else: events keep the wall
//! clock's own word, and what is short counts by `Instant`.

use std::fs;
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
    path: PathBuf,
    read: Box<dyn Fn() -> Reading + Send + Sync>,
    state: Mutex<State>,
}

struct State {
    history: History,
    /// By uptime; `None` = there is something to save.
    saved_at_ms: Option<i64>,
    /// The last attempt to save failed, and that was said.
    is_failing: bool,
}

impl Clock {
    /// The clock of this machine, with what was noted in `data_dir`. Where the kernel does not say which start this is (`ProcSubset=pid`), some
    /// are taken for the same: then time when the machine was off ages nothing.
    pub fn open(data_dir: &Path) -> Clock {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim().to_owned();
        Clock::with(data_dir, move || Reading { wall_ms: Timestamp::now().0, uptime_ms: uptime_ms(), boot: boot.clone() })
    }

    /// The same with other clocks to read.
    pub fn with(data_dir: &Path, read: impl Fn() -> Reading + Send + Sync + 'static) -> Clock {
        let path = data_dir.join("clock");
        let now = read();
        let found = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<History>(&text).ok());
        let mut history = found.unwrap_or_else(|| History::begin(&now));
        history.look(&now);
        Clock { path, read: Box::new(read), state: Mutex::new(State { history, saved_at_ms: None, is_failing: false }) }
    }

    /// Sees whether the clock has jumped, and writes it down; to be called every few seconds. Blocks for a sync now and then. What cannot
    /// be written is tried again the next time.
    pub fn look(&self) {
        let now = (self.read)();
        let mut state = self.looked(&now);
        if state.saved_at_ms.is_some_and(|saved_at| now.uptime_ms - saved_at < SAVE_EVERY_MS) {
            return;
        }
        let text = serde_json::to_vec(&state.history);
        state.saved_at_ms = Some(now.uptime_ms);
        drop(state);
        let saved = text.map_err(io::Error::from).and_then(|text| Disk::default().replace(&self.path, &text));
        let mut state = self.state();
        if let Err(error) = saved {
            state.saved_at_ms = None;
            if !std::mem::replace(&mut state.is_failing, true) {
                tracing::warn!(%error, path = %self.path.display(), "the jumps of the clock cannot be noted: it is tried again");
            }
        } else if std::mem::take(&mut state.is_failing) {
            tracing::info!(path = %self.path.display(), "the jumps of the clock are noted again");
        }
    }

    /// How long ago `time` was; zero for what seems to come.
    pub fn age(&self, time: Timestamp) -> Duration {
        let now = (self.read)();
        self.looked(&now).history.age(now.wall_ms, time.0)
    }

    fn looked(&self, now: &Reading) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if state.history.look(now) {
            state.saved_at_ms = None;
        }
        state
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
