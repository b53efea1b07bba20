//! Order per device and topic, and per device until a topic waits alone; nothing silenced by another device or topic. Over passing refusals,
//! forbidden types, deaths and restarts, at random.
//!
//! A model of log, loop and broker with a clock of its own. What was on its way when another of its device was refused for the first time in a
//! session may overtake that one: no window of more than one record can help it.

mod stories;

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const ROUND_TRIP: Duration = Duration::from_millis(3);
const RECORDS: usize = 8;
/// A record of a device that the broker likes, of a type that flows, takes no longer.
const SOON: Duration = Duration::from_secs(5);
/// The same where another topic of its device is refused: three tries of that come first, as often as the refusals begin.
const AFTER_THREE_TRIES: Duration = Duration::from_secs(9);

#[derive(Clone, Copy, Debug)]
struct Item {
    device: u64,
    person_type: PersonType,
    /// When it is appended.
    at: Instant,
}

/// What the broker says no to, and for how long.
struct Refusal {
    of: Of,
    from: Instant,
    until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// For now.
    Device(u64),
    /// For now, on every device.
    TypeForNow(PersonType),
    /// For now, one type on one device.
    Topic(u64, PersonType),
    /// As for a missing permission.
    Type(PersonType),
}

impl Of {
    fn is_of(self, item: Item) -> bool {
        match self {
            Of::Device(device) => device == item.device,
            Of::Topic(device, person_type) => {
                (device, person_type) == (item.device, item.person_type)
            }
            Of::Type(person_type) | Of::TypeForNow(person_type) => person_type == item.person_type,
        }
    }
}

struct Post {
    window: Window<()>,
    now: Instant,
    items: Vec<Item>,
    refusals: Vec<Refusal>,
    /// One answer in so many is the death of the connection, or of the process.
    dies: Option<u64>,
    chance: u64,
    read: usize,
    wire: VecDeque<u64>,
    settled: BTreeSet<u64>,
    delivered: Vec<(u64, Instant)>,
    /// Suspected of killing the connection at some time.
    held: BTreeSet<u64>,
    /// Refused in this session.
    refused: BTreeSet<u64>,
    /// Who may overtake whom.
    overtakes: BTreeMap<u64, BTreeSet<u64>>,
    /// When a type was last seen to be closed.
    closed: BTreeMap<PersonType, Instant>,
    /// When a topic was last seen to wait alone.
    aside: BTreeMap<(u64, PersonType), Instant>,
    story: String,
}

fn chance(seed: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
}

fn one_of(chance: &mut u64, of: u64) -> u64 {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    (*chance >> 16) % of
}

impl Post {
    fn new(items: Vec<Item>, refusals: Vec<Refusal>, seed: u64, story: &str) -> Post {
        let now = items.first().map_or_else(Instant::now, |item| item.at);
        let mut window = Window::new(limits(RECORDS), Poison::Possible);
        window.open(limits(RECORDS), now);
        Post {
            window,
            now,
            items,
            refusals,
            dies: None,
            chance: chance(seed),
            read: 0,
            wire: VecDeque::new(),
            settled: BTreeSet::new(),
            delivered: Vec::new(),
            held: BTreeSet::new(),
            refused: BTreeSet::new(),
            overtakes: BTreeMap::new(),
            closed: BTreeMap::new(),
            aside: BTreeMap::new(),
            story: format!("{story}, seed {seed}"),
        }
    }

    fn item(&self, sequence: u64) -> Item {
        self.items[sequence as usize - 1]
    }

    fn run(&mut self) {
        let end = self.now + MINUTE * 30;
        while self.settled.len() < self.items.len() {
            assert!(
                self.now < end,
                "{}: {} of {} settled in half an hour",
                self.story,
                self.settled.len(),
                self.items.len()
            );
            let now = at(self.now);
            self.window.tick(now);
            while let Some(sequence) = self.window.next_ready(now) {
                self.window.submitted(sequence, 1, now);
                self.wire.push_back(sequence.0);
            }
            for reading in self.window.make_room(self.now, |_| false) {
                let Reading::Again(from) = reading else {
                    panic!("{}: {reading:?}", self.story)
                };
                self.read = self.read.min(from.0 as usize - 1);
            }
            let closed: Vec<_> = self.window.paused().collect();
            closed
                .into_iter()
                .for_each(|person_type| _ = self.closed.insert(person_type, self.now));
            let aside = self.window.setbacks.waiting();
            let aside: Vec<_> = aside
                .map(|(device, class, _)| (device.parse().unwrap(), class.person_type))
                .collect();
            aside
                .into_iter()
                .for_each(|topic| _ = self.aside.insert(topic, self.now));
            // Sometimes an answer comes between two records.
            if self.read_one() && (self.wire.is_empty() || one_of(&mut self.chance, 5) > 0) {
                continue;
            }
            match self.wire.pop_front() {
                Some(sequence) => self.answer(sequence),
                None => self.wait(end),
            }
        }
    }

