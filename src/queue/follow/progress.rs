//! How far one destination has come in one lane: pure bookkeeping, no IO and no waiting.
//!
//! Promises: the position of a person type never passes a record that has no answer, and the counts are those of exactly the
//! records up to the positions, so both can be written together at any moment; what was answered ahead of a position is counted
//! when the position gets there. Deliberately knows nothing of segments: it is told which records there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::replay::Replay;
use crate::queue::format::TYPES;
use boxbridge_event::{Lane, Outcome, PersonType, Timestamp};

/// The rule under which records end that can no longer be read.
pub const ROTTEN: &str = "rotten";

/// Records by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    pub delivered: u64,
    pub set_aside: u64,
    /// By rule.
    pub expired: BTreeMap<String, u64>,
}

impl Tally {
    pub fn total(&self) -> u64 {
        self.delivered + self.set_aside + self.expired_total()
    }

    /// By whatever rule.
    pub fn expired_total(&self) -> u64 {
        self.expired.values().sum()
    }

    fn add(&mut self, outcome: Outcome, records: u64) {
        match outcome {
            Outcome::Delivered => self.delivered += records,
            Outcome::SetAside => self.set_aside += records,
            Outcome::Expired { rule } => {
                *self.expired.entry(rule.to_owned()).or_default() += records
            }
        }
    }
}

/// Where a destination joined one lane of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The last sequence that it does not get.
    pub sequence: u64,
    /// Records of the lane up to there.
    pub records: u64,
}

#[derive(Debug)]
pub struct Progress {
    pub joined: Joined,
    tracks: [Track; TYPES],
    pub tally: Tally,
    pub replays: Vec<Replay>,
    /// What changed since it was last written.
    pub change: Change,
}

/// How urgent it is to write a progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    None,
    /// Only records that are none of its lane: written so that segments can go.
    Passed,
    /// Written so that little repeats after a crash.
    Answered,
}

/// One person type.
#[derive(Debug, Default)]
struct Track {
    /// Everything up to here is answered.
    position: u64,
    /// Everything up to here was handed out, or is of another type or lane.
    scanned: u64,
    /// Handed out, above the position.
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    received_at: Timestamp,
    /// More than one for a gap in the log, which stands at its last sequence.
    records: u64,
    outcome: Option<Outcome>,
}

impl Progress {
    pub fn joining(joined: Joined) -> Progress {
        Progress::at(
            joined,
            [joined.sequence; TYPES],
            Tally::default(),
            Vec::new(),
        )
    }

    pub fn at(
        joined: Joined,
        positions: [u64; TYPES],
        tally: Tally,
        replays: Vec<Replay>,
    ) -> Progress {
        let tracks = positions.map(|position| Track {
            position,
            scanned: position,
            open: BTreeMap::new(),
        });
        Progress {
            joined,
            tracks,
            tally,
            replays,
            change: Change::Answered,
        }
    }

    pub fn positions(&self) -> [u64; TYPES] {
        std::array::from_fn(|number| self.tracks.get(number).map_or(0, |track| track.position))
    }

    /// The lowest position: records up to it are needed no more but for replays.
    pub fn position(&self) -> u64 {
        self.used().map(|track| track.position).min().unwrap_or(0)
    }

