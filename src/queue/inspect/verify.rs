//! Reads every record and every picture.
//!
//! Promises: a hole that was punched is no rot, and a disk that does not answer is neither.

use std::io;
use std::ops::RangeInclusive;
use std::path::Path;

use super::read::{self, SavedCursor};
use super::{Report, count};
use crate::queue::follow::Saved;
use crate::queue::format::{IndexEntry, pictures_offset};
use crate::queue::log::{DIRECTORY, OpenError, ReadError, Segment};
use boxbridge_event::Sequence;

/// Reads everything and counts again.
pub fn verify(data_dir: &Path) -> Result<Report, OpenError> {
    let directory = data_dir.join(DIRECTORY);
    let manifest = read::manifest(&directory)?;
    // While the gateway runs: the log grows behind its end, and its beginning goes once cursors are past it.
    let before = read::cursors(&directory, &manifest)?;
    let ends = saved(&before).map(|saved| saved.log.last());
    let end = ends.max().unwrap_or(0);

    let segments = read::segments(&directory)?;
    let cursors = read::cursors(&directory, &manifest)?;
    let mut report = Report {
        missing: missing(&cursors, &segments, end),
        cursors: count::counted(&directory, cursors, &segments)?,
        ..Report::default()
    };
    for segment in &segments {
        let read = read_all(segment, &mut report);
        read.map_err(OpenError::io("reading", &segment.path))?;
    }
    Ok(report)
}

fn saved(cursors: &[SavedCursor]) -> impl Iterator<Item = &Saved> {
    cursors.iter().filter_map(|cursor| cursor.saved.as_ref())
}

/// Sequences that stand in no segment, as far as a cursor still has them before it.
fn missing(cursors: &[SavedCursor], segments: &[Segment], end: u64) -> Vec<RangeInclusive<u64>> {
    let positions = saved(cursors).map(Saved::lowest_position);
    let Some(mut through) = positions.min() else {
        return Vec::new();
    };

    let stretches = segments
        .iter()
        .map(|segment| (segment.base(), segment.through().last()))
        .chain([(end + 1, end)]);
    let mut missing = Vec::new();
    for (base, last) in stretches {
        if base > through + 1 {
            missing.push(through + 1..=base - 1);
        }
        through = through.max(last);
    }
    missing
}

fn read_all(segment: &Segment, report: &mut Report) -> io::Result<()> {
    let mut entries = Vec::with_capacity(segment.records());
    segment.visit(segment.base(), |sequence, entry| {
        entries.push((sequence, entry.clone()));
        true
    })?;

    for (sequence, entry) in &entries {
        check(segment, *sequence, entry, report);
    }
    Ok(())
}

fn check(segment: &Segment, sequence: u64, entry: &IndexEntry, report: &mut Report) {
    report.records += 1;
    if entry.lost {
        report.lost += 1;
        return;
    }

    let place = (segment.path.clone(), entry.offset, Sequence(sequence));
    let pictures = match segment.read(sequence, entry) {
        Ok((header, _)) => segment.read_pictures(entry.offset, &header),
        Err(ReadError::Unanswered(..)) => return report.unread.push(place),
        Err(_) => return report.rotten.push(place),
    };

    match pictures {
        Ok(_) => {}
        Err(ReadError::Unanswered(..)) => report.unread.push(place),
        Err(_) => match is_hole(segment, entry) {
            Ok(true) => {}
            Ok(false) => report.rotten_pictures.push(place),
            Err(_) => report.unread.push(place),
        },
    }
}

/// Punched pictures read as zeros.
fn is_hole(segment: &Segment, entry: &IndexEntry) -> io::Result<bool> {
    let mut bytes = vec![0; entry.pictures_bytes as usize];
    let place = pictures_offset(entry.offset, entry.event_bytes);
    let is_read = segment.file.read_if_long_enough(&mut bytes, place)?;
    Ok(is_read && bytes.iter().all(|byte| *byte == 0))
}
