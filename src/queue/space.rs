//! Room on the disk: what may go, and in which order.
//!
//! Promises: a segment goes only when every cursor has durably passed it, no replay needs it, and its replay window is over or
//! room is wanted; what nobody has had yet goes only if the operator wrote `on_full = "expire_oldest"`, counted in every cursor.
//! Deliberately never touches the newest segment, so that the log always knows its own end.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::disk;
use super::inner::Inner;
use super::progress::Change;
use super::segment::Segment;
use crate::config::OnFull;
use crate::event::PersonType;

/// The rule under which records end that had to make room.
pub const ON_FULL: &str = "on_full";

/// Why there is no room.
pub(super) enum Trouble {
    Full { used: u64, limit: u64 },
    Broken(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Broken(error)
    }
}

/// Sees to it that `wanted` bytes fit into the budget and onto the disk.
pub(super) fn make_room(inner: &Inner, wanted: u64) -> Result<(), Trouble> {
    let limit = inner.settings.max_bytes;
    loop {
        let used = inner.log.allocated();
        let available = disk::available(&inner.log.directory).unwrap_or(u64::MAX);
        if used.saturating_add(wanted) <= limit && wanted.saturating_add(inner.settings.reserve_bytes()) <= available {
            return Ok(());
        }
        if delete_oldest(inner, |_| true)? {
            continue;
        }
        flush(inner, Change::Passed)?;
        if delete_oldest(inner, |_| true)? {
            continue;
        }
        if inner.settings.on_full == OnFull::Refuse || !expire_oldest(inner)? {
            return Err(Trouble::Full { used, limit });
        }
    }
}

/// Writes every slot with that much change. A full disk is no failure: what is not written repeats after a crash.
pub(super) fn flush(inner: &Inner, change: Change) -> io::Result<()> {
    for follower in &inner.followers {
        follower.pass_if_done(&inner.log);
        match follower.flush(&inner.log, change) {
            Err(error) if disk::is_full(&error) => tracing::warn!(%error, "no room to write a cursor; it repeats if it must"),
            result => result?,
        }
    }
    Ok(())
}

/// Deletes the oldest segment if nobody needs it and `may_go` agrees.
pub(super) fn delete_oldest(inner: &Inner, may_go: impl Fn(&Segment) -> bool) -> io::Result<bool> {
    let passed = inner.followers.iter().map(|follower| follower.durable()).min().unwrap_or(u64::MAX);
    let segment = {
        let mut state = inner.log.state();
        let oldest = state
            .segments
            .front()
            .filter(|oldest| state.segments.len() > 1 && oldest.is_sealed() && oldest.through().last() <= passed && may_go(oldest));
        if oldest.is_none() {
            return Ok(false);
        }
        state.segments.pop_front()
    };
    segment.map_or(Ok(false), |segment| remove(inner, &segment).map(|()| true))
}

fn remove(inner: &Inner, segment: &Segment) -> io::Result<()> {
    match std::fs::remove_file(&segment.path) {
        // Somebody was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result?,
    }
    inner.log.disk.sync_directory(&inner.log.directory)
}

/// Ends every record of the oldest segment that somebody still waits for, and deletes it.
fn expire_oldest(inner: &Inner) -> io::Result<bool> {
    let oldest = {
        let state = inner.log.state();
        state.segments.front().filter(|_| state.segments.len() > 1).cloned()
    };
    let Some(oldest) = oldest else { return Ok(false) };
    let last = oldest.through().last();
    for follower in &inner.followers {
        let mut progress = follower.progress();
        oldest.visit(oldest.base(), |sequence, entry| {
            if entry.lane == follower.lane {
                progress.expire(sequence, entry.person_type, entry.received_at, ON_FULL);
            }
            true
        })?;
        PersonType::ALL.iter().for_each(|person_type| progress.pass(*person_type, last));
        progress.give_up_replays(last);
    }
    tracing::error!(through = last, "the queue is full: its oldest records were given up, as on_full says");
    flush(inner, Change::Passed)?;
    delete_oldest(inner, |_| true)
}

/// Gives back what the pictures occupy that the store has passed.
pub(super) fn punch(inner: &Inner, segment: &Segment) -> io::Result<()> {
    segment.punched.store(true, Ordering::Release);
    let mut ranges = Vec::new();
    segment.visit(segment.base(), |_, entry| {
        if entry.pictures_bytes > 0 && !entry.lost {
            let start = super::segment::pictures_offset(entry.offset, entry.event_bytes);
            ranges.push((start, super::segment::record_end(entry.offset, entry.event_bytes, entry.pictures_bytes.into()) - start));
        }
        true
    })?;
    for (start, bytes) in ranges {
        match disk::punch(&segment.file, start, bytes) {
            // This file system has no holes: the pictures go with their segment.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::OPNOTSUPP.raw_os_error()) => return Ok(()),
            result => result?,
        }
    }
    segment.allocated.store(disk::allocated(&segment.file)?, Ordering::Relaxed);
    tracing::debug!(segment = segment.header.number, directory = %inner.log.directory.display(), "pictures were punched out");
    Ok(())
}

/// Sealed segments whose pictures nobody needs any more.
pub(super) fn punchable(inner: &Inner) -> Vec<Arc<Segment>> {
    let store = inner.followers.iter().filter(|follower| follower.exceptions.is_some());
    let Some(passed) = store.map(|store| store.durable()).min().filter(|_| !inner.settings.keep_pictures) else {
        return Vec::new();
    };
    let state = inner.log.state();
    let open = |segment: &&Arc<Segment>| segment.is_sealed() && !segment.punched.load(Ordering::Acquire);
    state.segments.iter().filter(open).filter(|segment| segment.through().last() <= passed).cloned().collect()
}
