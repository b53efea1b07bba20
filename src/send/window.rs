//! What is submitted and not yet answered, in one lane: which record may go next, which waits and for what.
//!
//! Promises: within a topic of a device nothing overtakes, but what kills the connection; within a device neither, but what is refused with
//! its topic. A record that waits for its pictures, or was just refused for a passing reason, holds back nothing but its device. A topic or
//! class that is refused again and again waits alone, and is probed with one record. A record that kills the connection is tried alone and
//! found out. Live records go before replayed ones, and what one may act on only as far as the line carries it in time. Bounded in records,
//! bytes, span and time, and never full of what does not flow. Pure bookkeeping: it is told the time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use boxbridge_event::{ByType, PersonType, Sequence, Timestamp};

mod answers;
mod device_order;
mod entry;
mod flow;
mod next;
mod overflow;
mod pace;
mod parked;
mod setbacks;
mod suspicion;
mod topic_class;

use entry::{Entry, State};
use flow::Flow;
use overflow::Left;
use pace::Pace;
use setbacks::Setbacks;
use suspicion::{Finding, Suspicion, Victim};

pub use answers::{Consequence, Extent};
pub use entry::{Awaits, Poison, Replayed, Traits};
pub use overflow::Reading;
pub use suspicion::Blame;
pub use topic_class::{ByTopicClass, Timeliness, TopicClass};

/// Records read ahead, as a multiple of the window: those that wait for pictures stand here.
const READ_AHEAD: usize = 4;

#[derive(Clone, Copy, Debug, Default)]
pub struct Limits {
    pub records: usize,
    pub bytes: usize,
}

/// Now, by the clock that runs and by the one that people read.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub at: Instant,
    pub clock: Timestamp,
}

pub struct Window<T> {
    settings: Limits,
    /// The smaller of the settings and what the session allows.
    limits: Limits,
    entries: BTreeMap<Sequence, Entry<T>>,
    /// Not yet submitted, per device, in order.
    devices: HashMap<String, VecDeque<Sequence>>,
    /// Heads of their device that wait for nothing; live ones first.
    ready: BTreeSet<(Replayed, Sequence)>,
    /// Live records, by type, and those that were left: a type that catches up does not bound the others.
    live: ByType<BTreeSet<Sequence>>,
    /// The newest of each type that was read, since reading last began again.
    newest: ByType<Sequence>,
    held_bytes: usize,
    /// How much of all that is replayed.
    replayed: Limits,
    /// Waiting for their pictures: looked at on every turn, so they are not searched for among all entries.
    waiting: BTreeSet<Sequence>,
    /// Waiting for pictures or for another try, by the moment at which that ends.
    deadlines: BTreeSet<(Instant, Sequence)>,
    /// Refused, and in front of their device until another try.
    retrying: BTreeSet<Sequence>,
    /// Out of their device's way, with their class or alone.
    parked: ByTopicClass<BTreeSet<Sequence>>,
    left: Left,
    /// There is no room, and nothing was answered since.
    full_since: Option<Instant>,
    submitted: BTreeMap<Sequence, TopicClass>,
    submitted_bytes: usize,
    /// Submitted once more after a refusal.
    resubmitted: BTreeSet<Sequence>,
    /// Nothing goes beside this one.
    alone: Option<Sequence>,
    flows: ByTopicClass<Flow>,
    setbacks: Setbacks,
    pace: Pace,
    suspicion: Option<Suspicion>,
    news: VecDeque<News>,
}

/// What the window found out, to be said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The connection dies on one record of it, which is held back.
    Held(TopicClass),
    /// The connection dies on several: the class waits.
    Paused(TopicClass),
}

/// A class of which records wait since they were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack {
    pub class: TopicClass,
    /// Of how many devices; `None` = of all.
    pub devices: Option<usize>,
    /// In the window: more may wait behind them.
    pub records: usize,
}

