//! What is submitted and not yet answered, in one lane: which record may go next, which waits and for what.
//!
//! Promises: within a device nothing overtakes, but what is refused with its whole template or kills the connection; a record that waits for its
//! pictures, or was refused for a passing reason, holds back nothing but its device; a template that is refused again and again waits, and is
//! probed with one record; a record that kills the connection is tried alone and found out; live records go before replayed ones, and what one
//! may act on only as far as the line carries it in time. Bounded in records, bytes, span and time, and never full of what does not flow. Pure
//! bookkeeping: it is told the time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::time::{Duration, Instant};

use boxbridge_event::{PersonType, Sequence, Timestamp};

mod entry;
mod flow;
mod overflow;
mod pace;
mod parked;
mod refused;
mod suspicion;
mod template;

use entry::{Entry, State};
use flow::Flow;
use overflow::Left;
use pace::Pace;
use suspicion::{Finding, Suspicion, Victim};

pub use entry::{Awaits, Poison, Replayed, Traits};
pub use overflow::Reading;
pub use refused::{Consequence, Extent};
pub use suspicion::Blame;
pub use template::{Template, Timeliness};

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
    live: [BTreeSet<Sequence>; PersonType::ALL.len()],
    /// The newest of each type that was read, since reading last began again.
    newest: [Sequence; PersonType::ALL.len()],
    held_bytes: usize,
    /// How much of all that is replayed.
    replayed: Limits,
    /// Waiting for their pictures: looked at on every turn, so they are not searched for among all entries.
    waiting: BTreeSet<Sequence>,
    /// Waiting for pictures or for another try, by the moment at which that ends.
    deadlines: BTreeSet<(Instant, Sequence)>,
    /// Refused, and in front of their device until another try.
    retrying: BTreeSet<Sequence>,
    /// Out of their device's way, with their template or alone.
    parked: [BTreeSet<Sequence>; Template::COUNT],
    left: Left,
    /// Types that are not read now.
    unread: [bool; PersonType::ALL.len()],
    /// There is no room, and nothing was answered since.
    full_since: Option<Instant>,
    submitted: BTreeSet<Sequence>,
    submitted_bytes: usize,
    /// Submitted once more after a refusal.
    resubmitted: BTreeSet<Sequence>,
    /// Nothing goes beside this one.
    alone: Option<Sequence>,
    flows: [Flow; Template::COUNT],
    pace: Pace,
    suspicion: Option<Suspicion>,
    news: VecDeque<News>,
}

/// What the window found out, to be said once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// The connection dies on one record of it, which is held back.
    Held(Template),
    /// The connection dies on several: the template waits.
    Paused(Template),
    /// What was said to be refused for now is taken.
    TakenAgain(Template),
}

