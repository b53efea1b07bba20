//! The thread behind the writer: writes cursors, gives back room, samples growth.
//!
//! Promises: after a crash no more repeats than was answered in the last 100 ms; nothing that it does makes an append wait but for
//! the disk itself. Deliberately decides nothing about records: it carries out what cursors and settings say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::inner::Inner;
use super::progress::Change;
use super::space;

/// How much may repeat after a crash, and how often cursors are written at most.
const FLUSH: Duration = Duration::from_millis(100);

/// Until closed. Cursors are written a last time by whoever closes.
pub(super) fn run(inner: &Arc<Inner>) {
    let mut tidied = Instant::now();
    let interval = inner.settings.upkeep_interval;
    while !inner.closing.wait(FLUSH.min(interval)) {
        let kept = match tidied.elapsed() >= interval {
            false => space::flush(inner, Change::Answered),
            true => {
                tidied = Instant::now();
                tidy(inner)
            }
        };
        if let Err(error) = kept {
            inner.poison(&error);
            return;
        }
    }
}

fn tidy(inner: &Inner) -> std::io::Result<()> {
    space::flush(inner, Change::Passed)?;
    for segment in space::punchable(inner) {
        space::punch(inner, &segment)?;
    }
    let window = inner.settings.replay_window;
    let mut deleted = false;
    while space::delete_oldest(inner, |segment| segment.age() >= window)? {
        deleted = true;
    }
    if deleted {
        let oldest = inner.log.oldest().unwrap_or(0);
        for exceptions in inner.followers.iter().filter_map(|follower| follower.exceptions.as_ref()) {
            exceptions.prune(&inner.log.disk, oldest)?;
        }
    }
    let waiting = super::status::bytes(inner).waiting;
    inner.growth.lock().unwrap_or_else(std::sync::PoisonError::into_inner).sample(waiting);
    Ok(())
}
