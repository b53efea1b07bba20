//! A model of the delivery loop and of a broker that hangs up, with a clock of its own.
//!
//! As the loop does it: submit after every single record that was read, and read from the lowest unanswered one in each session.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// What the loop pauses between two sessions: `gateway::deliver`.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(4);
const CONNECTS: Duration = Duration::from_millis(5);
const ROUND_TRIP: Duration = Duration::from_millis(2);

#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub device: u64,
    pub person_type: PersonType,
    pub is_poison: bool,
}

/// What the broker does to whatever is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weather {
    Calm,
    /// It is killed with something in flight, one time in three, and is away for a while.
    Killed,
    /// It takes connections and dies on the first publication.
    DiesOnAll,
}

pub struct World {
    pub window: Window<()>,
    pub now: Instant,
    pub start: Instant,
    pub items: Vec<Item>,
    pub denied: BTreeSet<PersonType>,
    pub weather: Weather,
    /// Connections that end for no reason, still to come.
    pub flaps: u32,
    pub flaps_one_in: u64,
    chance: u64,
    pub delivered: Vec<(u64, Instant)>,
    settled: BTreeSet<u64>,
    pub aside: BTreeSet<u64>,
    /// Suspected at some time: may have been overtaken.
    held: BTreeSet<u64>,
    /// Types that stood aside at some time.
    waited: BTreeSet<PersonType>,
    paused: BTreeSet<PersonType>,
    pub said: BTreeMap<PersonType, News>,
    pub sessions: u32,
}

impl World {
    pub fn new(items: Vec<Item>, denied: &[PersonType], seed: u64) -> World {
        let start = Instant::now();
        World {
            window: Window::new(
                Limits {
                    records: 50,
                    bytes: 1 << 20,
                },
                Poison::Possible,
            ),
            now: start,
            start,
            items,
            denied: denied.iter().copied().collect(),
            weather: Weather::Calm,
            flaps: 0,
            flaps_one_in: 20,
            chance: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            delivered: Vec::new(),
            settled: BTreeSet::new(),
            aside: BTreeSet::new(),
            held: BTreeSet::new(),
            waited: BTreeSet::new(),
            paused: BTreeSet::new(),
            said: BTreeMap::new(),
            sessions: 0,
        }
    }

