//! From what lies on disk to a log: the segments in order, each sealed.
//!
//! Promises: a sealed segment costs two small reads, whatever it holds; one without a valid index is scanned from the disk, not
//! from the page cache, made durable and sealed, so recovery repeats nothing and a crash in it loses nothing; a file that is not
//! ours is left alone. Deliberately judges no cursor.

use std::collections::VecDeque;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use super::open_error::OpenError;
use super::scan::{self, Durable};
use super::segment::{Found, SEGMENT_PREFIX, Segment, Unsealed};
use crate::queue::format::{Counts, SegmentHeader, VERSION};
use crate::system::clock::Clock;
use crate::system::disk::{self, Disk};

/// A segment that is not part of the log.
const LEFT_ALONE_PREFIX: &str = "left-alone-";

pub struct Recovered {
    pub segments: VecDeque<Arc<Segment>>,
    pub counts: Counts,
    /// The number of the next segment, and of the next write.
    pub number: u64,
    pub write: u64,
    /// Those that could not be given their index now.
    pub unsealed: Vec<Unsealed>,
    /// Records that were synced and are gone, as far as the open segments tell.
    pub rotten: Vec<RangeInclusive<u64>>,
}

/// Every segment of the directory, in the order of the log, with its header only.
pub fn list(disk: &Disk, directory: &Path) -> Result<Vec<Segment>, OpenError> {
    let mut segments: Vec<Segment> = Vec::new();
    for path in disk
        .list(directory)
        .map_err(OpenError::io("listing", directory))?
    {
        let path = path.map_err(OpenError::io("listing", directory))?;
        if !path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(SEGMENT_PREFIX))
        {
            continue;
        }
        match Segment::open(disk, path.clone()) {
            Ok(Found::Segment(segment)) => segments.push(*segment),
            Ok(Found::Newer(found)) => {
                return Err(OpenError::Newer {
                    path,
                    found,
                    known: VERSION,
                });
            }
            Ok(Found::Unknown) => {
                tracing::error!(path = %path.display(), "not a readable segment at offset 0: left alone")
            }
            // Deleted since it was listed: only where the gateway runs and somebody looks on.
            Ok(Found::Nothing) => {}
            Err(error) => return Err(OpenError::io("opening", &path)(error)),
        }
    }
    segments.sort_by_key(|segment| (segment.header.before.last(), segment.header.number));
    // The same segment twice (a copy) is the same records twice.
    segments.dedup_by_key(|segment| (segment.header.number, segment.header.nonce));
    Ok(segments)
}

/// The log as it is after whatever happened.
pub fn recover(disk: &Disk, directory: &Path, found: Vec<Segment>) -> Result<Recovered, OpenError> {
    let headers: Vec<SegmentHeader> = found.iter().map(|segment| segment.header.clone()).collect();
    let number = headers
        .iter()
        .map(|header| header.number)
        .max()
        .unwrap_or(0)
        + 1;
    let number = named_numbers(disk, directory)
        .map_err(OpenError::io("listing", directory))?
        .max(number);
    let (segments, counts) = (VecDeque::new(), Counts::default());
    let mut recovered = Recovered {
        segments,
        counts,
        number,
        write: 1,
        unsealed: Vec::new(),
        rotten: Vec::new(),
    };
    for (place, segment) in found.into_iter().enumerate() {
        let next = headers.get(place + 1).map(|header| header.before);
        recovered.take(disk, Arc::new(segment), next)?;
    }
    Ok(recovered)
}

/// One more than the highest number in a segment's name: names may lie, but must not clash.
fn named_numbers(disk: &Disk, directory: &Path) -> io::Result<u64> {
    let mut next = 1;
    for path in disk.list(directory)? {
        let path = path?;
        let number = path.file_name().and_then(|name| {
            name.to_str()?
                .strip_prefix(SEGMENT_PREFIX)?
                .parse::<u64>()
                .ok()
        });
        next = next.max(number.unwrap_or(0).saturating_add(1));
    }
    Ok(next)
}

/// Aside, where nobody reads it: its records stand in another segment, or others have their numbers.
fn leave_alone(disk: &Disk, segment: &Segment) {
    let (path, name) = (
        &segment.path,
        segment
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy(),
    );
    let aside = path.with_file_name(format!("{LEFT_ALONE_PREFIX}{name}"));
    let error = disk.rename(path, &aside).err();
    tracing::error!(path = %path.display(), aside = %aside.display(), ?error, "holds records that another segment holds too: left alone");
}

impl Recovered {
    fn take(
        &mut self,
        disk: &Disk,
        segment: Arc<Segment>,
        next: Option<Counts>,
    ) -> Result<(), OpenError> {
        let path = segment.path.clone();
        let stands_on_another = segment.header.before.last() < self.counts.last();
        if stands_on_another && !self.is_made_later(&segment) {
            leave_alone(disk, &segment);
            return Ok(());
        }
        if !segment
            .load_trailer()
            .map_err(OpenError::io("reading the trailer of", &path))?
        {
            self.scan(&segment, next)?;
        }
        if stands_on_another && segment.records() == 0 {
            leave_alone(disk, &segment);
            return Ok(());
        }
        while let Some(other) = self
            .segments
            .pop_back_if(|other| segment.header.before.last() < other.through().last())
        {
            leave_alone(disk, &other);
        }
        self.write = self.write.max(segment.next_write());
        self.counts = segment.through();
        if segment.records() > 0 {
            self.segments.push_back(segment);
        } else if let Err(error) = disk.remove(&path) {
            // Made and never used. It stands at the same place in the log as the next one, and the next start sees that, too.
            tracing::warn!(%error, path = %path.display(), "an empty segment could not be removed");
        }
        Ok(())
    }

    /// Than the one before it in the log. What was made later was made because the other was not there: it has gone on from its numbers.
    fn is_made_later(&self, segment: &Segment) -> bool {
        self.segments
            .back()
            .is_some_and(|other| other.header.number < segment.header.number)
    }

    fn scan(&mut self, segment: &Arc<Segment>, next: Option<Counts>) -> Result<(), OpenError> {
        segment.file.forget_cached();
        let durable = next.map_or(Durable::AsWitnessed, Durable::Through);
        let scan = scan::segment(&segment.file, &segment.header, durable)
            .map_err(OpenError::io("reading", &segment.path))?;
        tracing::info!(
            path = %segment.path.display(), records = scan.entries.len(), end = scan.end,
            "segment without an index was scanned"
        );
        self.rotten.extend(scan.rotten);
        self.write = self.write.max(scan.write);
        segment.set_entries(scan.entries);
        if segment.records() == 0 {
            return Ok(());
        }
        match segment.seal(scan.end, None, scan.write) {
            // Not now: the index stays in memory. The records must be durable all the same before anyone reads them.
            Err(error) if disk::is_passing(&error) => {
                self.unsealed.push(Unsealed {
                    segment: Arc::clone(segment),
                    end: scan.end,
                    length: None,
                    write: scan.write,
                });
                segment
                    .file
                    .sync()
                    .map_err(OpenError::io("syncing", &segment.path))
            }
            result => result.map_err(OpenError::io("sealing", &segment.path)),
        }
    }

    /// Ages as of now. The wall clock that dated the records may have been set since, and ages nothing by that.
    pub fn age(&self, clock: &Clock) {
        self.segments
            .iter()
            .for_each(|segment| segment.set_age(clock.age(segment.received_through())));
    }
}