    fn read_one(&mut self) -> bool {
        while self.window.has_room()
            && self
                .items
                .get(self.read)
                .is_some_and(|item| item.at <= self.now)
        {
            self.read += 1;
            let sequence = self.read as u64;
            if self.settled.contains(&sequence) {
                continue;
            }
            let Item {
                device,
                person_type,
                ..
            } = self.item(sequence);
            if self.window.is_held(Sequence(sequence)) {
                self.held.insert(sequence);
            }
            let device = device.to_string();
            let traits = Traits {
                person_type,
                ..record(sequence, &device)
            };
            self.window.admit(traits, Awaits::Nothing, (), at(self.now));
            return true;
        }
        false
    }

    fn wait(&mut self, end: Instant) {
        let next = self
            .items
            .get(self.read)
            .filter(|_| self.window.has_room())
            .map(|item| item.at.max(self.now));
        let moment = self
            .window
            .next_moment(self.now)
            .into_iter()
            .chain(next)
            .min();
        self.now = moment.unwrap_or(end);
    }

    fn answer(&mut self, sequence: u64) {
        self.now += ROUND_TRIP;
        if self
            .dies
            .is_some_and(|dies| one_of(&mut self.chance, dies) == 0)
        {
            return self.die();
        }
        let item = self.item(sequence);
        let is_on = |refusal: &&Refusal| refusal.from <= self.now && self.now < refusal.until;
        let no = self.refusals.iter().filter(is_on).map(|refusal| refusal.of);
        let no: Vec<_> = no.filter(|of| of.is_of(item)).collect();
        let reason = match no.as_slice() {
            [] => {
                self.assert_no_overtaking(sequence);
                self.settled.insert(sequence);
                self.delivered.push((sequence, self.now));
                self.window.taken(Sequence(sequence), self.now);
                return;
            }
            [Of::Type(_), ..] => Reason::NotAuthorised,
            [_, ..] => Reason::Passing,
        };
        if self.refused.insert(sequence) {
            let beside: Vec<_> = self
                .wire
                .iter()
                .copied()
                .filter(|other| self.item(*other).device == item.device)
                .collect();
            self.overtakes.entry(sequence).or_default().extend(beside);
        }
        if refuse(&mut self.window, sequence, reason, self.now) {
            assert_eq!(
                reason,
                Reason::NotAuthorised,
                "{}: what passes is never set aside",
                self.story
            );
            self.settled.insert(sequence);
        }
    }

    fn die(&mut self) {
        self.window.lost(false, self.now);
        self.wire.clear();
        self.refused.clear();
        self.read = 0;
        self.now += Duration::from_millis(100);
        if one_of(&mut self.chance, 4) == 0 {
            self.window = Window::new(limits(RECORDS), Poison::Possible);
        }
        self.window.open(limits(RECORDS), self.now);
    }

    /// Of its device nothing that came before it is still to come, but for what may be overtaken.
    fn assert_no_overtaking(&self, sequence: u64) {
        let item = self.item(sequence);
        for before in 1..sequence {
            let other = self.item(before);
            if other.device != item.device
                || self.settled.contains(&before)
                || self.held.contains(&before)
            {
                continue;
            }
            let was_paused = self
                .closed
                .get(&other.person_type)
                .is_some_and(|closed| *closed >= other.at);
            let may = self
                .overtakes
                .get(&before)
                .is_some_and(|overtakers| overtakers.contains(&sequence));
            let was_aside = self
                .aside
                .get(&(other.device, other.person_type))
                .is_some_and(|aside| *aside >= other.at);
            let is_other_topic = other.person_type != item.person_type;
            assert!(
                may || ((was_paused || was_aside) && is_other_topic),
                "{}: {sequence} {item:?} overtakes {before} {other:?}",
                self.story
            );
        }
    }

    /// What nobody refuses is not late because of what somebody refuses.
    fn assert_nobody_is_silenced(&self) {
        for (sequence, arrived) in &self.delivered {
            let item = self.item(*sequence);
            let is_refused = |refusal: &Refusal| refusal.of.is_of(item);
            let is_beside = |refusal: &Refusal| match refusal.of {
                Of::Topic(device, _) => device == item.device,
                Of::TypeForNow(_) => true,
                Of::Device(_) | Of::Type(_) => false,
            };
            let soon = if self.refusals.iter().any(is_beside) {
                AFTER_THREE_TRIES
            } else {
                SOON
            };
            let was_paused = self
                .closed
                .get(&item.person_type)
                .is_some_and(|closed| *closed >= item.at);
            if self.refusals.iter().any(is_refused) || was_paused {
                continue;
            }
            assert!(
                *arrived - item.at < soon,
                "{}: {sequence} {item:?} took {:?}",
                self.story,
                *arrived - item.at
            );
        }
    }
}
