//! What a cursor reads ahead: each place on its own, so that one that the disk does not answer holds back no other.
//!
//! Promises: one read of a place at a time, and few in all, however often a place is left and taken up again; a place without an answer is
//! asked again after a pause that grows. Deliberately hands nothing out: that is the cursor's.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::progress::Progress;
use super::record_reader::{self, Batch, Item, Want};
use super::type_set::TypeSet;
use crate::queue::format::{Counts, IndexEntry};
use crate::queue::log::Log;
use crate::system::fault;

/// Reads at once: each holds a thread for as long as the disk does not answer. One for each type that catches up, one for a replay,
/// and as many that were left in the middle.
const READS_MAX: usize = 14;

/// How long a disk that does not answer is left alone: from the first to the longest.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_MAX: Duration = Duration::from_secs(30);

/// Person types that are read together. There is one strand, but while a type that was paused catches up.
pub struct Strand {
    pub types: TypeSet,
    /// Everything before was handed out, or is none of ours.
    pub next: u64,
    pub ready: VecDeque<Item>,
    /// There is nothing beyond `ready` up to here.
    pub through: u64,
    /// Records of the lane, when it had come to the end of the log.
    pub at_end: Option<u64>,
    pub asked: Asked,
    index: Option<Arc<Vec<IndexEntry>>>,
}

impl Strand {
    pub fn new(types: TypeSet, next: u64) -> Strand {
        Strand {
            types,
            next,
            ready: VecDeque::new(),
            through: next.saturating_sub(1),
            at_end: None,
            asked: Asked::default(),
            index: None,
        }
    }

    /// Forgets what was read ahead.
    pub fn restart(&mut self, next: u64) {
        *self = Strand {
            index: self.index.take(),
            ..Strand::new(self.types, next)
        };
    }

    /// `end` is the log's, when the read began; `level`, how many records of the lane there were.
    pub fn take(&mut self, batch: Batch, end: Counts, level: u64) {
        self.ready.extend(batch.items);
        self.through = batch.through;
        self.index = batch.index;
        self.at_end = (batch.through >= end.last()).then_some(level);
    }

    /// There is nothing more for its types up to `through`.
    pub fn pass(&mut self, progress: &mut Progress, through: u64) {
        self.next = through + 1;
        for person_type in self.types.iter() {
            progress.pass(person_type, through);
        }
    }

    /// Whether it has something to read that is not in memory.
    pub fn is_behind(&self, end: u64) -> bool {
        self.ready.is_empty() && self.next <= end
    }
}

/// What was read ahead of a replay.
pub struct Replayed {
    pub id: String,
    /// Records a second at most.
    pub rate: Option<u32>,
    pub items: VecDeque<Item>,
    /// There is nothing beyond `items` up to here.
    pub through: u64,
}

/// How reading at one place goes.
#[derive(Default)]
pub struct Asked {
    /// The read that is under way.
    read: Option<u64>,
    /// How often in a row the disk did not answer.
    attempts: u32,
    /// When it is asked again.
    again: Option<Instant>,
}

impl Asked {
    /// Nothing is under way, and the disk answered the last time.
    pub fn is_idle(&self) -> bool {
        self.read.is_none() && self.attempts == 0
    }

    pub fn is_under_way(&self) -> bool {
        self.read.is_some()
    }

    pub fn is_unanswered(&self) -> bool {
        self.attempts > 0
    }

    /// Whether this is its read, which has ended now: one that was begun before the place was left is not.
    pub fn ends(&mut self, read: u64) -> bool {
        self.read.take_if(|mine| *mine == read).is_some()
    }

    pub fn answered(&mut self) {
        *self = Asked::default();
    }

    pub fn unanswered(&mut self) {
        let pause = ASK_AGAIN.saturating_mul(1 << self.attempts.min(10));
        self.again = Some(Instant::now() + pause.min(ASK_AGAIN_MAX));
        self.attempts += 1;
    }

    /// When to look again, where it waits for nothing but time.
    pub fn again(&self) -> Option<Instant> {
        self.again.filter(|_| self.read.is_none())
    }

    fn is_due(&self) -> bool {
        self.read.is_none() && self.again.is_none_or(|again| again <= Instant::now())
    }
}

/// A read that has ended.
pub struct Read {
    pub number: u64,
    /// What there was when it began.
    pub end: Counts,
    pub want: Want,
    pub batch: io::Result<Batch>,
}

/// All reads that are under way, those of places that were left among them.
#[derive(Default)]
pub struct Reads {
    running: JoinSet<Read>,
    last: u64,
}

impl Reads {
    /// Reads for a place, unless that is under way, or not due, or there are too many: then one that ends makes room.
    pub fn start(&mut self, asked: &mut Asked, log: &Arc<Log>, end: Counts, want: Want) {
        if !asked.is_due() || self.running.len() >= READS_MAX {
            return;
        }

        self.last += 1;
        asked.read = Some(self.last);
        let (log, number) = (Arc::clone(log), self.last);
        self.running.spawn_blocking(move || {
            let batch = record_reader::read(&log, &want);
            Read {
                number,
                end,
                want,
                batch,
            }
        });
    }

    /// The next that ends; pending where none is under way. May be dropped and called again.
    pub async fn next(&mut self) -> Read {
        // A fault of ours ends the session that waits for it, and not the destination.
        match self.running.join_next().await.and_then(fault::joined) {
            Some(read) => read,
            None => std::future::pending().await,
        }
    }
}
