//! Our contact with a destination: how its lanes fare, for those who look: `/readyz`, `/metrics`, `boxbridge status`, the log; and when a lane that is down tries again.
//!
//! Promises: what does not flow is named with its reason for as long as it does not, a lane as well as a single person type; a lane that failed counts
//! as up only once it has proven itself, so that one that connects and dies in a circle is seen to be down. What the log says of all that is
//! bounded by `outage`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::window::{ByTopicClass, TopicClass};
use crate::metrics::{self, Lags};
use boxbridge_event::{ByLane, Lane, PersonType, Timestamp};

mod finding;
mod outage;
mod refusals;
#[cfg(test)]
mod tests;
mod waits;

pub use finding::Finding;
pub use waits::Waits;

use outage::{Outage, Say};

/// A connection that has neither failed nor been answered for so long is one that works: there may be nothing to send.
pub const PROVEN: Duration = Duration::from_secs(1);

/// One destination, as its connections show it.
pub struct Contact {
    pub destination: Arc<str>,
    /// How long its events took.
    pub lags: Lags,
    kind: &'static str,
    lanes: Mutex<Lanes>,
    /// Ends a lane's pause before its next attempt.
    wake: ByLane<Notify>,
    /// There is something in a lane's `to_resume`.
    resume: ByLane<Notify>,
    /// What the destination has seen that will refuse records.
    trouble: Mutex<Option<Box<Trouble>>>,
}

type Trouble = dyn Fn() -> Option<String> + Send + Sync;

type Lanes = ByLane<State>;

/// One lane: how it is, and what has been said of it.
struct State {
    condition: Condition,
    /// It has connected since it was last down.
    has_connected: bool,
    outage: Outage,
    /// What waits since it was refused.
    waits: BTreeMap<TopicClass, Waits>,
    refusals: ByTopicClass<Outage>,
    /// Single events that are held back.
    suspects: Vec<String>,
    /// Of these types a record is to be tried at once: an operator has removed the cause.
    to_resume: BTreeSet<PersonType>,
}

/// One lane's connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    Connecting,
    Up,
    /// And why; since when, and the attempts since.
    Down {
        error: String,
        since: Timestamp,
        attempts: u32,
    },
}

impl Contact {
    /// `kind` is the name that messages of its kind call it by.
    pub fn new(destination: impl Into<Arc<str>>, kind: &'static str) -> Contact {
        let destination = destination.into();
        let lags = metrics::destination_exists(&destination, kind);
        let state = |_| State {
            condition: Condition::Connecting,
            has_connected: false,
            outage: Outage::default(),
            waits: BTreeMap::new(),
            refusals: ByTopicClass::default(),
            suspects: Vec::new(),
            to_resume: BTreeSet::new(),
        };
        Contact {
            destination,
            lags,
            kind,
            lanes: Mutex::new(ByLane::new(state)),
            wake: ByLane::default(),
            resume: ByLane::default(),
            trouble: Mutex::default(),
        }
    }

    /// Whom to ask for trouble that lies ahead.
    pub fn asks(&self, trouble: impl Fn() -> Option<String> + Send + Sync + 'static) {
        *self.trouble.lock() = Some(Box::new(trouble));
    }

    /// There is a connection. After a failure it is up only once it is proven: by an answer, or by [`PROVEN`].
    pub fn connected(&self, lane: Lane) {
        let mut lanes = self.lanes.lock();
        let state = lanes.of_mut(lane);
        if state.condition == Condition::Connecting {
            drop(lanes);
            return self.up(lane);
        }
        // The other need not wait any longer either; but two that die again and again must not wake each other for ever.
        if !std::mem::replace(&mut state.has_connected, true) {
            self.wake_others(lane, &lanes);
        }
    }

    /// What was shown until now was by other settings.
    pub fn begins_anew(&self, lane: Lane) {
        let mut lanes = self.lanes.lock();
        let state = lanes.of_mut(lane);
        state.condition = Condition::Connecting;
        (state.has_connected, state.waits) = (false, BTreeMap::new());
        state.suspects.clear();

        self.count_waits(lane, state);
        self.count(&lanes);
    }

    /// It works.
    pub fn up(&self, lane: Lane) {
        let mut lanes = self.lanes.lock();
        let state = lanes.of_mut(lane);
        let before = std::mem::replace(&mut state.condition, Condition::Up);
        state.has_connected = false;

        match before {
            // Other settings may have brought it back.
            Condition::Connecting if state.outage.ended() => {
                tracing::info!(destination.name = &*self.destination, %lane, "destination is back");
            }
            Condition::Connecting => {
                tracing::info!(destination.name = &*self.destination, %lane, "connected");
            }
            Condition::Down { attempts, .. } if state.outage.ended() => {
                tracing::info!(destination.name = &*self.destination, %lane, attempts, "destination is back");
            }
            Condition::Down { .. } | Condition::Up => {}
        }

        self.wake_others(lane, &lanes);
        self.count(&lanes);
    }

    /// It does not work, and why; after so many attempts.
    pub fn down(&self, lane: Lane, error: String, attempts: u32) {
        let error = self.of_its_own(error);
        let mut lanes = self.lanes.lock();
        let state = lanes.of_mut(lane);
        match state.outage.failed(&error, Instant::now()) {
            Some(Say::Fails { failures }) => {
                tracing::warn!(destination.name = &*self.destination, %lane, %error, failures, "destination is down, its events wait in the queue");
            }
            Some(Say::OtherCause) => {
                tracing::warn!(destination.name = &*self.destination, %lane, %error, "destination is still down, now for another cause");
            }
            None => {}
        }

        let since = match state.condition {
            Condition::Down { since, .. } => since,
            Condition::Connecting | Condition::Up => Timestamp::now(),
        };
        state.condition = Condition::Down {
            error,
            since,
            attempts,
        };
        self.count(&lanes);
    }