impl<T> Window<T> {
    pub fn new(settings: Limits, poison: Poison) -> Window<T> {
        Window {
            settings,
            limits: settings,
            entries: BTreeMap::new(),
            devices: HashMap::new(),
            ready: BTreeSet::new(),
            live: ByType::default(),
            newest: ByType::default(),
            held_bytes: 0,
            replayed: Limits::default(),
            waiting: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            retrying: BTreeSet::new(),
            parked: ByTopicClass::default(),
            left: Left::default(),
            full_since: None,
            submitted: BTreeMap::new(),
            submitted_bytes: 0,
            resubmitted: BTreeSet::new(),
            alone: None,
            flows: ByTopicClass::default(),
            setbacks: Setbacks::default(),
            pace: Pace::default(),
            suspicion: (poison == Poison::Possible).then(Suspicion::default),
            news: VecDeque::new(),
        }
    }

    /// A new session: nothing is in it yet; what was read before is read again.
    pub fn open(&mut self, session: Limits, now: Instant) {
        self.limits = Limits {
            records: self.settings.records.min(session.records).max(1),
            bytes: self.settings.bytes.min(session.bytes).max(1),
        };

        let suspicion = self.suspicion.as_mut();
        let finding = suspicion.and_then(|suspicion| suspicion.reached(now));
        let news = finding.map(|(class, finding)| match finding {
            Finding::Held => News::Held(class),
            Finding::Paused => News::Paused(class),
        });
        self.news.extend(news);
        self.forget_all();
    }

    /// There is no session: the destination is not there.
    pub fn unreachable(&mut self) {
        self.suspicion.iter_mut().for_each(Suspicion::unreachable);
    }

    /// The session is lost; `explained` by a reason that is no record's doing.
    pub fn lost(&mut self, explained: bool, now: Instant) -> Blame {
        let in_flight = self.in_flight();
        let suspicion = self.suspicion.as_mut().filter(|_| !explained);
        let blame = suspicion.map_or(Blame::Connection, |suspicion| {
            suspicion.death(&in_flight, now)
        });
        self.forget_all();
        blame
    }

    fn in_flight(&self) -> Vec<Victim> {
        let victim = |sequence: &Sequence| match self.entries.get(sequence)?.state {
            State::Submitted { class, at, .. } => Some(Victim {
                sequence: *sequence,
                class,
                submitted_at: at,
            }),
            _ => None,
        };
        self.submitted.keys().filter_map(victim).collect()
    }

    /// All but what was learned of the destination and of its connection.
    fn forget_all(&mut self) {
        let nothing = Window::new(self.settings, Poison::Impossible);
        *self = Window {
            limits: self.limits,
            flows: self.flows,
            setbacks: std::mem::take(&mut self.setbacks).forget_records(),
            pace: std::mem::take(&mut self.pace),
            suspicion: self.suspicion.take(),
            news: std::mem::take(&mut self.news),
            ..nothing
        };
        self.pace.restart();
    }

    /// Takes in a record. One that is here already stays as it is, and one behind others that were left is left too.
    pub fn admit(&mut self, traits: Traits<'_>, awaits: Awaits, payload: T, now: Now) {
        let sequence = traits.sequence;
        if self.entries.contains_key(&sequence) {
            return;
        }
        let entry = Entry::new(traits, awaits, payload);
        self.note_read(sequence, &entry);
        let class = self.class(&entry, now);
        if self.is_left(&entry, class, sequence) {
            return;
        }

        self.held_bytes += entry.held_bytes;
        if entry.replayed != Replayed::No {
            self.replayed.records += 1;
            self.replayed.bytes += entry.held_bytes;
        }
        let state = entry.state;
        self.entries.insert(sequence, entry);

        if self.is_held(sequence) {
            return self.park(sequence, class);
        }
        if let State::Waiting(until) = state {
            self.waiting.insert(sequence);
            until.map(|until| self.deadlines.insert((until, sequence)));
        }
        self.queue(sequence);
    }

    /// How far the records of a type are apart.
    fn note_read(&mut self, sequence: Sequence, entry: &Entry<T>) {
        if entry.replayed == Replayed::No {
            let newest = self.newest.of_mut(entry.person_type);
            *newest = sequence.max(*newest);
            self.live.of_mut(entry.person_type).insert(sequence);
        }
    }

    /// Records that wait for their pictures.
    pub fn waiting(&self) -> impl Iterator<Item = Sequence> {
        self.waiting.iter().copied()
    }

