//! All sessions: from the gateway's publications to the clients that subscribed to them. The broker without its connections.
//!
//! Promises: a message is held once, however many wait for it, and all messages together hold at most [`HELD_MAX`]: the session that holds
//! most gives way, and that is counted. Offline sessions end after a while, and there are few of them. No address can take all offline sessions
//! or subscriptions from another (`quota`). Deliberately writes nothing to disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tracing::warn;

use super::packet::outgoing::reason;
use super::packet::publication::{HeldBytes, Message};
use super::topic_filter;
use boxbridge_event::Sharer;

mod backpressure;
mod quota;
mod retained;
mod session;
mod startup_backlog;
mod subscriptions;

use backpressure::Credit;
use retained::RetainedMessages;
use session::Session;
use startup_backlog::StartupBacklog;

pub(super) use session::{ConnectionHandle, Delivery};

/// Bytes of all messages that wait for somebody or are retained: a quarter of what the whole process may take.
const HELD_MAX: usize = 64 << 20;
/// Sessions without a connection.
const OFFLINE_MAX: usize = 256;
/// How long a session outlives its connection at most: a shift change, a reboot; not a screen that was taken down.
const KEPT_FOR: Duration = Duration::from_secs(3_600);
/// A wait for room looks again after this: a subscriber that is given up takes nothing, so nothing else wakes the wait.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Told once whether anybody wanted a publication.
pub(super) type Answer = Box<dyn FnOnce(bool) + Send>;

/// Whether a publication may be held back for slow subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    Alert,
    Normal,
}

pub(super) struct Sessions {
    inner: Mutex<Inner>,
    pub held: HeldBytes,
    subscribed: watch::Sender<bool>,
    /// Some subscriber took something.
    moved: Notify,
    dropped: AtomicU64,
}

struct Inner {
    /// By client id.
    sessions: HashMap<String, Session>,
    retained: RetainedMessages,
    /// Until the first seconds are over.
    startup_backlog: Option<StartupBacklog>,
    /// Of addresses whose sessions were slow lately.
    credits: HashMap<Sharer, Credit>,
    last_number: u64,
}

/// What a client that connects finds.
pub(super) struct Resumption {
    /// Its session was there already.
    pub is_present: bool,
    pub kept_for: Duration,
}

impl Sessions {
    pub fn new() -> Sessions {
        let inner = Inner {
            sessions: HashMap::new(),
            retained: RetainedMessages::default(),
            startup_backlog: Some(StartupBacklog::new()),
            credits: HashMap::new(),
            last_number: 0,
        };
        Sessions {
            inner: Mutex::new(inner),
            held: HeldBytes::default(),
            subscribed: watch::Sender::new(false),
            moved: Notify::new(),
            dropped: AtomicU64::new(0),
        }
    }

    /// Messages that were dropped before their subscribers took them.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Returns once somebody has subscribed.
    pub async fn subscribed(&self) {
        // The sender is our own, so this cannot fail.
        drop(
            self.subscribed
                .subscribe()
                .wait_for(|subscribed| *subscribed)
                .await,
        );
    }

    /// Hands a publication to all who want it, with its QoS and whether it is retained. Waits for slow subscribers, within reason, unless it is
    /// an alert.
    pub async fn publish(
        &self,
        message: Arc<Message>,
        (qos, retain): (u8, bool),
        priority: Priority,
        answer: Answer,
    ) {
        loop {
            let moved = self.moved.notified();
            {
                let mut inner = self.lock();
                if priority == Priority::Alert || !inner.holds_back(&message.topic) {
                    self.fan_out(&mut inner, &message, (qos, retain, priority), answer);
                    return;
                }
            }
            // Whether a subscriber took something or the time is over, the next look tells.
            drop(tokio::time::timeout(LOOK_AGAIN, moved).await);
        }
    }

