//! The thread behind the writer: writes cursors, gives back room, samples growth.
//!
//! Promises: after a crash no more repeats than was answered in the last 100 ms, as long as the disk takes it; it makes an append wait
//! for the disk at most; a failure is said once and tried again, and ends nothing. Deliberately decides nothing about records: it
//! carries out what cursors and settings say.

use std::io;
use std::time::{Duration, Instant};

use super::follow::Change;
use super::log::space;
use super::open_queue::OpenQueue;
use super::status;

/// How much may repeat after a crash, and how often cursors are written at most.
const FLUSH: Duration = Duration::from_millis(100);
/// Under which it is shown that room is not given back.
const TIDYING: &str = "giving room back";

/// Until closed. The closing thread writes cursors a last time.
pub(super) fn run(queue: &OpenQueue) {
    let log = &queue.log;
    let interval = queue.settings.upkeep_interval;
    let mut tidied = Instant::now();

    while !queue.closing.wait(FLUSH.min(interval)) {
        if log.is_poisoned() {
            return;
        }
        if tidied.elapsed() < interval {
            queue.subscriptions.flush(log, Change::Answered);
            continue;
        }

        tidied = Instant::now();
        queue.subscriptions.flush(log, Change::Passed);
        match tidy(queue) {
            Ok(()) => log.outages.over(|| TIDYING.to_owned()),
            Err(error) => log.outages.began(TIDYING, &error),
        }
        let waiting = status::bytes(queue).waiting;
        queue.growth.lock().sample(waiting);
    }
}

fn tidy(queue: &OpenQueue) -> io::Result<()> {
    delete_old(queue)?;
    punch(queue)
}

/// Deletes segments that every cursor has durably passed and whose replay window is over, but for what an operator has sent again.
fn delete_old(queue: &OpenQueue) -> io::Result<()> {
    let (log, subscriptions) = (&queue.log, &queue.subscriptions);
    let window = queue.rules.now().replay_window;
    let is_old = |segment: &super::log::Segment| segment.age() >= window;

    let mut deleted = false;
    let needed_no_more = || subscriptions.durable().min(subscriptions.before_errands());
    while space::delete_oldest(log, needed_no_more(), is_old)? {
        deleted = true;
    }
    if deleted {
        subscriptions.forget_before(log.oldest().unwrap_or(0))?;
    }
    Ok(())
}

/// Gives back what the pictures occupy that the stores have durably passed.
fn punch(queue: &OpenQueue) -> io::Result<()> {
    let copies = &queue.settings.copies;
    let Some(passed) = queue.subscriptions.pictures_durable(copies) else {
        return Ok(());
    };
    if queue.rules.now().keep_pictures {
        return Ok(());
    }

    // One that cannot be read holds back no other.
    let punched: Vec<_> = space::punchable(&queue.log, passed)
        .iter()
        .map(|segment| space::punch(&queue.log, segment))
        .collect();
    punched.into_iter().collect()
}
