//! What a member of a group has read and not yet answered, by partition.
//!
//! Promises: records are handed out in the order in which they were read, each under a number of its own; a partition's offset is that of its
//! lowest record without an answer; what is held is bounded, and shared by the partitions; a log that begins anew is read whole, and loses
//! nothing of what is held of the one before. Deliberately does no IO, and waits for nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use boxbridge_event::{ByType, PersonType, Record, Sequence, Timestamp};

/// A partition: its topic and number.
pub type Place = (Arc<str>, i32);

/// What a record holds beside what stands on Kafka: its places here.
const OVERHEAD_BYTES: usize = 1_000;
/// A partition holds so many, however many partitions there are: a rebalance is to find little, and a broker's window something.
const LEAST_RECORDS: usize = 8;

/// Of all partitions together.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub records: usize,
    pub bytes: usize,
}

/// Where a record stands in its partition: in which life of the log, and at which offset in it.
type Spot = (u32, i64);

/// What an offset that comes is to those that were read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Coming {
    /// It was read.
    Again,
    /// It is news. Offsets from the expected one on never came, where it is known which was expected.
    Next { expected: i64 },
    /// The log ends before what was read of it: it was cut off, or made anew. What comes now was not read, whatever its offset.
    Anew,
}

/// Partitions that stand otherwise than at the last look.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Turned {
    /// Nothing more of them is to come for now.
    pub filled: Vec<Place>,
    /// They have room again.
    pub emptied: Vec<Place>,
}

pub(super) struct Holdings {
    limits: Limits,
    /// The last number that was given.
    last: u64,
    partitions: BTreeMap<Place, Partition>,
    /// By number.
    places: BTreeMap<u64, (Place, Spot)>,
    /// Held, and not handed out.
    ready: ByType<BTreeSet<u64>>,
}

#[derive(Default)]
struct Partition {
    held: BTreeMap<Spot, Held>,
    held_bytes: usize,
    /// How often its log began anew while it was ours.
    life: u32,
    /// The last offset that was read.
    last: Option<i64>,
    /// The next offset that is news.
    next: Option<i64>,
    committed: Option<i64>,
    /// Nothing more is asked for.
    is_full: bool,
    /// Another member gets it: nothing more goes out.
    is_leaving: bool,
}

struct Held {
    number: u64,
    record: Record,
    /// Handed out, and not given back.
    is_out: bool,
}

impl Partition {
    /// What the next member is to begin with. What is held of a log that is no more stands nowhere.
    fn offset(&self) -> Option<i64> {
        let mut of_log = self.held.range((self.life, i64::MIN)..);
        let lowest = of_log.next().map(|((_, offset), _)| *offset);
        lowest.or(self.next)
    }

    fn is_over(&self, room: Limits) -> bool {
        self.held.len() >= room.records || self.held_bytes >= room.bytes
    }

    fn has_half_of(&self, room: Limits) -> bool {
        self.held.len() <= room.records / 2 && self.held_bytes <= room.bytes / 2
    }

    fn coming(&self, offset: i64) -> Coming {
        let expected = self.next.unwrap_or(offset);
        match self.last {
            _ if offset >= expected => Coming::Next { expected },
            // The partition stood still in the moment in which it was handed over.
            Some(last) if offset == last => Coming::Again,
            _ => Coming::Anew,
        }
    }
}

impl Holdings {
    pub fn new(limits: Limits) -> Holdings {
        Holdings {
            limits,
            last: 0,
            partitions: BTreeMap::new(),
            places: BTreeMap::new(),
            ready: ByType::default(),
        }
    }

    /// It is ours from now on; `committed` is where the member before us came to, where that is known.
    pub fn begin(&mut self, place: Place, committed: Option<i64>) {
        self.end(&place);
        let partition = Partition {
            next: committed,
            committed,
            ..Partition::default()
        };
        self.partitions.insert(place, partition);
    }

    /// Another member gets it: nothing more of it is handed out.
    pub fn leave(&mut self, place: &Place) {
        let Some(partition) = self.partitions.get_mut(place) else {
            return;
        };
        partition.is_leaving = true;
        for held in partition.held.values() {
            self.ready
                .of_mut(held.record.person_type)
                .remove(&held.number);
        }
    }

