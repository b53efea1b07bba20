//! Looking at a queue from outside: while the gateway runs and when it does not.
//!
//! Promises: everything here but [`forget`] only reads, takes no lock, and shows nothing of a person but to who asks for events
//! ([`search`]); [`verify`] trusts no count: it reads every record and counts again. While the gateway runs, what it looks at moves on: numbers of one call are then
//! those of moments close to each other. Deliberately repairs nothing: the start of the gateway does.

use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::follow::{Standing, Tally, cursor_path};
use super::log::{DIRECTORY, MANIFEST_BYTES, OpenError, Slots, lock, lock_patiently, manifest};
use crate::system::disk::Disk;
use boxbridge_event::{EventId, Feed, Lane, PersonType, Revision, Sequence, Timestamp};

mod count;
mod read;
mod search;
mod verify;

pub(super) use search::{Hit, search as search_segments};
pub use search::{Page, Search};
pub use verify::verify;

/// A segment as it lies on disk.
#[derive(Clone, Debug)]
pub struct SegmentSummary {
    pub path: PathBuf,
    pub first: Sequence,
    pub records: usize,
    /// Of these, how many are known to be lost.
    pub lost: usize,
    /// What it occupies, holes not counted.
    pub allocated_bytes: u64,
    /// It ends in an index: nothing is written to it any more.
    pub is_sealed: bool,
    pub created_at: Timestamp,
}

/// A record, without anything of a person.
#[derive(Clone, Debug)]
pub struct RecordSummary {
    pub sequence: Sequence,
    pub id: EventId,
    pub revision: Revision,
    pub received_at: Timestamp,
    pub feed: Feed,
    pub lane: Lane,
    pub person_type: PersonType,
    pub event_bytes: u64,
    pub pictures_bytes: u64,
    pub is_lost: bool,
}

/// One destination in one lane, counted from disk.
#[derive(Clone, Debug)]
pub struct CursorSummary {
    pub destination: String,
    pub lane: Lane,
    /// `None` where neither slot can be read.
    pub counted: Option<Counted>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Records of the lane since it joined, from the log.
    pub accepted: u64,
    /// From the slot.
    pub tally: Tally,
    /// Records above the slot's positions, from the log.
    pub waiting: u64,
}

impl Counted {
    /// accepted = delivered + set aside + expired + waiting.
    pub fn is_exact(&self) -> bool {
        self.accepted == self.tally.total() + self.waiting
    }
}

/// What [`status`] finds.
#[derive(Clone, Debug)]
pub struct Overview {
    pub epoch: String,
    /// Closed properly; false also while the gateway runs.
    pub is_clean: bool,
    /// Another process holds the directory.
    pub is_locked: bool,
    /// What its file system has left; `None` where it does not say.
    pub disk_available: Option<u64>,
    pub segments: Vec<SegmentSummary>,
    pub cursors: Vec<CursorSummary>,
}

impl Overview {
    /// How many records wait for each destination, over both lanes, as far as that can be counted.
    pub fn waiting(&self) -> BTreeMap<&str, u64> {
        let mut waiting = BTreeMap::new();
        for cursor in &self.cursors {
            let count = cursor.counted.as_ref().map_or(0, |it| it.waiting);
            *waiting.entry(&*cursor.destination).or_default() += count;
        }
        waiting
    }
}

/// What [`verify`] finds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub records: u64,
    /// Header or event does not hold: file, offset, sequence.
    pub rotten: Vec<(PathBuf, u64, Sequence)>,
    /// A picture does not hold. Pictures that were given up do not count.
    pub rotten_pictures: Vec<(PathBuf, u64, Sequence)>,
    /// The disk does not read it: file, offset, sequence.
    pub unread: Vec<(PathBuf, u64, Sequence)>,
    /// Known to be lost, and counted as expired.
    pub lost: u64,
    /// In no segment, and not counted by every cursor: the next start steps over them.
    pub missing: Vec<RangeInclusive<u64>>,
    pub cursors: Vec<CursorSummary>,
}

impl Report {
    pub fn is_sound(&self) -> bool {
        let exact = |cursor: &CursorSummary| cursor.counted.as_ref().is_some_and(Counted::is_exact);
        let places = [&self.rotten, &self.rotten_pictures, &self.unread];
        self.missing.is_empty()
            && places.iter().all(|places| places.is_empty())
            && self.cursors.iter().all(exact)
    }
}

