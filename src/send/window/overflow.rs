//! Room: records that do not flow and fill the window are left unread, and read again once they may flow.
//!
//! Promises: no device and no class that is held back keeps the window full for the others; of what is left nothing overtakes what stands here,
//! and it comes again in order. Deliberately leaves no replayed record: where replays stand still, they are read no further.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::topic_class::{ByTopicClass, TopicClass};
use super::{Entry, Limits, READ_AHEAD, Replayed, State, Window};
use boxbridge_event::{PersonType, Sequence};

/// How far the newest of a type may be from its oldest unanswered one that flows, as a multiple of the window: what a crash can send twice.
const SPAN: u64 = 16;
/// The same past one that is held back, in records of the log: the others flow on for hours, and the cursor remembers each with some 64 bytes.
const SPAN_HELD: u64 = 1 << 18;
/// Pictures that are awaited may be settled any moment. A full window from which nothing went for so long stands still.
const STILL: Duration = Duration::from_secs(1);

/// What is to be read next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Nothing of this type for now.
    Pause(PersonType),
    Resume(PersonType),
    /// From this record on once more: it was left.
    Again(Sequence),
}

/// The lowest record that was left of a device, class or topic; whatever of it comes behind that one is left as well.
#[derive(Default)]
pub(super) struct Left {
    devices: HashMap<String, Sequence>,
    classes: ByTopicClass<Option<Sequence>>,
    topics: HashMap<(String, TopicClass), Sequence>,
}

enum Holder {
    Device(String),
    Class(TopicClass),
    /// One class on one device.
    Topic(String, TopicClass),
}

impl Left {
    fn note(&mut self, holder: Holder, sequence: Sequence) {
        let lowest = match holder {
            Holder::Device(device) => self.devices.entry(device).or_insert(sequence),
            Holder::Class(class) => self.classes.of_mut(class).get_or_insert(sequence),
            Holder::Topic(device, class) => self.topics.entry((device, class)).or_insert(sequence),
        };
        *lowest = sequence.min(*lowest);
    }

    fn has(&self, device: &str, class: TopicClass, sequence: Sequence) -> bool {
        let of_topic = || {
            let mut topics = self.topics.iter();
            topics.find(|((other, of), _)| other == device && *of == class)
        };

        let lowest = [
            *self.classes.of(class),
            self.devices.get(device).copied(),
            of_topic().map(|(_, lowest)| *lowest),
        ];
        lowest
            .into_iter()
            .flatten()
            .any(|lowest| lowest <= sequence)
    }

    #[cfg(test)]
    pub(super) fn has_of_device(&self, device: &str, sequence: Sequence) -> bool {
        let lowest = self.devices.get(device);
        lowest.is_some_and(|lowest| *lowest <= sequence)
    }
}

impl<T> Window<T> {
    /// Whether another record may be read.
    pub fn has_room(&self) -> bool {
        let is_too_far = |person_type: &PersonType| {
            self.span(*person_type) >= self.settings.records as u64 * SPAN
                && !self.is_past_held(*person_type)
        };
        self.entries.len() < self.settings.records * READ_AHEAD
            && self.held_bytes < self.settings.bytes
            && !PersonType::ALL.iter().any(is_too_far)
    }

    /// Whether another replayed record may be read: half of the window is for live ones.
    pub fn has_room_for_replays(&self) -> bool {
        2 * self.replayed.records < self.settings.records * READ_AHEAD
            && 2 * self.replayed.bytes < self.settings.bytes
    }

    /// Leaves what fills the window and does not flow, and says how reading goes on. Which types are not read now, their source alone
    /// knows: `is_paused`.
    pub fn make_room(
        &mut self,
        now: Instant,
        is_paused: impl Fn(PersonType) -> bool,
    ) -> Vec<Reading> {
        self.full_since = if self.has_room() {
            None
        } else {
            self.full_since.or(Some(now))
        };
        if let Some(since) = self.full_since {
            self.leave_held_back(now.saturating_duration_since(since) >= STILL);
        }

        let mut readings = self.bound_spans(is_paused);
        readings.extend(self.take_up().map(Reading::Again));
        readings
    }

    /// When a full window is known to stand still.
    pub(super) fn stands_still_at(&self) -> Option<Instant> {
        self.full_since
            .filter(|_| !self.waiting.is_empty())
            .map(|since| since + STILL)
    }

