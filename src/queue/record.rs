//! One record as a destination gets it, and how batches of them are read from the log.
//!
//! Promises: whatever is here was checked against its checksums; reading is bounded in records and bytes. What does not hold is shown as
//! rotten, with its place; what the disk does not read is an error, to be asked again. Deliberately keeps no place in the log: that is
//! the cursor's.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinError;

use super::layout::{Entry, RecordHeader};
use super::log::{Gap, Log, Part};
use super::outages::Outages;
use super::segment::{ReadError, Segment};
use crate::event::{EventId, Feed, Lane, PersonType, Picture, Revision, Sequence, Timestamp};

/// Records read ahead at once.
const BATCH_RECORDS: usize = 64;
/// Bytes of events read ahead at once; one record may be larger.
const BATCH_BYTES: usize = 256 << 10;

/// A record of the log.
#[derive(Clone)]
pub struct Record {
    pub sequence: Sequence,
    pub received_at: Timestamp,
    pub id: EventId,
    pub revision: Revision,
    pub person_type: PersonType,
    pub feed: Feed,
    pub lane: Lane,
    /// The event's JSON.
    pub event: Bytes,
    pub has_pictures: bool,
    /// The id of the replay that it comes with; `None` if it is live.
    pub replay: Option<String>,
    pub appended_before_this_process: bool,
    header: Arc<RecordHeader>,
    segment: Arc<Segment>,
    offset: u64,
    outages: Arc<Outages>,
}

/// How long a disk that does not answer is left alone: from the first to the longest.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(30);

impl std::fmt::Debug for Record {
    /// The place and nothing of the person.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("sequence", &self.sequence).field("lane", &self.lane).field("replay", &self.replay).finish()
    }
}

impl Record {
    /// Its pictures, checked, in the order of [`crate::event::PictureKind::ALL`]. They are there while the record has no
    /// answer, unless they rotted. A disk that does not answer is asked again for as long as it takes: nothing ends for that.
    pub async fn pictures(&self) -> Result<Vec<Picture>, ReadError> {
        let mut attempts = 0;
        loop {
            let (segment, offset, header) = (self.segment.clone(), self.offset, self.header.clone());
            let read = tokio::task::spawn_blocking(move || segment.read_pictures(offset, &header)).await;
            let what = || format!("reading the pictures of record {} in {}", self.sequence.0, self.segment.path.display());
            match read.map_err(JoinError::try_into_panic) {
                Ok(Err(ReadError::Unanswered(_, error))) => self.outages.began(what(), &error),
                Ok(read) => {
                    self.outages.over(what);
                    return read;
                }
                // A fault of ours says nothing of what is on disk.
                Err(Ok(fault)) => std::panic::resume_unwind(fault),
                // The runtime is going down: nobody will look at the answer.
                Err(Err(_)) => return Err(ReadError::Rotten(self.sequence.0)),
            }
            tokio::time::sleep(ask_again_after(attempts)).await;
            attempts += 1;
        }
    }

    pub(super) fn handed_out(self, replay: Option<String>, last_at_start: u64) -> Record {
        Record { replay, appended_before_this_process: self.sequence.0 <= last_at_start, ..self }
    }

    fn read(log: &Log, segment: &Arc<Segment>, sequence: u64, entry: &Entry) -> Result<Record, ReadError> {
        let what = || format!("reading record {sequence} in {}", segment.path.display());
        let (header, event) = match segment.read(sequence, entry) {
            Err(ReadError::Unanswered(sequence, error)) => {
                log.outages.began(what(), &error);
                return Err(ReadError::Unanswered(sequence, error));
            }
            read => {
                log.outages.over(what);
                read?
            }
        };
        Ok(Record {
            sequence: Sequence(sequence),
            received_at: header.received_at,
            id: header.id,
            revision: header.revision,
            person_type: header.person_type,
            feed: header.feed,
            lane: header.lane,
            event,
            has_pictures: !header.present.is_empty(),
            replay: None,
            appended_before_this_process: false,
            header: Arc::new(header),
            segment: segment.clone(),
            offset: entry.offset,
            outages: Arc::clone(&log.outages),
        })
    }
}

/// Which records to read.
#[derive(Clone, Copy)]
pub(super) struct Want {
    /// Both, for a replay.
    pub lane: Option<Lane>,
    pub types: TypeSet,
    pub from: u64,
    /// The last one.
    pub through: u64,
}

