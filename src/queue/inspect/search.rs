//! Looks records up, newest first: by what a [`Selection`] says, and before a place in the log.
//!
//! Promises: bounded in what one page reads, whatever is asked, and a page says where the next begins; holds no lock while it reads. One that
//! does not hold against its checksums is passed over. Deliberately follows nothing: what is appended meanwhile is not looked for.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::{RecordSummary, read};
use crate::queue::follow::Selection;
use crate::queue::format::{IndexEntry, RecordHeader};
use crate::queue::log::{ReadError, Segment};
use boxbridge_event::Sequence;

/// Entries of an index that are taken together: some are read in vain where a page ends among them.
const CHUNK: u64 = 1024;
/// Events that one page reads at most, to ask each for its device: some 50 MB.
const READS_MAX: usize = 20_000;
/// Records that one page passes at most.
const PASSED_MAX: u64 = 4 << 20;

/// What to look for.
#[derive(Clone, Debug)]
pub struct Search {
    pub selection: Selection,
    /// Only records before this one; `None` = from the newest on.
    pub before: Option<Sequence>,
    /// So many at most.
    pub limit: usize,
}

/// What a search finds.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// Newest first.
    pub found: Vec<T>,
    /// The `before` of the next page, which may be there although this one is short; `None` where the log ends.
    pub next: Option<Sequence>,
}

/// A record that was found.
pub struct Hit {
    pub segment: Arc<Segment>,
    pub entry: IndexEntry,
    pub header: RecordHeader,
    pub event: Bytes,
}

impl Hit {
    pub fn summary(&self) -> RecordSummary {
        read::record(self.header.sequence, &self.entry)
    }
}

impl<T> Page<T> {
    pub fn map<U>(self, of: impl FnMut(T) -> U) -> Page<U> {
        Page {
            found: self.found.into_iter().map(of).collect(),
            next: self.next,
        }
    }
}

/// Looks through segments, which stand in the order of the log.
pub fn search(segments: &[Arc<Segment>], search: &Search) -> io::Result<Page<Hit>> {
    let newest = segments
        .last()
        .map_or(0, |segment| segment.through().last());
    let before = search.before.map_or(u64::MAX, |before| before.0);
    let mut looking = Looking {
        search,
        before: before.min(newest + 1),
        found: Vec::new(),
        reads: 0,
        passed: 0,
    };

    for segment in segments.iter().rev() {
        if !looking.look_into(segment)? {
            break;
        }
    }
    let oldest = segments.first().map_or(u64::MAX, |segment| segment.base());
    Ok(Page {
        next: Some(Sequence(looking.before)).filter(|next| next.0 > oldest),
        found: looking.found,
    })
}

struct Looking<'a> {
    search: &'a Search,
    /// All from here on was looked at.
    before: u64,
    found: Vec<Hit>,
    reads: usize,
    passed: u64,
}

impl Looking<'_> {
    /// Whether the page has room for more.
    fn look_into(&mut self, segment: &Arc<Segment>) -> io::Result<bool> {
        let base = segment.base();
        if self.before <= base {
            return Ok(true);
        }
        let is_too_old = |from| segment.received_through() < from;
        if self.search.selection.from.is_some_and(is_too_old) {
            self.before = base;
            return Ok(true);
        }

        // Behind it there may be a gap.
        self.before = self.before.min(segment.through().last() + 1);
        // Held, so that each chunk finds it in memory.
        let _index = segment.hold_index()?;
        while self.before > base {
            if self.is_full() {
                return Ok(false);
            }
            let from = base.max(self.before.saturating_sub(CHUNK));
            self.look_at(segment, from)?;
        }
        Ok(!self.is_full())
    }

    /// From there on to what was looked at before, or as far back as the page has room.
    fn look_at(&mut self, segment: &Arc<Segment>, from: u64) -> io::Result<()> {
        let mut chosen = Vec::new();
        segment.visit(from, |sequence, entry| {
            let is_in = sequence < self.before;
            if is_in && self.search.selection.may_mean(entry) {
                chosen.push((sequence, entry.clone()));
            }
            is_in
        })?;

        let passed = self.before - from;
        for (sequence, entry) in chosen.into_iter().rev() {
            if self.is_full() {
                return Ok(());
            }
            self.before = sequence;
            self.read(segment, sequence, entry)?;
        }
        self.before = from;
        self.passed += passed;
        Ok(())
    }

    fn read(&mut self, segment: &Arc<Segment>, sequence: u64, entry: IndexEntry) -> io::Result<()> {
        self.reads += 1;
        let (header, event) = match segment.read(sequence, &entry) {
            Ok(read) => read,
            Err(ReadError::Unanswered(_, error)) => return Err(error),
            Err(_) => return Ok(()),
        };

        if self.search.selection.means(&event) {
            self.found.push(Hit {
                segment: Arc::clone(segment),
                entry,
                header,
                event,
            });
        }
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.found.len() >= self.search.limit
            || self.reads >= READS_MAX
            || self.passed >= PASSED_MAX
    }
}
