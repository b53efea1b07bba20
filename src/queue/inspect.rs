//! Looking at a queue from outside: while the gateway runs and when it does not.
//!
//! Promises: everything here but [`forget`] only reads, takes no lock, and shows nothing of a person; [`verify`] trusts no
//! count: it reads every record and counts again. While the gateway runs, what it looks at moves on: numbers of one call are then
//! those of moments close to each other. Deliberately repairs nothing: the start of the gateway does.

use std::io;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::follower::{Saved, path};
use super::layout::{Counts, Entry};
use super::lock::lock;
use super::manifest::{self, Manifest};
use super::open::DIRECTORY;
use super::progress::Tally;
use super::recover;
use super::scan::{self, Durable};
use super::segment::{ReadError, Segment};
use super::settings::OpenError;
use super::slots::{CURSOR_BYTES, MANIFEST_BYTES, Slots};
use crate::system::disk::Disk;
use boxbridge_event::{EventId, Feed, Lane, PersonType, Revision, Sequence, Timestamp};

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
    pub segments: Vec<SegmentSummary>,
    pub cursors: Vec<CursorSummary>,
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

/// Who holds the disk.
pub fn status(data_dir: &Path) -> Result<Overview, OpenError> {
    let directory = data_dir.join(DIRECTORY);
    let manifest = peek(&directory)?;
    let segments = load(&directory)?;
    let summaries = segments
        .iter()
        .map(summary)
        .collect::<io::Result<_>>()
        .map_err(OpenError::io("reading", &directory))?;
    Ok(Overview {
        epoch: manifest.epoch.clone(),
        is_clean: manifest.clean,
        is_locked: matches!(
            lock(&Disk::default(), data_dir),
            Err(OpenError::Locked { .. })
        ),
        cursors: cursors(&directory, &manifest, &segments)?,
        segments: summaries,
    })
}

/// Shows every record, oldest first, until `visit` says that it has enough (`false`).
pub fn records(
    data_dir: &Path,
    mut visit: impl FnMut(RecordSummary) -> bool,
) -> Result<(), OpenError> {
    let mut goes_on = true;
    for segment in load(&data_dir.join(DIRECTORY))? {
        let seen = segment.visit(segment.base(), |sequence, entry| {
            goes_on = visit(record(sequence, entry));
            goes_on
        });
        seen.map_err(OpenError::io("reading", &segment.path))?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Reads everything and counts again.
pub fn verify(data_dir: &Path) -> Result<Report, OpenError> {
    let directory = data_dir.join(DIRECTORY);
    let manifest = peek(&directory)?;
    // While the gateway runs: the log grows behind its end, and its beginning goes once cursors are past it.
    let end = saved(&directory, &manifest)?
        .iter()
        .filter_map(|(.., saved)| Some(saved.as_ref()?.log().last()))
        .max()
        .unwrap_or(0);
    let segments = load(&directory)?;
    let saved = saved(&directory, &manifest)?;
    let mut report = Report {
        missing: missing(&saved, &segments, end),
        cursors: counted(&directory, saved, &segments)?,
        ..Report::default()
    };
    for segment in &segments {
        let mut entries = Vec::with_capacity(segment.records());
        let seen = segment.visit(segment.base(), |sequence, entry| {
            entries.push((sequence, entry.clone()));
            true
        });
        seen.map_err(OpenError::io("reading", &segment.path))?;
        for (sequence, entry) in &entries {
            check(segment, *sequence, entry, &mut report);
        }
    }
    Ok(report)
}

/// Gives up what waits for a destination that is not configured any more. Needs the directory for itself.
pub fn forget(data_dir: &Path, destination: &str) -> Result<(), OpenError> {
    let directory = data_dir.join(DIRECTORY);
    let disk = Disk::default();
    let _lock = lock(&disk, data_dir)?;
    let path_of_manifest = manifest::path(&directory);
    let slots = Slots::open(&disk, &path_of_manifest, MANIFEST_BYTES);
    let (mut slots, _) = slots.map_err(OpenError::io("reading", &path_of_manifest))?;
    let mut manifest = peek(&directory)?;
    manifest.destinations.retain(|name| name != destination);
    let written = slots.write_both(&manifest.text());
    written.map_err(OpenError::io("writing", &path_of_manifest))?;
    for lane in Lane::ALL {
        let cursor = path(&directory, destination, *lane);
        match disk.remove(&cursor) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(OpenError::io("removing", &cursor)(error));
            }
            _ => {}
        }
    }
    Ok(())
}

fn peek(directory: &Path) -> Result<Manifest, OpenError> {
    let path = manifest::path(directory);
    if !path.try_exists().map_err(OpenError::io("reading", &path))? {
        return Err(OpenError::Missing {
            path: directory.to_owned(),
        });
    }
    let manifest =
        Manifest::peek(&Disk::default(), directory).map_err(OpenError::io("reading", &path))?;
    manifest.ok_or_else(|| {
        OpenError::io("reading", &path)(io::Error::new(
            io::ErrorKind::InvalidData,
            "neither slot is valid",
        ))
    })
}

