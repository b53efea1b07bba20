//! From the gateway's publications to the sessions of those who want them: the broker without its connections.
//!
//! Promises: a publication is shared by all who wait for it, and all of them together hold at most [`HELD_MAX`]: the session that holds most
//! gives way, and that is counted. Sessions that nobody uses end after a while, and there are few of them. No address can take all kept
//! sessions or subscriptions from another (`shares`). Deliberately writes nothing to disk.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tracing::warn;

use super::early::Early;
use super::filter::{self, Fault};
use super::message::{Held, Message};
use super::pace::{Credit, FULL, FULL_BYTES};
use super::reply::reason;
use super::session::{Delivery, Line, Session, Subscription};
use super::shares;
use super::wire::{Retained, Wanted};

/// Bytes of all messages that wait for somebody or are retained: a quarter of what the whole process may take.
const HELD_MAX: usize = 64 << 20;
/// Sessions without a connection.
const KEPT_MAX: usize = 256;
/// How long a session outlives its connection at most: a shift change, a reboot; not a screen that was taken down.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// Subscriptions of one session, their bytes, and those of all: each publication is held against every one.
const SUBSCRIPTIONS_MAX: usize = 64;
const FILTER_BYTES_MAX: usize = 16 << 10;
const ALL_SUBSCRIPTIONS_MAX: usize = 4_096;
/// Topics with a retained message. Only the gateway retains: its own status, and those of its devices.
const RETAINED_MAX: usize = 16_384;
/// A wait for room looks again after this: who is given up does not move.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Told once whether anybody wanted a publication.
pub(super) type Answer = Box<dyn FnOnce(bool) + Send>;

/// Whether a publication may be held back for slow subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Haste {
    Alert,
    InTurn,
}

pub(super) struct Exchange {
    inner: Mutex<Inner>,
    pub held: Held,
    subscribed: watch::Sender<bool>,
    /// Some subscriber took something.
    moved: Notify,
    dropped: AtomicU64,
}

/// The retained messages by topic, with their QoS.
type Retentions = BTreeMap<String, (Arc<Message>, u8)>;

struct Inner {
    sessions: HashMap<String, Session>,
    retained: Retentions,
    early: Option<Early>,
    /// Of addresses whose sessions were slow lately.
    credits: HashMap<IpAddr, Credit>,
    last_number: u64,
}

/// What a client that connects finds.
pub(super) struct Welcome {
    pub is_present: bool,
    pub kept_for: Duration,
}

