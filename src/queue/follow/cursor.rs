//! The records of one lane, in order, for one destination.
//!
//! Promises: what was handed out and has no answer comes again after [`Cursor::rewind`], what has one does not; a paused
//! person type holds back only itself and is caught up beside the others; so does a place that the disk does not read; replays come when
//! nothing live is there that can be read. [`Cursor::next`] is cancel-safe. Deliberately knows no destination: when to pause and what an answer means is its caller's.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::progress::ROTTEN;
use super::read_ahead::{Asked, Line, Read, Reads, Replayed};
use super::record_reader::{Item, TypeSet, Want};
use super::subscription::Subscription;
use crate::queue::format::Counts;
use crate::queue::log::Log;
use boxbridge_event::{Lane, Outcome, PersonType, PictureVerdict, Record, Sequence, Timestamp};

/// One destination's place in one lane. Owned by one delivery loop.
pub struct Cursor {
    log: Arc<Log>,
    subscription: Arc<Subscription>,
    /// The same destination's urgent lane: a replay carries both.
    urgent: Option<Arc<Subscription>>,
    grown: watch::Receiver<Counts>,
    lines: Vec<Line>,
    paused: Vec<(PersonType, u64)>,
    replayed: Option<Replayed>,
    are_replays_held: bool,
    /// How reading for the replay goes.
    replaying: Asked,
    reads: Reads,
    /// For people: the destination and its lane.
    name: Arc<str>,
    turn: usize,
}

/// The lowest sequence that may still have to be handed out for one of these types.
fn unread(subscription: &Subscription, types: TypeSet) -> u64 {
    let progress = subscription.progress();
    let place = |person_type| {
        progress
            .lowest_unanswered(person_type)
            .unwrap_or(progress.scanned(person_type) + 1)
    };
    types.iter().map(place).min().unwrap_or(0)
}

impl Cursor {
    /// `urgent` is the same destination's.
    pub fn new(
        log: Arc<Log>,
        subscription: Arc<Subscription>,
        urgent: Option<Arc<Subscription>>,
    ) -> Cursor {
        let grown = log.grown();
        // One line from the lowest place: a device's records come in order whatever their types. What a type has behind it is stepped over.
        let types = TypeSet::ALL;
        let lines = vec![Line::new(types, unread(&subscription, types))];
        let name = format!("{}, {}", subscription.destination, subscription.lane).into();
        Cursor {
            log,
            subscription,
            urgent,
            grown,
            lines,
            paused: Vec::new(),
            replayed: None,
            are_replays_held: false,
            replaying: Asked::default(),
            reads: Reads::default(),
            name,
            turn: 0,
        }
    }

    /// The next record that is not paused: live ones in order, then replayed ones. Waits for more.
    pub async fn next(&mut self) -> Record {
        loop {
            if let Some(record) = self.hand_out() {
                return record;
            }
            self.start_reading();

            let again = self
                .lines
                .iter()
                .map(|line| &line.asked)
                .chain([&self.replaying])
                .filter_map(Asked::again)
                .min();
            // Else whatever is added is read anyway.
            let waits_for_more =
                !self.lines.iter().all(|line| line.asked.is_under_way()) || self.lines.is_empty();
            tokio::select! {
                read = self.reads.next() => self.take(read),
                changed = self.grown.changed(), if waits_for_more => if changed.is_err() {
                    std::future::pending::<()>().await;
                },
                () = self.subscription.attached.notified() => {}
                () = until(again) => {}
            }
        }
    }

    /// Whether something of the same destination's urgent lane has no answer yet.
    pub fn urgent_waits(&self) -> bool {
        self.urgent.as_ref().is_some_and(|urgent| {
            let progress = urgent.progress();
            urgent.accepted(&self.log, &progress) > progress.answered().total()
        })
    }

    /// The session is lost: starts again at the lowest record without an answer.
    pub fn rewind(&mut self) {
        self.forget_replayed();
        let mut progress = self.subscription.progress();
        progress
            .replays
            .iter_mut()
            .for_each(|replay| replay.rewind());
        for line in &mut self.lines {
            let lowest = line
                .types
                .iter()
                .filter_map(|person_type| progress.lowest_unanswered(person_type))
                .min();
            line.restart(lowest.map_or(line.next, |lowest| lowest.min(line.next)));
        }
        drop(progress);
        self.merge();
    }

    /// Takes the answer for a record that was handed out. Unknown ones are ignored: a rule may have ended them meanwhile.
    pub fn answer(&mut self, sequence: Sequence, outcome: Outcome) {
        self.settle(sequence, PictureVerdict::default(), outcome);
    }

