//! What a roll takes besides a header and a name, done by threads of their own: the next segment's file, and the index of the one before.
//!
//! Promises: no answer waits for either while the disk keeps up; who needs one waits until it is over; where a thread is not to be had, or its
//! work fails, the writer does it itself, and judges what fails then. A file that is made ahead comes out of the same limits as any other, and
//! ends no record that somebody waits for. Deliberately judges one thing: an index whose write broke the log poisons it at once.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use super::Shared;
use crate::queue::append::make_space::make_space;
use crate::queue::format::FIRST_GROUP;
use crate::queue::log::{FRESH, Log, Unsealed};
use crate::system::disk::{self, File};
use crate::system::fault::Fault;
use boxbridge_config::OnFull;

/// At most one of each is under way.
#[derive(Default)]
pub(super) struct Beside {
    blank: Option<JoinHandle<Option<File>>>,
    sealing: Option<(Unsealed, JoinHandle<io::Result<()>>)>,
}

impl Beside {
    /// Begins to make a file of the usual length for the next segment.
    pub(super) fn make_blank(&mut self, shared: &Shared) {
        let shared = shared.clone();
        self.blank = begin("queue-next", move || blank(&shared));
    }

    /// The file that was made, once it is; `None` where there is none.
    pub(super) fn take_blank(&mut self) -> Option<File> {
        self.blank.take()?.join().ok()?
    }

    /// Begins to write the index of a segment; gives it back where that could not begin.
    pub(super) fn seal(&mut self, log: &Arc<Log>, unsealed: Unsealed) -> Option<Unsealed> {
        let (log, of) = (Arc::clone(log), unsealed.clone());
        let seal = move || {
            let sealed = of.seal();
            let broken = sealed.as_ref().err().filter(|it| !disk::is_passing(it));
            broken.inspect(|error| log.poison(error));
            sealed
        };

        match begin("queue-index", seal) {
            Some(thread) => self.sealing = Some((unsealed, thread)),
            None => return Some(unsealed),
        }
        None
    }

    /// What came of the last one, once it is over.
    pub(super) fn sealed(&mut self) -> Option<(Unsealed, io::Result<()>)> {
        let (unsealed, thread) = self.sealing.take()?;
        let result = thread.join();
        Some((
            unsealed,
            result.unwrap_or_else(|_| Err(io::Error::other(Fault))),
        ))
    }
}

fn begin<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<JoinHandle<T>> {
    Builder::new().name(name.to_owned()).spawn(work).ok()
}

/// A segment's file before it has its name.
pub(super) fn fresh(log: &Log) -> PathBuf {
    log.directory.join(FRESH)
}

/// A file called `fresh` that occupies so much.
pub(super) fn allocated(log: &Log, length: u64) -> io::Result<File> {
    let file = log.disk.create(&fresh(log))?;
    file.allocate(length)?;
    Ok(file)
}

/// The same for later: synced, so that a sync of its header has nothing else to write, not even where its blocks lie.
fn blank(shared: &Shared) -> Option<File> {
    let (log, limits) = (&shared.log, &shared.limits);
    let length = limits.segment_bytes;
    make_space(log, &shared.subscriptions, limits, OnFull::Refuse, length).ok()?;

    let made = allocated(log, length).and_then(|file| {
        file.fill(0, FIRST_GROUP)?;
        file.sync()?;
        Ok(file)
    });
    made.inspect_err(|_| {
        // It occupies what others need.
        let _ = log.disk.remove(&fresh(log));
    })
    .ok()
}
