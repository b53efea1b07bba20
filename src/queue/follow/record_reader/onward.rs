//! Records from a place on, in order, for people who look on while they come.
//!
//! Deliberately keeps no place and waits for nothing: it reads what is there.

use std::io;
use std::sync::Arc;

use super::{Batch, Item, Want, read, read_recent};
use crate::queue::follow::type_set::TypeSet;
use crate::queue::log::Log;
use boxbridge_event::{Record, Sequence};

/// Some records of the log.
pub struct Onward {
    pub records: Vec<Record>,
    /// There are no others up to here.
    pub through: Sequence,
}

/// What comes after a place, if that is in memory.
pub fn recent_after(log: &Log, place: Sequence) -> Option<Onward> {
    read_recent(log, &want(log, place)).map(Onward::of)
}

/// The same from the disk.
pub fn after(log: &Log, place: Sequence) -> io::Result<Onward> {
    read(log, &want(log, place)).map(Onward::of)
}

fn want(log: &Log, place: Sequence) -> Want {
    Want {
        reader: Arc::from("who looks on"),
        replay: None,
        errand: None,
        lane: None,
        types: TypeSet::ALL,
        from: place.0 + 1,
        through: log.counts().last(),
    }
}

impl Onward {
    fn of(batch: Batch) -> Onward {
        let record = |item| match item {
            Item::Record(record) => Some(*record),
            Item::Rotten { .. } => None,
        };
        Onward {
            records: batch.items.into_iter().filter_map(record).collect(),
            through: Sequence(batch.through),
        }
    }
}