    /// Whether nothing of what leaves is still handed out.
    pub fn are_quiet(&self) -> bool {
        let leaving = self.partitions.values().filter(|it| it.is_leaving);
        leaving
            .flat_map(|partition| partition.held.values())
            .all(|held| !held.is_out)
    }

    /// It is ours no more. What was handed out of it is not known any longer.
    pub fn end(&mut self, place: &Place) {
        let Some(partition) = self.partitions.remove(place) else {
            return;
        };
        for held in partition.held.values() {
            self.places.remove(&held.number);
            self.ready
                .of_mut(held.record.person_type)
                .remove(&held.number);
        }
    }

    /// None of them is ours any more. The next number is not given: its record may have been judged by it, and then something failed.
    pub fn end_all(&mut self) {
        self.last += 1;
        let places: Vec<_> = self.places().cloned().collect();
        places.iter().for_each(|place| self.end(place));
    }

    /// What stands there is to what was read; `None` where the partition is not ours.
    pub fn coming(&self, place: &Place, offset: i64) -> Option<Coming> {
        Some(self.partitions.get(place)?.coming(offset))
    }

    /// Its log is another from now on. What is held of the one before still goes out.
    pub fn begin_anew(&mut self, place: &Place) {
        if let Some(partition) = self.partitions.get_mut(place) {
            partition.life += 1;
            (partition.last, partition.next) = (None, None);
            partition.committed = None;
        }
    }

    /// The number of the next record that is kept.
    pub fn next_number(&self) -> Sequence {
        Sequence(self.last + 1)
    }

    /// Holds what was read there; it has [`Holdings::next_number`].
    pub fn keep(&mut self, place: &Place, offset: i64, record: Record) {
        self.pass(place, offset);
        let Some(partition) = self.partitions.get_mut(place) else {
            return;
        };

        self.last += 1;
        let (number, spot) = (self.last, (partition.life, offset));
        partition.held_bytes += weight(&record);
        if !partition.is_leaving {
            self.ready.of_mut(record.person_type).insert(number);
        }
        self.places.insert(number, (place.clone(), spot));
        let held = Held {
            number,
            record,
            is_out: false,
        };
        partition.held.insert(spot, held);
    }

    /// There is nothing to do for what was read there.
    pub fn pass(&mut self, place: &Place, offset: i64) {
        if let Some(partition) = self.partitions.get_mut(place) {
            (partition.last, partition.next) = (Some(offset), Some(offset + 1));
        }
    }

    /// The next record that is not of these types.
    pub fn hand_out(&mut self, paused: &[PersonType]) -> Option<Record> {
        let types = PersonType::ALL.iter().copied();
        let flowing = types.filter(|person_type| !paused.contains(person_type));
        let first = flowing.filter_map(|person_type| {
            let first = self.ready.of(person_type).first()?;
            Some((*first, person_type))
        });

        let (number, person_type) = first.min()?;
        self.ready.of_mut(person_type).remove(&number);
        let held = self.held_mut(number)?;
        held.is_out = true;
        Some(held.record.clone())
    }

    fn held_mut(&mut self, number: u64) -> Option<&mut Held> {
        let (place, spot) = self.places.get(&number)?;
        self.partitions.get_mut(place)?.held.get_mut(spot)
    }

    /// All from this number on are handed out again.
    pub fn rewind(&mut self, from: Sequence) {
        for partition in self.partitions.values_mut() {
            let is_leaving = partition.is_leaving;
            let held = partition.held.values_mut();
            for held in held.filter(|held| held.number >= from.0) {
                held.is_out = false;
                if !is_leaving {
                    self.ready
                        .of_mut(held.record.person_type)
                        .insert(held.number);
                }
            }
        }
    }

    /// Those of this type are.
    pub fn rewind_type(&mut self, person_type: PersonType) {
        let of_type = self.partitions.values_mut().filter(|it| !it.is_leaving);
        let held = of_type.flat_map(|partition| partition.held.values_mut());
        for held in held.filter(|held| held.record.person_type == person_type) {
            held.is_out = false;
            self.ready.of_mut(person_type).insert(held.number);
        }
    }