    /// Whether this record is to be left: others before it were, of its device or class.
    pub(super) fn is_left(&self, entry: &Entry<T>, class: TopicClass, sequence: Sequence) -> bool {
        let is_left = self.left.has(&entry.device, class, sequence);
        is_left && entry.replayed == Replayed::No && !self.is_held(sequence)
    }

    /// Out of the window without an answer. It still counts for how far its type is apart.
    pub(super) fn leave(&mut self, sequence: Sequence) {
        self.leave_place(sequence);
        if let Some(entry) = self.entries.remove(&sequence) {
            self.held_bytes -= entry.held_bytes;
        }
    }

    /// Each that is held back keeps the oldest of its records and its share of half the window.
    fn leave_held_back(&mut self, is_still: bool) {
        let holders = self.held_holders(is_still);
        let share = |limit: usize| limit / 2 / holders.len().max(1);
        let share = Limits {
            records: share(self.settings.records * READ_AHEAD),
            bytes: share(self.settings.bytes),
        };

        for (holder, records) in holders {
            let kept = self.fitting(&records, share);
            let Some(lowest) = records.get(kept) else {
                continue;
            };

            self.left.note(holder, *lowest);
            let left = records.iter().skip(kept);
            left.rev().for_each(|sequence| self.leave(*sequence));
        }
    }

    /// How many of these records, one at least, are within a share.
    fn fitting(&self, records: &[Sequence], share: Limits) -> usize {
        let mut bytes = 0;
        let fits = |sequence: &&Sequence| {
            let entry = self.entries.get(sequence);
            bytes += entry.map_or(0, |entry| entry.held_bytes);
            bytes <= share.bytes
        };
        let within = records.iter().take(share.records).take_while(fits);
        within.count().max(1)
    }

    /// All that are held back, each with its records that may be left.
    fn held_holders(&self, is_still: bool) -> Vec<(Holder, Vec<Sequence>)> {
        let closed = TopicClass::all().filter(|class| self.is_closed(*class));
        let classes = closed.map(|class| {
            let parked = self.parked.of(class).iter();
            (Holder::Class(class), self.to_be_left(parked))
        });
        let topics = self.setbacks.waiting().map(|(device, class, waiting)| {
            let holder = Holder::Topic(device.to_owned(), class);
            (holder, self.to_be_left(waiting.iter()))
        });

        classes
            .chain(topics)
            .chain(self.held_devices(is_still))
            .filter(|(_, records): &(_, Vec<_>)| records.len() > 1)
            .collect()
    }

    /// Devices whose first record waits.
    fn held_devices(&self, is_still: bool) -> impl Iterator<Item = (Holder, Vec<Sequence>)> {
        let awaiting = self.waiting.iter().filter(move |_| is_still);
        let heads = self.retrying.iter().chain(awaiting);
        heads.filter_map(|sequence| {
            let device = &self.entries.get(sequence)?.device;
            let queue = self.devices.get(device)?;
            if queue.front() != Some(sequence) || !self.is_stopped(device) {
                return None;
            }
            let live = queue.iter().filter(|sequence| self.is_live(**sequence));
            Some((Holder::Device(device.clone()), live.copied().collect()))
        })
    }

