//! Room on the disk: what may go, and in which order.
//!
//! Promises: a segment goes only when every cursor has durably passed it, no replay needs it, and its replay window is over or
//! room is wanted; what nobody has had yet goes only if the operator wrote `on_full = "expire_oldest"`, counted in every cursor.
//! Deliberately never touches the newest segment, so that the log always knows its own end.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::follower::Follower;
use super::inner::Inner;
use super::progress::Change;
use super::segment::Segment;
use crate::system::disk::{self, File};
use boxbridge_config::OnFull;
use boxbridge_event::PersonType;

/// The rule under which records end that had to make room.
pub const ON_FULL: &str = "on_full";

/// Under which it is shown that the disk refuses what is appended.
pub(super) const APPENDING: &str = "taking events";
/// Files that are left to cursors, set-aside records and counts.
const RESERVE_FILES: u64 = 16;

/// Why an append is not taken.
pub(super) enum Trouble {
    /// The budget is used up.
    Full { used: u64, limit: u64 },
    /// The file system has no room, whatever the budget says.
    DiskFull { reason: String },
    /// The disk does not do it at the moment, and nothing is lost by that.
    NotNow { reason: String },
    /// A write or sync of the log failed: what the disk holds is only known once it was read again.
    Broken(io::Error),
}

impl Trouble {
    /// Of a call on what holds records, or their names: broken, unless the error says that the call was never tried.
    pub(super) fn of(doing: &str, file: &File, error: std::io::Error) -> Trouble {
        match disk::is_passing(&error) {
            true => Trouble::not_now(
                format!("{doing} {}: {error}", file.path().display()),
                &error,
            ),
            false => Trouble::Broken(error),
        }
    }

    /// Of a call that nothing answered depends on.
    pub(super) fn not_now(reason: String, error: &std::io::Error) -> Trouble {
        match disk::is_full(error) {
            true => Trouble::DiskFull { reason },
            false => Trouble::NotNow { reason },
        }
    }
}

/// Sees to it that `wanted` bytes fit into the budget and onto the disk.
pub(super) fn make_room(inner: &Inner, wanted: u64) -> Result<(), Trouble> {
    let limit = inner.settings.max_bytes;
    loop {
        let used = inner.log.allocated();
        let disk = missing(inner, wanted);
        if used.saturating_add(wanted) <= limit && disk.is_none() {
            return Ok(());
        }
        let failed = |error: io::Error| Trouble::not_now(format!("making room: {error}"), &error);
        if delete_oldest(inner, |_| true).map_err(failed)? {
            continue;
        }
        flush(inner, Change::Passed);
        if delete_oldest(inner, |_| true).map_err(failed)? {
            continue;
        }
        if inner.settings.on_full == OnFull::Refuse || !expire_oldest(inner).map_err(failed)? {
            return Err(
                disk.map_or(Trouble::Full { used, limit }, |reason| Trouble::DiskFull {
                    reason,
                }),
            );
        }
    }
}

/// What the file system has too little of for a segment of so many bytes. What it does not tell is left to the attempt.
pub(super) fn missing(inner: &Inner, wanted: u64) -> Option<String> {
    let room = inner.log.disk.free_space(&inner.log.directory).ok()?;
    if room
        .files
        .is_some_and(|files| files.available < RESERVE_FILES)
    {
        return Some(format!(
            "the file system of {} has no room for more files",
            inner.log.directory.display()
        ));
    }
    let needed = wanted.saturating_add(inner.settings.reserve_bytes());
    (room.bytes < needed).then(|| {
        format!(
            "the file system of {} is full",
            inner.log.directory.display()
        )
    })
}

/// Writes every slot with that much change. A failure loses nothing: what is not written repeats after a crash, holds back the
/// segments that it needs, and is written with the next change. True if all is on disk.
pub(super) fn flush(inner: &Inner, change: Change) -> bool {
    let mut is_written = true;
    for follower in &inner.followers {
        follower.pass_if_done(&inner.log);
        let what = || {
            format!(
                "writing the cursor of {}, {}",
                follower.destination, follower.lane
            )
        };
        match follower.flush(&inner.log, change) {
            Ok(false) => {}
            Ok(true) => inner.log.outages.over(what),
            Err(error) => {
                is_written = false;
                inner.log.outages.began(what(), &error);
            }
        }
    }
    is_written
}