/// Every segment with its records, as recovery would find them, without writing.
fn load(directory: &Path) -> Result<Vec<Segment>, OpenError> {
    let segments = recover::list(&Disk::default(), directory)?;
    let starts: Vec<Counts> = segments
        .iter()
        .map(|segment| segment.header.before)
        .collect();
    for (place, segment) in segments.iter().enumerate() {
        let read = |source| OpenError::io("reading", &segment.path)(source);
        if !segment.load_trailer().map_err(read)? {
            let durable = starts
                .get(place + 1)
                .map_or(Durable::AsWitnessed, |next| Durable::Through(*next));
            segment.set_entries(
                scan::segment(&segment.file, &segment.header, durable)
                    .map_err(read)?
                    .entries,
            );
        }
    }
    Ok(segments)
}

fn summary(segment: &Segment) -> io::Result<SegmentSummary> {
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
        allocated_bytes: segment.allocated.load(std::sync::atomic::Ordering::Relaxed),
        is_sealed: segment.is_sealed(),
        created_at: segment.header.created_at,
    })
}

fn record(sequence: u64, entry: &Entry) -> RecordSummary {
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

fn cursors(
    directory: &Path,
    manifest: &Manifest,
    segments: &[Segment],
) -> Result<Vec<CursorSummary>, OpenError> {
    counted(directory, saved(directory, manifest)?, segments)
}

/// Every cursor's slot; `None` where neither can be read.
fn saved(
    directory: &Path,
    manifest: &Manifest,
) -> Result<Vec<(String, Lane, Option<Saved>)>, OpenError> {
    let mut found = Vec::new();
    for destination in &manifest.destinations {
        for lane in Lane::ALL {
            let path = path(directory, destination, *lane);
            let text = Slots::peek(&Disk::default(), &path, CURSOR_BYTES)
                .map_err(OpenError::io("reading", &path))?;
            let saved = text.and_then(|text| serde_json::from_slice::<Saved>(&text).ok());
            found.push((destination.clone(), *lane, saved));
        }
    }
    Ok(found)
}

fn counted(
    directory: &Path,
    saved: Vec<(String, Lane, Option<Saved>)>,
    segments: &[Segment],
) -> Result<Vec<CursorSummary>, OpenError> {
    let summary = |(destination, lane, saved): (String, Lane, Option<Saved>)| {
        let counted = saved
            .map(|saved| count(lane, &saved, segments))
            .transpose()?;
        Ok(CursorSummary {
            destination,
            lane,
            counted,
        })
    };
    saved
        .into_iter()
        .map(summary)
        .collect::<io::Result<_>>()
        .map_err(OpenError::io("reading", directory))
}

/// Sequences that stand in no segment, as far as a cursor still has them before it.
fn missing(
    saved: &[(String, Lane, Option<Saved>)],
    segments: &[Segment],
    end: u64,
) -> Vec<RangeInclusive<u64>> {
    let saved = saved.iter().filter_map(|(.., saved)| saved.as_ref());
    let positions = saved.flat_map(|saved| {
        PersonType::ALL
            .iter()
            .map(|person_type| saved.position(*person_type))
    });
    let Some(mut through) = positions.min() else {
        return Vec::new();
    };
    let mut missing = Vec::new();
    for (base, last) in segments
        .iter()
        .map(|segment| (segment.base(), segment.through().last()))
        .chain([(end + 1, end)])
    {
        if base > through + 1 {
            missing.push(through + 1..=base - 1);
        }
        through = through.max(last);
    }
    missing
}

/// Counts what waits record by record; where segments are gone, what stood in them is known from the next header.
fn count(lane: Lane, saved: &Saved, segments: &[Segment]) -> io::Result<Counted> {
    let (mut waiting, mut through) = (0, None::<Counts>);
    for segment in segments {
        let before = segment.header.before;
        if let Some(through) = through
            .replace(segment.through())
            .filter(|through| through.last() < before.last())
        {
            let is_before = |person_type: PersonType| saved.position(person_type) <= through.last();
            let types = PersonType::ALL
                .iter()
                .copied()
                .filter(|person_type| is_before(*person_type));
            let records = |person_type| {
                before
                    .of(lane, person_type)
                    .saturating_sub(through.of(lane, person_type))
            };
            waiting += types.map(records).sum::<u64>();
        }
        segment.visit(segment.base(), |sequence, entry| {
            waiting +=
                u64::from(entry.lane == lane && sequence > saved.position(entry.person_type));
            true
        })?;
    }
    let ever = segments
        .last()
        .map_or_else(|| saved.log(), |segment| segment.through())
        .lane(lane);
    Ok(Counted {
        accepted: ever.saturating_sub(saved.joined.records),
        tally: saved.tally.clone(),
        waiting,
    })
}

fn check(segment: &Segment, sequence: u64, entry: &Entry, report: &mut Report) {
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
fn is_hole(segment: &Segment, entry: &Entry) -> io::Result<bool> {
    let mut bytes = vec![0; entry.pictures_bytes as usize];
    let place = super::segment::pictures_offset(entry.offset, entry.event_bytes);
    let is_read = segment.file.read_if_long_enough(&mut bytes, place)?;
    Ok(is_read && bytes.iter().all(|byte| *byte == 0))
}
