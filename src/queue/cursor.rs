//! The records of one lane, in order, for one destination.
//!
//! Promises: what was handed out and has no answer comes again after [`Cursor::rewind`], what has one does not; a paused
//! person type holds back only itself and is caught up beside the others; replays come when nothing live is there.
//! [`Cursor::next`] is cancel-safe. Deliberately knows no destination: when to pause and what an answer means is its caller's.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::follower::Follower;
use super::inner::Inner;
use super::layout::Counts;
use super::progress::{Outcome, ROTTEN};
use super::record::{self, Batch, Item, Record, TypeSet, Want};
use crate::event::{Lane, PersonType, PictureVerdict, Sequence, Timestamp};

/// One destination's place in one lane. Owned by one delivery loop.
pub struct Cursor {
    inner: Arc<Inner>,
    follower: Arc<Follower>,
    /// The same destination's urgent lane: a replay carries both.
    urgent: Option<Arc<Follower>>,
    grown: watch::Receiver<Counts>,
    lines: Vec<Line>,
    paused: Vec<(PersonType, u64)>,
    replayed: Option<Replayed>,
    are_replays_held: bool,
    reading: Option<Reading>,
    unanswered: Option<Unanswered>,
    turn: usize,
}

/// The disk did not answer: how often in a row, and when it is asked again.
#[derive(Clone, Copy)]
struct Unanswered {
    attempts: u32,
    again: Instant,
}

/// Person types that are read together. There is one, but while a type that was paused catches up.
struct Line {
    types: TypeSet,
    /// Everything before was handed out, or is none of ours.
    next: u64,
    ready: VecDeque<Item>,
    /// There is nothing beyond `ready` up to here.
    through: u64,
    /// Records of the lane, when it had come to the end of the log.
    at_end: Option<u64>,
    index: Option<Arc<Vec<super::layout::Entry>>>,
}

/// What was read ahead of a replay.
struct Replayed {
    id: String,
    items: VecDeque<Item>,
    /// There is nothing beyond `items` up to here.
    through: u64,
}

enum Whose {
    Line(TypeSet),
    /// By id.
    Replay(String),
}

struct Reading {
    whose: Whose,
    end: Counts,
    task: JoinHandle<std::io::Result<Batch>>,
}

impl Line {
    fn new(types: TypeSet, next: u64) -> Line {
        Line { types, next, ready: VecDeque::new(), through: next.saturating_sub(1), at_end: None, index: None }
    }

    /// Forgets what was read ahead.
    fn restart(&mut self, next: u64) {
        *self = Line { index: self.index.take(), ..Line::new(self.types, next) };
    }
}

/// The lowest sequence that may still have to be handed out for one of these types.
fn unread(follower: &Follower, types: TypeSet) -> u64 {
    let progress = follower.progress();
    let place = |person_type| progress.lowest_unanswered(person_type).unwrap_or(progress.scanned(person_type) + 1);
    types.iter().map(place).min().unwrap_or(0)
}

impl Cursor {
    pub(super) fn new(inner: Arc<Inner>, follower: Arc<Follower>) -> Cursor {
        let urgent = inner.follower(&follower.destination, Lane::Urgent).cloned();
        let grown = inner.log.grown();
        // One line from the lowest place: a device's records come in order whatever their types. What a type has behind it is stepped over.
        let types = PersonType::ALL.iter().fold(TypeSet::default(), |types, person_type| types.with(TypeSet::of(*person_type)));
        let lines = vec![Line::new(types, unread(&follower, types))];
        Cursor {
            inner,
            follower,
            urgent,
            grown,
            lines,
            paused: Vec::new(),
            replayed: None,
            are_replays_held: false,
            reading: None,
            unanswered: None,
            turn: 0,
        }
    }

    /// The next record that is not paused: live ones in order, then replayed ones. Waits for more.
    pub async fn next(&mut self) -> Record {
        loop {
            if let Some(record) = self.hand_out() {
                return record;
            }
            if let Some(Unanswered { again, .. }) = self.unanswered {
                tokio::time::sleep_until(again).await;
            }
            self.start_reading();
            let Some(reading) = &mut self.reading else {
                self.wait().await;
                continue;
            };
            let batch = (&mut reading.task).await;
            let Some(reading) = self.reading.take() else { continue };
            match batch {
                Ok(Ok(batch)) => {
                    self.unanswered = None;
                    self.take(&reading, batch);
                }
                // Said where it was read; it holds this cursor for as long as it lasts.
                Ok(Err(_)) => {
                    let attempts = self.unanswered.map_or(0, |unanswered| unanswered.attempts + 1);
                    self.unanswered = Some(Unanswered { attempts, again: Instant::now() + record::ask_again_after(attempts) });
                }
                // A fault of ours is that of whoever reads: it ends the session, and not the destination.
                Err(error) => match error.try_into_panic() {
                    Ok(fault) => std::panic::resume_unwind(fault),
                    // The runtime goes down.
                    Err(_) => std::future::pending().await,
                },
            }
        }
    }

