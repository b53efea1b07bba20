//! Topics of single devices that are refused for now, and when each is tried again.
//!
//! Promises: for the first few tries the whole device waits, so that its order holds. From then on the topic waits alone, with its
//! own records in order, and only the lowest of them is tried. Remembered over sessions. Deliberately decides nothing about whole
//! classes: that is `flow`.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::topic_class::{ByTopicClass, TopicClass};
use boxbridge_event::Sequence;

/// A destination that is over its quota for a moment takes the second or third try, after 1 and 3 s. The alerts of a device do not wait
/// longer than that for another topic.
const TRIES_OF_A_DEVICE: u32 = 3;
/// The same where the answers themselves are slow.
const PATIENCE_OF_A_DEVICE: Duration = Duration::from_secs(5);
/// The first pause before another try, doubled up to the last: nobody has to do anything, and what waits is to go on soon.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
pub(super) const PAUSE_LAST: Duration = Duration::from_secs(8);
/// A setback that was not tried for so long is forgotten: its records went another way.
const REMEMBERED: Duration = Duration::from_secs(600);

#[derive(Default)]
pub(super) struct Setbacks {
    devices: HashMap<String, Vec<Setback>>,
}

/// Of one class on one device.
struct Setback {
    class: TopicClass,
    tries: u32,
    since: Instant,
    /// The next try.
    again: Instant,
    holds: Holds,
}

/// What waits.
enum Holds {
    Device,
    /// These records of the topic.
    Topic(BTreeSet<Sequence>),
}

impl Setback {
    fn new(class: TopicClass, now: Instant) -> Setback {
        Setback {
            class,
            tries: 0,
            since: now,
            again: now,
            holds: Holds::Device,
        }
    }

    fn refused(&mut self, now: Instant) {
        // Before the next try it is the answer to something that was on its way already.
        if self.again <= now {
            self.tries = self.tries.saturating_add(1);
            let doublings = (self.tries - 1).min(10);
            self.again = now + (PAUSE_FIRST * 2_u32.pow(doublings)).min(PAUSE_LAST);
        }

        let is_long = self.tries >= TRIES_OF_A_DEVICE || now - self.since >= PATIENCE_OF_A_DEVICE;
        if is_long && matches!(self.holds, Holds::Device) {
            self.holds = Holds::Topic(BTreeSet::new());
        }
    }

    fn waiting(&self) -> Option<&BTreeSet<Sequence>> {
        match &self.holds {
            Holds::Device => None,
            Holds::Topic(waiting) => Some(waiting),
        }
    }
}

impl Setbacks {
    pub fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// A record of this topic was refused for now; when it is tried again.
    pub fn refused(&mut self, device: &str, class: TopicClass, now: Instant) -> Instant {
        self.forget_old(now);

        let setbacks = self.devices.entry(device.to_owned()).or_default();
        let place = setbacks.iter().position(|setback| setback.class == class);
        let mut setback = place.map_or_else(
            || Setback::new(class, now),
            |place| setbacks.swap_remove(place),
        );
        setback.refused(now);

        let again = setback.again;
        setbacks.push(setback);
        again
    }

    /// The topic takes records: what waited for it.
    pub fn taken(&mut self, device: &str, class: TopicClass) -> BTreeSet<Sequence> {
        match self.end(device, |setback| setback.class == class) {
            Some(Holds::Topic(waiting)) => waiting,
            Some(Holds::Device) | None => BTreeSet::new(),
        }
    }

    /// The record that was refused is gone. Where it alone was known to be refused, nothing is known any more; else the next is tried.
    pub fn gone(&mut self, device: &str, class: TopicClass, now: Instant) {
        self.end(device, |setback| {
            setback.class == class && setback.waiting().is_none()
        });
        if let Some(setback) = self.get_mut(device, class) {
            setback.again = now;
        }
    }

    /// The class waits as a whole: what waited for its single topics.
    pub fn give_up(&mut self, class: TopicClass) -> BTreeSet<Sequence> {
        let mut waiting = BTreeSet::new();
        self.devices.retain(|_, setbacks| {
            let of_it = setbacks.extract_if(.., |setback| setback.class == class);
            waiting.extend(
                of_it
                    .filter_map(|setback| setback.waiting().cloned())
                    .flatten(),
            );
            !setbacks.is_empty()
        });
        waiting
    }

    /// Whether this topic waits alone.
    pub fn is_aside(&self, device: &str, class: TopicClass) -> bool {
        self.get(device, class)
            .is_some_and(|setback| setback.waiting().is_some())
    }