    fn one_in(&mut self, of: u64) -> bool {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 16).is_multiple_of(of)
    }

    fn at(&self) -> Now {
        Now {
            at: self.now,
            clock: Timestamp(0),
        }
    }

    pub fn item(&self, sequence: u64) -> Item {
        self.items[sequence as usize - 1]
    }

    pub fn is_settled(&self, sequence: u64) -> bool {
        self.settled.contains(&sequence)
    }

    /// Runs the loop until `end`, or until nothing is left to do.
    pub fn run(&mut self, end: Instant) {
        let (mut attempts, mut away) = (0, 0);
        while self.now < end {
            self.now += CONNECTS;
            let blame = if away > 0 {
                away -= 1;
                self.window.unreachable();
                Blame::Connection
            } else {
                self.window.open(
                    Limits {
                        records: 1000,
                        bytes: 1 << 20,
                    },
                    self.now,
                );
                self.sessions += 1;
                self.take_news();
                let before = self.delivered.len();
                if !self.session(end) {
                    return;
                }
                if self.delivered.len() > before {
                    attempts = 0;
                }
                if self.weather == Weather::Killed {
                    away = 1 + u32::from(self.one_in(2));
                }
                self.window.lost(false, self.now)
            };
            match blame {
                Blame::Record => self.now += RETRY_FIRST,
                Blame::Connection => {
                    attempts += 1;
                    self.now +=
                        (RETRY_FIRST * 2_u32.saturating_pow(attempts.min(16))).min(RETRY_MAX);
                }
            }
        }
    }

    /// One session, until it dies (true) or the end has come.
    fn session(&mut self, end: Instant) -> bool {
        let mut read = 0;
        let mut wire: VecDeque<u64> = VecDeque::new();
        loop {
            self.window.tick(self.at());
            while let Some(sequence) = self.window.next_ready(self.at()) {
                self.window.submitted(sequence, 1, self.at());
                wire.push_back(sequence.0);
            }
            let is_paused = |person_type| self.paused.contains(&person_type);
            for reading in self.window.make_room(self.now, is_paused) {
                match reading {
                    Reading::Pause(person_type) => drop(self.paused.insert(person_type)),
                    Reading::Resume(person_type) => {
                        self.paused.remove(&person_type);
                        read = 0;
                    }
                    Reading::Again(from) => read = read.min(from.0 as usize - 1),
                }
            }
            self.take_news();
            self.waited.extend(
                TopicClass::all()
                    .filter(|class| self.window.is_closed(*class))
                    .map(|t| t.person_type),
            );
            if self.read_one(&mut read) {
                // Sometimes an answer comes between two records.
                if !self.one_in(5) {
                    continue;
                }
            }
            match wire.pop_front() {
                Some(sequence) => {
                    self.now += ROUND_TRIP;
                    if self.dies_on(sequence) {
                        return true;
                    }
                    if self.settled.insert(sequence) {
                        self.delivered.push((sequence, self.now));
                    }
                    self.window.taken(Sequence(sequence), self.now);
                }
                None if read < self.items.len() => {}
                None => match self
                    .window
                    .next_moment(self.now)
                    .filter(|moment| *moment < end)
                {
                    Some(moment) => self.now = moment,
                    None => {
                        self.now = end;
                        return false;
                    }
                },
            }
        }
    }

    fn dies_on(&mut self, sequence: u64) -> bool {
        let item = self.item(sequence);
        let is_refused = item.is_poison || self.denied.contains(&item.person_type);
        let is_flap = self.flaps > 0 && self.one_in(self.flaps_one_in);
        self.flaps -= u32::from(is_flap);
        is_refused
            || is_flap
            || self.weather == Weather::DiesOnAll
            || (self.weather == Weather::Killed && self.one_in(3))
    }

    /// Reads the next record that is to be had; false if there is none.
    fn read_one(&mut self, read: &mut usize) -> bool {
        while *read < self.items.len() && self.window.has_room() {
            *read += 1;
            let sequence = *read as u64;
            let item = self.item(sequence);
            if self.is_settled(sequence) || self.paused.contains(&item.person_type) {
                continue;
            }
            if self.window.is_condemned(Sequence(sequence)) {
                self.aside.insert(sequence);
                self.settled.insert(sequence);
                self.window.condemned(Sequence(sequence));
                return true;
            }
            if self.window.is_held(Sequence(sequence)) {
                self.held.insert(sequence);
            }
            let device = item.device.to_string();
            let traits = Traits {
                person_type: item.person_type,
                ..record(sequence, &device)
            };
            self.window.admit(traits, Awaits::Nothing, (), self.at());
            return true;
        }
        false
    }

    fn take_news(&mut self) {
        while let Some(news) = self.window.news() {
            let (News::Held(class) | News::Paused(class)) = news;
            self.said.insert(class.person_type, news);
        }
    }

    fn innocents(&self) -> Vec<u64> {
        let numbers = 1..=self.items.len() as u64;
        numbers
            .filter(|sequence| {
                !self.item(*sequence).is_poison
                    && !self.denied.contains(&self.item(*sequence).person_type)
            })
            .collect()
    }

    pub fn poison(&self) -> BTreeSet<u64> {
        (1..=self.items.len() as u64)
            .filter(|sequence| self.item(*sequence).is_poison)
            .collect()
    }

    pub fn assert_delivered(&self, within: Duration, story: &str) {
        for sequence in self.innocents() {
            let arrived = self
                .delivered
                .iter()
                .find(|(other, _)| *other == sequence)
                .map(|(_, at)| *at - self.start);
            assert!(
                arrived.is_some_and(|took| took < within),
                "{story}: {sequence} {:?} arrived {arrived:?}",
                self.item(sequence)
            );
        }
    }

    /// Per device; what waited with its class may have been overtaken by other types, and a suspect by all.
    pub fn assert_order(&self, story: &str) {
        for device in 0..4 {
            let of_device = self
                .delivered
                .iter()
                .map(|(sequence, _)| *sequence)
                .filter(|s| self.item(*s).device == device);
            let of_device: Vec<_> = of_device
                .filter(|sequence| !self.held.contains(sequence))
                .collect();
            let is_in_order = |of_type: &dyn Fn(PersonType) -> bool| {
                of_device
                    .iter()
                    .filter(|sequence| of_type(self.item(**sequence).person_type))
                    .is_sorted()
            };
            assert!(
                is_in_order(&|person_type| !self.waited.contains(&person_type)),
                "{story}: device {device}: {of_device:?}"
            );
            for one in PersonType::ALL {
                assert!(
                    is_in_order(&|person_type| person_type == *one),
                    "{story}: device {device}, {one}: {of_device:?}"
                );
            }
        }
    }
}

pub fn items(types: &[PersonType], count: u64, poison: &[u64], seed: u64) -> Vec<Item> {
    let mut chance = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
    let mut next = |of: u64| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        (chance >> 16) % of
    };
    let item = |sequence| Item {
        device: next(4),
        person_type: types[next(types.len() as u64) as usize],
        is_poison: poison.contains(&sequence),
    };
    (1..=count).map(item).collect()
}