    fn fan_out(
        &self,
        inner: &mut Inner,
        message: &Arc<Message>,
        (qos, retain, priority): (u8, bool, Priority),
        answer: Answer,
    ) {
        let mut told = Vec::new();
        for (client_id, session) in &mut inner.sessions {
            if let Some(delivery) = session.delivery(message, qos, retain) {
                told.push(session.number);
                let dropped = usize::from(session.push(delivery));
                self.count_dropped(client_id, dropped, "it is slow or gone");
            }
        }

        match &mut inner.startup_backlog {
            // What is retained is told to everybody anyway.
            Some(backlog) if !retain => backlog.remember(message, qos, priority, told, answer),
            // A retained message is kept for those who come later.
            _ => answer(retain || !told.is_empty()),
        }
        if retain {
            inner.retained.put(message, qos);
        }
        self.make_room(inner);
    }

    /// The session that holds most loses its oldest messages, until there is room.
    fn make_room(&self, inner: &mut Inner) {
        while self.held.bytes() > HELD_MAX {
            let Some((client_id, session)) = inner
                .sessions
                .iter_mut()
                .max_by_key(|(_, session)| session.bytes())
            else {
                return;
            };
            let dropped = session.give_way();
            self.count_dropped(
                client_id,
                dropped,
                "it held most of what the broker may hold",
            );
            if dropped == 0 {
                // What is held is on its way to somebody, retained or remembered: none of it can be dropped here.
                return;
            }

            // It reads nothing, so that what is on its way to it cannot go either.
            if let Some(connection) = session.connection.as_ref().filter(|_| session.depth() == 0) {
                connection.closing.close(reason::QUOTA);
            }
        }
    }

    fn count_dropped(&self, subscriber: &str, messages: usize, why: &str) {
        if messages == 0 {
            return;
        }
        let before = self.dropped.fetch_add(messages as u64, Ordering::Relaxed);
        let dropped = before + messages as u64;
        // Each doubling once: for a subscriber that stands still it is thousands a second.
        if before.checked_ilog2() != dropped.checked_ilog2() {
            warn!(
                subscriber,
                dropped, "the embedded broker dropped messages of a subscriber: {why}"
            );
        }
    }

    /// A client connected. Its earlier connection is closed; its session goes on, unless it wants a new one.
    pub fn connect(
        &self,
        client_id: &str,
        connection: ConnectionHandle,
        clean_start: bool,
        asked: Option<Duration>,
    ) -> Resumption {
        let mut inner = self.lock();
        inner.last_number += 1;
        let number = inner.last_number;

        if let Some(before) = inner
            .sessions
            .get(client_id)
            .and_then(|session| session.connection.as_ref())
        {
            before.closing.close(reason::TAKEN_OVER);
        }
        // One that was to end with its connection ends here, too, if that is taken over (MQTT-3.1.2-6).
        if clean_start
            || inner
                .sessions
                .get(client_id)
                .is_some_and(|session| session.kept_for.is_zero())
        {
            inner.sessions.remove(client_id);
        }

        let is_present = inner.sessions.contains_key(client_id);
        let session = inner
            .sessions
            .entry(client_id.to_owned())
            .or_insert_with(|| Session::new(number, connection.from));
        session.disconnected();
        session.from = connection.from;
        session.kept_for = asked.unwrap_or(KEPT_FOR).min(KEPT_FOR);
        connection.wake.notify_one();
        session.connection = Some(connection);
        Resumption {
            is_present,
            kept_for: session.kept_for,
        }
    }

    /// A connection ended; in MQTT 5 its client may have said how long its session is kept.
    pub fn disconnect(&self, client_id: &str, connection: u64, asked: Option<Duration>) {
        let mut inner = self.lock();
        let Some(session) = inner.session(client_id, connection) else {
            return;
        };
        session.disconnected();
        // A session that was to end with its connection cannot be kept by its DISCONNECT.
        if !session.kept_for.is_zero() {
            session.kept_for = asked.map_or(session.kept_for, |asked| asked.min(KEPT_FOR));
        }
        if session.kept_for.is_zero() {
            self.end_session(
                &mut inner,
                client_id,
                "its session ended with its connection",
            );
        }

        while inner
            .sessions
            .values()
            .filter(|session| session.connection.is_none())
            .count()
            > OFFLINE_MAX
            && let Some(client_id) = quota::offline_session(&inner.sessions)
        {
            self.end_session(&mut inner, &client_id, "too many sessions are offline");
        }
        drop(inner);
        self.moved.notify_waiters();
    }