/// A set of person types, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TypeSet(u8);

impl TypeSet {
    pub(super) const ALL: TypeSet = TypeSet(u8::MAX);

    pub(super) fn of(person_type: PersonType) -> TypeSet {
        TypeSet(1 << person_type.number())
    }

    pub(super) fn with(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 | other.0)
    }

    pub(super) fn without(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 & !other.0)
    }

    pub(super) fn contains(self, person_type: PersonType) -> bool {
        self.0 & (1 << person_type.number()) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = PersonType> {
        PersonType::ALL.iter().copied().filter(move |person_type| self.contains(*person_type))
    }
}

pub(super) enum Item {
    Record(Box<Record>),
    /// At `sequence`, or a gap that ends there.
    Rotten {
        sequence: u64,
        person_type: PersonType,
        records: u64,
    },
}

impl Item {
    pub(super) fn sequence(&self) -> u64 {
        match self {
            Item::Record(record) => record.sequence.0,
            Item::Rotten { sequence, .. } => *sequence,
        }
    }
}

pub(super) struct Batch {
    pub items: Vec<Item>,
    /// There is nothing else up to here.
    pub through: u64,
    /// The index in use, so that the next batch finds it in memory.
    pub index: Option<Arc<Vec<Entry>>>,
}

/// Reads on from `want.from`, up to the end of a segment at most.
pub(super) fn read(log: &Log, want: Want) -> io::Result<Batch> {
    let mut batch = Batch { items: Vec::new(), through: want.through, index: None };
    match log.part(want.from) {
        None => {}
        Some(Part::Gap(gap)) => {
            let Gap { first, last, before, after } = *gap;
            batch.through = last.min(want.through);
            let records = want.lane.map_or(0, |lane| after.lane(lane) - before.lane(lane));
            // Nobody knows of what type they were; the unknown ones answer for them.
            if records > 0 && last <= want.through && want.types.contains(PersonType::Unknown) {
                batch.items.push(Item::Rotten { sequence: last, person_type: PersonType::Unknown, records });
                log.rotted(first..=last);
            }
        }
        Some(Part::Segment(segment)) => read_segment(log, &segment, want, &mut batch)?,
    }
    Ok(batch)
}

fn read_segment(log: &Log, segment: &Arc<Segment>, want: Want, batch: &mut Batch) -> io::Result<()> {
    let what = || format!("reading the index of {}", segment.path.display());
    batch.index = segment.hold_index().inspect_err(|error| log.outages.began(what(), error))?;
    log.outages.over(what);
    batch.through = segment.through().last().min(want.through);
    let mut chosen = Vec::new();
    let mut bytes = 0;
    let end = batch.through;
    segment.visit(want.from, |sequence, entry| {
        if sequence > end {
            return false;
        }
        if want.lane.is_none_or(|lane| lane == entry.lane) && want.types.contains(entry.person_type) {
            bytes += entry.event_bytes as usize;
            if chosen.len() == BATCH_RECORDS || (bytes > BATCH_BYTES && !chosen.is_empty()) {
                batch.through = sequence - 1;
                return false;
            }
            chosen.push((sequence, entry.clone()));
        }
        true
    })?;
    for (sequence, entry) in chosen {
        let rotten = Item::Rotten { sequence, person_type: entry.person_type, records: 1 };
        let read = if entry.lost { Ok(None) } else { Record::read(log, segment, sequence, &entry).map(Some) };
        let item = match read {
            Ok(None) => rotten,
            Ok(Some(record)) => Item::Record(Box::new(record)),
            // What stands before it goes out meanwhile.
            Err(ReadError::Unanswered(_, error)) if batch.items.is_empty() => return Err(error),
            Err(ReadError::Unanswered(..)) => {
                batch.through = sequence - 1;
                break;
            }
            Err(_) => {
                log.rotted(sequence..=sequence);
                rotten
            }
        };
        batch.items.push(item);
    }
    Ok(())
}

/// How long to leave a disk alone that did not answer so many times.
pub(super) fn ask_again_after(attempts: u32) -> Duration {
    ASK_AGAIN.saturating_mul(1 << attempts.min(10)).min(ASK_AGAIN_MAX)
}