/// What stands in the directory, and who holds it.
pub fn status(data_dir: &Path) -> Result<Overview, OpenError> {
    let directory = data_dir.join(DIRECTORY);
    let manifest = read::manifest(&directory)?;
    let segments = read::segments(&directory)?;
    let summaries: io::Result<_> = segments.iter().map(read::summary).collect();
    let is_locked = matches!(
        lock(&Disk::default(), data_dir),
        Err(OpenError::Locked { .. })
    );

    let free = Disk::default().free_space(&directory).ok();
    let cursors = read::cursors(&directory, &manifest)?;
    Ok(Overview {
        epoch: manifest.epoch.clone(),
        is_clean: manifest.clean,
        is_locked,
        disk_available: free.map(|free| free.bytes),
        cursors: count::counted(&directory, cursors, &segments)?,
        segments: summaries.map_err(OpenError::io("reading", &directory))?,
    })
}

/// Of the log that stands in the directory.
pub fn epoch(data_dir: &Path) -> Result<String, OpenError> {
    let manifest = read::manifest(&data_dir.join(DIRECTORY))?;
    Ok(manifest.epoch)
}

/// Whether a gateway holds the directory. One that is not there is held by nobody.
pub fn is_held(data_dir: &Path) -> Result<bool, OpenError> {
    match lock(&Disk::default(), data_dir) {
        Ok(_lock) => Ok(false),
        Err(OpenError::Locked { .. }) => Ok(true),
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Keeps a gateway from starting on the directory, and any other command from changing it, for as long as this lives.
pub fn hold(data_dir: &Path) -> Result<impl Sized + use<>, OpenError> {
    lock_patiently(&Disk::default(), data_dir)
}

/// Shows every record, oldest first, until `visit` says that it has enough (`false`).
pub fn records(
    data_dir: &Path,
    mut visit: impl FnMut(RecordSummary) -> bool,
) -> Result<(), OpenError> {
    let mut goes_on = true;
    for segment in read::segments(&data_dir.join(DIRECTORY))? {
        let seen = segment.visit(segment.base(), |sequence, entry| {
            goes_on = visit(read::record(sequence, entry));
            goes_on
        });
        seen.map_err(OpenError::io("reading", &segment.path))?;

        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Looks records up, newest first, each with its event's JSON.
pub fn search(data_dir: &Path, search: &Search) -> Result<Page<(RecordSummary, Bytes)>, OpenError> {
    let directory = data_dir.join(DIRECTORY);
    let segments: Vec<_> = read::segments(&directory)?
        .into_iter()
        .map(Arc::new)
        .collect();
    let page = search_segments(&segments, search);
    let page = page.map_err(OpenError::io("reading the records of", &directory))?;
    Ok(page.map(|hit| (hit.summary(), hit.event)))
}

/// How a record stands with every destination, by their slots: what was answered ahead of one is told only by a running queue.
pub fn standing(data_dir: &Path, record: &RecordSummary) -> Result<Vec<Standing>, OpenError> {
    let directory = data_dir.join(DIRECTORY);
    let manifest = read::manifest(&directory)?;
    let cursors = read::cursors(&directory, &manifest)?.into_iter();
    let of_lane = cursors.filter(|cursor| cursor.lane == record.lane);

    let standing = of_lane.filter_map(|cursor| {
        let progress = cursor.saved?.into_progress();
        Some(Standing {
            destination: cursor.destination,
            state: progress.state_of(record.sequence.0, record.person_type),
        })
    });
    Ok(standing.collect())
}

/// Gives up what waits for a destination that is not configured any more. Needs the directory for itself; once it has it, and before
/// anything changes, `note` writes down that it does.
pub fn forget(
    data_dir: &Path,
    destination: &str,
    note: impl FnOnce() -> io::Result<()>,
) -> Result<(), OpenError> {
    let directory = data_dir.join(DIRECTORY);
    let disk = Disk::default();
    let _lock = lock(&disk, data_dir)?;

    let mut manifest = read::manifest(&directory)?;
    note().map_err(OpenError::io("noting it in", data_dir))?;
    manifest.destinations.retain(|name| name != destination);
    let path = manifest::path(&directory);
    let slots = Slots::open(&disk, &path, MANIFEST_BYTES).map_err(OpenError::io("reading", &path));
    if let Some((mut slots, _)) = slots? {
        let written = slots.write_both(&manifest.text());
        written.map_err(OpenError::io("writing", &path))?;
    }

    for lane in Lane::ALL {
        let cursor = cursor_path(&directory, destination, *lane);
        match disk.remove(&cursor) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::io("removing", &cursor)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