    /// Its pictures are settled, or it may be tried again.
    pub fn release(&mut self, sequence: Sequence) {
        let Some(entry) = self.entries.get_mut(&sequence) else {
            return;
        };
        let until = match entry.state {
            State::Waiting(until) => until,
            State::Retrying(until) => Some(until),
            State::Queued | State::Parked(_) | State::Submitted { .. } => return,
        };
        entry.state = State::Queued;

        let device = entry.device.clone();
        self.waiting.remove(&sequence);
        until.map(|until| self.deadlines.remove(&(until, sequence)));
        self.look_at_head(&device);
    }

    /// Ends the waits that are over.
    pub fn tick(&mut self, now: Now) {
        while let Some((until, sequence)) = self.deadlines.first().copied()
            && until <= now.at
        {
            self.deadlines.remove(&(until, sequence));
            self.release(sequence);
        }

        self.flows.values_mut().for_each(|flow| flow.tick(now.at));
        self.setbacks.forget_old(now.at);
        self.unpark_late(now);
    }

    /// The cause for which records of this type wait is said to be gone: one of them is tried at once.
    pub fn resume(&mut self, person_type: PersonType) {
        for class in TopicClass::all().filter(|class| class.person_type == person_type) {
            self.flows.of_mut(class).resume();
        }
    }

    /// The next moment, after this one, at which time alone changes something.
    pub fn next_moment(&self, now: Instant) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(until, _)| *until);
        let pauses = self.flows.iter();
        let pauses = pauses.filter_map(|(_, flow)| flow.paused_until());
        let trials = self.suspicion.iter().flat_map(Suspicion::next_moments);
        deadline
            .into_iter()
            .chain(pauses)
            .chain(self.stands_still_at())
            .chain(self.setbacks.next_moments())
            .chain(trials)
            .filter(|moment| *moment > now)
            .min()
    }

    pub fn payload(&self, sequence: Sequence) -> Option<&T> {
        self.entries.get(&sequence).map(|entry| &entry.payload)
    }

    pub fn payload_mut(&mut self, sequence: Sequence) -> Option<&mut T> {
        self.entries
            .get_mut(&sequence)
            .map(|entry| &mut entry.payload)
    }

    /// How often it has been submitted, and with which class it is under way.
    pub fn attempts(&self, sequence: Sequence) -> (u32, Option<TopicClass>) {
        let entry = self.entries.get(&sequence);
        let class = self.submitted.get(&sequence).copied();
        (entry.map_or(0, |entry| entry.attempts), class)
    }

    /// With which it would be sent now.
    pub fn class_of(&self, sequence: Sequence, now: Now) -> Option<TopicClass> {
        let entry = self.entries.get(&sequence)?;
        Some(self.class(entry, now))
    }

    /// What is to be said.
    pub fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// The person types that do not flow, on one of their topics.
    pub fn paused(&self) -> impl Iterator<Item = PersonType> {
        TopicClass::all()
            .filter(|class| self.is_closed(*class))
            .map(|class| class.person_type)
    }

    /// It was refused when the last run ended.
    pub fn begin_refused(&mut self, class: TopicClass, now: Instant) {
        *self.flows.of_mut(class) = Flow::refused_before(now);
    }

    /// The classes that wait since they were refused again and again.
    pub fn refused_classes(&self) -> impl Iterator<Item = TopicClass> {
        self.flows
            .iter()
            .filter_map(|(class, flow)| flow.is_refused().then_some(class))
    }

    /// What waits since it was refused, by class.
    pub fn held_back(&self) -> impl Iterator<Item = HeldBack> {
        TopicClass::all().filter_map(|class| {
            let (devices, aside) = self.setbacks.count(class);
            let is_closed = self.is_closed(class);
            if !is_closed && devices == 0 {
                return None;
            }
            Some(HeldBack {
                class,
                devices: Some(devices).filter(|_| !is_closed),
                records: aside + self.parked.of(class).len() + self.behind(class),
            })
        })
    }

    /// Records of devices that wait for another try with this class.
    fn behind(&self, class: TopicClass) -> usize {
        let refused = self.retrying.iter().filter_map(|sequence| {
            let entry = self.entries.get(sequence)?;
            let queue = self.devices.get(&entry.device)?;
            let (refused, _) = entry.refused?;
            (refused == class && queue.front() == Some(sequence)).then_some(queue.len())
        });
        refused.sum()
    }
}

#[cfg(test)]
mod tests;
