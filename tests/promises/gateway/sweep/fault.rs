//! Which call fails, how, and what was seen of the calls.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use boxbridge::system::disk::{Call, Disk};

use crate::parts::faulty_disk::Errno;

pub const ERRNOS: [Errno; 9] = [
    Errno::NOENT,
    Errno::MFILE,
    Errno::NFILE,
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::IO,
    Errno::INTR,
    Errno::NOMEM,
    Errno::ACCESS,
];

/// The call with this number, counted from 1, fails; for good: and every later one of its kind, until the next start.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    pub call: u64,
    pub errno: Errno,
    pub for_good: bool,
}

impl Fault {
    pub fn none() -> Fault {
        Fault {
            call: 0,
            errno: Errno::IO,
            for_good: false,
        }
    }
}

/// A call, and the name that its file begins with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub call: Call,
    pub file: String,
}

impl Seen {
    fn new(call: Call, path: &Path) -> Seen {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // One of many like it; the directory of the test by another name each time.
        let name = if name.starts_with(".tmp") {
            "data_dir".into()
        } else {
            name
        };
        let file: String = name
            .chars()
            .filter(|character| !character.is_ascii_digit())
            .take(24)
            .collect();
        Seen { call, file }
    }

    pub fn kind(&self) -> (Call, String) {
        (self.call, self.file.clone())
    }

    /// What holds records, and the names of what does.
    fn is_log(&self) -> bool {
        self.file.starts_with("segment-") || self.file == "queue"
    }
}

/// The disk of one life.
#[derive(Clone)]
pub struct Faulty {
    fault: Fault,
    seen: Arc<Mutex<Vec<Seen>>>,
    failed: Arc<Mutex<Vec<Seen>>>,
    is_cured: Arc<AtomicBool>,
}

impl Faulty {
    pub fn new(fault: Fault) -> Faulty {
        Faulty {
            fault,
            seen: Arc::default(),
            failed: Arc::default(),
            is_cured: Arc::default(),
        }
    }

    pub fn disk(&self) -> Disk {
        let faulty = self.clone();
        Disk::failing(move |call, path| faulty.allowed(Seen::new(call, path)))
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// What had failed works again; what is to fail still will.
    pub fn restart(&self) {
        self.is_cured
            .store(!self.failed().is_empty(), Ordering::SeqCst);
    }

    /// The first calls that failed.
    pub fn failed(&self) -> Vec<Seen> {
        self.failed.lock().iter().take(3).cloned().collect()
    }

    /// Whether the log itself was hit in a way that it must not trust the disk after: a sync, or a write that says more than "not now".
    pub fn may_poison(&self) -> bool {
        // A write to what is open never finds nothing there: where it says so, that is not "not now".
        let is_broken = matches!(self.fault.errno, Errno::IO | Errno::NOENT);
        let breaks = |seen: &Seen| match seen.call {
            Call::Sync => true,
            Call::Write | Call::SyncDirectory => is_broken,
            // An index that is given its place is written, too.
            Call::SetLength => is_broken,
            _ => false,
        };
        self.failed
            .lock()
            .iter()
            .any(|seen| seen.is_log() && breaks(seen))
    }

    fn allowed(&self, seen: Seen) -> io::Result<()> {
        let (number, call) = {
            let mut all = self.seen.lock();
            all.push(seen.clone());
            (all.len() as u64, seen.call)
        };
        let mut failed = self.failed.lock();
        let goes_on = self.fault.for_good && !self.is_cured.load(Ordering::SeqCst);
        let again = goes_on && failed.first().is_some_and(|first| first.call == call);
        if number != self.fault.call && !again {
            return Ok(());
        }
        failed.push(seen);
        Err(self.fault.errno.into())
    }
}