    pub fn has(&self, device: &str, class: TopicClass) -> bool {
        self.get(device, class).is_some()
    }

    /// Classes with which some device has a setback.
    pub fn troubled(&self) -> ByTopicClass<bool> {
        let mut troubled = ByTopicClass::default();
        self.all()
            .for_each(|(_, setback)| *troubled.of_mut(setback.class) = true);
        troubled
    }

    /// On how many devices this class is refused, and how many records wait for it alone.
    pub fn count(&self, class: TopicClass) -> (usize, usize) {
        self.of(class)
            .fold((0, 0), |(devices, records), (_, setback)| {
                let waiting = setback.waiting().map_or(0, BTreeSet::len);
                (devices + 1, records + waiting)
            })
    }

    /// Takes in a record of a topic that waits alone; false where it does not.
    pub fn put(&mut self, device: &str, class: TopicClass, sequence: Sequence) -> bool {
        let setback = self.get_mut(device, class);
        match setback.map(|setback| &mut setback.holds) {
            Some(Holds::Topic(waiting)) => {
                waiting.insert(sequence);
                true
            }
            Some(Holds::Device) | None => false,
        }
    }

    pub fn remove(&mut self, device: &str, class: TopicClass, sequence: Sequence) {
        if let Some(Setback {
            holds: Holds::Topic(waiting),
            ..
        }) = self.get_mut(device, class)
        {
            waiting.remove(&sequence);
        }
    }

    /// What waits for each topic that waits alone.
    pub fn waiting(&self) -> impl Iterator<Item = (&str, TopicClass, &BTreeSet<Sequence>)> {
        self.all()
            .filter_map(|(device, setback)| Some((device, setback.class, setback.waiting()?)))
    }

    /// The lowest record of each topic that waits alone and is to be tried again.
    pub fn due(&self, now: Instant) -> impl Iterator<Item = (TopicClass, Sequence)> {
        self.all()
            .filter(move |(_, setback)| setback.again <= now)
            .filter_map(|(_, setback)| Some((setback.class, *setback.waiting()?.first()?)))
    }

    /// The next tries of topics that wait alone. Where a device waits, its record has a deadline of its own.
    pub fn next_moments(&self) -> impl Iterator<Item = Instant> {
        let is_awaited = |setback: &Setback| setback.waiting().is_some_and(|set| !set.is_empty());
        self.all()
            .filter(move |(_, setback)| is_awaited(setback))
            .map(|(_, setback)| setback.again)
    }

    /// Nothing is in the window any more.
    pub fn forget_records(mut self) -> Setbacks {
        for setback in self.devices.values_mut().flatten() {
            if let Holds::Topic(waiting) = &mut setback.holds {
                waiting.clear();
            }
        }
        self
    }

    /// Those for which nothing waits any more, as far as one can see.
    pub fn forget_old(&mut self, now: Instant) {
        self.devices.retain(|_, setbacks| {
            setbacks.retain(|setback| {
                let is_awaited = setback.waiting().is_some_and(|set| !set.is_empty());
                is_awaited || setback.again + REMEMBERED > now
            });
            !setbacks.is_empty()
        });
    }

    fn end(&mut self, device: &str, is_it: impl Fn(&Setback) -> bool) -> Option<Holds> {
        let setbacks = self.devices.get_mut(device)?;
        let place = setbacks.iter().position(is_it)?;
        let ended = setbacks.swap_remove(place);

        if setbacks.is_empty() {
            self.devices.remove(device);
        }
        Some(ended.holds)
    }

    fn get(&self, device: &str, class: TopicClass) -> Option<&Setback> {
        let mut setbacks = self.devices.get(device)?.iter();
        setbacks.find(|setback| setback.class == class)
    }

    fn get_mut(&mut self, device: &str, class: TopicClass) -> Option<&mut Setback> {
        let mut setbacks = self.devices.get_mut(device)?.iter_mut();
        setbacks.find(|setback| setback.class == class)
    }

    fn of(&self, class: TopicClass) -> impl Iterator<Item = (&str, &Setback)> {
        self.all()
            .filter(move |(_, setback)| setback.class == class)
    }

    fn all(&self) -> impl Iterator<Item = (&str, &Setback)> {
        self.devices.iter().flat_map(|(device, setbacks)| {
            setbacks.iter().map(|setback| (device.as_str(), setback))
        })
    }
}
