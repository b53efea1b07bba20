//! The thread behind the writer: writes cursors, gives back room, samples growth.
//!
//! Promises: after a crash no more repeats than was answered in the last 100 ms, as long as the disk takes it; nothing that it does
//! makes an append wait but for the disk itself; what fails is said once and done again, and ends nothing. Deliberately decides nothing
//! about records: it carries out what cursors and settings say.

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::inner::Inner;
use super::progress::Change;
use super::space;

/// How much may repeat after a crash, and how often cursors are written at most.
const FLUSH: Duration = Duration::from_millis(100);
/// Under which it is shown that room is not given back.
const TIDYING: &str = "giving room back";

/// Until closed. Cursors are written a last time by whoever closes.
pub(super) fn run(inner: &Arc<Inner>) {
    let mut tidied = Instant::now();
    let interval = inner.settings.upkeep_interval;
    while !inner.closing.wait(FLUSH.min(interval)) {
        if inner.is_poisoned() {
            return;
        }
        if tidied.elapsed() < interval {
            space::flush(inner, Change::Answered);
            continue;
        }
        tidied = Instant::now();
        space::flush(inner, Change::Passed);
        match tidy(inner) {
            Ok(()) => inner.log.outages.over(|| TIDYING.to_owned()),
            Err(error) => inner.log.outages.began(TIDYING, &error),
        }
        let waiting = super::status::bytes(inner).waiting;
        inner
            .growth
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .sample(waiting);
    }
}

fn tidy(inner: &Inner) -> io::Result<()> {
    let window = inner.settings.replay_window;
    let mut deleted = false;
    while space::delete_oldest(inner, |segment| segment.age() >= window)? {
        deleted = true;
    }
    if deleted {
        let oldest = inner.log.oldest().unwrap_or(0);
        for exceptions in inner
            .followers
            .iter()
            .filter_map(|follower| follower.exceptions.as_ref())
        {
            exceptions.prune(oldest)?;
        }
    }
    // One that cannot be read holds back no other.
    let punched: Vec<_> = space::punchable(inner)
        .iter()
        .map(|segment| space::punch(inner, segment))
        .collect();
    punched.into_iter().collect()
}
