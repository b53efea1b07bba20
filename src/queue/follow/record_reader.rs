//! How records are read from the log, in batches, and their pictures, one by one.
//!
//! Promises: whatever is here was checked against its checksums; reading is bounded in records and bytes. What does not hold is shown as
//! rotten, with its place; what the disk does not read is an error, to be asked again, and said with who waits for it; a place that it does
//! not read for a long time, while it reads others, is rotten too. Deliberately keeps no place in the log, and asks nothing twice: that is
//! the cursor's.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::fault;
use crate::queue::format::{Counts, IndexEntry, RecordHeader};
use crate::queue::log::{Gap, Log, Outages, Part, ReadError, Segment};
use boxbridge_event::{
    Lane, NoPictures, PersonType, Picture, ReadPictures, Reading, Record, Sequence,
};

/// Records read ahead at once.
const BATCH_RECORDS: usize = 64;
/// Bytes of events read ahead at once; one record may be larger.
const BATCH_BYTES: usize = 256 << 10;

/// The pictures of one record of the log.
struct Pictures {
    sequence: u64,
    header: RecordHeader,
    segment: Arc<Segment>,
    offset: u64,
    asking: Asking,
}

/// Who reads, and what is done about a disk that does not answer.
#[derive(Clone)]
struct Asking {
    reader: Arc<str>,
    outages: Arc<Outages>,
    unread_max: Duration,
}

/// How long a disk that does not answer is left alone: from the first to the longest.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(30);

impl ReadPictures for Pictures {
    fn read(self: Arc<Self>) -> Reading {
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || self.read_now()).await;
            // Where the runtime goes down, nobody will look at the answer.
            let not_now = || {
                Err(NoPictures::NotNow(
                    io::Error::from(io::ErrorKind::Interrupted).to_string(),
                ))
            };
            fault::joined(read).unwrap_or_else(not_now)
        })
    }

    fn bytes(&self) -> u64 {
        self.header.pictures_bytes()
    }
}

impl Pictures {
    /// Checked, all of them.
    fn read_now(&self) -> Result<Vec<Picture>, NoPictures> {
        let read = self.segment.read_pictures(self.offset, &self.header);
        let read = self.asking.judge(&self.segment, read, || {
            format!(
                "the pictures of record {} at {}",
                self.sequence, self.offset
            )
        });

        read.map_err(|error| match error {
            ReadError::Unanswered(..) => NoPictures::NotNow(error.to_string()),
            _ => NoPictures::Lost(error.to_string()),
        })
    }
}

fn read_record(
    log: &Log,
    segment: &Arc<Segment>,
    reader: &Arc<str>,
    sequence: u64,
    entry: &IndexEntry,
) -> Result<Record, ReadError> {
    let asking = Asking::of(log, reader);
    let read = match segment.read(sequence, entry) {
        // Another cursor has waited for it.
        Err(ReadError::Unanswered(..)) if log.is_rotten(sequence) => {
            Err(ReadError::Rotten(sequence))
        }
        read => read,
    };
    let (header, event) = asking.judge(segment, read, || {
        format!("record {sequence} at {}", entry.offset)
    })?;

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
        picture_reader: Arc::new(Pictures {
            sequence,
            header,
            segment: Arc::clone(segment),
            offset: entry.offset,
            asking,
        }),
    })
}

impl Asking {
    fn of(log: &Log, reader: &Arc<str>) -> Asking {
        Asking {
            reader: Arc::clone(reader),
            outages: Arc::clone(&log.outages),
            unread_max: log.unread_max,
        }
    }

    /// What a read came to: whether the disk answers is said, and what it does not read for long enough, while it reads other places of the
    /// same file, is given up.
    fn judge<T>(
        &self,
        segment: &Segment,
        read: Result<T, ReadError>,
        of: impl Fn() -> String,
    ) -> Result<T, ReadError> {
        let what = || {
            format!(
                "{}: reading {} of {}",
                self.reader,
                of(),
                segment.path.display()
            )
        };
        let (sequence, error) = match read {
            Err(ReadError::Unanswered(sequence, error)) => (sequence, error),
            read => {
                self.outages.over(what);
                return read;
            }
        };

        let what = what();
        if !self.has_lost(segment, &what, &error) {
            return Err(ReadError::Unanswered(sequence, error));
        }

        tracing::error!(what, %error, "the disk reads other places and not this one: it is given up, and counts as rotten");
        Err(ReadError::GivenUp(format!(
            "given up after {} s of {what}: {error}",
            self.unread_max.as_secs()
        )))
    }

    /// Whether there is no more sense in asking again.
    fn has_lost(&self, segment: &Segment, what: &str, error: &io::Error) -> bool {
        self.outages.began(what, error);
        let has_lost = self.outages.alone_for(what, segment.is_answering()) >= self.unread_max;
        if has_lost {
            self.outages.given_up(what);
        }
        has_lost
    }
}

