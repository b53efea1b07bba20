//! Handing out what is in memory: live records first, then replayed ones.
//!
//! Promises: strands take turns; a replay repeats only records that were answered once, since the others come live.

use std::time::Duration;

use tokio::time::Instant;

use super::Cursor;
use crate::queue::follow::progress::{Progress, ROTTEN};
use crate::queue::follow::read_ahead::{Replayed, Strand};
use crate::queue::follow::record_reader::Item;
use boxbridge_event::{Lane, Outcome, Record, Timestamp};

/// What a timer that is late may catch up.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Holds a replay to its rate.
#[derive(Default)]
pub(super) struct Pacing {
    /// When the next record may go.
    due: Option<Instant>,
}

impl Pacing {
    fn took(&mut self, rate: Option<u32>) {
        self.due = rate.map(|rate| {
            let now = Instant::now();
            let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
            let due = self.due.map_or(now, |due| due.max(earliest));
            due + Duration::from_secs(1) / rate.max(1)
        });
    }
}

impl Cursor {
    /// The next record that is in memory.
    pub(super) fn hand_out(&mut self) -> Option<Record> {
        for _ in 0..self.strands.len() {
            self.turn = (self.turn + 1) % self.strands.len().max(1);
            let strand = self.strands.get_mut(self.turn)?;
            let record = next_of(strand, &mut self.subscription.progress());
            if record.is_some() {
                self.merge();
                return record;
            }
        }

        self.merge();
        if self.has_unread() || self.are_replays_held {
            return None;
        }
        self.hand_out_replayed()
    }

    fn hand_out_replayed(&mut self) -> Option<Record> {
        if self.replay_due().is_some() {
            return None;
        }
        while let Some(record) = self.next_replayed() {
            if self.is_paused(record.person_type) {
                // It comes when its type does.
                let replayed = self.replayed.as_mut()?;
                replayed.items.push_front(Item::Record(record));
                return None;
            }

            let Replayed { id, rate, .. } = self.replayed.as_ref()?;
            let (id, rate) = (id.clone(), *rate);
            if self.offer_replayed(&id, &record) {
                self.pacing.took(rate);
                let replay = Some(id);
                return Some(Record { replay, ..*record });
            }
        }

        let replayed = self.replayed.take()?;
        let mut progress = self.subscription.progress();
        progress.pass_replayed(&replayed.id, replayed.through);
        None
    }

    fn next_replayed(&mut self) -> Option<Box<Record>> {
        let items = &mut self.replayed.as_mut()?.items;
        while let Some(item) = items.pop_front() {
            if let Item::Record(record) = item {
                return Some(record);
            }
        }
        None
    }

    fn was_answered(&self, record: &Record) -> bool {
        let urgent = self.urgent.as_ref();
        let owner = urgent.filter(|_| record.lane == Lane::Urgent);
        let progress = owner.unwrap_or(&self.subscription).progress();
        progress.is_answered(record.sequence.0, record.person_type)
    }

    /// Whether it is to go out again: not where it has not gone out yet.
    fn offer_replayed(&self, id: &str, record: &Record) -> bool {
        let was_answered = self.was_answered(record);
        let mut progress = self.subscription.progress();
        if !was_answered {
            progress.leave_live(id, record.sequence.0);
        }
        was_answered && progress.offer_replayed(id, record.sequence.0)
    }

    /// When the next record of a replay may go, if that is not yet.
    pub(super) fn replay_due(&self) -> Option<Instant> {
        let due = self.replayed.as_ref().and(self.pacing.due)?;
        (due > Instant::now()).then_some(due)
    }
}

/// Rotten ones on the way are answered here.
fn next_of(strand: &mut Strand, progress: &mut Progress) -> Option<Record> {
    while let Some(item) = strand.ready.pop_front() {
        let sequence = item.sequence();
        let is_new = offer(&item, progress);
        strand.pass(progress, sequence);

        match item {
            Item::Record(record) if is_new => return Some(*record),
            Item::Rotten { .. } if is_new => {
                progress.answer(sequence, Outcome::Expired { rule: ROTTEN });
            }
            _ => {}
        }
    }

    let through = strand.through.max(strand.next.saturating_sub(1));
    strand.pass(progress, through);
    None
}

fn offer(item: &Item, progress: &mut Progress) -> bool {
    match item {
        Item::Record(record) => {
            let sequence = record.sequence.0;
            progress.offer(sequence, record.person_type, record.received_at, 1)
        }
        Item::Rotten {
            sequence,
            person_type,
            records,
        } => progress.offer(*sequence, *person_type, Timestamp::default(), *records),
    }
}
