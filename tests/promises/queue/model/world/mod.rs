//! A queue, and the plain list that it is held against.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use boxbridge::queue::{AppendError, Appended, Cursor, Outcome, Queue, Settings, inspect};
use boxbridge_event::{Lane, PersonType, PictureKind, PictureVerdict, Sequence};

use super::action::{Action, Damage};
use super::damage::{rot, tear};
use crate::queue::support::{
    PATIENCE, directory, entry, event_number, killed, picture, settings, sizes, step,
};

mod check;

pub const FOLLOWERS: [(&str, Lane); 4] = [
    ("mqtt", Lane::Urgent),
    ("mqtt", Lane::Normal),
    ("store", Lane::Urgent),
    ("store", Lane::Normal),
];

struct Known {
    sequence: Sequence,
    person_type: PersonType,
    lane: Lane,
    has_picture: bool,
}

/// What one cursor must have given and may give.
#[derive(Default)]
struct Seat {
    answered: BTreeSet<u64>,
    /// Answered before a kill: may come again.
    perhaps: BTreeSet<u64>,
    ever_answered: BTreeSet<u64>,
    /// Handed out since the last rewind or start, without an answer.
    handed: BTreeSet<u64>,
    paused: BTreeSet<PersonType>,
    last: std::collections::BTreeMap<PersonType, u64>,
}

pub struct World {
    dir: tempfile::TempDir,
    queue: Queue,
    cursors: Vec<Cursor>,
    seats: Vec<Seat>,
    /// By number, from 1.
    records: Vec<Known>,
    rots: usize,
    /// The newest records stay in memory.
    remembers: bool,
}

fn tiny(dir: &Path, remembers: bool) -> Settings {
    let upkeep_interval = Duration::from_millis(2);
    let recent_bytes = if remembers { 8 << 10 } else { 0 };
    Settings {
        segment_bytes: 32 << 10,
        max_bytes: 3 << 20,
        replay_window: Duration::ZERO,
        upkeep_interval,
        recent_event_bytes: recent_bytes,
        recent_picture_bytes: recent_bytes,
        ..settings(dir)
    }
}

fn start(dir: &Path, remembers: bool) -> (Queue, Vec<Cursor>) {
    let queue =
        Queue::open(tiny(dir, remembers), &["mqtt", "store"]).expect("every start ends in serving");
    let cursors = FOLLOWERS
        .iter()
        .map(|(name, lane)| queue.cursor(name, *lane).unwrap())
        .collect();
    (queue, cursors)
}

impl World {
    pub fn new(remembers: bool) -> World {
        let dir = directory();
        let (queue, cursors) = start(dir.path(), remembers);
        let seats = FOLLOWERS.iter().map(|_| Seat::default()).collect();
        World {
            dir,
            queue,
            cursors,
            seats,
            records: Vec::new(),
            rots: 0,
            remembers,
        }
    }

    pub async fn act(&mut self, action: &Action) {
        match action {
            Action::Append {
                records,
                person_type,
                lane,
                picture,
            } => {
                self.append(
                    *records,
                    PersonType::ALL[*person_type],
                    Lane::ALL[*lane],
                    *picture,
                )
                .await;
            }
            Action::Read { follower, records } => {
                for _ in 0..*records {
                    if !self.read(*follower).await {
                        break;
                    }
                }
            }
            Action::Answer {
                follower,
                which,
                records,
                outcome,
            } => {
                (0..*records).for_each(|_| self.answer(*follower, *which, *outcome));
            }
            Action::Rewind { follower } => {
                self.cursors[*follower].rewind();
                let seat = &mut self.seats[*follower];
                seat.handed.clear();
                seat.last.clear();
            }
            Action::Pause {
                follower,
                person_type,
            } => {
                self.cursors[*follower].pause(PersonType::ALL[*person_type]);
                self.seats[*follower]
                    .paused
                    .insert(PersonType::ALL[*person_type]);
            }
            Action::Resume {
                follower,
                person_type,
            } => self.resume(*follower, PersonType::ALL[*person_type]),
            // The stimulus: time for the keeper, whatever it makes of it. The list is right before and after.
            Action::Upkeep => tokio::time::sleep(Duration::from_millis(10)).await,
            Action::Stop => self.stop().await,
            Action::Kill { damage } => self.kill(damage),
        }
        self.check_identity();
    }