/// Which records to read.
#[derive(Clone)]
pub struct Want {
    /// For people: who waits for them.
    pub reader: Arc<str>,
    /// The replay's id, where it is for one.
    pub replay: Option<String>,
    /// Both, for a replay.
    pub lane: Option<Lane>,
    pub types: TypeSet,
    pub from: u64,
    /// The last one.
    pub through: u64,
}

/// A set of person types, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypeSet(u8);

impl TypeSet {
    pub const ALL: TypeSet = TypeSet((1 << PersonType::ALL.len()) - 1);

    pub fn of(person_type: PersonType) -> TypeSet {
        TypeSet(1 << person_type.number())
    }

    pub fn with(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 | other.0)
    }

    pub fn without(self, other: TypeSet) -> TypeSet {
        TypeSet(self.0 & !other.0)
    }

    pub fn contains(self, person_type: PersonType) -> bool {
        self.0 & (1 << person_type.number()) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn iter(self) -> impl Iterator<Item = PersonType> {
        PersonType::ALL
            .iter()
            .copied()
            .filter(move |person_type| self.contains(*person_type))
    }
}

pub enum Item {
    Record(Box<Record>),
    /// At `sequence`, or a gap that ends there.
    Rotten {
        sequence: u64,
        person_type: PersonType,
        records: u64,
    },
}

impl Item {
    pub fn sequence(&self) -> u64 {
        match self {
            Item::Record(record) => record.sequence.0,
            Item::Rotten { sequence, .. } => *sequence,
        }
    }
}

pub struct Batch {
    pub items: Vec<Item>,
    /// There is nothing else up to here.
    pub through: u64,
    /// The index in use, so that the next batch finds it in memory.
    pub index: Option<Arc<Vec<IndexEntry>>>,
}

/// The records of a gap, which nobody knows but by number: those of each type stand at a sequence of their own at its end.
fn lost(lane: Lane, types: TypeSet, before: &Counts, after: &Counts) -> Vec<Item> {
    // One that was lost alone, before the gap, counted as unknown there and as what it was here.
    let mut left = after.lane(lane).saturating_sub(before.lane(lane));
    let mut sequence = after.last();
    let mut items = Vec::new();
    for person_type in PersonType::ALL.iter().copied() {
        let records = after
            .of(lane, person_type)
            .saturating_sub(before.of(lane, person_type))
            .min(left);
        left -= records;
        if records > 0 && types.contains(person_type) {
            items.push(Item::Rotten {
                sequence,
                person_type,
                records,
            });
            sequence -= 1;
        }
    }
    items.reverse();
    items
}

/// Reads on from `want.from`, up to the end of a segment at most.
pub fn read(log: &Log, want: &Want) -> io::Result<Batch> {
    let mut batch = Batch {
        items: Vec::new(),
        through: want.through,
        index: None,
    };
    match log.part(want.from) {
        None => {}
        Some(Part::Gap(gap)) => {
            let Gap {
                first,
                last,
                before,
                after,
            } = *gap;
            batch.through = last.min(want.through);
            if let Some(lane) = want.lane.filter(|_| last <= want.through) {
                batch.items = lost(lane, want.types, &before, &after);
            }
            if !batch.items.is_empty() {
                log.rotted(first..=last);
            }
        }
        Some(Part::Segment(segment)) => read_segment(log, &segment, want, &mut batch)?,
    }
    Ok(batch)
}

fn read_segment(
    log: &Log,
    segment: &Arc<Segment>,
    want: &Want,
    batch: &mut Batch,
) -> io::Result<()> {
    batch.index = hold_index(log, segment, want)?;
    batch.through = segment.through().last().min(want.through);
    let mut chosen = Vec::new();
    let mut bytes = 0;
    let end = batch.through;
    segment.visit(want.from, |sequence, entry| {
        if sequence > end {
            return false;
        }
        if want.lane.is_none_or(|lane| lane == entry.lane) && want.types.contains(entry.person_type)
        {
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
        let rotten = Item::Rotten {
            sequence,
            person_type: entry.person_type,
            records: 1,
        };
        let read = if entry.lost {
            Ok(None)
        } else {
            read_record(log, segment, &want.reader, sequence, &entry).map(Some)
        };
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

/// Where the disk has lost the index, the records tell the same.
fn hold_index(
    log: &Log,
    segment: &Segment,
    want: &Want,
) -> io::Result<Option<Arc<Vec<IndexEntry>>>> {
    let held = segment
        .hold_index()
        .map_err(|error| ReadError::Unanswered(want.from, error));

    match Asking::of(log, &want.reader).judge(segment, held, || "the index".to_owned()) {
        Ok(index) => Ok(index),
        Err(ReadError::Unanswered(_, error)) => Err(error),
        Err(_) => {
            segment.index_given_up.store(true, Ordering::Release);
            segment.hold_index()
        }
    }
}

/// How long to leave a disk alone that did not answer so many times.
pub fn ask_again_after(attempts: u32) -> Duration {
    ASK_AGAIN
        .saturating_mul(1 << attempts.min(10))
        .min(ASK_AGAIN_MAX)
}
