//! The two threads of an open queue, and its end.
//!
//! Promises: a thread that dies poisons the log, and leaves nobody waiting. After a close the directory is free, and everything that was
//! handed over is written. Deliberately waits for both threads.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use crate::queue::append::{Next, Writer};
use crate::queue::follow::Change;
use crate::queue::keeper;
use crate::queue::log::{Manifest, Slots, manifest};
use crate::queue::open_queue::OpenQueue;
use crate::system::fault::Fault;

pub(in crate::queue) struct Threads {
    writer: JoinHandle<()>,
    keeper: JoinHandle<()>,
}

pub(super) fn start(queue: &Arc<OpenQueue>, writer: Writer) -> io::Result<Threads> {
    let watch = Watch(Arc::clone(queue));
    let writer = Builder::new()
        .name("queue-writer".to_owned())
        .spawn(move || {
            let _watch = watch;
            writer.run();
        })?;

    let watch = Watch(Arc::clone(queue));
    let keeper = Builder::new()
        .name("queue-keeper".to_owned())
        .spawn(move || keeper::run(&watch.0))?;
    Ok(Threads { writer, keeper })
}

/// A thread that dies leaves the log as untrustworthy as a disk that does.
struct Watch(Arc<OpenQueue>);

impl Drop for Watch {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.log.poison(&io::Error::other(Fault));
            // Nobody answers what waits: those who wait for it hear that by its end.
            self.0.intake.close();
            while let Next::Write(_) = self.0.intake.take(u64::MAX, None) {}
        }
    }
}

/// Ends both threads, with everything written that was handed over, and lets go of the directory.
pub(in crate::queue) fn close(queue: &OpenQueue, threads: Threads) {
    queue.intake.close();
    let writer = threads.writer.join();
    queue.closing.close();
    let keeper = threads.keeper.join();

    if !queue.log.is_poisoned() && writer.is_ok() && keeper.is_ok() {
        write_last(queue);
    }
    queue.lock.lock().take();
}

fn write_last(queue: &OpenQueue) {
    let log = &queue.log;
    let mut manifest = queue.manifest.lock();
    let (manifest, slots): &mut (Manifest, Slots) = &mut manifest;
    manifest.clean = true;
    let segments = log.segments();
    let newest = segments.last().map_or(0, |segment| segment.header.number);
    manifest.next_segment = manifest.next_segment.max(newest + 1);

    // Each says how far the log has come, also where nothing of it was answered.
    for subscription in queue.subscriptions.iter() {
        let mut progress = subscription.progress();
        progress.change = progress.change.max(Change::Passed);
    }
    // Twice: the first writes what waited for a sync of the store, the second what came since.
    let flush = || queue.subscriptions.flush(log, Change::Passed);
    if !(flush() && flush()) {
        tracing::error!(path = %log.directory.display(), "cursors could not be written at the end: some records go out again");
    } else if let Err(error) = slots.write_both(&manifest.text()) {
        tracing::warn!(%error, path = %manifest::path(&log.directory).display(), "the next start takes this stop for a crash");
    }
}
