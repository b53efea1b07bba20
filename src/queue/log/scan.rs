//! Finds the records of a segment that has no valid index: one that was being written when the process ended, or one whose index
//! rotted.
//!
//! Promises: every record that validates is kept, wherever it stands; a bad range is stepped over by looking for the next valid
//! header; the missing records in between are known by number and lane, since every header says how many stand before it. A synced
//! record that is missing is rotten; one that was not synced is torn, and a torn tail is cut. A place that the disk does not read is an
//! error and neither of the two, unless the caller has given it up. Deliberately writes nothing.

use std::io;
use std::ops::RangeInclusive;

use self::source::Source;
use crate::queue::format::{
    BLOCK, Counts, FIRST_GROUP, GROUP_HEADER, GroupHeader, IndexEntry, RECORD_HEADER, RecordHeader,
    SegmentHeader, Trailer, block_after, checksum, pictures_offset, record_end,
};
use crate::system::disk::File;
use boxbridge_event::Lane;

mod source;

/// What a segment holds.
pub struct Scan {
    /// In order of sequence, without a gap.
    pub entries: Vec<IndexEntry>,
    /// Behind the last thing that is valid.
    pub end: u64,
    /// The number of the next write.
    pub write: u64,
    /// Records that were synced and are gone, by sequence.
    pub rotten: Vec<RangeInclusive<u64>>,
}

/// Where to look for rot: up to where the headers say, or everywhere since a later segment exists.
#[derive(Clone, Copy)]
pub enum Durable {
    AsWitnessed,
    /// Whole, up to the place in the log where the next segment starts.
    Through(Counts),
}

/// What a place is that the disk does not read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unread {
    IsAnError,
    /// As long as the disk reads the header of the file.
    CountsAsRotten,
}

/// A gap wider than any segment can hold is not a gap.
const GAP_MAX: u64 = 1 << 24;

/// The records of a segment without a trailer.
pub fn segment(file: &File, header: &SegmentHeader, durable: Durable) -> io::Result<Scan> {
    let source = Source {
        file,
        length: file.length()?,
        unread: Unread::IsAnError,
    };
    scan(source, header, durable)
}

/// The records of a sealed segment whose index does not validate, or is not read: so nothing is read there.
pub fn sealed(
    file: &File,
    header: &SegmentHeader,
    trailer: &Trailer,
    unread: Unread,
) -> io::Result<Vec<IndexEntry>> {
    let source = Source {
        file,
        length: file.length()?.min(trailer.index_offset),
        unread,
    };
    Ok(scan(source, header, Durable::Through(trailer.through))?.entries)
}

fn scan(source: Source<'_>, header: &SegmentHeader, durable: Durable) -> io::Result<Scan> {
    let last = match durable {
        Durable::AsWitnessed => u64::MAX,
        // What is beyond was written, rolled back, and never answered: the next segment has these numbers.
        Durable::Through(next) => next.last(),
    };
    let mut scanner = Scanner {
        source,
        nonce: header.nonce,
        base: header.base(),
        last,
        entries: Vec::new(),
        gaps: Vec::new(),
        through: header.before,
        write: header.write,
        durable: 0,
        end: FIRST_GROUP,
    };

    scanner.walk()?;
    if let Durable::Through(next) = durable {
        scanner.durable = u64::MAX;
        scanner.witness(next.last() + 1, next.lane(Lane::Urgent));
    }
    scanner.finish()
}

struct Scanner<'a> {
    source: Source<'a>,
    nonce: u64,
    /// The sequence of the first entry.
    base: u64,
    /// The highest that can be in here.
    last: u64,
    entries: Vec<IndexEntry>,
    /// Records missing before an offset, by sequence.
    gaps: Vec<(u64, RangeInclusive<u64>)>,
    through: Counts,
    write: u64,
    /// The highest end of a synced group that any header tells.
    durable: u64,
    end: u64,
}