    async fn append(
        &mut self,
        records: usize,
        person_type: PersonType,
        lane: Lane,
        has_picture: bool,
    ) {
        for _ in 0..records {
            let number = self.records.len() as u64 + 1;
            let pictures: Vec<_> = has_picture
                .then(|| picture(PictureKind::Scene, number, 3000))
                .into_iter()
                .collect();
            match step(
                self.queue
                    .append(entry(number, person_type, lane, &pictures)),
            )
            .await
            {
                Ok(Appended::Stored(sequence)) => self.records.push(Known {
                    sequence,
                    person_type,
                    lane,
                    has_picture,
                }),
                Err(AppendError::Full { .. }) => return,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Reads one record, if one is due.
    async fn read(&mut self, follower: usize) -> bool {
        let due = self.due(follower);
        if due.is_empty() {
            return false;
        }
        let record = match self.rots {
            0 => step(self.cursors[follower].next()).await,
            // What is due may have rotted.
            _ => match tokio::time::timeout(
                Duration::from_millis(100),
                self.cursors[follower].next(),
            )
            .await
            {
                Ok(record) => record,
                Err(_) => return false,
            },
        };
        let number = event_number(&record);
        let known = &self.records[number as usize - 1];
        assert_eq!(
            (record.person_type, record.lane),
            (known.person_type, known.lane)
        );
        assert!(self.rots > 0 || record.sequence == known.sequence);
        if record.replay.is_some() {
            assert!(self.rots > 0, "only an unreadable cursor repeats");
            self.cursors[follower].answer(record.sequence, Outcome::Delivered);
            return true;
        }
        self.check_order(follower, number, &due);
        self.check_pictures(number, &record).await;
        let person_type = known.person_type;
        let seat = &mut self.seats[follower];
        seat.perhaps.remove(&number);
        seat.handed.insert(number);
        seat.last.insert(person_type, number);
        true
    }

    fn answer(&mut self, follower: usize, which: usize, outcome: usize) {
        let seat = &mut self.seats[follower];
        let Some(number) = seat
            .handed
            .iter()
            .nth(which % seat.handed.len().max(1))
            .copied()
        else {
            return;
        };
        let outcome = [
            Outcome::Delivered,
            Outcome::SetAside,
            Outcome::Expired { rule: "keep" },
        ][outcome];
        let mut verdict = PictureVerdict::default();
        if outcome == Outcome::SetAside {
            verdict.missing.insert(PictureKind::Scene);
        }
        self.cursors[follower].settle(self.records[number as usize - 1].sequence, verdict, outcome);
        seat.handed.remove(&number);
        seat.answered.insert(number);
        seat.ever_answered.insert(number);
    }

    fn resume(&mut self, follower: usize, person_type: PersonType) {
        self.cursors[follower].resume(person_type);
        let (seat, records) = (&mut self.seats[follower], &self.records);
        if seat.paused.remove(&person_type) {
            seat.handed
                .retain(|number| records[*number as usize - 1].person_type != person_type);
            seat.last.remove(&person_type);
        }
    }

    async fn stop(&mut self) {
        let before = self.queue.status().subscriptions;
        self.queue.shutdown().await;
        (self.queue, self.cursors) = start(self.dir.path(), self.remembers);
        let counts = |subscriptions: &[boxbridge::queue::SubscriptionStatus]| {
            let counts = subscriptions.iter().map(|subscription| {
                (
                    subscription.destination.clone(),
                    subscription.lane,
                    subscription.accepted,
                )
            });
            let mut counts: Vec<_> = counts.collect();
            counts.sort();
            counts
        };
        assert_eq!(counts(&before), counts(&self.queue.status().subscriptions));
        self.forget_sessions();
    }

    fn kill(&mut self, damage: &Damage) {
        let copy = killed(self.dir.path());
        match damage {
            Damage::None => {}
            Damage::Torn(seed) => tear(copy.path(), *seed),
            Damage::Rot(file, place) => {
                rot(copy.path(), *file, *place);
                self.rots += 1;
            }
        }
        (self.queue, self.cursors) = start(copy.path(), self.remembers);
        self.dir = copy;
        self.forget_sessions();
    }

    fn forget_sessions(&mut self) {
        for seat in &mut self.seats {
            // What was answered ahead of a position is not kept.
            seat.perhaps.append(&mut seat.answered);
            seat.handed.clear();
            seat.last.clear();
            seat.paused.clear();
        }
    }

    /// The cursor has something before it that it should hand out.
    fn is_behind(&self, follower: usize) -> bool {
        let (destination, lane) = FOLLOWERS[follower];
        let (_, _, waiting) = sizes(&self.queue.status(), destination, lane);
        waiting > 0 && !self.due(follower).is_empty()
    }

    /// Everything that has no answer still comes.
    pub async fn finish(mut self) {
        for follower in 0..FOLLOWERS.len() {
            PersonType::ALL
                .iter()
                .for_each(|person_type| self.resume(follower, *person_type));
            self.cursors[follower].rewind();
            self.seats[follower].handed.clear();
            self.seats[follower].last.clear();
            let begun = Instant::now();
            // On a slow machine a read may take longer than one waits for a record that may have rotted.
            while self.read(follower).await
                || self.is_behind(follower) && begun.elapsed() < PATIENCE
            {
                self.answer(follower, 0, 0);
            }
            let lost = self.due(follower).len();
            assert!(
                lost <= self.rots,
                "{lost} lost by {} flipped bits",
                self.rots
            );
        }
        self.check_identity();
        self.queue.shutdown().await;
        let report = inspect::verify(self.dir.path()).unwrap();
        assert!(report.is_sound() || self.rots > 0, "{report:?}");
    }
}