    /// It has an outcome. False where it is not known: its partition is another member's.
    pub fn settle(&mut self, sequence: Sequence) -> bool {
        let Some((place, spot)) = self.places.remove(&sequence.0) else {
            return false;
        };
        let Some(partition) = self.partitions.get_mut(&place) else {
            return false;
        };
        if let Some(held) = partition.held.remove(&spot) {
            partition.held_bytes -= weight(&held.record);
            self.ready
                .of_mut(held.record.person_type)
                .remove(&held.number);
        }
        true
    }

    /// Whether it is still to be sent. What another member gets is given back.
    pub fn is_wanted(&mut self, sequence: Sequence) -> bool {
        let Some((place, spot)) = self.places.get(&sequence.0) else {
            return false;
        };
        let Some(partition) = self.partitions.get_mut(place) else {
            return false;
        };
        if partition.is_leaving
            && let Some(held) = partition.held.get_mut(spot)
        {
            held.is_out = false;
        }
        !partition.is_leaving
    }

    /// When the oldest of them was received.
    pub fn oldest(&self) -> Option<Timestamp> {
        let first = self.partitions.values();
        let first = first.filter_map(|partition| partition.held.values().next());
        first.map(|held| held.record.received_at).min()
    }

    pub fn holds(&self, sequence: Sequence) -> bool {
        self.places.contains_key(&sequence.0)
    }

    /// Whether it is held, and its log still has it: no offset behind it is committed.
    pub fn is_pending(&self, sequence: Sequence) -> bool {
        let held = self.places.get(&sequence.0);
        held.is_some_and(|(place, (life, _))| {
            let partition = self.partitions.get(place);
            partition.is_some_and(|partition| partition.life == *life)
        })
    }

    /// How many have no outcome.
    pub fn count(&self) -> usize {
        self.places.len()
    }

    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.partitions.keys()
    }

    /// Where a partition stands: the offset that would be committed now.
    pub fn offset(&self, place: &Place) -> Option<i64> {
        self.partitions.get(place)?.offset()
    }
}

/// What the brokers are to be told.
impl Holdings {
    /// Offsets that are others than those committed last. They count as committed.
    pub fn new_offsets(&mut self) -> Vec<(Place, i64)> {
        let partitions = self.partitions.iter_mut();
        let news = partitions.filter_map(|(place, partition)| {
            let offset = partition
                .offset()
                .filter(|it| Some(*it) != partition.committed)?;
            partition.committed = Some(offset);
            Some((place.clone(), offset))
        });
        news.collect()
    }

    /// Whether they were committed is not known.
    pub fn doubt_committed(&mut self) {
        let partitions = self.partitions.values_mut();
        partitions.for_each(|partition| partition.committed = None);
    }

    /// Partitions that are over their room by now, and those that have half of it again.
    pub fn turn(&mut self) -> Turned {
        let (room, mut turned) = (self.room(), Turned::default());
        for (place, partition) in &mut self.partitions {
            let places = match partition.is_full {
                false if partition.is_over(room) => &mut turned.filled,
                true if partition.has_half_of(room) => &mut turned.emptied,
                _ => continue,
            };
            places.push(place.clone());
            partition.is_full = !partition.is_full;
        }
        turned
    }

    /// What each partition may hold: as much as all together leave free. One has half of everything, two have a third each, and those that hold
    /// nothing take nothing from the others.
    fn room(&self) -> Limits {
        let held_bytes = self.partitions.values().map(|it| it.held_bytes).sum();
        let free = self.limits.records.saturating_sub(self.places.len());
        Limits {
            records: free.max(LEAST_RECORDS),
            bytes: self.limits.bytes.saturating_sub(held_bytes).max(1),
        }
    }
}

fn weight(record: &Record) -> usize {
    let carried = record.carried.as_ref().map_or(0, |carried| {
        let values = carried.attributes.iter().map(|(_, value)| value.len());
        carried.key.len() + values.sum::<usize>()
    });
    record.event.len() + carried + OVERHEAD_BYTES
}

#[cfg(test)]
pub(super) mod tests;
