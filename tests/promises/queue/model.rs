//! Generated sequences of everything that can happen to a queue, against a plain list of what was appended.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use boxbridge::queue::{AppendError, Appended, Cursor, Outcome, Queue, Record, Settings, inspect};
use boxbridge_event::{Lane, PersonType, PictureKind, PictureVerdict, Sequence};
use proptest::prelude::*;

use crate::queue::support::{
    directory, entry, event_number, files, killed, picture, settings, step,
};

const FOLLOWERS: [(&str, Lane); 4] = [
    ("mqtt", Lane::Urgent),
    ("mqtt", Lane::Normal),
    ("store", Lane::Urgent),
    ("store", Lane::Normal),
];

#[derive(Clone, Debug)]
enum Action {
    Append {
        records: usize,
        person_type: usize,
        lane: usize,
        picture: bool,
    },
    Read {
        follower: usize,
        records: usize,
    },
    Answer {
        follower: usize,
        which: usize,
        records: usize,
        outcome: usize,
    },
    Rewind {
        follower: usize,
    },
    Pause {
        follower: usize,
        person_type: usize,
    },
    Resume {
        follower: usize,
        person_type: usize,
    },
    /// Time for cursors to be written, holes to be punched, segments to be deleted.
    Upkeep,
    Stop,
    Kill {
        damage: Damage,
    },
}

/// What else is found after a kill.
#[derive(Clone, Debug)]
enum Damage {
    None,
    /// Behind what was synced stands what was being written: noise, and blocks from elsewhere.
    Torn(u64),
    /// One bit.
    Rot(usize, usize),
}

fn action() -> impl Strategy<Value = Action> {
    let follower = 0..FOLLOWERS.len();
    let person_type = 0..3usize;
    let damage = prop_oneof![
        3 => Just(Damage::None),
        3 => any::<u64>().prop_map(Damage::Torn),
        1 => (any::<usize>(), any::<usize>()).prop_map(|(file, place)| Damage::Rot(file, place)),
    ];
    prop_oneof![
        6 => (1..8usize, person_type.clone(), 0..2usize, any::<bool>())
            .prop_map(|(records, person_type, lane, picture)| Action::Append { records, person_type, lane, picture }),
        6 => (follower.clone(), 1..20usize).prop_map(|(follower, records)| Action::Read { follower, records }),
        6 => (follower.clone(), any::<usize>(), 1..20usize, 0..3usize)
            .prop_map(|(follower, which, records, outcome)| Action::Answer { follower, which, records, outcome }),
        1 => follower.clone().prop_map(|follower| Action::Rewind { follower }),
        1 => (follower.clone(), person_type.clone()).prop_map(|(follower, person_type)| Action::Pause { follower, person_type }),
        1 => (follower, person_type).prop_map(|(follower, person_type)| Action::Resume { follower, person_type }),
        1 => Just(Action::Upkeep),
        1 => Just(Action::Stop),
        1 => damage.prop_map(|damage| Action::Kill { damage }),
    ]
}

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

struct World {
    dir: tempfile::TempDir,
    queue: Queue,
    cursors: Vec<Cursor>,
    seats: Vec<Seat>,
    /// By number, from 1.
    records: Vec<Known>,
    rots: usize,
}

fn tiny(dir: &Path) -> Settings {
    let upkeep_interval = Duration::from_millis(2);
    Settings {
        segment_bytes: 32 << 10,
        max_bytes: 3 << 20,
        replay_window: Duration::ZERO,
        upkeep_interval,
        ..settings(dir)
    }
}

fn start(dir: &Path) -> (Queue, Vec<Cursor>) {
    let queue = Queue::open(tiny(dir), &["mqtt", "store"]).expect("every start ends in serving");
    let cursors = FOLLOWERS
        .iter()
        .map(|(name, lane)| queue.cursor(name, *lane).unwrap())
        .collect();
    (queue, cursors)
}

impl World {
    fn new() -> World {
        let dir = directory();
        let (queue, cursors) = start(dir.path());
        let seats = FOLLOWERS.iter().map(|_| Seat::default()).collect();
        World {
            dir,
            queue,
            cursors,
            seats,
            records: Vec::new(),
            rots: 0,
        }
    }