    /// The same, with what became of the pictures: for the destination `store`. The verdict is durable before the cursor
    /// passes the record.
    pub fn settle(&mut self, sequence: Sequence, verdict: PictureVerdict, outcome: Outcome) {
        let verdicts = self.subscription.verdicts.as_ref();
        if let Some(verdicts) = verdicts {
            verdicts.settle(sequence.0, verdict);
        }
        let mut progress = self.subscription.progress();
        if !progress.answer(sequence.0, outcome) {
            progress.answer_replayed(sequence.0);
        }
        drop(progress);
        if let Some(verdicts) = verdicts {
            verdicts.tell();
        }
    }

    /// Holds this type back. What of it was handed out can still be answered.
    pub fn pause(&mut self, person_type: PersonType) {
        let types = TypeSet::of(person_type);
        for line in &mut self.lines {
            if line.types.contains(person_type) {
                self.paused.push((person_type, line.next));
                line.types = line.types.without(types);
                // What only the paused type had to read is not read for the others.
                line.restart(line.next.max(unread(&self.subscription, line.types)));
            }
        }
        self.lines.retain(|line| !line.types.is_empty());
    }

    /// Hands this type out again, from its lowest record without an answer, beside the others.
    pub fn resume(&mut self, person_type: PersonType) {
        let Some(place) = self
            .paused
            .iter()
            .position(|(paused, _)| *paused == person_type)
        else {
            return;
        };
        let (_, next) = self.paused.swap_remove(place);
        let mut progress = self.subscription.progress();
        let lowest = progress.lowest_unanswered(person_type).unwrap_or(next);
        // What a replay had handed out of this type was given back with the pause; what is still out is handed out twice.
        progress
            .replays
            .iter_mut()
            .for_each(|replay| replay.rewind());
        drop(progress);
        self.forget_replayed();
        self.lines
            .push(Line::new(TypeSet::of(person_type), lowest.min(next)));
        self.merge();
    }

    /// Hands out once more, from this record on, what has no answer: its caller could not keep it.
    pub fn read_again(&mut self, from: Sequence) {
        self.lines
            .iter_mut()
            .filter(|line| line.next > from.0)
            .for_each(|line| line.restart(from.0));
        self.merge();
    }

    /// Whether replays are read no further for now.
    pub fn hold_replays(&mut self, are_held: bool) {
        self.are_replays_held = are_held;
    }

    /// The next record that is in memory.
    fn hand_out(&mut self) -> Option<Record> {
        for _ in 0..self.lines.len() {
            self.turn = (self.turn + 1) % self.lines.len().max(1);
            if let Some(record) = self.hand_out_of(self.turn) {
                self.merge();
                return Some(record);
            }
        }
        self.merge();
        if self.has_unread() || self.are_replays_held {
            None
        } else {
            self.hand_out_replayed()
        }
    }

    fn hand_out_of(&mut self, line: usize) -> Option<Record> {
        let line = self.lines.get_mut(line)?;
        let mut progress = self.subscription.progress();
        while let Some(item) = line.ready.pop_front() {
            let sequence = item.sequence();
            let offered = match &item {
                Item::Rotten {
                    person_type,
                    records,
                    ..
                } => progress.offer(sequence, *person_type, Timestamp::default(), *records),
                Item::Record(record) => {
                    progress.offer(sequence, record.person_type, record.received_at, 1)
                }
            };
            line.next = sequence + 1;
            line.types
                .iter()
                .for_each(|person_type| progress.pass(person_type, sequence));
            match item {
                Item::Record(record) if offered => {
                    return Some(handed_out(*record, None, self.log.last_at_start));
                }
                Item::Rotten { .. } if offered => {
                    progress.answer(sequence, Outcome::Expired { rule: ROTTEN });
                }
                _ => {}
            }
        }
        line.next = line.next.max(line.through + 1);
        line.types
            .iter()
            .for_each(|person_type| progress.pass(person_type, line.next - 1));
        None
    }

    /// A replay repeats only what was answered once: what was not comes live.
    fn hand_out_replayed(&mut self) -> Option<Record> {
        let Replayed { id, items, through } = self.replayed.as_mut()?;
        while let Some(item) = items.pop_front() {
            let Item::Record(record) = item else { continue };
            if self
                .paused
                .iter()
                .any(|(paused, _)| *paused == record.person_type)
            {
                items.push_front(Item::Record(record));
                return None;
            }
            let owner = self
                .urgent
                .as_ref()
                .filter(|_| record.lane == Lane::Urgent)
                .unwrap_or(&self.subscription);
            let was_answered = owner
                .progress()
                .is_answered(record.sequence.0, record.person_type);
            if was_answered
                && self
                    .subscription
                    .progress()
                    .offer_replayed(id, record.sequence.0)
            {
                return Some(handed_out(
                    *record,
                    Some(id.clone()),
                    self.log.last_at_start,
                ));
            }
        }
        self.subscription.progress().pass_replayed(id, *through);
        self.replayed = None;
        None
    }

