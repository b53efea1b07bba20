//! What one destination has read and not yet had answered, in one lane: which record may go next, which waits and for what.
//!
//! Promises: within a device nothing overtakes (but a record refused for a passing reason, which holds back those behind it); a record
//! that waits for its pictures holds back nothing but its device; a person type whose topic is refused again and again is paused and then
//! probed with one record; a record that kills the connection again and again is found out; live records go before replayed ones.
//! Bounded in records, bytes and span. Pure bookkeeping: it is told the time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

use super::Reason;
use super::flow::{Flow, pause_after};
use super::suspicion::Suspicion;
use crate::event::{PersonType, Sequence};

/// Tries after which a passing reason is one that stays: about half a minute of pauses.
const PASSING_TRIES: u32 = 6;
/// Records read ahead, as a multiple of the window: those that wait for pictures stand here.
const READ_AHEAD: usize = 4;
/// How far the newest of a type may be from its oldest unanswered, as a multiple of the window: what a crash can send twice.
const SPAN: u64 = 16;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub records: usize,
    pub bytes: usize,
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
    /// Live records, by type: a type that catches up does not bound the others.
    live: [BTreeSet<Sequence>; PersonType::ALL.len()],
    held_bytes: usize,
    /// Waiting for their pictures: looked at on every turn, so they are not searched for among all entries.
    waiting: BTreeSet<Sequence>,
    /// Waiting for pictures or for another try, by the moment at which that ends.
    deadlines: BTreeSet<(Instant, Sequence)>,
    submitted: BTreeSet<Sequence>,
    submitted_bytes: usize,
    flows: [Flow; PersonType::ALL.len()],
    suspicion: Option<Suspicion>,
}

/// Whether a record is sent for the second time, by an operator's or a restart's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Replayed {
    No,
    Yes,
}

/// Whether a payload can end a connection, so that one that does is to be found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poison {
    Possible,
    Impossible,
}

/// What a record is, as far as the window cares.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    pub sequence: Sequence,
    pub device: &'a str,
    pub person_type: PersonType,
    pub replayed: Replayed,
    /// Bytes it holds in memory while it is here.
    pub held_bytes: usize,
}

struct Entry<T> {
    device: String,
    person_type: PersonType,
    replayed: Replayed,
    held_bytes: usize,
    /// Of its message, once it is submitted.
    bytes: usize,
    state: State,
    attempts: u32,
    payload: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For its pictures, or for another try; without a moment only a verdict ends it.
    Waiting(Option<Instant>),
    Queued,
    Submitted,
}

