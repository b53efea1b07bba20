//! SUBSCRIBE and UNSUBSCRIBE: which filters are granted, and which messages a new subscriber gets at once.
//!
//! Promises: subscriptions are bounded, of one session and of all, since each publication is held against every one. A filter that a session
//! has already takes no more room. Where all are taken, a new one may end a session of the address with most of them (`quota`). Retained messages
//! for which a session has no room are counted.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::packet::reason;
use super::super::packet::request::{RetainHandling, SubscriptionRequest};
use super::super::topic_filter::{self, Fault};
use super::retained::RetainedMessages;
use super::session::{Delivery, Session, Subscription};
use super::{Register, Sessions, quota};

/// Subscriptions of one session, their bytes, and those of all.
const SUBSCRIPTIONS_MAX: usize = 64;
const FILTER_BYTES_MAX: usize = 16 << 10;
const ALL_SUBSCRIPTIONS_MAX: usize = 4_096;

/// A subscription that was granted.
struct Granted {
    qos: u8,
    /// Messages that had to go for the retained ones.
    dropped: usize,
}

impl Sessions {
    /// The answer to each filter.
    pub fn subscribe(
        &self,
        client_id: &str,
        connection: u64,
        id: Option<u32>,
        requests: Vec<SubscriptionRequest>,
    ) -> Vec<u8> {
        let mut register = self.lock();
        let mut reasons = Vec::with_capacity(requests.len());
        for (position, request) in requests.into_iter().enumerate() {
            // More than a session may have is not even looked at.
            if position >= SUBSCRIPTIONS_MAX {
                reasons.push(reason::QUOTA);
                continue;
            }
            let subscription = Subscription { request, id };
            reasons.push(self.grant(&mut register, client_id, connection, subscription));
        }
        self.tell_missed(&mut register, client_id);
        self.make_room(&mut register);
        drop(register);

        if reasons.iter().any(|reason| *reason < reason::FAILURE) {
            self.subscribed.send_replace(true);
        }
        reasons
    }

    /// The QoS that is granted, or why it is not.
    fn grant(
        &self,
        register: &mut Register,
        client_id: &str,
        connection: u64,
        subscription: Subscription,
    ) -> u8 {
        self.make_room_for_subscription(register, client_id, &subscription.request.filter);

        match register.subscribe(client_id, connection, subscription) {
            Ok(Granted { qos, dropped }) => {
                let why = "more is retained than it may have waiting";
                self.count_dropped(client_id, dropped, why);
                qos
            }
            Err(reason) => reason,
        }
    }

    /// The publications of the first seconds, if these are not over.
    fn tell_missed(&self, register: &mut Register, client_id: &str) {
        let session = register.sessions.get_mut(client_id);
        if let (Some(backlog), Some(session)) = (&mut register.startup_backlog, session) {
            let dropped = backlog.tell(session);
            let why = "more came at the start than it may have waiting";
            self.count_dropped(client_id, dropped, why);
        }
    }

    /// Where all subscriptions are taken, a new one may end a session.
    fn make_room_for_subscription(&self, register: &mut Register, client_id: &str, filter: &str) {
        let Some(session) = register.sessions.get(client_id) else {
            return;
        };

        let is_one_more = !session.has(filter) && session.subscriptions.len() < SUBSCRIPTIONS_MAX;
        if is_one_more
            && register.subscriptions() >= ALL_SUBSCRIPTIONS_MAX
            && let Some(other) = quota::session_for_a_subscription(&register.sessions, session.from)
        {
            self.end_session(
                register,
                &other,
                "its address has most of all subscriptions",
            );
        }
    }

    /// The answer to each filter.
    pub fn unsubscribe(&self, client_id: &str, connection: u64, filters: &[String]) -> Vec<u8> {
        let mut named: HashSet<&str> = filters.iter().map(String::as_str).collect();
        let mut ended = HashSet::new();
        if let Some(session) = self.lock().session(client_id, connection) {
            session.subscriptions.retain(|subscription| {
                let filter = named.take(subscription.request.filter.as_str());
                ended.extend(filter);
                filter.is_none()
            });
        }

        let answer = |filter: &String| {
            if ended.remove(filter.as_str()) {
                reason::SUCCESS
            } else {
                reason::NO_SUBSCRIPTION
            }
        };
        filters.iter().map(answer).collect()
    }
}

impl Register {
    /// The reason why not, if it is not granted.
    fn subscribe(
        &mut self,
        client_id: &str,
        connection: u64,
        subscription: Subscription,
    ) -> Result<Granted, u8> {
        match topic_filter::check(&subscription.request.filter) {
            Err(Fault::Shared) => return Err(reason::NO_SHARED),
            Err(Fault::Invalid) => return Err(reason::FILTER_INVALID),
            Ok(()) => {}
        }

        let all = self.subscriptions();
        let retained = std::mem::take(&mut self.retained);
        let granted = self
            .session(client_id, connection)
            .filter(|session| has_room(session, all, &subscription.request.filter))
            .map(|session| grant(session, &retained, subscription));
        self.retained = retained;
        granted.ok_or(reason::QUOTA)
    }

    /// Of all sessions.
    fn subscriptions(&self) -> usize {
        self.sessions
            .values()
            .map(|session| session.subscriptions.len())
            .sum()
    }
}

/// Whether a session may have this filter, where there are so many subscriptions in all. One that it has already is replaced.
fn has_room(session: &Session, all: usize, filter: &str) -> bool {
    let others = || {
        let filters = session.subscriptions.iter();
        filters
            .map(|subscription| &subscription.request.filter)
            .filter(|other| *other != filter)
    };
    let bytes: usize = others().map(String::len).sum();
    let is_one_too_many = !session.has(filter)
        && (others().count() >= SUBSCRIPTIONS_MAX || all >= ALL_SUBSCRIPTIONS_MAX);

    !is_one_too_many && bytes + filter.len() <= FILTER_BYTES_MAX
}

/// Puts a subscription in the place of an earlier one with the same filter, and tells it the retained messages.
fn grant(
    session: &mut Session,
    retained: &RetainedMessages,
    subscription: Subscription,
) -> Granted {
    let qos = subscription.request.qos;
    let is_told = match subscription.request.retain_handling {
        RetainHandling::Always => true,
        RetainHandling::IfNew => !session.has(&subscription.request.filter),
        RetainHandling::Never => false,
    };
    let dropped = match is_told {
        true => tell(session, retained, &subscription),
        false => 0,
    };

    session
        .subscriptions
        .retain(|other| other.request.filter != subscription.request.filter);
    session.subscriptions.push(subscription);
    Granted { qos, dropped }
}

/// How many messages had to go for these.
fn tell(session: &mut Session, retained: &RetainedMessages, subscription: &Subscription) -> usize {
    let mut dropped = 0;
    for (message, qos) in retained.matching(&subscription.request.filter) {
        dropped += usize::from(session.push(Delivery {
            message: Arc::clone(message),
            qos: subscription.request.qos.min(qos).min(1),
            retain: true,
            is_again: false,
            subscriptions: subscription.id.iter().copied().collect(),
        }));
    }
    dropped
}
