//! Reading ahead for a cursor: what is begun, and what is taken when it ends.
//!
//! Promises: a replay is read only when nothing live is there that can be read. Deliberately blocks nowhere.

use std::sync::Arc;

use super::Cursor;
use crate::queue::follow::read_ahead::{Asked, Read, Replayed};
use crate::queue::follow::record_reader::{Want, read_recent};
use crate::queue::follow::type_set::TypeSet;
use crate::queue::format::Counts;

impl Cursor {
    /// Whether a strand has something to read that the disk does not refuse.
    pub(super) fn has_unread(&self) -> bool {
        let end = self.grown.borrow().last();
        let mut strands = self.strands.iter();
        strands.any(|strand| strand.next <= end && !strand.asked.is_unanswered())
    }

    /// True if something was found in memory.
    pub(super) fn start_reading(&mut self) -> bool {
        let end = *self.grown.borrow_and_update();
        let mut has_found = false;
        for place in 0..self.strands.len() {
            has_found |= self.read_strand(place, end);
        }
        if !self.has_unread() {
            self.read_replay(end);
        }
        has_found
    }

    fn read_strand(&mut self, place: usize, end: Counts) -> bool {
        let level = end.lane(self.subscription.lane);
        let nexts = self.strands.iter().map(|strand| strand.next);
        let own = self.strands.get(place).map(|strand| strand.next);
        // Up to the place of the next strand, where they go on together.
        let others = nexts.filter(|next| Some(*next) > own).map(|next| next - 1);
        let through = others.min().unwrap_or(u64::MAX).min(end.last());

        let Some(strand) = self.strands.get_mut(place) else {
            return false;
        };
        if !strand.is_behind(end.last()) {
            return false;
        }
        if strand.at_end == Some(level) {
            // Nothing of this lane was added: it is at the end again without reading.
            strand.through = end.last();
            strand.pass(&mut self.subscription.progress(), end.last());
            return false;
        }

        let want = Want {
            reader: Arc::clone(&self.name),
            replay: None,
            errand: None,
            lane: Some(self.subscription.lane),
            types: strand.types,
            from: strand.next,
            through,
        };
        let recent = strand
            .asked
            .is_idle()
            .then(|| read_recent(&self.log, &want));
        match recent.flatten() {
            Some(batch) => {
                strand.take(batch, end, level);
                true
            }
            None => {
                self.reads.start(&mut strand.asked, &self.log, end, want);
                false
            }
        }
    }

    fn read_replay(&mut self, end: Counts) {
        if self.replayed.is_some() {
            return;
        }
        let want = {
            let progress = self.subscription.progress();
            // One at a time: two of the same range would answer for each other.
            let Some(replay) = progress.replays.first() else {
                return;
            };
            let Some(from) = replay.reads_from() else {
                return;
            };
            Want {
                reader: Arc::clone(&self.name),
                replay: Some(replay.id.clone()),
                errand: replay.errand.clone(),
                lane: replay.lane(),
                types: TypeSet::ALL,
                from,
                through: replay.to(),
            }
        };

        self.reads.start(&mut self.replaying, &self.log, end, want);
    }

    /// Takes what was read for a place. The place may have been left meanwhile.
    pub(super) fn take(&mut self, read: Read) {
        if self.replaying.ends(read.number) {
            self.take_replayed(read);
            return;
        }

        let level = read.end.lane(self.subscription.lane);
        let ends = |asked: &mut Asked| asked.ends(read.number);
        let mut strands = self.strands.iter_mut();
        let Some(strand) = strands.find_map(|strand| ends(&mut strand.asked).then_some(strand))
        else {
            return;
        };
        // An error was said where it was read; it holds this strand for as long as it lasts.
        match read.batch {
            Ok(batch) => {
                strand.asked.answered();
                strand.take(batch, read.end, level);
            }
            Err(_) => strand.asked.unanswered(),
        }
    }

    fn take_replayed(&mut self, read: Read) {
        let Ok(batch) = read.batch else {
            return self.replaying.unanswered();
        };
        self.replaying.answered();
        let rate = read.want.errand.and_then(|errand| errand.rate);
        self.replayed = read.want.replay.map(|id| Replayed {
            id,
            rate,
            items: batch.items.into(),
            through: batch.through,
        });
    }
}
