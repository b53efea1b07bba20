//! Reads records from the log, in batches.
//!
//! Promises: every record here was checked against its checksums; reading is bounded in records and bytes. What does not hold is shown as
//! rotten, with its place. A place that the disk does not read is an error, to be asked again, and said with who waits for it; one that
//! it does not read for a long time, while it reads others, is rotten too. Deliberately keeps no place in the log, and asks nothing
//! twice: the cursor does.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use self::asking::Asking;
use self::pictures::Pictures;
use super::replay::Errand;
use super::type_set::TypeSet;
use crate::queue::format::{Counts, IndexEntry, RecordHeader};
use crate::queue::log::{Gap, Log, Part, ReadError, Segment};
use boxbridge_event::{Lane, PersonType, Record, Sequence};

mod asking;
mod onward;
mod pictures;

pub use onward::{Onward, after, recent_after};

/// Records read ahead at once.
const BATCH_RECORDS: usize = 64;
/// Bytes of events read ahead at once; one record may be larger.
const BATCH_BYTES: usize = 256 << 10;

/// What to read.
pub struct Want {
    /// For people: who waits for it.
    pub reader: Arc<str>,
    /// The replay's id, where it is for one.
    pub replay: Option<String>,
    /// What an operator asked for.
    pub errand: Option<Errand>,
    /// Both, for a replay.
    pub lane: Option<Lane>,
    pub types: TypeSet,
    pub from: u64,
    /// The last one.
    pub through: u64,
}

impl Want {
    fn takes(&self, lane: Lane, person_type: PersonType) -> bool {
        self.lane.is_none_or(|wanted| wanted == lane) && self.types.contains(person_type)
    }

    /// Of a record in a segment, as far as its index tells.
    fn may_take(&self, entry: &IndexEntry) -> bool {
        let errand = self.errand.as_ref();
        self.takes(entry.lane, entry.person_type)
            && errand.is_none_or(|errand| errand.selection.may_mean(entry))
    }

