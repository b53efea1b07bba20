//! Which records of the log are lost, by sequence.
//!
//! Promises: a record counts once, however many cursors come by it, in any lane, alone or as part of a range. Deliberately forgets with the
//! process.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Ranges that do not overlap: as many as damage has places. Beyond that the lowest are forgotten: cursors are past them.
const RANGES_MAX: usize = 65_536;

#[derive(Default)]
pub struct Rotten {
    /// First sequence → last.
    ranges: BTreeMap<u64, u64>,
    records: u64,
}

impl Rotten {
    /// How many of these were not known.
    pub fn add(&mut self, gone: RangeInclusive<u64>) -> u64 {
        let (mut first, mut last) = gone.into_inner();
        if first > last {
            return 0;
        }

        let mut known = 0;
        while let Some((from, to)) = self.overlapping(first, last) {
            self.ranges.remove(&from);
            known += to - from + 1;
            (first, last) = (first.min(from), last.max(to));
        }

        self.ranges.insert(first, last);
        if self.ranges.len() > RANGES_MAX {
            self.ranges.pop_first();
        }
        let added = last - first + 1 - known;
        self.records += added;
        added
    }

    pub fn contains(&self, sequence: u64) -> bool {
        self.overlapping(sequence, sequence).is_some()
    }

    pub fn records(&self) -> u64 {
        self.records
    }

    fn overlapping(&self, first: u64, last: u64) -> Option<(u64, u64)> {
        let (from, to) = self.ranges.range(..=last).next_back()?;
        (*to >= first).then_some((*from, *to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_counts_once_however_it_is_come_by() {
        let mut rotten = Rotten::default();
        let found: Vec<u64> = [5..=9, 5..=9, 7..=7, 1..=6, 20..=20, 10..=19, 1..=25]
            .into_iter()
            .map(|gone| rotten.add(gone))
            .collect();
        assert_eq!(found, [5, 0, 0, 4, 1, 10, 5]);
        assert_eq!(rotten.records(), 25);
    }
}