    /// Whether a line has something to read that the disk does not refuse.
    fn has_unread(&self) -> bool {
        let end = self.grown.borrow().last();
        self.lines
            .iter()
            .any(|line| line.next <= end && !line.asked.is_unanswered())
    }

    fn start_reading(&mut self) {
        let end = *self.grown.borrow_and_update();
        let level = end.lane(self.subscription.lane);

        for place in 0..self.lines.len() {
            let others = self.lines.iter().map(|line| line.next);
            let Some(line) = self
                .lines
                .get(place)
                .filter(|line| line.is_behind(end.last()))
            else {
                continue;
            };
            let through = others
                .filter(|next| *next > line.next)
                .map(|next| next - 1)
                .min()
                .unwrap_or(u64::MAX)
                .min(end.last());
            let (types, from) = (line.types, line.next);
            if line.at_end == Some(level) {
                self.pass(place, end.last());
                continue;
            }
            let want = Want {
                reader: Arc::clone(&self.name),
                replay: None,
                lane: Some(self.subscription.lane),
                types,
                from,
                through,
            };
            if let Some(line) = self.lines.get_mut(place) {
                self.reads.start(&mut line.asked, &self.log, end, want);
            }
        }

        if !self.has_unread() {
            self.read_replay(end);
        }
    }

    /// Nothing of this lane was added: the line is at the end again without reading.
    fn pass(&mut self, place: usize, through: u64) {
        let Some(line) = self.lines.get_mut(place) else {
            return;
        };
        line.through = through;
        line.next = through + 1;
        let mut progress = self.subscription.progress();
        line.types
            .iter()
            .for_each(|person_type| progress.pass(person_type, through));
    }

    fn read_replay(&mut self, end: Counts) {
        if self.replayed.is_some() {
            return;
        }
        let progress = self.subscription.progress();
        // One at a time: two of the same range would answer for each other.
        let Some(replay) = progress
            .replays
            .first()
            .filter(|replay| replay.reads_from().is_some())
        else {
            return;
        };
        let from = replay.reads_from().unwrap_or_default();
        let reader = Arc::clone(&self.name);
        let want = Want {
            reader,
            replay: Some(replay.id.clone()),
            lane: replay.lane(),
            types: TypeSet::ALL,
            from,
            through: replay.to(),
        };
        drop(progress);
        self.reads.start(&mut self.replaying, &self.log, end, want);
    }

    /// Takes what was read for a place; what it was begun for may have been left meanwhile.
    fn take(
        &mut self,
        Read {
            number,
            end,
            want,
            batch,
        }: Read,
    ) {
        if self.replaying.ends(number) {
            let Ok(batch) = batch else {
                return self.replaying.unanswered();
            };
            self.replaying.answered();
            let items = batch.items.into_iter().collect();
            self.replayed = want.replay.map(|id| Replayed {
                id,
                items,
                through: batch.through,
            });
            return;
        }

        let level = end.lane(self.subscription.lane);
        let Some(line) = self
            .lines
            .iter_mut()
            .find_map(|line| line.asked.ends(number).then_some(line))
        else {
            return;
        };
        // Said where it was read; it holds this line for as long as it lasts.
        let Ok(batch) = batch else {
            return line.asked.unanswered();
        };
        line.asked.answered();
        line.take(batch, end, level);
    }

    fn forget_replayed(&mut self) {
        self.replayed = None;
        self.replaying = Asked::default();
    }

    /// Lines that have come to the same place go on together.
    fn merge(&mut self) {
        let mut place = 0;
        while let Some(line) = self.lines.get(place) {
            let (types, next) = (line.types, line.next);
            let other = self
                .lines
                .iter()
                .skip(place + 1)
                .position(|other| other.next == next);
            match other {
                None => place += 1,
                Some(other) => {
                    let other = self.lines.swap_remove(place + 1 + other);
                    if let Some(line) = self.lines.get_mut(place) {
                        line.types = types.with(other.types);
                        line.restart(next);
                    }
                }
            }
        }
    }
}

fn handed_out(record: Record, replay: Option<String>, last_at_start: u64) -> Record {
    Record {
        replay,
        appended_before_this_process: record.sequence.0 <= last_at_start,
        ..record
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