    /// Waits before the next attempt, for `pause` at most: once one lane is through, the other need not wait any longer.
    pub async fn pause(&self, lane: Lane, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.wake.of(lane).notified() => {}
        }
    }

    /// An operator has removed the cause for which these types wait: each is tried at once, in every lane, and so is a lost connection. Limits
    /// that were learned from refusals count no more.
    pub fn resume(&self, person_types: &[PersonType]) {
        let mut lanes = self.lanes.lock();
        for lane in Lane::ALL.iter().copied() {
            lanes.of_mut(lane).to_resume.extend(person_types);
            self.resume.of(lane).notify_one();
            self.wake.of(lane).notify_one();
        }
    }

    /// The types that are to be tried at once. Waits for some. Cancel-safe.
    pub async fn resumed(&self, lane: Lane) -> BTreeSet<PersonType> {
        self.resume.of(lane).notified().await;
        std::mem::take(&mut self.lanes.lock().of_mut(lane).to_resume)
    }

    /// What is held back in this lane since the connection dies on it, each in a sentence.
    pub fn suspect(&self, lane: Lane, suspects: Vec<String>) {
        self.lanes.lock().of_mut(lane).suspects = suspects;
    }

    /// Whether every lane is connected; single person types may be held back.
    pub fn is_up(&self) -> bool {
        are_up(&self.lanes.lock())
    }

    /// Whether this lane has failed and not come back. One that connects for the first time has not.
    pub fn is_down(&self, lane: Lane) -> bool {
        let lanes = self.lanes.lock();
        matches!(lanes.of(lane).condition, Condition::Down { .. })
    }

    /// Why a record of this type waits in this lane, as far as it is known here.
    pub fn why_not(&self, lane: Lane, person_type: PersonType) -> Option<Finding> {
        let lanes = self.lanes.lock();
        let state = lanes.of(lane);
        let down = why_down(state).map(|error| format!("{} is down: {error}", self.destination));
        let down = down.map(|sentence| Finding::of("destination_down", sentence));

        let mut waits = state.waits.values();
        let waits = waits.find(|waits| waits.class.person_type == person_type);
        down.or_else(|| waits.map(|waits| Finding::of(waits.code(), waits.sentence())))
    }

    /// All that does not flow, each in a sentence of its own.
    pub fn troubles(&self) -> Vec<String> {
        let findings = self.findings().into_iter();
        findings.map(|finding| finding.message).collect()
    }

    /// The same with a word for each.
    pub fn findings(&self) -> Vec<Finding> {
        let lanes = self.lanes.lock();
        let destination = &self.destination;

        let down = self.down_sentence(&lanes);
        let down = down.map(|sentence| Finding::of("destination_down", sentence));
        let ahead = self.trouble.lock().as_ref().and_then(|trouble| trouble());
        let ahead = ahead.map(|trouble| {
            let sentence = format!("{destination}: {}", self.of_its_own(trouble));
            Finding::of("destination_will_refuse", sentence)
        });

        let held_back = lanes
            .iter()
            .flat_map(|(lane, state)| self.held_back(lane, state));
        down.into_iter()
            .chain(ahead)
            .chain(held_back)
            .map(|finding| finding.at(destination))
            .collect()
    }

    /// What waits in one lane although it is connected.
    fn held_back(&self, lane: Lane, state: &State) -> Vec<Finding> {
        let sentence = |trouble: &str| format!("{} {lane}: {trouble}", self.destination);
        let waits = state.waits.values().map(|waits| Finding {
            person_type: Some(waits.class.person_type),
            ..Finding::of(waits.code(), sentence(&waits.sentence()))
        });
        let suspects = state.suspects.iter();
        let suspects = suspects.map(|suspect| Finding::of("held_back", sentence(suspect)));
        waits.chain(suspects).collect()
    }

    fn down_sentence(&self, lanes: &Lanes) -> Option<String> {
        let destination = &self.destination;
        let down: Vec<(Lane, String)> = lanes
            .iter()
            .filter_map(|(lane, state)| Some((lane, why_down(state)?)))
            .collect();

        match down.as_slice() {
            [] => None,
            [(lane, error)] => Some(format!("{destination} is down in the {lane} lane: {error}")),
            [(_, error), ..] => Some(format!("{destination} is down: {error}")),
        }
    }

    /// Whether a type waits on its live or its late topic; `None` where it has but one.
    pub fn timeliness_of(&self, class: TopicClass) -> Option<&'static str> {
        (self.kind == boxbridge_config::MQTT).then(|| class.timeliness.as_str())
    }

    /// Its kind, as settings have it.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// A message about this destination.
    pub fn of_its_own(&self, text: String) -> String {
        super::said_of(&self.destination, self.kind, text)
    }

    fn wake_others(&self, lane: Lane, lanes: &Lanes) {
        for (other, state) in lanes.iter() {
            if other != lane && state.condition != Condition::Up {
                self.wake.of(other).notify_one();
            }
        }
    }

    fn count(&self, lanes: &Lanes) {
        metrics::up(&self.destination, are_up(lanes));
    }
}

fn are_up(lanes: &Lanes) -> bool {
    lanes
        .iter()
        .all(|(_, state)| state.condition == Condition::Up)
}

fn why_down(state: &State) -> Option<String> {
    match &state.condition {
        Condition::Up => None,
        Condition::Connecting => Some("connecting".to_owned()),
        Condition::Down { error, since, .. } => Some(format!("{error}, since {since}")),
    }
}