impl<T> Window<T> {
    pub fn new(settings: Limits, poison: Poison) -> Window<T> {
        Window {
            settings,
            limits: settings,
            entries: BTreeMap::new(),
            devices: HashMap::new(),
            ready: BTreeSet::new(),
            live: Default::default(),
            newest: Default::default(),
            held_bytes: 0,
            replayed: Limits::default(),
            waiting: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            retrying: BTreeSet::new(),
            parked: Default::default(),
            left: Left::default(),
            unread: Default::default(),
            full_since: None,
            submitted: BTreeSet::new(),
            submitted_bytes: 0,
            resubmitted: BTreeSet::new(),
            alone: None,
            flows: [Flow::OPEN; Template::COUNT],
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
        let finding = self
            .suspicion
            .as_mut()
            .and_then(|suspicion| suspicion.reached(now));
        self.news
            .extend(finding.map(|(template, finding)| match finding {
                Finding::Held => News::Held(template),
                Finding::Paused => News::Paused(template),
            }));
        self.forget_all();
    }

    /// There is no session: the destination is not there.
    pub fn unreachable(&mut self) {
        self.suspicion.iter_mut().for_each(Suspicion::unreachable);
    }

    /// The session is lost; `explained` by a reason that is no record's doing.
    pub fn lost(&mut self, explained: bool, now: Instant) -> Blame {
        let in_flight =
            self.submitted
                .iter()
                .filter_map(|sequence| match self.entries.get(sequence)?.state {
                    State::Submitted { template, at, .. } => Some(Victim {
                        sequence: *sequence,
                        template,
                        submitted_at: at,
                    }),
                    _ => None,
                });
        let in_flight: Vec<_> = in_flight.collect();
        let suspicion = self.suspicion.as_mut().filter(|_| !explained);
        let blame = suspicion.map_or(Blame::Connection, |suspicion| {
            suspicion.death(&in_flight, now)
        });
        self.forget_all();
        blame
    }

    /// All but what was learned of the destination and of its connection.
    fn forget_all(&mut self) {
        let nothing = Window::new(self.settings, Poison::Impossible);
        *self = Window {
            limits: self.limits,
            unread: self.unread,
            flows: self.flows,
            pace: std::mem::take(&mut self.pace),
            suspicion: self.suspicion.take(),
            news: std::mem::take(&mut self.news),
            ..nothing
        };
        self.pace.restart();
    }

    /// Takes in a record. One that is here already stays as it is, and one behind others that were left is left too.
    pub fn admit(&mut self, traits: Traits<'_>, awaits: Awaits, payload: T, now: Now) {
        let Traits {
            sequence,
            device,
            person_type,
            replayed,
            act_before,
            held_bytes,
        } = traits;
        if self.entries.contains_key(&sequence) {
            return;
        }
        if replayed == Replayed::No {
            let number = usize::from(person_type.number());
            self.live[number].insert(sequence);
            self.newest[number] = self.newest[number].max(sequence);
        }
        let state = match awaits {
            Awaits::Nothing => State::Queued,
            Awaits::Pictures => State::Waiting(None),
            Awaits::PicturesUntil(until) => State::Waiting(Some(until)),
        };
        let device = device.to_owned();
        let entry = Entry {
            device,
            person_type,
            replayed,
            act_before,
            held_bytes,
            state,
            attempts: 0,
            refused: None,
            payload,
        };
        let template = self.template(&entry, now);
        if self.is_left(&entry, template, sequence) {
            return;
        }

        self.held_bytes += held_bytes;
        if replayed == Replayed::Yes {
            self.replayed.records += 1;
            self.replayed.bytes += held_bytes;
        }
        self.entries.insert(sequence, entry);
        if self.is_held(sequence) {
            return self.park(sequence, template);
        }
        if let State::Waiting(until) = state {
            self.waiting.insert(sequence);
            until.map(|until| self.deadlines.insert((until, sequence)));
        }
        self.queue(sequence);
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
        while let Some((until, sequence)) = self
            .deadlines
            .first()
            .copied()
            .filter(|(until, _)| *until <= now.at)
        {
            self.deadlines.remove(&(until, sequence));
            self.release(sequence);
        }
        self.flows.iter_mut().for_each(|flow| flow.tick(now.at));
        self.unpark_late(now);
    }

    /// The next moment, after this one, at which time alone changes something.
    pub fn next_moment(&self, now: Instant) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|(until, _)| *until);
        let pauses = self
            .flows
            .iter()
            .filter_map(Flow::paused_until)
            .chain(self.stands_still_at());
        let trials = self.suspicion.iter().flat_map(Suspicion::next_moments);
        deadline
            .into_iter()
            .chain(pauses)
            .chain(trials)
            .filter(|moment| *moment > now)
            .min()
    }

    /// How long what is handed over now stands behind what is under way.
    pub fn expected_wait(&self) -> Duration {
        self.pace.wait(self.submitted_bytes)
    }

    /// The oldest live record that may be submitted now, else the oldest replayed one; before them, what is to be tried.
    pub fn next_ready(&mut self, now: Now) -> Option<Sequence> {
        let records = self
            .suspicion
            .as_ref()
            .map_or(self.limits.records, |suspicion| {
                suspicion.trusts(self.limits.records)
            });
        if self.alone.is_some()
            || self.submitted.len() >= records
            || self.submitted_bytes >= self.limits.bytes
        {
            return None;
        }
        let flowing = self.next_flowing(now);
        if let Some(trial) = self.next_trial(now) {
            self.alone = Some(trial).filter(|_| self.submitted.is_empty());
            return self.alone;
        }
        self.next_probe().or(flowing)
    }

    /// Parks what may not flow, on its way.
    fn next_flowing(&mut self, now: Now) -> Option<Sequence> {
        let is_troubled = !self.resubmitted.is_empty() || self.flows.iter().any(Flow::is_troubled);
        let mut behind = None;
        loop {
            let after = behind.map_or(Bound::Unbounded, Bound::Excluded);
            let place = *self.ready.range((after, Bound::Unbounded)).next()?;
            let (_, sequence) = place;
            let entry = self.entries.get(&sequence)?;
            let template = self.template(entry, now);
            if self.is_closed(template) || self.is_left(entry, template, sequence) {
                self.park(sequence, template);
                continue;
            }
            if is_troubled && self.is_in_doubt(&entry.device) {
                behind = Some(place);
                continue;
            }
            // What comes behind it would keep the line full.
            let has_time =
                template.timeliness == Timeliness::Late || self.submitted_bytes < self.pace.limit();
            return has_time.then_some(sequence);
        }
    }

    /// Whether something of this device is under way that may well be refused for now: the next would overtake it, whatever its type.
    fn is_in_doubt(&self, device: &str) -> bool {
        let is_of_it = |sequence: &Sequence, entry: &Entry<T>| match entry.state {
            State::Submitted { template, .. } => {
                let is_doubtful = self.flows[template.index()].is_troubled()
                    || self.resubmitted.contains(sequence);
                is_doubtful && entry.device == device
            }
            _ => false,
        };
        self.submitted.iter().any(|sequence| {
            self.entries
                .get(sequence)
                .is_some_and(|entry| is_of_it(sequence, entry))
        })
    }

    /// Of a record, if it were handed over now.
    fn template(&self, entry: &Entry<T>, now: Now) -> Template {
        let arrives = now.clock.plus(self.expected_wait());
        let is_live = entry
            .act_before
            .is_some_and(|act_before| arrives <= act_before);
        Template::new(
            entry.person_type,
            if is_live {
                Timeliness::Live
            } else {
                Timeliness::Late
            },
        )
    }

    pub fn payload(&self, sequence: Sequence) -> Option<&T> {
        self.entries.get(&sequence).map(|entry| &entry.payload)
    }

    pub fn payload_mut(&mut self, sequence: Sequence) -> Option<&mut T> {
        self.entries
            .get_mut(&sequence)
            .map(|entry| &mut entry.payload)
    }

    /// How often it has been submitted.
    pub fn attempts(&self, sequence: Sequence) -> u32 {
        self.entries
            .get(&sequence)
            .map_or(0, |entry| entry.attempts)
    }

    /// It is in the session now.
    pub fn submitted(&mut self, sequence: Sequence, bytes: usize, now: Now) {
        let Some(template) = self
            .entries
            .get(&sequence)
            .map(|entry| self.template(entry, now))
        else {
            return;
        };
        self.leave_place(sequence);
        let Some(entry) = self.entries.get_mut(&sequence) else {
            return;
        };
        entry.state = State::Submitted {
            template,
            bytes,
            at: now.at,
        };
        entry.attempts += 1;
        if entry.refused.is_some() {
            self.resubmitted.insert(sequence);
        }
        self.submitted.insert(sequence);
        self.submitted_bytes += bytes;
        self.pace.submitted(self.submitted_bytes, now.at);
    }

    /// It is answered, or there was nothing to send: out of the window.
    pub fn answered(&mut self, sequence: Sequence) -> Option<T> {
        self.leave_place(sequence);
        let entry = self.entries.remove(&sequence)?;
        self.alone = self.alone.filter(|alone| *alone != sequence);
        self.full_since = None;
        self.held_bytes -= entry.held_bytes;
        if entry.replayed == Replayed::Yes {
            self.replayed.records -= 1;
            self.replayed.bytes -= entry.held_bytes;
        }
        self.live[usize::from(entry.person_type.number())].remove(&sequence);
        self.suspicion
            .iter_mut()
            .for_each(|suspicion| suspicion.forget(sequence));
        self.unpark_open();
        Some(entry.payload)
    }

    /// The destination took it: its template flows, and the connection lives.
    pub fn taken(&mut self, sequence: Sequence, now: Instant) -> Option<T> {
        let entry = self.entries.get(&sequence)?;
        let State::Submitted {
            template,
            bytes,
            at,
        } = entry.state
        else {
            return self.answered(sequence);
        };
        let is_taken_again = self.flows[template.index()].took(entry.refused.is_some());
        let in_flight = self.submitted_bytes - bytes;
        self.pace
            .answered(bytes, now.saturating_duration_since(at), in_flight, now);
        self.suspicion
            .iter_mut()
            .for_each(|suspicion| suspicion.taken(sequence, template, now));
        if is_taken_again {
            self.news.push_back(News::TakenAgain(template));
        }
        self.answered(sequence)
    }

    /// What is to be said.
    pub fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// The person types that do not flow, on one of their topics.
    pub fn paused(&self) -> impl Iterator<Item = PersonType> {
        Template::all()
            .filter(|template| self.is_closed(*template))
            .map(|template| template.person_type)
    }
}

#[cfg(test)]
mod tests;