    async fn act(&mut self, action: &Action) {
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

    /// Numbers that a follower must hand out before others of their type.
    fn due(&self, follower: usize) -> Vec<u64> {
        let seat = &self.seats[follower];
        let is_due = |(number, record): &(u64, &Known)| {
            record.lane == FOLLOWERS[follower].1
                && !seat.paused.contains(&record.person_type)
                && ![&seat.answered, &seat.perhaps, &seat.handed]
                    .iter()
                    .any(|set| set.contains(number))
        };
        (1..)
            .zip(&self.records)
            .filter(is_due)
            .map(|(number, _)| number)
            .collect()
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

    fn check_order(&self, follower: usize, number: u64, due: &[u64]) {
        let (seat, known) = (&self.seats[follower], &self.records[number as usize - 1]);
        assert!(
            !seat.paused.contains(&known.person_type),
            "{number} is paused"
        );
        assert!(!seat.answered.contains(&number), "{number} was answered");
        assert!(!seat.handed.contains(&number), "{number} came twice");
        assert!(
            seat.last
                .get(&known.person_type)
                .is_none_or(|last| *last < number),
            "{number} came out of order"
        );
        let overtaken = due.iter().find(|due| {
            **due < number && self.records[**due as usize - 1].person_type == known.person_type
        });
        assert!(
            self.rots > 0 || overtaken.is_none(),
            "{number} overtook {overtaken:?}"
        );
    }

    async fn check_pictures(&self, number: u64, record: &Record) {
        let known = &self.records[number as usize - 1];
        assert_eq!(record.has_pictures, known.has_picture);
        let is_given_up = self
            .seats
            .iter()
            .zip(FOLLOWERS)
            .any(|(seat, (name, _))| name == "store" && seat.ever_answered.contains(&number));
        match record.pictures().await {
            Ok(pictures) if known.has_picture => {
                assert_eq!(pictures, [picture(PictureKind::Scene, number, 3000)])
            }
            Ok(pictures) => assert!(pictures.is_empty()),
            Err(error) => assert!(is_given_up || self.rots > 0, "{error}"),
        }
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
        let before = self.queue.status().followers;
        self.queue.shutdown().await;
        (self.queue, self.cursors) = start(self.dir.path());
        let counts = |followers: &[boxbridge::queue::FollowerStatus]| {
            let counts = followers.iter().map(|follower| {
                (
                    follower.destination.clone(),
                    follower.lane,
                    follower.accepted,
                )
            });
            let mut counts: Vec<_> = counts.collect();
            counts.sort();
            counts
        };
        assert_eq!(counts(&before), counts(&self.queue.status().followers));
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
        (self.queue, self.cursors) = start(copy.path());
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

    fn check_identity(&self) {
        for follower in self.queue.status().followers {
            assert_eq!(follower.accepted, follower.tally.total() + follower.waiting);
            let appended = self
                .records
                .iter()
                .filter(|record| record.lane == follower.lane)
                .count() as u64;
            assert!(
                self.rots > 0 || follower.accepted == appended,
                "{} of {appended}",
                follower.accepted
            );
            assert!(
                self.rots > 0 || !follower.tally.expired.contains_key("rotten"),
                "{follower:?}"
            );
        }
    }

    /// Everything that has no answer still comes.
    async fn finish(mut self) {
        for follower in 0..FOLLOWERS.len() {
            PersonType::ALL
                .iter()
                .for_each(|person_type| self.resume(follower, *person_type));
            self.cursors[follower].rewind();
            self.seats[follower].handed.clear();
            self.seats[follower].last.clear();
            while self.read(follower).await {
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

/// Writes behind the last thing in the newest segment what a cut off write could have left there.
fn tear(dir: &Path, seed: u64) {
    let Some(path) = files(dir, "segment-").pop() else {
        return;
    };
    let mut bytes = std::fs::read(&path).unwrap();
    let end = bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| (last + 1).next_multiple_of(4096));
    let elsewhere = bytes[8192.min(bytes.len())..]
        .iter()
        .copied()
        .take(8192)
        .collect::<Vec<_>>();
    let noise = picture(PictureKind::Face, seed, 4096).bytes;
    let torn = if seed.is_multiple_of(2) {
        [elsewhere, noise.to_vec()].concat()
    } else {
        [noise.to_vec(), elsewhere].concat()
    };
    bytes
        .iter_mut()
        .skip(end)
        .zip(torn)
        .for_each(|(byte, torn)| *byte = torn);
    std::fs::write(&path, bytes).unwrap();
}

fn rot(dir: &Path, file: usize, place: usize) {
    let all = files(dir, "");
    let path = &all[file % all.len()];
    let mut bytes = std::fs::read(path).unwrap();
    let used: Vec<usize> = (0..bytes.len())
        .filter(|place| bytes[*place] != 0)
        .collect();
    if let Some(place) = used.get(place % used.len().max(1)) {
        bytes[*place] ^= 1 << (place % 8);
        std::fs::write(path, bytes).unwrap();
    }
}

/// Enough to find what was planted, in a few seconds; more where `PROPTEST_CASES` says so.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok())
        .unwrap_or(150)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 200, max_shrink_time: 60_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_queue_gives_what_a_plain_list_would(actions in proptest::collection::vec(action(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for action in &actions {
                world.act(action).await;
            }
            world.finish().await;
        });
    }
}