    fn to_be_left<'a>(&self, records: impl Iterator<Item = &'a Sequence>) -> Vec<Sequence> {
        records
            .copied()
            .filter(|sequence| self.is_live(*sequence) && !self.is_held(*sequence))
            .collect()
    }

    /// Where reading begins again, once of something that was left nothing stands here any more.
    fn take_up(&mut self) -> Option<Sequence> {
        if !self.has_spent() {
            return None;
        }
        let from = self.take_flowing()?;

        // What stands here from there on has its place among what comes.
        let unsent: Vec<_> = self
            .entries
            .range(from..)
            .filter(|(sequence, entry)| self.is_unsent(**sequence, entry))
            .map(|(sequence, _)| *sequence)
            .collect();
        unsent
            .into_iter()
            .rev()
            .for_each(|sequence| self.leave(sequence));

        for person_type in PersonType::ALL {
            let live = self.live.of_mut(*person_type);
            live.retain(|sequence| *sequence < from || self.entries.contains_key(sequence));
            *self.newest.of_mut(*person_type) = live.last().copied().unwrap_or(from);
        }
        Some(from)
    }

    fn has_spent(&self) -> bool {
        let mut topics = self.left.topics.keys();
        TopicClass::all().any(|class| self.has_spent_class(class))
            || self.left.devices.keys().any(|device| self.is_spent(device))
            || topics.any(|(device, class)| self.is_spent_topic(device, *class))
    }

    fn has_spent_class(&self, class: TopicClass) -> bool {
        self.left.classes.of(class).is_some() && !self.has_parked(class)
    }

    /// The lowest that was left of what flows. Devices and topics come along before they are spent, or each would have the same read
    /// once more.
    fn take_flowing(&mut self) -> Option<Sequence> {
        let spent = TopicClass::all().filter(|class| self.has_spent_class(*class));
        let spent: Vec<_> = spent.collect();
        let spent = spent
            .into_iter()
            .filter_map(|class| self.left.classes.of_mut(class).take());
        let lowest = spent.min();

        let (devices, held): (HashMap<_, _>, _) = std::mem::take(&mut self.left.devices)
            .into_iter()
            .partition(|(device, _)| self.is_spent(device) || !self.is_stopped(device));
        self.left.devices = held;

        let (topics, held): (HashMap<_, _>, _) = std::mem::take(&mut self.left.topics)
            .into_iter()
            .partition(|((device, class), _)| {
                self.is_spent_topic(device, *class) || !self.is_stopped_topic(device, *class)
            });
        self.left.topics = held;

        let others = devices.into_values().chain(topics.into_values());
        lowest.into_iter().chain(others).min()
    }

    fn is_unsent(&self, sequence: Sequence, entry: &Entry<T>) -> bool {
        entry.attempts == 0 && entry.replayed == Replayed::No && !self.is_held(sequence)
    }

    fn bound_spans(&self, is_paused: impl Fn(PersonType) -> bool) -> Vec<Reading> {
        let reading = |person_type: &PersonType| {
            let span = self.span(*person_type);
            match is_paused(*person_type) {
                false if span >= SPAN_HELD && self.is_past_held(*person_type) => {
                    Some(Reading::Pause(*person_type))
                }
                true if span < SPAN_HELD / 2 => Some(Reading::Resume(*person_type)),
                _ => None,
            }
        };
        PersonType::ALL.iter().filter_map(reading).collect()
    }

    /// From the oldest of a type that has no answer to the newest that was read.
    fn span(&self, person_type: PersonType) -> u64 {
        let newest = self.newest.of(person_type).0;
        let oldest = self.live.of(person_type).first();
        oldest.map_or(0, |oldest| newest.saturating_sub(oldest.0))
    }

    /// Whether the oldest of a type is one that does not flow.
    fn is_past_held(&self, person_type: PersonType) -> bool {
        let Some(oldest) = self.live.of(person_type).first() else {
            return false;
        };
        self.entries
            .get(oldest)
            .is_none_or(|entry| match entry.state {
                State::Submitted { .. } => false,
                State::Queued => self.is_stopped(&entry.device),
                State::Waiting(_) | State::Retrying(_) | State::Parked(_) => true,
            })
    }

    fn is_live(&self, sequence: Sequence) -> bool {
        self.entries
            .get(&sequence)
            .is_some_and(|entry| entry.replayed == Replayed::No)
    }

    fn has_parked(&self, class: TopicClass) -> bool {
        self.parked
            .of(class)
            .iter()
            .any(|sequence| self.is_live(*sequence) && !self.is_held(*sequence))
    }

    /// Whether the first record of this device waits.
    fn is_stopped(&self, device: &str) -> bool {
        let head = self.devices.get(device).and_then(|queue| queue.front());
        let head = head.and_then(|head| self.entries.get(head));
        head.is_some_and(|entry| matches!(entry.state, State::Waiting(_) | State::Retrying(_)))
    }

    /// Whether nothing live of this topic waits here for another try, or is being tried.
    fn is_spent_topic(&self, device: &str, class: TopicClass) -> bool {
        let is_tried = |(sequence, of): (&Sequence, &TopicClass)| {
            let entry = self.entries.get(sequence).filter(|_| *of == class);
            entry.is_some_and(|entry| entry.device == device)
        };
        if self.submitted.iter().any(is_tried) {
            return false;
        }

        let mut waiting = self.setbacks.waiting();
        !waiting.any(|(other, of, waiting)| {
            let is_it = other == device && of == class;
            is_it && !self.to_be_left(waiting.iter()).is_empty()
        })
    }

    /// Whether nothing of this device is left here but replayed records.
    fn is_spent(&self, device: &str) -> bool {
        self.devices
            .get(device)
            .and_then(|queue| queue.back())
            .is_none_or(|newest| !self.is_live(*newest))
    }
}
