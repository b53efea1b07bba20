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
    let listed = names(disk, directory).map_err(OpenError::io("listing", directory))?;
    let mut segments: Vec<Segment> = Vec::new();
    for name in listed
        .iter()
        .filter(|name| name.starts_with(SEGMENT_PREFIX))
    {
        let path = directory.join(name);
        match Segment::open(disk, path.clone()).map_err(OpenError::io("opening", &path))? {
            Found::Segment(segment) => segments.push(*segment),
            Found::Newer(found) => {
                return Err(OpenError::Newer {
                    path,
                    found,
                    known: VERSION,
                });
            }
            Found::Unknown => {
                tracing::error!(path = %path.display(), "not a readable segment at offset 0: left alone")
            }
            // Deleted since it was listed: only where the gateway runs and somebody looks on.
            Found::Nothing => {}
        }
    }

    segments.sort_by_key(|segment| (segment.header.before.last(), segment.header.number));
    // The same segment twice (a copy) is the same records twice.
    segments.dedup_by_key(|segment| (segment.header.number, segment.header.nonce));
    Ok(segments)
}

fn names(disk: &Disk, directory: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for path in disk.list(directory)? {
        let path = path?;
        let name = path.file_name().and_then(|name| name.to_str());
        names.extend(name.map(str::to_owned));
    }
    Ok(names)
}

/// The log as it is after anything that may have happened.
pub fn recover(disk: &Disk, directory: &Path, found: Vec<Segment>) -> Result<Recovered, OpenError> {
    let headers: Vec<SegmentHeader> = found.iter().map(|segment| segment.header.clone()).collect();
    let names = names(disk, directory).map_err(OpenError::io("listing", directory))?;
    let numbers = headers.iter().map(|header| header.number);
    let highest = numbers.chain(names.iter().filter_map(|name| named_number(name)));

    let mut recovered = Recovered {
        segments: VecDeque::new(),
        counts: Counts::default(),
        number: highest.max().unwrap_or(0).saturating_add(1),
        write: 1,
        unsealed: Vec::new(),
        rotten: Vec::new(),
    };
    let next_starts = headers.iter().skip(1).map(|header| Some(header.before));
    for (segment, next) in found.into_iter().zip(next_starts.chain([None])) {
        recovered.take(disk, Arc::new(segment), next)?;
    }
    Ok(recovered)
}

/// The number in a segment's name, also of one that was left alone: names may lie, but must not clash.
fn named_number(name: &str) -> Option<u64> {
    let name = name.strip_prefix(LEFT_ALONE_PREFIX).unwrap_or(name);
    name.strip_prefix(SEGMENT_PREFIX)?.parse().ok()
}

/// Aside, where nobody reads it: its records stand in another segment, or others have their numbers.
fn leave_alone(disk: &Disk, segment: &Segment) {
    let path = &segment.path;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = path.with_file_name(format!("{LEFT_ALONE_PREFIX}{name}"));
    let error = disk.rename(path, &aside).err();
    tracing::error!(path = %path.display(), aside = %aside.display(), ?error, "holds records that another segment holds too: left alone");
}

impl Recovered {
    /// Takes the next segment in the order of the log; `next` is where the one behind it starts.
    fn take(
        &mut self,
        disk: &Disk,
        segment: Arc<Segment>,
        next: Option<Counts>,
    ) -> Result<(), OpenError> {
        let stands_on_another = segment.header.before.last() < self.counts.last();
        if stands_on_another && !self.is_made_later(&segment) {
            leave_alone(disk, &segment);
            return Ok(());
        }

        let loaded = segment.load_trailer();
        if !loaded.map_err(OpenError::io("reading the trailer of", &segment.path))? {
            self.scan(&segment, next)?;
        }
        if stands_on_another && segment.records() == 0 {
            leave_alone(disk, &segment);
            return Ok(());
        }

        let overlaps =
            |other: &mut Arc<Segment>| segment.header.before.last() < other.through().last();
        while let Some(other) = self.segments.pop_back_if(overlaps) {
            leave_alone(disk, &other);
        }
        self.write = self.write.max(segment.next_write());
        self.counts = segment.through();
        match segment.records() {
            0 => remove_empty(disk, &segment.path),
            _ => self.segments.push_back(segment),
        }
        Ok(())
    }

    /// Than the one before it in the log. It was made later because the other was not there: it has gone on from its numbers.
    fn is_made_later(&self, segment: &Segment) -> bool {
        let other = self.segments.back();
        other.is_some_and(|other| other.header.number < segment.header.number)
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
        self.seal(Unsealed {
            segment: Arc::clone(segment),
            end: scan.end,
            length: None,
            write: scan.write,
        })
    }

    fn seal(&mut self, unsealed: Unsealed) -> Result<(), OpenError> {
        let segment = Arc::clone(&unsealed.segment);
        match unsealed.seal() {
            // Not now: the index stays in memory. The records must be durable all the same before anyone reads them.
            Err(error) if disk::is_passing(&error) => {
                self.unsealed.push(unsealed);
                let synced = segment.file.sync();
                synced.map_err(OpenError::io("syncing", &segment.path))
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

/// Made and never used. One that stays stands at the same place in the log as the next one, and the next start sees that, too.
fn remove_empty(disk: &Disk, path: &Path) {
    if let Err(error) = disk.remove(path) {
        tracing::warn!(%error, path = %path.display(), "an empty segment could not be removed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_a_segment_ever_had_is_given_to_no_other_also_where_it_was_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "left-alone-segment-0000000009",
            "segment-0000000007",
            "fresh",
        ] {
            std::fs::write(dir.path().join(name), "not readable").unwrap();
        }
        let recovered = recover(&Disk::default(), dir.path(), Vec::new()).unwrap();
        assert_eq!(recovered.number, 10);
    }
}