    /// Ends a session, and its connection with it.
    fn end_session(&self, inner: &mut Inner, client_id: &str, why: &str) {
        let Some(session) = inner.sessions.remove(client_id) else {
            return;
        };
        if let Some(connection) = &session.connection {
            connection.closing.close(reason::QUOTA);
        }
        self.count_dropped(client_id, session.depth(), why);
    }

    /// What goes out next on this connection, with its packet id.
    pub fn next(&self, client_id: &str, connection: u64) -> Option<(Delivery, u16)> {
        let next = self.lock().session(client_id, connection)?.next();
        if next.is_some() {
            self.moved.notify_waiters();
        }
        next
    }

    pub fn acknowledged(&self, client_id: &str, connection: u64, packet_id: u16) {
        if let Some(session) = self.lock().session(client_id, connection) {
            session.acknowledged(packet_id);
        }
        self.moved.notify_waiters();
    }

    /// A message is larger than its subscriber takes.
    pub fn too_large(&self, client_id: &str, connection: u64, packet_id: u16) {
        self.acknowledged(client_id, connection, packet_id);
        self.count_dropped(client_id, 1, "one was larger than it takes");
    }

    /// What time brings: the first seconds end, sessions that nobody came back for end.
    pub fn tick(&self) {
        let mut inner = self.lock();
        if let Some(backlog) = inner.startup_backlog.take_if(|backlog| backlog.is_over()) {
            backlog.end();
        }
        inner.credits.retain(|_, credit| !credit.is_whole());

        let now = Instant::now();
        let is_over = |session: &Session| {
            session.connection.is_none() && now.duration_since(session.since) >= session.kept_for
        };
        let over: Vec<String> = inner
            .sessions
            .iter()
            .filter(|(_, session)| is_over(session))
            .map(|(client_id, _)| client_id.clone())
            .collect();
        for client_id in over {
            self.end_session(&mut inner, &client_id, "nobody came back for its session");
        }
    }

    /// Lets connected clients take what waits for them, at most for so long, and closes their connections. How many messages were not taken.
    pub async fn drain(&self, at_most: Duration) -> usize {
        let late = tokio::time::Instant::now() + at_most;
        loop {
            let moved = self.moved.notified();
            let is_done = self
                .lock()
                .sessions
                .values()
                .all(|session| session.connection.is_none() || session.depth() == 0);
            if is_done || tokio::time::timeout_at(late, moved).await.is_err() {
                break;
            }
        }

        let inner = self.lock();
        let connections = inner
            .sessions
            .values()
            .filter_map(|session| session.connection.as_ref());
        connections.for_each(|connection| connection.closing.close(reason::SHUTTING_DOWN));
        inner.sessions.values().map(Session::depth).sum()
    }

    /// What is in here stays whole whatever panicked while it was held.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

impl Inner {
    /// The session, if this is its connection.
    fn session(&mut self, client_id: &str, connection: u64) -> Option<&mut Session> {
        let session = self.sessions.get_mut(client_id)?;
        session
            .connection
            .as_ref()
            .is_some_and(|own| own.number == connection)
            .then_some(session)
    }

    /// Whether a subscriber of this topic is full and waited for, or those who are not there yet could not be told later.
    fn holds_back(&mut self, topic: &str) -> bool {
        if self
            .startup_backlog
            .as_ref()
            .is_some_and(|backlog| backlog.is_full(Priority::Normal))
        {
            return true;
        }
        let wants = |session: &Session| {
            session
                .subscriptions
                .iter()
                .any(|subscription| topic_filter::matches(&subscription.request.filter, topic))
        };
        let subscribers = self
            .sessions
            .values_mut()
            .filter(|session| session.connection.is_some() && wants(session));
        backpressure::holds_back(subscribers.collect(), &mut self.credits, LOOK_AGAIN)
    }
}

#[cfg(test)]
mod tests;
