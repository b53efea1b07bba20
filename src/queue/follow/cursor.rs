//! The records of one lane, in order, for one destination.
//!
//! Promises: a record that was handed out and has no answer comes again after [`Cursor::rewind`], one that has an answer does not. A
//! paused person type holds back only itself and is caught up beside the others; so does a place that the disk does not read. Replays
//! come when nothing live is there that can be read. [`Cursor::next`] is cancel-safe. Deliberately knows no destination: when to pause
//! and what an answer means, the caller knows.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use super::read_ahead::{Asked, Reads, Replayed, Strand};
use super::subscription::Subscription;
use super::type_set::TypeSet;
use crate::queue::format::Counts;
use crate::queue::log::Log;
use boxbridge_event::{Outcome, PersonType, PictureVerdict, Record, Sequence};

mod hand_out;
mod reading;

use hand_out::Pacing;

/// One destination's place in one lane. Owned by one delivery loop.
pub struct Cursor {
    log: Arc<Log>,
    subscription: Arc<Subscription>,
    /// The same destination's urgent lane: a replay carries both.
    urgent: Option<Arc<Subscription>>,
    grown: watch::Receiver<Counts>,
    strands: Vec<Strand>,
    /// Types that are held back, each with the next sequence that it would have got.
    paused: Vec<(PersonType, u64)>,
    replayed: Option<Replayed>,
    are_replays_held: bool,
    pacing: Pacing,
    /// How reading for the replay goes.
    replaying: Asked,
    reads: Reads,
    /// For people: the destination and its lane.
    name: Arc<str>,
    /// The strand that was last asked for a record.
    turn: usize,
}

/// The lowest sequence that may still have to be handed out for one of these types.
fn unread(subscription: &Subscription, types: TypeSet) -> u64 {
    let progress = subscription.progress();
    let place = |person_type| {
        let lowest = progress.lowest_unanswered(person_type);
        lowest.unwrap_or(progress.scanned(person_type) + 1)
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
        // One strand from the lowest place: a device's records come in order whatever their types. Each type steps over the records that
        // it has behind it.
        let types = TypeSet::ALL;
        let strand = Strand::new(types, unread(&subscription, types));
        let name = format!("{}, {}", subscription.destination, subscription.lane);

        Cursor {
            grown: log.grown(subscription.lane),
            log,
            subscription,
            urgent,
            strands: vec![strand],
            paused: Vec::new(),
            replayed: None,
            are_replays_held: false,
            pacing: Pacing::default(),
            replaying: Asked::default(),
            reads: Reads::default(),
            name: name.into(),
            turn: 0,
        }
    }

    /// The next record that is not paused: live ones in order, then replayed ones. Waits for more.
    pub async fn next(&mut self) -> Record {
        loop {
            if let Some(record) = self.hand_out() {
                return record;
            }
            if self.start_reading() {
                continue;
            }

            let asked = self.strands.iter().map(|strand| &strand.asked);
            let asked = asked.chain([&self.replaying]);
            let again = asked.filter_map(Asked::again);
            let again = again.chain(self.replay_due()).min();
            // Else additions are read anyway.
            let are_under_way = |strand: &Strand| strand.asked.is_under_way();
            let waits_for_more = self.strands.is_empty() || !self.strands.iter().all(are_under_way);
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

    /// Whether a record of the same destination's urgent lane has no answer yet.
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
        progress.rewind_replays();

        for strand in &mut self.strands {
            let types = strand.types.iter();
            let unanswered =
                types.filter_map(|person_type| progress.lowest_unanswered(person_type));
            let lowest = unanswered.min().unwrap_or(strand.next);
            strand.restart(lowest.min(strand.next));
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

    /// Holds this type back. Records of it that were handed out can still be answered.
    pub fn pause(&mut self, person_type: PersonType) {
        for strand in &mut self.strands {
            if strand.types.contains(person_type) {
                self.paused.push((person_type, strand.next));
                strand.types = strand.types.without(TypeSet::of(person_type));
                // What only the paused type had to read is not read for the others.
                let unread = unread(&self.subscription, strand.types);
                strand.restart(strand.next.max(unread));
            }
        }
        self.strands.retain(|strand| !strand.types.is_empty());
    }

    /// Whether this type is held back. Nobody else keeps that.
    pub fn is_paused(&self, person_type: PersonType) -> bool {
        let mut paused = self.paused.iter();
        paused.any(|(paused, _)| *paused == person_type)
    }

    /// Hands this type out again, from its lowest record without an answer, beside the others.
    pub fn resume(&mut self, person_type: PersonType) {
        let mut paused = self.paused.iter();
        let Some(place) = paused.position(|(paused, _)| *paused == person_type) else {
            return;
        };
        let (_, next) = self.paused.swap_remove(place);

        let mut progress = self.subscription.progress();
        let lowest = progress.lowest_unanswered(person_type).unwrap_or(next);
        // What a replay had handed out of this type was given back with the pause; what is still out is handed out twice.
        progress.rewind_replays();
        drop(progress);
        self.forget_replayed();

        let types = TypeSet::of(person_type);
        self.strands.push(Strand::new(types, lowest.min(next)));
        self.merge();
    }

    /// Hands out once more, from this record on, everything without an answer: the caller could not keep it.
    pub fn read_again(&mut self, from: Sequence) {
        for strand in &mut self.strands {
            if strand.next > from.0 {
                strand.restart(from.0);
            }
        }
        self.merge();
    }

    /// Whether a record is still to go out: one of a replay that was cancelled is not.
    pub fn is_wanted(&self, record: &Record) -> bool {
        let replay = record.replay.as_deref();
        replay.is_none_or(|id| self.subscription.progress().has_replay(id))
    }

    /// Whether replays are read no further for now.
    pub fn hold_replays(&mut self, are_held: bool) {
        self.are_replays_held = are_held;
    }

    fn forget_replayed(&mut self) {
        self.replayed = None;
        self.replaying = Asked::default();
    }

    /// Strands that have come to the same place go on together.
    fn merge(&mut self) {
        let mut place = 0;
        while let Some(strand) = self.strands.get(place) {
            let (types, next) = (strand.types, strand.next);
            let mut behind = self.strands.iter().skip(place + 1);
            let Some(other) = behind.position(|other| other.next == next) else {
                place += 1;
                continue;
            };

            let other = self.strands.swap_remove(place + 1 + other);
            if let Some(strand) = self.strands.get_mut(place) {
                strand.types = types.with(other.types);
                strand.restart(next);
            }
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