    /// Whether something of the same destination's urgent lane has no answer yet.
    pub fn urgent_waits(&self) -> bool {
        self.urgent.as_ref().is_some_and(|urgent| {
            let progress = urgent.progress();
            urgent.accepted(&self.inner.log, &progress) > progress.answered().total()
        })
    }

    /// The session is lost: starts again at the lowest record without an answer.
    pub fn rewind(&mut self) {
        self.reading = None;
        self.replayed = None;
        let mut progress = self.follower.progress();
        progress.replays.iter_mut().for_each(|replay| replay.rewind());
        for line in &mut self.lines {
            let lowest = line.types.iter().filter_map(|person_type| progress.lowest_unanswered(person_type)).min();
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
        let exceptions = self.follower.exceptions.as_ref();
        if let Some(exceptions) = exceptions {
            exceptions.settle(sequence.0, verdict);
        }
        let mut progress = self.follower.progress();
        if !progress.answer(sequence.0, outcome) {
            progress.answer_replayed(sequence.0);
        }
        drop(progress);
        if let Some(exceptions) = exceptions {
            exceptions.tell();
        }
    }

    /// Holds this type back. What of it was handed out can still be answered.
    pub fn pause(&mut self, person_type: PersonType) {
        let types = TypeSet::of(person_type);
        self.reading = None;
        for line in &mut self.lines {
            if line.types.contains(person_type) {
                self.paused.push((person_type, line.next));
                line.types = line.types.without(types);
                // What only the paused type had to read is not read for the others.
                line.restart(line.next.max(unread(&self.follower, line.types)));
            }
        }
        self.lines.retain(|line| !line.types.is_empty());
    }

    /// Hands this type out again, from its lowest record without an answer, beside the others.
    pub fn resume(&mut self, person_type: PersonType) {
        let Some(place) = self.paused.iter().position(|(paused, _)| *paused == person_type) else { return };
        let (_, next) = self.paused.swap_remove(place);
        let mut progress = self.follower.progress();
        let lowest = progress.lowest_unanswered(person_type).unwrap_or(next);
        // What a replay had handed out of this type was given back with the pause; what is still out is handed out twice.
        progress.replays.iter_mut().for_each(|replay| replay.rewind());
        drop(progress);
        self.replayed = None;
        self.lines.push(Line::new(TypeSet::of(person_type), lowest.min(next)));
        self.reading = None;
        self.merge();
    }

    /// Hands out once more, from this record on, what has no answer: its caller could not keep it.
    pub fn read_again(&mut self, from: Sequence) {
        self.reading = None;
        self.lines.iter_mut().filter(|line| line.next > from.0).for_each(|line| line.restart(from.0));
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
        if self.has_unread() || self.are_replays_held { None } else { self.hand_out_replayed() }
    }

    fn hand_out_of(&mut self, line: usize) -> Option<Record> {
        let line = self.lines.get_mut(line)?;
        let mut progress = self.follower.progress();
        while let Some(item) = line.ready.pop_front() {
            let sequence = item.sequence();
            let offered = match &item {
                Item::Rotten { person_type, records, .. } => progress.offer(sequence, *person_type, Timestamp::default(), *records),
                Item::Record(record) => progress.offer(sequence, record.person_type, record.received_at, 1),
            };
            line.next = sequence + 1;
            line.types.iter().for_each(|person_type| progress.pass(person_type, sequence));
            match item {
                Item::Record(record) if offered => return Some(record.handed_out(None, self.inner.last_at_start)),
                Item::Rotten { .. } if offered => {
                    progress.answer(sequence, Outcome::Expired { rule: ROTTEN });
                }
                _ => {}
            }
        }
        line.next = line.next.max(line.through + 1);
        line.types.iter().for_each(|person_type| progress.pass(person_type, line.next - 1));
        None
    }

    /// A replay repeats only what was answered once: what was not comes live.
    fn hand_out_replayed(&mut self) -> Option<Record> {
        let Replayed { id, items, through } = self.replayed.as_mut()?;
        while let Some(item) = items.pop_front() {
            let Item::Record(record) = item else { continue };
            if self.paused.iter().any(|(paused, _)| *paused == record.person_type) {
                items.push_front(Item::Record(record));
                return None;
            }
            let owner = self.urgent.as_ref().filter(|_| record.lane == Lane::Urgent).unwrap_or(&self.follower);
            let was_answered = owner.progress().is_answered(record.sequence.0, record.person_type);
            if was_answered && self.follower.progress().offer_replayed(id, record.sequence.0) {
                return Some(record.handed_out(Some(id.clone()), self.inner.last_at_start));
            }
        }
        self.follower.progress().pass_replayed(id, *through);
        self.replayed = None;
        None
    }

    /// Whether a line has something to read.
    fn has_unread(&self) -> bool {
        let end = self.grown.borrow().last();
        self.lines.iter().any(|line| line.next <= end)
    }

    fn start_reading(&mut self) {
        if self.reading.is_some() {
            return;
        }
        let end = *self.grown.borrow_and_update();
        let level = end.lane(self.follower.lane);
        for place in 0..self.lines.len() {
            let place = (place + self.turn) % self.lines.len();
            let other = self.lines.iter().map(|line| line.next);
            let Some(line) = self.lines.get(place).filter(|line| line.ready.is_empty() && line.next <= end.last()) else {
                continue;
            };
            let through = other.filter(|next| *next > line.next).map(|next| next - 1).min().unwrap_or(u64::MAX).min(end.last());
            let (types, from, lane) = (line.types, line.next, self.follower.lane);
            if line.at_end == Some(level) {
                self.pass(place, end.last());
                continue;
            }
            return self.read(Whose::Line(types), end, Want { lane: Some(lane), types, from, through });
        }
        self.read_replay(end);
    }

    /// Nothing of this lane was added: the line is at the end again without reading.
    fn pass(&mut self, place: usize, through: u64) {
        let Some(line) = self.lines.get_mut(place) else { return };
        line.through = through;
        line.next = through + 1;
        let mut progress = self.follower.progress();
        line.types.iter().for_each(|person_type| progress.pass(person_type, through));
    }

    fn read_replay(&mut self, end: Counts) {
        if self.replayed.is_some() {
            return;
        }
        let progress = self.follower.progress();
        // One at a time: two of the same range would answer for each other.
        let Some(replay) = progress.replays.first().filter(|replay| replay.reads_from().is_some()) else { return };
        let from = replay.reads_from().unwrap_or_default();
        let want = Want { lane: None, types: TypeSet::ALL, from, through: replay.to() };
        let whose = Whose::Replay(replay.id.clone());
        drop(progress);
        self.read(whose, end, want);
    }

    fn read(&mut self, whose: Whose, end: Counts, want: Want) {
        let inner = self.inner.clone();
        let task = tokio::task::spawn_blocking(move || record::read(&inner.log, want));
        self.reading = Some(Reading { whose, end, task });
    }

    fn take(&mut self, reading: &Reading, batch: Batch) {
        let types = match &reading.whose {
            Whose::Line(types) => *types,
            Whose::Replay(id) => {
                let items = batch.items.into_iter().collect();
                self.replayed = Some(Replayed { id: id.clone(), items, through: batch.through });
                return;
            }
        };
        let Some(line) = self.lines.iter_mut().find(|line| line.types == types) else { return };
        line.ready.extend(batch.items);
        line.through = batch.through;
        line.index = batch.index;
        line.at_end = (batch.through >= reading.end.last()).then(|| reading.end.lane(self.follower.lane));
    }

    /// Lines that have come to the same place go on together.
    fn merge(&mut self) {
        let mut place = 0;
        while let Some(line) = self.lines.get(place) {
            let (types, next) = (line.types, line.next);
            let other = self.lines.iter().skip(place + 1).position(|other| other.next == next);
            match other {
                None => place += 1,
                Some(other) => {
                    let other = self.lines.swap_remove(place + 1 + other);
                    if let Some(line) = self.lines.get_mut(place) {
                        line.types = types.with(other.types);
                        line.restart(next);
                    }
                    self.reading = None;
                }
            }
        }
    }

    async fn wait(&mut self) {
        tokio::select! {
            changed = self.grown.changed() => if changed.is_err() {
                std::future::pending::<()>().await;
            },
            () = self.follower.attached.notified() => {}
        }
    }
}
