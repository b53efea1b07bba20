//! How far one destination has come in one lane: pure bookkeeping, no IO and no waiting.
//!
//! Promises: the position of a person type never passes a record that has no answer, and the counts are those of exactly the
//! records up to the positions, so both can be written together at any moment; what was answered ahead of a position is counted
//! when the position gets there. Deliberately knows nothing of segments: it is told which records there are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::track::Track;
use super::replay::Replay;
use crate::queue::format::{IndexEntry, TYPES};
use boxbridge_event::{Outcome, PersonType, Timestamp};

mod tally;
mod track;

pub use tally::Tally;

/// The rule under which records end that can no longer be read.
pub const ROTTEN: &str = "rotten";

/// Where a destination joined one lane of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    /// The last sequence that it does not get.
    pub sequence: u64,
    /// Records of the lane up to there.
    pub records: u64,
}

/// One destination's relation to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub destination: String,
    pub state: RecordState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordState {
    /// The destination joined later, and does not get it.
    NotIts,
    Waiting,
    /// It was delivered, set aside or given up; a destination that did nothing else has delivered it.
    Answered {
        always_delivered: bool,
    },
}

#[derive(Debug)]
pub struct Progress {
    pub joined: Joined,
    tracks: [Track; TYPES],
    pub tally: Tally,
    pub replays: Vec<Replay>,
    /// The last errand that came to an end in this process.
    pub ended: Option<EndedErrand>,
    /// What changed since it was last written.
    pub change: Change,
}

/// An operator's replay that is no more.
#[derive(Clone, Debug)]
pub struct EndedErrand {
    pub replay: Replay,
    pub is_cancelled: bool,
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
            ended: None,
            change: Change::Answered,
        }
    }

    pub fn positions(&self) -> [u64; TYPES] {
        std::array::from_fn(|number| self.tracks.get(number).map_or(0, |track| track.position))
    }

    /// The lowest position: records up to it are needed no more but for replays.
    pub fn position(&self) -> u64 {
        // There is room for more types than there are.
        let used = self.tracks.iter().take(PersonType::ALL.len());
        used.map(|track| track.position).min().unwrap_or(0)
    }

    /// Where reading for a type starts: behind what was handed out.
    pub fn scanned(&self, person_type: PersonType) -> u64 {
        self.track(person_type).map_or(0, |track| track.scanned)
    }

    /// The last sequence that was handed out or passed, of any type.
    pub fn handed_out(&self) -> u64 {
        let tracks = self.tracks.iter();
        tracks.map(|track| track.scanned).max().unwrap_or(0)
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
        track.is_some_and(|track| track.offer(sequence, received_at, records))
    }

    /// There is nothing more for a type up to `through`.
    pub fn pass(&mut self, person_type: PersonType, through: u64) {
        let Some(track) = self.track_mut(person_type) else {
            return;
        };
        track.scanned = track.scanned.max(through);
        if track.open.is_empty() && track.position < track.scanned {
            track.position = track.scanned;
            self.change = self.change.max(Change::Passed);
        }
    }

    /// Where a lane of `records` has nothing waiting, there is nothing up to `end`, whether or not somebody reads it.
    pub fn pass_if_done(&mut self, records: u64, end: u64) {
        if self.joined.records + self.tally.total() == records {
            for person_type in PersonType::ALL {
                self.pass(*person_type, end);
            }
        }
    }

    /// Takes the answer of a record that was handed out; false if none is waiting for one.
    pub fn answer(&mut self, sequence: u64, outcome: Outcome) -> bool {
        let tally = &mut self.tally;
        let mut tracks = self.tracks.iter_mut();
        let is_taken = tracks.any(|track| track.answer(sequence, outcome, tally));
        if is_taken {
            self.change = Change::Answered;
        }
        is_taken
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
        let (sequence, _) = self.track(person_type)?.unanswered().next()?;
        Some(sequence)
    }

    /// When the oldest record came that was handed out and has no answer, and its sequence.
    pub fn oldest_unanswered(&self) -> Option<(u64, Timestamp)> {
        let tracks = self.tracks.iter();
        let oldest = tracks.filter_map(|track| track.unanswered().next());
        oldest.map(|(at, open)| (at, open.received_at)).min()
    }

    /// Whether the live record of this sequence and type was answered.
    pub fn is_answered(&self, sequence: u64, person_type: PersonType) -> bool {
        let track = self.track(person_type);
        track.is_some_and(|track| track.is_answered(sequence))
    }

    /// How the live record of this sequence and type stands.
    pub fn state_of(&self, sequence: u64, person_type: PersonType) -> RecordState {
        if sequence <= self.joined.sequence {
            return RecordState::NotIts;
        }
        if !self.is_answered(sequence, person_type) {
            return RecordState::Waiting;
        }

        let tally = self.answered();
        let always_delivered = tally.total() == tally.delivered;
        RecordState::Answered { always_delivered }
    }

    /// What became of records until now, those answered ahead of a position among them.
    pub fn answered(&self) -> Tally {
        let mut tally = self.tally.clone();
        for open in self.tracks.iter().flat_map(|track| track.open.values()) {
            if let Some(outcome) = open.outcome {
                tally.add(outcome, open.records);
            }
        }
        tally
    }

    fn track(&self, person_type: PersonType) -> Option<&Track> {
        self.tracks.get(usize::from(person_type.number()))
    }

    fn track_mut(&mut self, person_type: PersonType) -> Option<&mut Track> {
        self.tracks.get_mut(usize::from(person_type.number()))
    }
}