/// Deletes the oldest segment if nobody needs it and `may_go` agrees.
pub(super) fn delete_oldest(inner: &Inner, may_go: impl Fn(&Segment) -> bool) -> io::Result<bool> {
    let passed = inner
        .followers
        .iter()
        .map(|follower| follower.durable())
        .min()
        .unwrap_or(u64::MAX);
    let oldest = {
        let state = inner.log.state();
        let oldest = state.segments.front().filter(|_| state.segments.len() > 1);
        oldest
            .filter(|oldest| {
                oldest.is_sealed() && oldest.through().last() <= passed && may_go(oldest)
            })
            .cloned()
    };
    let Some(oldest) = oldest else {
        return Ok(false);
    };
    remove(inner, &oldest.path)?;
    // Known as long as it occupies room. Writer and keeper may be at the same one.
    let mut state = inner.log.state();
    if state
        .segments
        .front()
        .is_some_and(|front| Arc::ptr_eq(front, &oldest))
    {
        state.segments.pop_front();
    }
    drop(state);
    inner.log.outages.forget(&oldest.path);
    Ok(true)
}

fn remove(inner: &Inner, path: &Path) -> io::Result<()> {
    match inner.log.disk.remove(path) {
        // Somebody was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result?,
    }
    // Should it come back after a power cut: every cursor is past it, and it goes again.
    if let Err(error) = inner.log.names.sync_directory() {
        tracing::warn!(%error, path = %path.display(), "that a segment was deleted may not be on disk yet");
    }
    Ok(())
}

/// Ends every record of the oldest segment that somebody still waits for, and deletes it.
fn expire_oldest(inner: &Inner) -> io::Result<bool> {
    let oldest = {
        let state = inner.log.state();
        state
            .segments
            .front()
            .filter(|_| state.segments.len() > 1)
            .cloned()
    };
    let Some(oldest) = oldest else {
        return Ok(false);
    };
    let last = oldest.through().last();
    for follower in &inner.followers {
        let mut progress = follower.progress();
        oldest.visit(oldest.base(), |sequence, entry| {
            if entry.lane == follower.lane {
                progress.expire(sequence, entry.person_type, entry.received_at, ON_FULL);
            }
            true
        })?;
        PersonType::ALL
            .iter()
            .for_each(|person_type| progress.pass(*person_type, last));
        progress.give_up_replays(last);
    }
    tracing::error!(
        through = last,
        "the queue is full: its oldest records were given up, as on_full says"
    );
    flush(inner, Change::Passed);
    delete_oldest(inner, |_| true)
}

/// Gives back what the pictures occupy that the store has passed.
pub(super) fn punch(inner: &Inner, segment: &Segment) -> io::Result<()> {
    segment.punched.store(true, Ordering::Release);
    let mut ranges = Vec::new();
    segment.visit(segment.base(), |_, entry| {
        if entry.pictures_bytes > 0 && !entry.lost {
            let start = super::segment::pictures_offset(entry.offset, entry.event_bytes);
            ranges.push((
                start,
                super::segment::record_end(
                    entry.offset,
                    entry.event_bytes,
                    entry.pictures_bytes.into(),
                ) - start,
            ));
        }
        true
    })?;
    for (start, bytes) in ranges {
        if !segment.file.punch(start, bytes)? {
            // This file system has no holes: the pictures go with their segment.
            break;
        }
    }
    segment.given_back.store(true, Ordering::Release);
    segment.measure();
    tracing::debug!(segment = segment.header.number, directory = %inner.log.directory.display(), "pictures were punched out");
    Ok(())
}

/// Sealed segments whose pictures nobody needs any more.
pub(super) fn punchable(inner: &Inner) -> Vec<Arc<Segment>> {
    let takes_pictures = |follower: &&Arc<Follower>| {
        follower.exceptions.is_some() || inner.settings.copies.contains(&follower.destination)
    };
    let stores = inner.followers.iter().filter(takes_pictures);
    let Some(passed) = stores
        .map(|store| store.durable())
        .min()
        .filter(|_| !inner.settings.keep_pictures)
    else {
        return Vec::new();
    };
    let state = inner.log.state();
    let is_whole = |segment: &&Arc<Segment>| {
        segment.is_sealed() && !segment.given_back.load(Ordering::Acquire)
    };
    state
        .segments
        .iter()
        .filter(is_whole)
        .filter(|segment| segment.through().last() <= passed)
        .cloned()
        .collect()
}