    /// Of one that was read.
    fn takes_item(&self, item: &Item) -> bool {
        match (&self.errand, item) {
            (Some(errand), Item::Record(record)) => errand.selection.means(&record.event),
            _ => true,
        }
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

/// The same as [`read`], where it begins in memory.
pub fn read_recent(log: &Log, want: &Want) -> Option<Batch> {
    let asking = Asking::of(log, &want.reader);
    let mut through = want.from.saturating_sub(1);
    let mut items = Vec::new();
    let mut bytes = 0;

    log.recent.visit(want.from, |recent| {
        let header = &recent.header;
        let is_wanted = want.takes(header.lane, header.person_type);
        bytes += if is_wanted { recent.event.len() } else { 0 };
        let is_full = items.len() == BATCH_RECORDS || bytes > BATCH_BYTES;
        if header.sequence > want.through || (is_wanted && is_full && !items.is_empty()) {
            return false;
        }
        let Some(segment) = recent.segment.upgrade() else {
            return false;
        };

        through = header.sequence;
        if is_wanted {
            let at = (segment, recent.offset);
            let record = record(log, header.clone(), at, recent.event.clone(), &asking);
            items.push(Item::Record(Box::new(record)));
        }
        true
    });
    (through >= want.from).then_some(Batch {
        items,
        through,
        index: None,
    })
}

/// Reads on from `want.from`, up to the end of a segment at most.
pub fn read(log: &Log, want: &Want) -> io::Result<Batch> {
    match log.part(want.from) {
        Some(Part::Segment(segment)) => read_segment(log, &segment, want),
        Some(Part::Gap(gap)) => Ok(read_gap(log, &gap, want)),
        None => Ok(Batch {
            items: Vec::new(),
            through: want.through,
            index: None,
        }),
    }
}

fn read_gap(log: &Log, gap: &Gap, want: &Want) -> Batch {
    let is_all_wanted = gap.last <= want.through;
    let lane = want.lane.filter(|_| is_all_wanted);
    let items = lane.map_or_else(Vec::new, |lane| lost(lane, want.types, gap));
    if !items.is_empty() {
        log.rotted(gap.first..=gap.last);
    }
    Batch {
        items,
        through: gap.last.min(want.through),
        index: None,
    }
}

/// The records of a gap, which nobody knows but by number: those of each type stand at a sequence of their own at its end.
fn lost(lane: Lane, types: TypeSet, gap: &Gap) -> Vec<Item> {
    let between = |before: u64, after: u64| after.saturating_sub(before);
    let (before, after) = (&gap.before, &gap.after);
    // One that was lost alone, before the gap, counted as unknown there and as what it was here.
    let mut left = between(before.lane(lane), after.lane(lane));
    let mut sequence = after.last();
    let mut items = Vec::new();

    for person_type in PersonType::ALL.iter().copied() {
        let of_type = |counts: &Counts| counts.of(lane, person_type);
        let records = between(of_type(before), of_type(after)).min(left);
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

fn read_segment(log: &Log, segment: &Arc<Segment>, want: &Want) -> io::Result<Batch> {
    let asking = Asking::of(log, &want.reader);
    let index = asking.hold_index(segment, want.from)?;
    let (chosen, mut through) = choose(segment, want)?;

    let mut items = Vec::with_capacity(chosen.len());
    for (sequence, entry) in chosen {
        match read_item(log, segment, &asking, sequence, &entry) {
            Ok(item) if want.takes_item(&item) => items.push(item),
            Ok(_) => {}
            Err(error) if items.is_empty() => return Err(error),
            // What stands before it goes out meanwhile.
            Err(_) => {
                through = sequence - 1;
                break;
            }
        }
    }
    Ok(Batch {
        items,
        through,
        index,
    })
}

/// What fits into one batch, and up to where that is all.
fn choose(segment: &Segment, want: &Want) -> io::Result<(Vec<(u64, IndexEntry)>, u64)> {
    let end = segment.through().last().min(want.through);
    let mut through = end;
    let mut chosen = Vec::new();
    let mut bytes = 0;

    segment.visit(want.from, |sequence, entry| {
        if sequence > end {
            return false;
        }
        if want.may_take(entry) {
            bytes += entry.event_bytes as usize;
            let is_full = bytes > BATCH_BYTES && !chosen.is_empty();
            if is_full || chosen.len() == BATCH_RECORDS {
                through = sequence - 1;
                return false;
            }
            chosen.push((sequence, entry.clone()));
        }
        true
    })?;
    Ok((chosen, through))
}

/// An error where the disk does not answer.
fn read_item(
    log: &Log,
    segment: &Arc<Segment>,
    asking: &Asking,
    sequence: u64,
    entry: &IndexEntry,
) -> io::Result<Item> {
    let is_known = !entry.lost || segment.are_records_given_up();
    let read = match entry.lost {
        true => Err(ReadError::Rotten(sequence)),
        false => read_record(log, segment, asking, sequence, entry),
    };

    match read {
        Ok(record) => Ok(Item::Record(Box::new(record))),
        Err(ReadError::Unanswered(_, error)) => Err(error),
        Err(_) => {
            // One that the index says is lost was counted when that was found.
            if is_known {
                log.rotted(sequence..=sequence);
            }
            Ok(Item::Rotten {
                sequence,
                person_type: entry.person_type,
                records: 1,
            })
        }
    }
}

fn read_record(
    log: &Log,
    segment: &Arc<Segment>,
    asking: &Asking,
    sequence: u64,
    entry: &IndexEntry,
) -> Result<Record, ReadError> {
    let read = match segment.read(sequence, entry) {
        // Another cursor has waited for it.
        Err(ReadError::Unanswered(..)) if log.is_rotten(sequence) => {
            Err(ReadError::Rotten(sequence))
        }
        read => read,
    };
    let what = || format!("record {sequence} at {}", entry.offset);
    let (header, event) = asking.judge(segment, read, what)?;

    let at = (Arc::clone(segment), entry.offset);
    Ok(record(log, header, at, event, asking))
}

/// A record that somebody else has found and read; `reader` is for people: who reads its pictures.
pub fn found_record(
    log: &Log,
    reader: &Arc<str>,
    header: RecordHeader,
    at: (Arc<Segment>, u64),
    event: Bytes,
) -> Record {
    record(log, header, at, event, &Asking::of(log, reader))
}

fn record(
    log: &Log,
    header: RecordHeader,
    (segment, offset): (Arc<Segment>, u64),
    event: Bytes,
    asking: &Asking,
) -> Record {
    Record {
        sequence: Sequence(header.sequence),
        received_at: header.received_at,
        id: header.id,
        revision: header.revision,
        person_type: header.person_type,
        feed: header.feed,
        lane: header.lane,
        event,
        has_pictures: !header.present.is_empty(),
        replay: None,
        resent: None,
        appended_before_this_process: header.sequence <= log.last_at_start,
        carried: None,
        picture_reader: Arc::new(Pictures {
            recent: Arc::clone(&log.recent),
            sequence: header.sequence,
            header,
            segment,
            offset,
            asking: asking.clone(),
        }),
    }
}
