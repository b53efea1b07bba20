//! SUBSCRIBE and UNSUBSCRIBE: which filters are granted, and what a new subscriber is told at once.
//!
//! Promises: subscriptions are bounded, of one session and of all, since each publication is held against every one. A filter that a session
//! has already takes no more room. Where all are taken, one that is new may end a session of the address with most of them (`quota`).

use std::collections::HashSet;
use std::sync::Arc;

use super::super::packet::incoming::{RetainHandling, SubscriptionRequest};
use super::super::packet::outgoing::reason;
use super::super::topic_filter::{self, Fault};
use super::retained::RetainedMessages;
use super::session::{Delivery, Session, Subscription};
use super::{Inner, Sessions, quota};

/// Subscriptions of one session, their bytes, and those of all.
const SUBSCRIPTIONS_MAX: usize = 64;
const FILTER_BYTES_MAX: usize = 16 << 10;
const ALL_SUBSCRIPTIONS_MAX: usize = 4_096;

impl Sessions {
    /// The answer to each filter.
    pub fn subscribe(
        &self,
        client_id: &str,
        connection: u64,
        id: Option<u32>,
        requests: Vec<SubscriptionRequest>,
    ) -> Vec<u8> {
        let mut inner = self.lock();
        let mut grant = |(position, request): (usize, SubscriptionRequest)| {
            // More than a session may have is not even looked at.
            if position >= SUBSCRIPTIONS_MAX {
                return reason::QUOTA;
            }
            self.make_room_for_subscription(&mut inner, client_id, &request.filter);
            inner.subscribe(client_id, connection, Subscription { request, id })
        };
        let reasons: Vec<u8> = requests.into_iter().enumerate().map(&mut grant).collect();

        let Inner {
            sessions,
            startup_backlog,
            ..
        } = &mut *inner;
        if let (Some(backlog), Some(session)) = (startup_backlog, sessions.get_mut(client_id)) {
            let dropped = backlog.tell(session);
            self.count_dropped(
                client_id,
                dropped,
                "more came at the start than it may have waiting",
            );
        }
        self.make_room(&mut inner);
        drop(inner);

        if reasons.iter().any(|reason| *reason < reason::FAILURE) {
            self.subscribed.send_replace(true);
        }
        reasons
    }

    /// Where all subscriptions are taken, one that is new may end a session.
    fn make_room_for_subscription(&self, inner: &mut Inner, client_id: &str, filter: &str) {
        let Some(session) = inner.sessions.get(client_id) else {
            return;
        };
        let is_one_more = !session.has(filter) && session.subscriptions.len() < SUBSCRIPTIONS_MAX;
        if is_one_more
            && inner.subscriptions() >= ALL_SUBSCRIPTIONS_MAX
            && let Some(other) = quota::session_for_a_subscription(&inner.sessions, session.from)
        {
            self.end_session(inner, &other, "its address has most of all subscriptions");
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

impl Inner {
    /// The QoS that is granted, or why it is not.
    fn subscribe(&mut self, client_id: &str, connection: u64, subscription: Subscription) -> u8 {
        match topic_filter::check(&subscription.request.filter) {
            Err(Fault::Shared) => return reason::NO_SHARED,
            Err(Fault::Invalid) => return reason::FILTER_INVALID,
            Ok(()) => {}
        }

        let all = self.subscriptions();
        let retained = std::mem::take(&mut self.retained);
        let reason = match self.session(client_id, connection) {
            Some(session) => grant(session, all, &retained, subscription),
            None => reason::QUOTA,
        };
        self.retained = retained;
        reason
    }

    /// Of all sessions.
    fn subscriptions(&self) -> usize {
        self.sessions
            .values()
            .map(|session| session.subscriptions.len())
            .sum()
    }
}

/// Puts a legal subscription in the place of an earlier one with the same filter. The QoS that is granted, or that there are too many.
fn grant(
    session: &mut Session,
    all: usize,
    retained: &RetainedMessages,
    subscription: Subscription,
) -> u8 {
    let Subscription { request, id } = &subscription;
    let is_other = |other: &Subscription| other.request.filter != request.filter;
    let others = session
        .subscriptions
        .iter()
        .filter(|other| is_other(other))
        .count();
    let bytes: usize = session
        .subscriptions
        .iter()
        .filter(|other| is_other(other))
        .map(|other| other.request.filter.len())
        .sum();

    let is_new = others == session.subscriptions.len();
    let is_one_too_many = is_new && (others >= SUBSCRIPTIONS_MAX || all >= ALL_SUBSCRIPTIONS_MAX);
    if is_one_too_many || bytes + request.filter.len() > FILTER_BYTES_MAX {
        return reason::QUOTA;
    }

    if request.retain_handling == RetainHandling::Always
        || (request.retain_handling == RetainHandling::IfNew && is_new)
    {
        for (message, qos) in retained.matching(&request.filter) {
            session.push(Delivery {
                message: Arc::clone(message),
                qos: request.qos.min(qos).min(1),
                retain: true,
                is_again: false,
                subscriptions: id.iter().copied().collect(),
            });
        }
    }

    let granted = request.qos;
    session.subscriptions.retain(is_other);
    session.subscriptions.push(subscription);
    granted
}