impl Scanner<'_> {
    fn walk(&mut self) -> io::Result<()> {
        let mut at = FIRST_GROUP;
        while at + GROUP_HEADER as u64 <= self.source.length {
            let bytes = self.source.read(at, RECORD_HEADER)?;
            let next = self.group(&bytes, at).or_else(|| self.record(&bytes, at));

            at = match next {
                Some(next) => next,
                // Between two groups there is at most the rest of a block.
                None if !at.is_multiple_of(BLOCK) && self.is_group(block_after(at))? => {
                    block_after(at)
                }
                None => match self.source.next_magic(at + 8)? {
                    Some(next) => next,
                    None => break,
                },
            };
        }
        Ok(())
    }

    /// Takes the group header at `at`; where to look next.
    fn group(&mut self, bytes: &[u8], at: u64) -> Option<u64> {
        let group = GroupHeader::decode(bytes, self.nonce, at)?;
        if group.write < self.write || !self.witness(group.next_sequence, group.urgent_before) {
            return None;
        }

        self.write = group.write;
        self.durable = self.durable.max(group.durable_through);
        let next = match group.records {
            0 => at + group.bytes.max(BLOCK),
            _ => at + GROUP_HEADER as u64,
        };
        self.end = self.end.max(next);
        Some(next)
    }

    /// Takes the record header at `at`; where to look next. A record of a write that was rolled back, and followed by a later
    /// one, is none.
    fn record(&mut self, bytes: &[u8], at: u64) -> Option<u64> {
        let record = RecordHeader::decode(bytes, self.nonce, at)?;
        let end = record_end(at, record.event_bytes, record.pictures_bytes());
        let is_of_old = record.write < self.write || record.sequence > self.last;
        if is_of_old || end > self.source.length {
            return None;
        }
        if !self.witness(record.sequence, record.urgent_before) {
            return None;
        }

        self.write = record.write;
        self.through.add(record.lane, record.person_type, 1);
        self.entries.push(IndexEntry::of(&record, at));
        self.end = self.end.max(end);
        Some(end)
    }

    /// Something valid says which sequence comes next and how many urgent ones came before: missing ones are filled in as lost,
    /// the urgent ones first. False where it contradicts what was already found.
    fn witness(&mut self, next_sequence: u64, urgent_before: u64) -> bool {
        if next_sequence > self.last.saturating_add(1) {
            return false;
        }
        let found = self.through.last();
        let missing = next_sequence.checked_sub(found + 1);
        let Some(missing) = missing.filter(|missing| *missing < GAP_MAX) else {
            return false;
        };
        if missing > 0 {
            self.gaps.push((self.end, found + 1..=found + missing));
        }

        let urgent = urgent_before.saturating_sub(self.through.lane(Lane::Urgent));
        for number in 0..missing {
            let lost = IndexEntry::lost(match number < urgent {
                true => Lane::Urgent,
                false => Lane::Normal,
            });
            self.through.add(lost.lane, lost.person_type, 1);
            self.entries.push(lost);
        }
        true
    }

    /// Judges records that were not known to be synced, and cuts the torn tail.
    fn finish(mut self) -> io::Result<Scan> {
        let mut whole = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            whole.push(!entry.lost && (entry.offset < self.durable || self.is_whole(entry)?));
        }
        self.cut_tail(&mut whole);

        let durable = self.durable;
        let gaps = self.gaps.into_iter();
        let synced = gaps.filter(|(before, _)| *before < durable);
        let mut rotten: Vec<_> = synced.map(|(_, missing)| missing).collect();
        for ((sequence, entry), whole) in (self.base..).zip(&mut self.entries).zip(whole) {
            if whole || entry.lost {
                continue;
            }
            entry.lost = true;
            if entry.offset < durable {
                rotten.push(sequence..=sequence);
            }
        }

        Ok(Scan {
            entries: self.entries,
            end: block_after(self.end),
            write: self.write + 1,
            rotten,
        })
    }

    /// A lost one at the very end stays: it stands there because a later header told of it.
    fn cut_tail(&mut self, whole: &mut Vec<bool>) {
        let is_torn = |entry: &mut IndexEntry| !entry.lost;
        while whole.last() == Some(&false) && self.entries.pop_if(is_torn).is_some() {
            whole.pop();
        }
    }

    /// Whether event and pictures hold: only asked where nothing witnesses that they were synced.
    fn is_whole(&self, entry: &IndexEntry) -> io::Result<bool> {
        let header = self.source.read(entry.offset, RECORD_HEADER)?;
        let Some(header) = RecordHeader::decode(&header, self.nonce, entry.offset) else {
            return Ok(false);
        };

        let at = entry.offset + RECORD_HEADER as u64;
        if !self.holds(at, header.event_bytes, header.event_crc)? {
            return Ok(false);
        }
        let mut at = pictures_offset(entry.offset, header.event_bytes);
        for (_, picture) in header.present() {
            if !self.holds(at, picture.bytes, picture.crc)? {
                return Ok(false);
            }
            at += u64::from(picture.bytes);
        }
        Ok(true)
    }

    fn holds(&self, at: u64, bytes: u32, crc: u32) -> io::Result<bool> {
        let bytes = self.source.read(at, bytes as usize)?;
        Ok(checksum(self.nonce, at, &bytes) == crc)
    }

    fn is_group(&self, at: u64) -> io::Result<bool> {
        let bytes = self.source.read(at, GROUP_HEADER)?;
        Ok(GroupHeader::decode(&bytes, self.nonce, at).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::disk::Disk;
    use boxbridge_event::{PersonType, Timestamp};

    fn group(offset: u64, write: u64, next_sequence: u64) -> (u64, Vec<u8>) {
        let header = GroupHeader {
            bytes: BLOCK,
            records: 0,
            write,
            next_sequence,
            urgent_before: 0,
            durable_through: offset,
        };
        (offset, header.encode(7, offset))
    }

    #[test]
    fn what_was_rolled_back_at_the_end_of_a_segment_takes_no_number_of_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let file = Disk::default()
            .create(&dir.path().join("segment-0000000001"))
            .unwrap();
        let header = SegmentHeader {
            number: 1,
            nonce: 7,
            epoch: [0; 16],
            write: 1,
            created_at: Timestamp(1),
            before: Counts::default(),
        };
        for (offset, bytes) in [group(FIRST_GROUP, 1, 3), group(FIRST_GROUP + BLOCK, 2, 6)] {
            file.write_at(&bytes, offset).unwrap();
        }

        let mut next = Counts::default();
        next.add(Lane::Normal, PersonType::Visitor, 2);

        assert_eq!(
            segment(&file, &header, Durable::Through(next))
                .unwrap()
                .entries
                .len(),
            2
        );
        assert_eq!(
            segment(&file, &header, Durable::AsWitnessed)
                .unwrap()
                .entries
                .len(),
            5
        );
    }
}