/// Replays: they touch no count.
impl Progress {
    /// The lowest sequence that one of our own replays still needs.
    pub fn replays_from(&self) -> u64 {
        let own = self.replays.iter().filter(|each| each.errand.is_none());
        own.map(Replay::position).min().unwrap_or(u64::MAX)
    }

    /// The same of what an operator asked for.
    pub fn errands_from(&self) -> u64 {
        let errands = self.errands();
        errands.map(Replay::position).min().unwrap_or(u64::MAX)
    }

    pub fn errands(&self) -> impl Iterator<Item = &Replay> {
        self.replays.iter().filter(|each| each.errand.is_some())
    }

    pub fn has_replay(&self, id: &str) -> bool {
        self.replays.iter().any(|replay| replay.id == id)
    }

    /// A record of a replay was read: whether it is to be handed out.
    pub fn offer_replayed(&mut self, id: &str, sequence: u64) -> bool {
        self.replay_mut(id)
            .is_some_and(|replay| replay.offer(sequence))
    }

    /// A record of a replay was read that was never delivered, and comes live.
    pub fn leave_live(&mut self, id: &str, sequence: u64) {
        if let Some(replay) = self.replay_mut(id) {
            replay.leave_live(sequence);
        }
    }

    /// There is nothing more in a replay up to `through`.
    pub fn pass_replayed(&mut self, id: &str, through: u64) {
        if let Some(replay) = self.replay_mut(id) {
            replay.pass(through);
        }
        self.end_replays();
    }

    /// Whether a replay has still to deliver this record.
    pub fn is_to_replay(&self, sequence: u64, entry: &IndexEntry) -> bool {
        let mut replays = self.replays.iter();
        replays.any(|replay| replay.wants(sequence, entry))
    }

    /// Ends the replays of records that are no longer there.
    pub fn give_up_replays(&mut self, through: u64) {
        for replay in &mut self.replays {
            replay.give_up(through);
        }
        self.end_replays();
    }

    /// Ends an operator's replay; false if none has this name.
    pub fn cancel_replay(&mut self, id: &str) -> bool {
        let mut replays = self.replays.iter();
        let is_it = |replay: &Replay| replay.id == id && replay.errand.is_some();
        let Some(place) = replays.position(is_it) else {
            return false;
        };

        self.ended = Some(EndedErrand {
            replay: self.replays.remove(place),
            is_cancelled: true,
        });
        self.change = Change::Answered;
        true
    }

    /// Takes the answer of a replayed record.
    pub fn answer_replayed(&mut self, sequence: u64) {
        let mut replays = self.replays.iter_mut();
        if replays.any(|replay| replay.answer(sequence)) {
            self.end_replays();
        }
    }

    /// They start again at their lowest record without an answer.
    pub fn rewind_replays(&mut self) {
        self.replays.iter_mut().for_each(Replay::rewind);
    }

    fn replay_mut(&mut self, id: &str) -> Option<&mut Replay> {
        let mut replays = self.replays.iter_mut();
        replays.find(|replay| replay.id == id)
    }

    fn end_replays(&mut self) {
        let over = self.replays.extract_if(.., |replay| replay.is_over());
        let errands = over.filter(|replay| replay.errand.is_some());
        for replay in errands {
            self.ended = Some(EndedErrand {
                replay,
                is_cancelled: false,
            });
        }
        self.change = Change::Answered;
    }
}
