//! A disk that can be told which calls fail from now on, and how.
//!
//! Deliberately fails calls only; what a call that went well leaves on the disk is the tests' own affair.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use boxbridge::system::disk::{Call, Disk};
pub use rustix::io::Errno;

type Rule = Arc<dyn Fn(Call, &Path) -> bool + Send + Sync>;

#[derive(Clone, Default)]
pub struct FaultyDisk {
    failing: Arc<Mutex<Option<(Errno, Rule)>>>,
}

impl FaultyDisk {
    /// One on which these calls fail from the beginning.
    pub fn failing(
        error: Errno,
        rule: impl Fn(Call, &Path) -> bool + Send + Sync + 'static,
    ) -> FaultyDisk {
        let faulty = FaultyDisk::default();
        faulty.begin(error, rule);
        faulty
    }

    pub fn disk(&self) -> Disk {
        let faulty = self.clone();
        Disk::failing(move |call, path| {
            let failing = faulty.failing.lock().clone();
            match failing {
                Some((error, rule)) if rule(call, path) => Err(error.into()),
                _ => Ok(()),
            }
        })
    }

    pub fn begin(&self, error: Errno, rule: impl Fn(Call, &Path) -> bool + Send + Sync + 'static) {
        *self.failing.lock() = Some((error, Arc::new(rule)));
    }

    pub fn end(&self) {
        *self.failing.lock() = None;
    }
}

/// The same calls, but only the first so many of them.
pub fn first(
    times: u64,
    rule: impl Fn(Call, &Path) -> bool + Send + Sync + 'static,
) -> impl Fn(Call, &Path) -> bool + Send + Sync + 'static {
    let made = AtomicU64::new(0);
    move |call, path| rule(call, path) && made.fetch_add(1, Ordering::SeqCst) < times
}

/// Whether the name of a file starts so.
pub fn named(path: &Path, start: &str) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with(start))
}