/// What to do with a refused record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consequence {
    SetAside,
    /// It is tried again later; nothing to do.
    Retry,
    /// Its whole type waits; the cursor is to read it again later.
    Pause(PersonType),
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
            held_bytes: 0,
            waiting: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            submitted: BTreeSet::new(),
            submitted_bytes: 0,
            flows: [Flow::OPEN; PersonType::ALL.len()],
            suspicion: (poison == Poison::Possible).then(Suspicion::default),
        }
    }

    /// A new session: nothing is in it yet; what was read before is read again.
    pub fn open(&mut self, session: Limits) {
        self.limits = Limits {
            records: self.settings.records.min(session.records).max(1),
            bytes: self.settings.bytes.min(session.bytes).max(1),
        };
        self.forget_all();
    }

    /// The session is lost.
    pub fn lost(&mut self) {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.loss(&self.submitted);
        }
        self.forget_all();
    }

    fn forget_all(&mut self) {
        self.entries.clear();
        self.devices.clear();
        self.ready.clear();
        self.live.iter_mut().for_each(BTreeSet::clear);
        self.held_bytes = 0;
        self.waiting.clear();
        self.deadlines.clear();
        self.submitted.clear();
        self.submitted_bytes = 0;
    }

    /// Whether another record may be read.
    pub fn has_room(&self) -> bool {
        let spans = self.live.iter().filter_map(|live| Some(live.last()?.0 - live.first()?.0));
        self.entries.len() < self.settings.records * READ_AHEAD
            && self.held_bytes < self.settings.bytes
            && spans.max().unwrap_or(0) < self.settings.records as u64 * SPAN
    }

    /// Takes in a record; `waits` = for its pictures, until that moment if there is one. One that is here already stays as it is.
    pub fn admit(&mut self, traits: Traits<'_>, waits: Option<Option<Instant>>, payload: T) {
        let Traits { sequence, device, person_type, replayed, held_bytes } = traits;
        if self.entries.contains_key(&sequence) {
            return;
        }
        let state = waits.map_or(State::Queued, State::Waiting);
        if waits.is_some() {
            self.waiting.insert(sequence);
        }
        if let State::Waiting(Some(until)) = state {
            self.deadlines.insert((until, sequence));
        }
        if replayed == Replayed::No {
            self.live[usize::from(person_type.number())].insert(sequence);
        }
        self.held_bytes += held_bytes;
        let device = device.to_owned();
        let entry = Entry { device: device.clone(), person_type, replayed, held_bytes, bytes: 0, state, attempts: 0, payload };
        self.entries.insert(sequence, entry);
        self.devices.entry(device.clone()).or_default().push_back(sequence);
        self.look_at_head(&device);
    }

    /// Records that wait for their pictures.
    pub fn waiting(&self) -> impl Iterator<Item = Sequence> {
        self.waiting.iter().copied()
    }

    /// Its pictures are settled.
    pub fn release(&mut self, sequence: Sequence) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        if let State::Waiting(until) = entry.state {
            entry.state = State::Queued;
            self.waiting.remove(&sequence);
            let device = entry.device.clone();
            until.map(|until| self.deadlines.remove(&(until, sequence)));
            self.look_at_head(&device);
        }
    }

    /// Ends the waits that are over.
    pub fn tick(&mut self, now: Instant) {
        while let Some((until, sequence)) = self.deadlines.first().copied().filter(|(until, _)| *until <= now) {
            self.deadlines.remove(&(until, sequence));
            self.release(sequence);
        }
    }

    /// The next moment at which [`Window::tick`] or [`Window::resumable`] has something to do.
    pub fn next_moment(&self) -> Option<Instant> {
        let pauses = self.flows.iter().filter_map(Flow::paused_until);
        self.deadlines.first().map(|(until, _)| *until).into_iter().chain(pauses).min()
    }

    /// The oldest live record that may be submitted now, else the oldest replayed one.
    pub fn next_ready(&self) -> Option<Sequence> {
        let is_cautious = self.suspicion.as_ref().is_some_and(Suspicion::is_cautious);
        let records = if is_cautious { 1 } else { self.limits.records };
        if self.submitted.len() >= records || self.submitted_bytes >= self.limits.bytes {
            return None;
        }
        let held_back = self.held_back().filter(|_| self.entries.len() > 1);
        let mut flowing = self.ready.iter().map(|(_, sequence)| *sequence).filter(|sequence| self.may_flow(*sequence));
        let to_confirm = self.suspicion.as_ref().and_then(Suspicion::to_confirm);
        match to_confirm.filter(|suspect| self.entries.contains_key(suspect)) {
            Some(suspect) => flowing.find(|sequence| *sequence == suspect),
            None => flowing.find(|sequence| Some(*sequence) != held_back),
        }
    }

    /// Whether this record is the one that the connection dies on: to be set aside instead of admitted.
    pub fn is_condemned(&self, sequence: Sequence) -> bool {
        self.suspicion.as_ref().and_then(Suspicion::condemned) == Some(sequence)
    }

    /// It is set aside.
    pub fn parked(&mut self) {
        self.suspicion.iter_mut().for_each(Suspicion::close);
    }

    fn held_back(&self) -> Option<Sequence> {
        self.suspicion.as_ref().and_then(Suspicion::held_back)
    }

    fn may_flow(&self, sequence: Sequence) -> bool {
        let Some(entry) = self.entries.get(&sequence) else { return false };
        match self.flows[usize::from(entry.person_type.number())] {
            Flow::Open { .. } => true,
            Flow::Paused { .. } => false,
            Flow::Probing { .. } => {
                !self.submitted.iter().filter_map(|sequence| self.entries.get(sequence)).any(|e| e.person_type == entry.person_type)
            }
        }
    }

    pub fn payload(&self, sequence: Sequence) -> Option<&T> {
        self.entries.get(&sequence).map(|entry| &entry.payload)
    }

    pub fn payload_mut(&mut self, sequence: Sequence) -> Option<&mut T> {
        self.entries.get_mut(&sequence).map(|entry| &mut entry.payload)
    }

    /// How often it has been submitted.
    pub fn attempts(&self, sequence: Sequence) -> u32 {
        self.entries.get(&sequence).map_or(0, |entry| entry.attempts)
    }

    /// It is in the session now.
    pub fn submitted(&mut self, sequence: Sequence, bytes: usize) {
        let Some(entry) = self.entries.get_mut(&sequence) else { return };
        entry.state = State::Submitted;
        entry.bytes = bytes;
        entry.attempts += 1;
        self.submitted.insert(sequence);
        self.submitted_bytes += bytes;
        let device = entry.device.clone();
        self.leave_device(sequence, &device);
    }

    /// It is answered, or there was nothing to send: out of the window.
    pub fn answered(&mut self, sequence: Sequence) -> Option<T> {
        let entry = self.entries.remove(&sequence)?;
        if self.submitted.remove(&sequence) {
            self.submitted_bytes -= entry.bytes;
        }
        self.held_bytes -= entry.held_bytes;
        self.live[usize::from(entry.person_type.number())].remove(&sequence);
        self.waiting.remove(&sequence);
        if let State::Waiting(Some(until)) = entry.state {
            self.deadlines.remove(&(until, sequence));
        }
        self.leave_device(sequence, &entry.device);
        Some(entry.payload)
    }

    /// The destination took it: its type flows, and the connection lives.
    pub fn progress(&mut self, sequence: Sequence, person_type: PersonType) {
        self.flows[usize::from(person_type.number())].came_through();
        self.suspicion.iter_mut().for_each(|suspicion| suspicion.progress(sequence));
    }

    /// The destination refused it.
    pub fn refused(&mut self, sequence: Sequence, reason: Reason, now: Instant) -> Consequence {
        let Some(entry) = self.entries.get_mut(&sequence) else { return Consequence::Retry };
        let person_type = entry.person_type;
        if reason.is_about_the_record() {
            self.flows[usize::from(person_type.number())].came_through();
            return Consequence::SetAside;
        }
        if reason == Reason::Passing && entry.attempts < PASSING_TRIES {
            let pause = pause_after(entry.attempts);
            entry.state = State::Waiting(Some(now + pause));
            self.deadlines.insert((now + pause, sequence));
            self.submitted.remove(&sequence);
            self.submitted_bytes -= entry.bytes;
            let queue = self.devices.entry(entry.device.clone()).or_default();
            let place = queue.iter().position(|other| *other > sequence).unwrap_or(queue.len());
            queue.insert(place, sequence);
            let behind = queue.iter().skip(place);
            self.ready.retain(|(_, ready)| !behind.clone().any(|other| other == ready));
            return Consequence::Retry;
        }
        if !self.flows[usize::from(person_type.number())].refused(now) {
            return Consequence::SetAside;
        }
        self.drop_type(person_type);
        Consequence::Pause(person_type)
    }

    /// Types whose pause is over: the cursor is to read them again, one record is let through.
    pub fn resumable(&mut self, now: Instant) -> Vec<PersonType> {
        let flows = PersonType::ALL.iter().zip(&mut self.flows);
        flows.filter_map(|(person_type, flow)| flow.probes(now).then_some(*person_type)).collect()
    }

    /// The person types that do not flow.
    pub fn paused(&self) -> impl Iterator<Item = PersonType> {
        PersonType::ALL.iter().zip(&self.flows).filter(|(_, flow)| !flow.is_open()).map(|(person_type, _)| *person_type)
    }

    fn drop_type(&mut self, person_type: PersonType) {
        let of_type: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.person_type == person_type).map(|(s, _)| *s).collect();
        for sequence in of_type {
            self.answered(sequence);
        }
    }

    fn leave_device(&mut self, sequence: Sequence, device: &str) {
        self.ready.remove(&(Replayed::No, sequence));
        self.ready.remove(&(Replayed::Yes, sequence));
        let Some(queue) = self.devices.get_mut(device) else { return };
        queue.retain(|other| *other != sequence);
        if queue.is_empty() {
            self.devices.remove(device);
        } else {
            self.look_at_head(device);
        }
    }

    fn look_at_head(&mut self, device: &str) {
        let Some(queue) = self.devices.get(device) else { return };
        // A suspect stands aside for its successor.
        let suspect = self.held_back();
        let heads = queue.iter().copied().take_while(|sequence| Some(*sequence) == suspect);
        let heads: Vec<_> = heads.chain(queue.iter().copied().find(|sequence| Some(*sequence) != suspect)).collect();
        for head in heads {
            if let Some(entry) = self.entries.get(&head).filter(|entry| entry.state == State::Queued) {
                self.ready.insert((entry.replayed, head));
            }
        }
    }
}

#[cfg(test)]
mod tests;