    /// The lowest sequence that a replay still needs.
    pub fn replays_from(&self) -> u64 {
        self.replays
            .iter()
            .map(Replay::position)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Where reading for a type starts: behind what was handed out.
    pub fn scanned(&self, person_type: PersonType) -> u64 {
        self.track(person_type).scanned
    }

    /// Whether a record that was read is to be handed out: it is new, or was handed out before and has no answer yet.
    pub fn offer(
        &mut self,
        sequence: u64,
        person_type: PersonType,
        received_at: Timestamp,
        records: u64,
    ) -> bool {
        let track = self.track_mut(person_type);
        if sequence <= track.scanned {
            return track
                .open
                .get(&sequence)
                .is_some_and(|open| open.outcome.is_none());
        }
        track.scanned = sequence;
        track.open.insert(
            sequence,
            Open {
                received_at,
                records,
                outcome: None,
            },
        );
        true
    }

    /// There is nothing more for a type up to `through`.
    pub fn pass(&mut self, person_type: PersonType, through: u64) {
        let track = self.track_mut(person_type);
        track.scanned = track.scanned.max(through);
        if track.open.is_empty() && track.position < track.scanned {
            track.position = track.scanned;
            self.change = self.change.max(Change::Passed);
        }
    }

    /// Where a lane of `records` has nothing waiting, there is nothing up to `end`, whether or not somebody reads it.
    pub fn pass_if_done(&mut self, records: u64, end: u64) {
        if self.joined.records + self.tally.total() == records {
            PersonType::ALL
                .iter()
                .for_each(|person_type| self.pass(*person_type, end));
        }
    }

    /// Takes the answer of a record that was handed out; false if none is waiting for one.
    pub fn answer(&mut self, sequence: u64, outcome: Outcome) -> bool {
        for track in &mut self.tracks {
            let Some(open) = track
                .open
                .get_mut(&sequence)
                .filter(|open| open.outcome.is_none())
            else {
                continue;
            };
            open.outcome = Some(outcome);
            track.settle(&mut self.tally);
            self.change = Change::Answered;
            return true;
        }
        false
    }

    /// A record of a replay was read: whether it is to be handed out.
    pub fn offer_replayed(&mut self, id: &str, sequence: u64) -> bool {
        self.replays
            .iter_mut()
            .find(|replay| replay.id == id)
            .is_some_and(|replay| replay.offer(sequence))
    }

    /// There is nothing more in a replay up to `through`.
    pub fn pass_replayed(&mut self, id: &str, through: u64) {
        self.replays
            .iter_mut()
            .filter(|replay| replay.id == id)
            .for_each(|replay| replay.pass(through));
        self.replays.retain(|replay| !replay.is_over());
        self.change = Change::Answered;
    }

    /// Whether a replay has still to deliver this record.
    pub fn is_to_replay(&self, sequence: u64, lane: Lane) -> bool {
        let mut replays = self.replays.iter();
        replays.any(|replay| replay.has(lane) && replay.wants(sequence))
    }

    /// Ends the replays of what is no longer there.
    pub fn give_up_replays(&mut self, through: u64) {
        self.replays
            .iter_mut()
            .for_each(|replay| replay.give_up(through));
        self.replays.retain(|replay| !replay.is_over());
        self.change = Change::Answered;
    }

    /// Takes the answer of a replayed record.
    pub fn answer_replayed(&mut self, sequence: u64) -> bool {
        let answered = self
            .replays
            .iter_mut()
            .any(|replay| replay.answer(sequence));
        self.replays.retain(|replay| !replay.is_over());
        if answered {
            self.change = Change::Answered;
        }
        answered
    }

    /// Ends a record by a rule, whether it was handed out or not.
    pub fn expire(
        &mut self,
        sequence: u64,
        person_type: PersonType,
        received_at: Timestamp,
        rule: &'static str,
    ) {
        if self.offer(sequence, person_type, received_at, 1) {
            self.answer(sequence, Outcome::Expired { rule });
        }
    }

    /// The lowest sequence of a type that was handed out and has no answer.
    pub fn lowest_unanswered(&self, person_type: PersonType) -> Option<u64> {
        self.track(person_type)
            .unanswered()
            .next()
            .map(|(sequence, _)| sequence)
    }

    /// When the oldest record came that was handed out and has no answer, and its sequence.
    pub fn oldest_unanswered(&self) -> Option<(u64, Timestamp)> {
        self.tracks
            .iter()
            .filter_map(|track| track.unanswered().next())
            .map(|(at, open)| (at, open.received_at))
            .min()
    }

    /// Whether the live record of this sequence and type was answered.
    pub fn is_answered(&self, sequence: u64, person_type: PersonType) -> bool {
        let track = self.track(person_type);
        sequence <= track.position
            || track
                .open
                .get(&sequence)
                .is_some_and(|open| open.outcome.is_some())
    }

    /// What became of records until now, those answered ahead of a position among them.
    pub fn answered(&self) -> Tally {
        let mut tally = self.tally.clone();
        for open in self.tracks.iter().flat_map(|track| track.open.values()) {
            open.outcome
                .into_iter()
                .for_each(|outcome| tally.add(outcome, open.records));
        }
        tally
    }

    /// There is room for more types than there are.
    fn used(&self) -> impl Iterator<Item = &Track> {
        self.tracks.iter().take(PersonType::ALL.len())
    }

    fn track(&self, person_type: PersonType) -> &Track {
        &self.tracks[usize::from(person_type.number())]
    }

    fn track_mut(&mut self, person_type: PersonType) -> &mut Track {
        &mut self.tracks[usize::from(person_type.number())]
    }
}

impl Track {
    fn unanswered(&self) -> impl Iterator<Item = (u64, &Open)> {
        self.open
            .iter()
            .filter(|(_, open)| open.outcome.is_none())
            .map(|(sequence, open)| (*sequence, open))
    }

    /// Moves the position over what has its answer.
    fn settle(&mut self, tally: &mut Tally) {
        while let Some(first) = self.open.first_entry() {
            let Some(outcome) = first.get().outcome else {
                return;
            };
            let (sequence, open) = first.remove_entry();
            tally.add(outcome, open.records);
            self.position = sequence;
        }
        self.position = self.scanned;
    }
}