impl Exchange {
    pub fn new() -> Exchange {
        let inner = Inner {
            sessions: HashMap::new(),
            retained: BTreeMap::new(),
            early: Some(Early::new()),
            credits: HashMap::new(),
            last_number: 0,
        };
        Exchange {
            inner: Mutex::new(inner),
            held: Held::default(),
            subscribed: watch::Sender::new(false),
            moved: Notify::new(),
            dropped: AtomicU64::new(0),
        }
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns once somebody has subscribed.
    pub async fn subscribed(&self) {
        // The sender is our own, so this cannot fail.
        drop(self.subscribed.subscribe().wait_for(|subscribed| *subscribed).await);
    }

    /// Hands a publication to all who want it. Waits for those who are slow, within reason, unless it is an alert.
    pub async fn publish(&self, message: Arc<Message>, manner: (u8, bool), haste: Haste, answer: Answer) {
        let (qos, retain) = manner;
        loop {
            let moved = self.moved.notified();
            {
                let mut inner = self.lock();
                if haste == Haste::Alert || !inner.holds_back(&message.topic) {
                    self.hand_out(&mut inner, &message, (qos, retain, haste), answer);
                    return;
                }
            }
            // Whether it moved or the time is over, the next look tells.
            drop(tokio::time::timeout(LOOK_AGAIN, moved).await);
        }
    }

    fn hand_out(&self, inner: &mut Inner, message: &Arc<Message>, (qos, retain, haste): (u8, bool, Haste), answer: Answer) {
        let mut told = Vec::new();
        for (name, session) in &mut inner.sessions {
            if let Some(delivery) = session.delivery(message, qos, retain) {
                told.push(session.number);
                let dropped = usize::from(session.push(delivery));
                self.count(name, dropped, "it is slow or gone");
            }
        }
        match &mut inner.early {
            // What is retained is told to everybody anyway.
            Some(early) if !retain => early.remember(message, qos, haste, told, answer),
            // A retained message is kept for those who come later.
            _ => answer(retain || !told.is_empty()),
        }
        if retain {
            inner.retain(message, qos);
        }
        self.make_room(inner);
    }

    /// Whoever holds most loses its oldest, until there is room.
    fn make_room(&self, inner: &mut Inner) {
        while self.held.bytes() > HELD_MAX {
            let Some((name, session)) = inner.sessions.iter_mut().max_by_key(|(_, session)| session.bytes()) else { return };
            let dropped = session.give_way();
            self.count(name, dropped, "it held most of what the broker may hold");
            if dropped == 0 {
                // What is held is on its way to somebody, retained or remembered: none of it can be dropped here.
                return;
            }
            // It reads nothing, so that what is on its way to it cannot go either.
            if let Some(line) = session.line.as_ref().filter(|_| session.depth() == 0) {
                line.ending.end(reason::QUOTA);
            }
        }
    }

    fn count(&self, subscriber: &str, messages: usize, why: &str) {
        if messages == 0 {
            return;
        }
        let before = self.dropped.fetch_add(messages as u64, Ordering::Relaxed);
        let dropped = before + messages as u64;
        // Each doubling once: for a subscriber that stands still it is thousands a second.
        if before.checked_ilog2() != dropped.checked_ilog2() {
            warn!(subscriber, dropped, "the embedded broker dropped messages of a subscriber: {why}");
        }
    }

    /// A client is there. Its earlier connection ends; its session goes on, unless it wants a new one.
    pub fn connect(&self, client_id: &str, line: Line, clean_start: bool, asked: Option<Duration>) -> Welcome {
        let mut inner = self.lock();
        inner.last_number += 1;
        let number = inner.last_number;
        if let Some(before) = inner.sessions.get(client_id).and_then(|session| session.line.as_ref()) {
            before.ending.end(reason::TAKEN_OVER);
        }
        // One that was to end with its connection ends here, too, if that is taken over (MQTT-3.1.2-6).
        if clean_start || inner.sessions.get(client_id).is_some_and(|session| session.kept_for.is_zero()) {
            inner.sessions.remove(client_id);
        }

        let is_present = inner.sessions.contains_key(client_id);
        let session = inner.sessions.entry(client_id.to_owned()).or_insert_with(|| Session::new(number, line.from));
        session.disconnected();
        session.from = line.from;
        session.kept_for = asked.unwrap_or(KEPT_FOR).min(KEPT_FOR);
        line.wake.notify_one();
        session.line = Some(line);
        Welcome { is_present, kept_for: session.kept_for }
    }

    /// Its connection ended; MQTT 5 may say how long its session is kept.
    pub fn disconnect(&self, client_id: &str, line: u64, asked: Option<Duration>) {
        let mut inner = self.lock();
        let Some(session) = inner.session(client_id, line) else { return };
        session.disconnected();
        // One that began without may not ask for it at its end.
        if !session.kept_for.is_zero() {
            session.kept_for = asked.map_or(session.kept_for, |asked| asked.min(KEPT_FOR));
        }
        if session.kept_for.is_zero() {
            self.end(&mut inner, client_id, "its session ended with its connection");
        }
        while inner.sessions.values().filter(|session| session.line.is_none()).count() > KEPT_MAX
            && let Some(client_id) = shares::gives_kept(&inner.sessions)
        {
            self.end(&mut inner, &client_id, "too many sessions are kept");
        }
        drop(inner);
        self.moved.notify_waiters();
    }

    /// The answer to each.
    pub fn subscribe(&self, client_id: &str, line: u64, id: Option<u32>, wanted: Vec<Wanted>) -> Vec<u8> {
        let mut inner = self.lock();
        let mut grant = |(place, wanted): (usize, Wanted)| {
            // More than a session may have is not even looked at.
            if place >= SUBSCRIPTIONS_MAX {
                return reason::QUOTA;
            }
            self.make_way(&mut inner, client_id, &wanted.filter);
            inner.subscribe(client_id, line, id, wanted)
        };
        let reasons: Vec<u8> = wanted.into_iter().enumerate().map(&mut grant).collect();
        let Inner { sessions, early, .. } = &mut *inner;
        if let (Some(early), Some(session)) = (early, sessions.get_mut(client_id)) {
            let dropped = early.tell(session);
            self.count(client_id, dropped, "more came at the start than it may have waiting");
        }
        self.make_room(&mut inner);
        drop(inner);
        if reasons.iter().any(|reason| *reason < reason::FAILURE) {
            self.subscribed.send_replace(true);
        }
        reasons
    }

    /// Where all subscriptions are taken, one that is new may end somebody's session.
    fn make_way(&self, inner: &mut Inner, client_id: &str, filter: &str) {
        let Some(session) = inner.sessions.get(client_id) else { return };
        if session.wants(filter) || session.wants.len() >= SUBSCRIPTIONS_MAX || inner.subscriptions() < ALL_SUBSCRIPTIONS_MAX {
            return;
        }
        if let Some(other) = shares::gives_subscriptions(&inner.sessions, session.from) {
            self.end(inner, &other, "its address has most of all subscriptions");
        }
    }

    /// Ends a session, and its connection with it.
    fn end(&self, inner: &mut Inner, client_id: &str, why: &str) {
        let Some(session) = inner.sessions.remove(client_id) else { return };
        if let Some(line) = &session.line {
            line.ending.end(reason::QUOTA);
        }
        self.count(client_id, session.depth(), why);
    }

    pub fn unsubscribe(&self, client_id: &str, line: u64, filters: &[String]) -> Vec<u8> {
        let mut named: HashSet<&str> = filters.iter().map(String::as_str).collect();
        let mut ended = HashSet::new();
        if let Some(session) = self.lock().session(client_id, line) {
            session.wants.retain(|subscription| {
                let filter = named.take(subscription.wanted.filter.as_str());
                ended.extend(filter);
                filter.is_none()
            });
        }
        let answer = |filter: &String| if ended.remove(filter.as_str()) { reason::SUCCESS } else { reason::NO_SUBSCRIPTION };
        filters.iter().map(answer).collect()
    }

    /// What goes out next on this connection.
    pub fn next(&self, client_id: &str, line: u64) -> Option<(Delivery, u16)> {
        let next = self.lock().session(client_id, line)?.next();
        if next.is_some() {
            self.moved.notify_waiters();
        }
        next
    }

    pub fn acknowledged(&self, client_id: &str, line: u64, packet_id: u16) {
        if let Some(session) = self.lock().session(client_id, line) {
            session.acknowledged(packet_id);
        }
        self.moved.notify_waiters();
    }

    /// It is larger than its subscriber takes.
    pub fn too_large(&self, client_id: &str, line: u64, packet_id: u16) {
        self.acknowledged(client_id, line, packet_id);
        self.count(client_id, 1, "one was larger than it takes");
    }

    /// What time brings: the first seconds end, sessions that nobody came back for end.
    pub fn tick(&self) {
        let mut inner = self.lock();
        if let Some(early) = inner.early.take_if(|early| early.is_over()) {
            early.end();
        }
        inner.credits.retain(|_, credit| !credit.is_whole());
        let now = Instant::now();
        let is_over = |session: &Session| session.line.is_none() && now.duration_since(session.since) >= session.kept_for;
        let over: Vec<String> =
            inner.sessions.iter().filter(|(_, session)| is_over(session)).map(|(client_id, _)| client_id.clone()).collect();
        for client_id in over {
            self.end(&mut inner, &client_id, "nobody came back for its session");
        }
    }

    /// Lets those who are there take what waits for them, at most for so long, and says goodbye. How many messages were not taken.
    pub async fn farewell(&self, at_most: Duration) -> usize {
        let late = tokio::time::Instant::now() + at_most;
        loop {
            let moved = self.moved.notified();
            let is_done = self.lock().sessions.values().all(|session| session.line.is_none() || session.depth() == 0);
            if is_done || tokio::time::timeout_at(late, moved).await.is_err() {
                break;
            }
        }
        let inner = self.lock();
        inner.sessions.values().filter_map(|session| session.line.as_ref()).for_each(|line| line.ending.end(reason::SHUTTING_DOWN));
        inner.sessions.values().map(Session::depth).sum()
    }

    /// What is in here stays whole whatever panicked while it was held.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// The session, if this is its connection.
    fn session(&mut self, client_id: &str, line: u64) -> Option<&mut Session> {
        self.sessions.get_mut(client_id).filter(|session| session.line.as_ref().is_some_and(|own| own.number == line))
    }

    /// Of all sessions.
    fn subscriptions(&self) -> usize {
        self.sessions.values().map(|session| session.wants.len()).sum()
    }

    fn retain(&mut self, message: &Arc<Message>, qos: u8) {
        if message.payload.is_empty() {
            self.retained.remove(&message.topic);
        } else if self.retained.len() < RETAINED_MAX || self.retained.contains_key(&message.topic) {
            self.retained.insert(message.topic.clone(), (Arc::clone(message), qos));
        }
    }

    fn subscribe(&mut self, client_id: &str, line: u64, id: Option<u32>, wanted: Wanted) -> u8 {
        match filter::check(&wanted.filter) {
            Err(Fault::Shared) => return reason::NO_SHARED,
            Err(Fault::Invalid) => return reason::FILTER_INVALID,
            Ok(()) => {}
        }
        let all = self.subscriptions();
        let retained = std::mem::take(&mut self.retained);
        let reason = match self.session(client_id, line) {
            Some(session) => grant(session, all, &retained, Subscription { wanted, id }),
            None => reason::QUOTA,
        };
        self.retained = retained;
        reason
    }

    /// Whether a subscriber of this topic is full and waited for, or those who are not there yet could not be told later.
    fn holds_back(&mut self, topic: &str) -> bool {
        if self.early.as_ref().is_some_and(|early| early.is_full(Haste::InTurn)) {
            return true;
        }
        let wants =
            |session: &Session| session.wants.iter().any(|subscription| filter::matches(&subscription.wanted.filter, topic));
        let mut there: Vec<_> = self.sessions.values_mut().filter(|session| session.line.is_some() && wants(session)).collect();
        let is_full = |session: &Session| session.depth() >= FULL || session.bytes() >= FULL_BYTES;
        let others_wait = there.iter().any(|session| !is_full(session));

        let mut slow = HashSet::new();
        for session in &mut there {
            if !is_full(session) {
                let depth = session.depth();
                session.pace.has_room(depth);
            } else if session.pace.holds_back(others_wait) {
                slow.insert(session.from);
            }
        }
        if !others_wait {
            return !slow.is_empty();
        }

        let mut holds_back = false;
        for address in slow {
            let credit = self.credits.entry(address).or_default();
            if credit.is_left(LOOK_AGAIN) {
                credit.use_it();
                holds_back = true;
            }
        }
        holds_back
    }
}

/// A legal subscription, in the place of an earlier one with the same filter: the QoS that is granted, or that there are too many.
fn grant(session: &mut Session, all: usize, retained: &Retentions, subscription: Subscription) -> u8 {
    let Subscription { wanted, id } = &subscription;
    let is_other = |other: &Subscription| other.wanted.filter != wanted.filter;
    let others = session.wants.iter().filter(|other| is_other(other)).count();
    let bytes: usize = session.wants.iter().filter(|other| is_other(other)).map(|other| other.wanted.filter.len()).sum();
    let is_new = others == session.wants.len();
    let is_one_too_many = is_new && (others >= SUBSCRIPTIONS_MAX || all >= ALL_SUBSCRIPTIONS_MAX);
    if is_one_too_many || bytes + wanted.filter.len() > FILTER_BYTES_MAX {
        return reason::QUOTA;
    }
    if wanted.retained == Retained::Always || (wanted.retained == Retained::IfNew && is_new) {
        for (message, qos) in retained.values().filter(|(message, _)| filter::matches(&wanted.filter, &message.topic)) {
            session.push(Delivery {
                message: Arc::clone(message),
                qos: wanted.qos.min(*qos).min(1),
                retain: true,
                is_again: false,
                subscriptions: id.iter().copied().collect(),
            });
        }
    }
    let granted = wanted.qos;
    session.wants.retain(is_other);
    session.wants.push(subscription);
    granted
}

#[cfg(test)]
mod tests;
