//! All sessions: from the gateway's publications to the clients that subscribed to them. The broker without its connections.
//!
//! Promises: a message is held once, however many wait for it, and all messages together hold at most [`HELD_MAX`]: the session that holds
//! most gives way. Each message that a subscriber misses is counted. Offline sessions end after a while (`lifetime`), and there are few of them. No
//! address can take all offline sessions or subscriptions from another (`quota`). Deliberately writes nothing to disk.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, watch};
use tracing::warn;

use super::logged_count::LoggedCount;
use super::packet::publication::{HeldBytes, Message};
use super::packet::reason;
use super::topic_filter;
use boxbridge_event::ShareKey;

mod backpressure;
mod lifetime;
mod quota;
mod retained;
mod session;
mod startup_backlog;
mod subscriptions;

use backpressure::Credit;
use retained::{RetainedMessages, TOPICS_MAX};
use session::Session;
use startup_backlog::StartupBacklog;

pub(super) use session::{ConnectionHandle, Delivery};

/// Bytes of all messages that wait for somebody or are retained: a quarter of what the whole process may take.
const HELD_MAX: usize = 64 << 20;
/// A wait for room looks again after this: a subscriber that is given up takes nothing, so nothing else wakes the wait.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Told once whether anybody wanted a publication.
pub(super) type Acknowledge = Box<dyn FnOnce(bool) + Send>;

/// Whether a publication may be held back for slow subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    Alert,
    Normal,
}

pub(super) struct Sessions {
    register: Mutex<Register>,
    pub held: HeldBytes,
    subscribed: watch::Sender<bool>,
    /// Some subscriber took something.
    moved: Notify,
    dropped: LoggedCount,
}

/// Everything that changes together. It stays whole if a panic comes while it is locked.
struct Register {
    /// By client id.
    sessions: HashMap<String, Session>,
    retained: RetainedMessages,
    /// Until the first seconds are over.
    startup_backlog: Option<StartupBacklog>,
    /// Of addresses whose sessions were slow lately.
    credits: HashMap<ShareKey, Credit>,
    last_number: u64,
}

impl Sessions {
    pub fn new() -> Sessions {
        let register = Register {
            sessions: HashMap::new(),
            retained: RetainedMessages::default(),
            startup_backlog: Some(StartupBacklog::new()),
            credits: HashMap::new(),
            last_number: 0,
        };

        Sessions {
            register: Mutex::new(register),
            held: HeldBytes::default(),
            subscribed: watch::Sender::new(false),
            moved: Notify::new(),
            dropped: LoggedCount::default(),
        }
    }

    /// Messages that were dropped before their subscribers took them.
    pub fn dropped(&self) -> u64 {
        self.dropped.count()
    }

    /// Returns once somebody has subscribed.
    pub async fn subscribed(&self) {
        let mut subscribed = self.subscribed.subscribe();
        // The sender is our own, so this cannot fail.
        drop(subscribed.wait_for(|subscribed| *subscribed).await);
    }

    /// Hands a publication to all its subscribers, with its QoS and whether it is retained. Waits for slow subscribers, within reason, unless it is
    /// an alert.
    pub async fn publish(
        &self,
        message: Arc<Message>,
        (qos, retain): (u8, bool),
        priority: Priority,
        answer: Acknowledge,
    ) {
        loop {
            let moved = self.moved.notified();
            {
                let mut register = self.lock();
                if priority == Priority::Alert || !register.holds_back(&message.topic) {
                    self.fan_out(&mut register, &message, (qos, retain, priority), answer);
                    return;
                }
            }

            // The next look tells whether a subscriber took something or the time is over.
            drop(tokio::time::timeout(LOOK_AGAIN, moved).await);
        }
    }

    fn fan_out(
        &self,
        register: &mut Register,
        message: &Arc<Message>,
        (qos, retain, priority): (u8, bool, Priority),
        answer: Acknowledge,
    ) {
        let is_retained = retain && self.retain(register, message, qos);
        let mut told = Vec::new();
        for (client_id, session) in &mut register.sessions {
            if let Some(delivery) = session.delivery(message, qos, retain) {
                told.push(session.number);
                let dropped = usize::from(session.push(delivery));
                self.count_dropped(client_id, dropped, "it is slow or gone");
            }
        }

        match &mut register.startup_backlog {
            // A retained message is told to everybody anyway.
            Some(backlog) if !retain => backlog.remember(message, qos, priority, told, answer),
            // It is kept for clients that come later.
            _ => answer(is_retained || !told.is_empty()),
        }
        self.make_room(register);
    }

    /// Whether it is kept for clients that come later.
    fn retain(&self, register: &mut Register, message: &Arc<Message>, qos: u8) -> bool {
        let is_kept = register.retained.put(message, qos);
        if !is_kept && let Some(dropped) = self.dropped.add(1) {
            warn!(
                dropped,
                topics_max = TOPICS_MAX,
                "the embedded broker retains no message of another topic: clients that come later will miss it"
            );
        }
        is_kept
    }

    /// The session that holds most loses its oldest messages, until there is room.
    fn make_room(&self, register: &mut Register) {
        while self.held.bytes() > HELD_MAX {
            let Some((client_id, session)) = register.greediest() else {
                return;
            };
            let dropped = session.give_way();
            self.count_dropped(
                client_id,
                dropped,
                "it held most of what the broker may hold",
            );
            if dropped == 0 {
                // Everything held is on its way to somebody, retained or remembered: none of it can be dropped here.
                return;
            }

            // It reads nothing, so the messages on their way to it stay held, too.
            if let Some(connection) = session.connection.as_ref().filter(|_| session.depth() == 0) {
                connection.closing.close(reason::QUOTA);
            }
        }
    }

    fn count_dropped(&self, subscriber: &str, messages: usize, why: &str) {
        if let Some(dropped) = self.dropped.add(messages) {
            warn!(
                subscriber,
                dropped, "the embedded broker dropped messages of a subscriber: {why}"
            );
        }
    }

    /// The next message on this connection, with its packet id.
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

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.register.lock()
    }
}

impl Register {
    /// The session, if this is its connection.
    fn session(&mut self, client_id: &str, connection: u64) -> Option<&mut Session> {
        let session = self.sessions.get_mut(client_id)?;
        let is_its_own = session
            .connection
            .as_ref()
            .is_some_and(|own| own.number == connection);
        is_its_own.then_some(session)
    }

    /// The session that holds most, with its client.
    fn greediest(&mut self) -> Option<(&String, &mut Session)> {
        self.sessions
            .iter_mut()
            .max_by_key(|(_, session)| session.bytes())
    }

    /// Whether the lane waits for a full subscriber of this topic, or has no room to remember the message for clients that are not back yet.
    fn holds_back(&mut self, topic: &str) -> bool {
        let backlog = self.startup_backlog.as_ref();
        if backlog.is_some_and(|backlog| backlog.is_full(Priority::Normal)) {
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
