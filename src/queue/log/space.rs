//! Space on the disk: what it has left, and how the log gives some back.
//!
//! Promises: a segment goes only up to where its caller says that nobody needs it any more. Deliberately never touches the newest
//! segment, so that the log always knows its own end; who needs what, the caller knows.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::segment::Segment;
use super::segments::Log;
use crate::queue::format::{pictures_offset, record_end};

/// Files that are left to cursors, set-aside records and counts.
const RESERVE_FILES: u64 = 16;

/// What the file system has too little of for so many bytes in a file of their own. What it does not tell is left to the attempt.
pub fn missing(log: &Log, needed: u64) -> Option<String> {
    let room = log.disk.free_space(&log.directory).ok()?;
    let directory = log.directory.display();

    let few_files = |files: u64| files < RESERVE_FILES;
    if room.files.is_some_and(|files| few_files(files.available)) {
        return Some(format!(
            "the file system of {directory} has no room for more files"
        ));
    }
    (room.bytes < needed).then(|| format!("the file system of {directory} is full"))
}

/// The oldest segment; `None` if it is the newest as well.
pub fn oldest(log: &Log) -> Option<Arc<Segment>> {
    let state = log.state();
    let oldest = state.segments.front().filter(|_| state.segments.len() > 1);
    oldest.cloned()
}

/// Deletes the oldest segment if everything in it is needed no more (`passed` is the last sequence of which that is true) and
/// `may_go` agrees.
pub fn delete_oldest(
    log: &Log,
    passed: u64,
    may_go: impl Fn(&Segment) -> bool,
) -> io::Result<bool> {
    let is_over = |segment: &Arc<Segment>| {
        segment.is_sealed() && segment.through().last() <= passed && may_go(segment)
    };
    let Some(oldest) = oldest(log).filter(is_over) else {
        return Ok(false);
    };
    remove(log, &oldest.path)?;

    // Known as long as it occupies room. Writer and keeper may be at the same one.
    let mut state = log.state();
    let front = state.segments.front();
    if front.is_some_and(|front| Arc::ptr_eq(front, &oldest)) {
        state.segments.pop_front();
    }
    drop(state);
    log.outages.forget(&oldest.path);
    Ok(true)
}

fn remove(log: &Log, path: &Path) -> io::Result<()> {
    match log.disk.remove(path) {
        // Somebody was faster.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        result => result?,
    }

    // Should it come back after a power cut: every cursor is past it, and it goes again.
    if let Err(error) = log.names.sync_directory() {
        tracing::warn!(%error, path = %path.display(), "that a segment was deleted may not be on disk yet");
    }
    Ok(())
}

/// Sealed segments up to `passed` that still hold pictures.
pub fn punchable(log: &Log, passed: u64) -> Vec<Arc<Segment>> {
    let is_whole = |segment: &&Arc<Segment>| {
        segment.is_sealed()
            && !segment.given_back.load(Ordering::Acquire)
            && segment.through().last() <= passed
    };
    let state = log.state();
    state.segments.iter().filter(is_whole).cloned().collect()
}

/// Gives back the room that the pictures of a segment occupy.
pub fn punch(log: &Log, segment: &Segment) -> io::Result<()> {
    segment.punched.store(true, Ordering::Release);

    let mut ranges = Vec::new();
    segment.visit(segment.base(), |_, entry| {
        if entry.pictures_bytes > 0 && !entry.lost {
            let (offset, event_bytes) = (entry.offset, entry.event_bytes);
            let end = record_end(offset, event_bytes, entry.pictures_bytes.into());
            ranges.push(pictures_offset(offset, event_bytes)..end);
        }
        true
    })?;

    for range in ranges {
        if !segment.file.punch(range.start, range.end - range.start)? {
            // This file system has no holes: the pictures go with their segment.
            break;
        }
    }

    segment.given_back.store(true, Ordering::Release);
    segment.measure();
    tracing::debug!(segment = segment.header.number, directory = %log.directory.display(), "pictures were punched out");
    Ok(())
}
