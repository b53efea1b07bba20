//! What the disk did not do and is asked again: said once when it begins, shown while it lasts, said when it is over.
//!
//! Promises: the same outage is one line, however often it is tried; how long it lasts counts by uptime. Deliberately tries nothing itself.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};

/// Another error of the same thing is said after so long.
const QUIET: Duration = Duration::from_secs(60);

#[derive(Default)]
pub struct Outages {
    /// What is not done.
    open: Mutex<BTreeMap<String, Outage>>,
    /// Where all is well, a success takes no lock.
    any: AtomicBool,
}

struct Outage {
    error: String,
    /// When it was said last.
    said: Instant,
    /// Since when the disk does everything else.
    alone_since: Option<Instant>,
}

impl Outages {
    pub fn began(&self, what: impl Into<String>, error: &dyn Display) {
        let (what, error) = (what.into(), error.to_string());
        let mut open = self.open();

        if let Some(outage) = open.get_mut(&what) {
            // Each try may fail in other words.
            let is_news = outage.error != error && outage.said.elapsed() >= QUIET;
            if is_news {
                tracing::error!(what, %error, "the disk still does not do it");
                outage.said = Instant::now();
            }
            outage.error = error;
            return;
        }

        tracing::error!(what, %error, "the disk does not do it now; it is tried again");
        let outage = Outage {
            error,
            said: Instant::now(),
            alone_since: None,
        };
        open.insert(what, outage);
        self.any.store(true, Ordering::Release);
    }

    /// For how long the disk has been seen to do everything else: from the first such attempt on, without one in between that says otherwise.
    pub fn alone_for(&self, what: &str, is_alone: bool) -> Duration {
        let mut open = self.open();
        let Some(outage) = open.get_mut(what) else {
            return Duration::ZERO;
        };

        outage.alone_since = outage
            .alone_since
            .or_else(|| Some(Instant::now()))
            .filter(|_| is_alone);
        outage
            .alone_since
            .map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// It is not tried any more.
    pub fn given_up(&self, what: &str) {
        self.remove(|open| open.remove(what));
    }

    pub fn over(&self, what: impl FnOnce() -> String) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let what = what();
        if self.remove(|open| open.remove(&what)).is_some() {
            tracing::info!(what, "the disk does it again");
        }
    }

    /// The file is gone, and with it what it did not do.
    pub fn forget(&self, path: &Path) {
        let path = path.display().to_string();
        self.remove(|open| open.retain(|what, _| !what.ends_with(&path)));
    }

    pub fn is_open(&self, what: &str) -> bool {
        self.any.load(Ordering::Acquire) && self.open().contains_key(what)
    }

    /// For people: what fails, and why.
    pub fn all(&self) -> Vec<String> {
        self.open()
            .iter()
            .map(|(what, outage)| format!("{what} fails: {}", outage.error))
            .collect()
    }

    fn remove<T>(&self, remove: impl FnOnce(&mut BTreeMap<String, Outage>) -> T) -> T {
        let mut open = self.open();
        let removed = remove(&mut open);
        self.any.store(!open.is_empty(), Ordering::Release);
        removed
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Outage>> {
        self.open.lock()
    }
}
