//! What lies in the directory, read without taking or changing anything.
//!
//! Promises: segments are read as recovery would read them. Deliberately counts nothing.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::{RecordSummary, SegmentSummary};
use crate::queue::follow::{Saved, cursor_path};
use crate::queue::format::{Counts, IndexEntry};
use crate::queue::log::scan::{self, Durable};
use crate::queue::log::{Manifest, OpenError, Segment, manifest, recover};
use crate::system::disk::Disk;
use boxbridge_event::{Lane, Sequence};

/// A destination in one lane and its slot; `None` where neither of both can be read.
pub(super) struct SavedCursor {
    pub destination: String,
    pub lane: Lane,
    pub saved: Option<Saved>,
}

pub(super) fn manifest(directory: &Path) -> Result<Manifest, OpenError> {
    let path = manifest::path(directory);
    if !path.try_exists().map_err(OpenError::io("reading", &path))? {
        return Err(OpenError::Missing {
            path: directory.to_owned(),
        });
    }

    let manifest = Manifest::peek(&Disk::default(), directory);
    let manifest = manifest.map_err(OpenError::io("reading", &path))?;
    manifest.ok_or_else(|| {
        let error = io::Error::new(io::ErrorKind::InvalidData, "neither slot is valid");
        OpenError::io("reading", &path)(error)
    })
}

/// Every segment with its records, as recovery would find them, without writing.
pub(super) fn segments(directory: &Path) -> Result<Vec<Segment>, OpenError> {
    let segments = recover::list(&Disk::default(), directory)?;
    let starts: Vec<Counts> = segments
        .iter()
        .map(|segment| segment.header.before)
        .collect();
    let next_starts = starts.iter().skip(1).map(Some).chain([None]);
    for (segment, next) in segments.iter().zip(next_starts) {
        load(segment, next).map_err(OpenError::io("reading", &segment.path))?;
    }
    Ok(segments)
}

/// `next` is where the next segment starts.
fn load(segment: &Segment, next: Option<&Counts>) -> io::Result<()> {
    if !segment.load_trailer()? {
        let durable = next.map_or(Durable::AsWitnessed, |next| Durable::Through(*next));
        let scan = scan::segment(&segment.file, &segment.header, durable)?;
        segment.set_entries(scan.entries);
    }
    Ok(())
}

/// Every cursor's slot.
pub(super) fn cursors(
    directory: &Path,
    manifest: &Manifest,
) -> Result<Vec<SavedCursor>, OpenError> {
    let mut found = Vec::new();
    for destination in &manifest.destinations {
        for lane in Lane::ALL {
            let path = cursor_path(directory, destination, *lane);
            let saved = Saved::peek(&Disk::default(), &path);
            found.push(SavedCursor {
                destination: destination.clone(),
                lane: *lane,
                saved: saved.map_err(OpenError::io("reading", &path))?,
            });
        }
    }
    Ok(found)
}

pub(super) fn summary(segment: &Segment) -> io::Result<SegmentSummary> {
    let mut lost = 0;
    segment.visit(segment.base(), |_, entry| {
        lost += usize::from(entry.lost);
        true
    })?;

    Ok(SegmentSummary {
        path: segment.path.clone(),
        first: Sequence(segment.base()),
        records: segment.records(),
        lost,
        allocated_bytes: segment.allocated.load(Ordering::Relaxed),
        is_sealed: segment.is_sealed(),
        created_at: segment.header.created_at,
    })
}

pub(super) fn record(sequence: u64, entry: &IndexEntry) -> RecordSummary {
    RecordSummary {
        sequence: Sequence(sequence),
        id: entry.id,
        revision: entry.revision,
        received_at: entry.received_at,
        feed: entry.feed,
        lane: entry.lane,
        person_type: entry.person_type,
        event_bytes: entry.event_bytes.into(),
        pictures_bytes: entry.pictures_bytes.into(),
        is_lost: entry.lost,
    }
}
