//! One session: its subscriptions, its queue, its messages without an acknowledgement. It may outlive its connection.
//!
//! Promises: messages go out in the order they came; where they are too many, the oldest go first; a message that was sent and not
//! acknowledged is sent again on the next connection. Deliberately holds no payload of its own: all sessions share a message.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::super::admission::CloseSignal;
use super::super::packet::publication::Message;
use super::super::packet::request::SubscriptionRequest;
use super::super::topic_filter;
use super::backpressure::Pace;
use boxbridge_event::ShareKey;

/// Messages that wait for one subscriber; beyond it the oldest goes.
const WAITING_MAX: usize = 1000;
/// Sent and not yet acknowledged: enough for a line with some delay.
const IN_FLIGHT_MAX: u16 = 32;
/// The cost of a message for a subscriber, beside the bytes that all share.
const SLOT: usize = 64;

pub(super) struct Session {
    /// Never given to another session of this process.
    pub number: u64,
    /// Where its client was last.
    pub from: ShareKey,
    pub subscriptions: Vec<Subscription>,
    /// While its client is connected.
    pub connection: Option<ConnectionHandle>,
    /// How long it outlives its connection.
    pub kept_for: Duration,
    /// When its connection began, or ended.
    pub since: Instant,
    pub pace: Pace,
    waiting: VecDeque<Delivery>,
    in_flight: VecDeque<(u16, Delivery)>,
    last_id: u16,
    bytes: usize,
}

pub(super) struct Subscription {
    pub request: SubscriptionRequest,
    /// The client's own number for it, MQTT 5.
    pub id: Option<u32>,
}

/// The connection of a session, as the session needs it.
pub(in super::super) struct ConnectionHandle {
    pub number: u64,
    pub from: ShareKey,
    /// Something waits.
    pub wake: Arc<Notify>,
    pub closing: Arc<CloseSignal>,
    pub receive_maximum: u16,
}

/// A message, as it goes to one subscriber.
#[derive(Clone, Debug)]
pub(in super::super) struct Delivery {
    pub message: Arc<Message>,
    pub qos: u8,
    pub retain: bool,
    pub is_again: bool,
    pub subscriptions: Vec<u32>,
}

impl Session {
    pub fn new(number: u64, from: ShareKey) -> Session {
        Session {
            number,
            from,
            subscriptions: Vec::new(),
            connection: None,
            kept_for: Duration::ZERO,
            since: Instant::now(),
            pace: Pace::default(),
            waiting: VecDeque::new(),
            in_flight: VecDeque::new(),
            last_id: 0,
            bytes: 0,
        }
    }

    /// It has a subscription with this very filter.
    pub fn has(&self, filter: &str) -> bool {
        self.subscriptions
            .iter()
            .any(|subscription| subscription.request.filter == filter)
    }

    /// How this message would go to it, if it wants it.
    pub fn delivery(&self, message: &Arc<Message>, qos: u8, is_retained: bool) -> Option<Delivery> {
        let matches = |subscription: &&Subscription| {
            topic_filter::matches(&subscription.request.filter, &message.topic)
        };
        let mut matching = self.subscriptions.iter().filter(matches).peekable();
        matching.peek()?;

        let mut delivery = Delivery {
            message: Arc::clone(message),
            qos: 0,
            retain: false,
            is_again: false,
            subscriptions: Vec::new(),
        };
        for Subscription { request, id } in matching {
            delivery.qos = delivery.qos.max(request.qos.min(qos).min(1));
            delivery.retain |= is_retained && request.retain_as_published;
            delivery.subscriptions.extend(id);
        }
        Some(delivery)
    }

    /// Whether another had to go for it.
    pub fn push(&mut self, delivery: Delivery) -> bool {
        self.bytes += SLOT + delivery.message.weight;
        self.waiting.push_back(delivery);
        let is_full = self.waiting.len() > WAITING_MAX;
        if is_full {
            self.drop_oldest(1);
        }

        if let Some(connection) = &self.connection {
            connection.wake.notify_one();
        }
        is_full
    }

    /// The next that it has room for, with its packet id where it has one.
    pub fn next(&mut self) -> Option<(Delivery, u16)> {
        let window = self.connection.as_ref()?.receive_maximum.min(IN_FLIGHT_MAX);
        loop {
            let has_room = self.in_flight.len() < usize::from(window);
            if !has_room && self.waiting.front()?.qos > 0 {
                return None;
            }

            let delivery = self.waiting.pop_front()?;
            self.pace.took();

            if delivery.message.is_over() {
                self.forget(&delivery);
            } else if delivery.qos == 0 {
                self.forget(&delivery);
                return Some((delivery, 0));
            } else {
                let packet_id = self.fresh_id();
                self.in_flight.push_back((packet_id, delivery.clone()));
                return Some((delivery, packet_id));
            }
        }
    }

    pub fn acknowledged(&mut self, packet_id: u16) {
        if let Some(position) = self.in_flight.iter().position(|(id, _)| *id == packet_id)
            && let Some((_, delivery)) = self.in_flight.remove(position)
        {
            self.forget(&delivery);
            if let Some(connection) = &self.connection {
                connection.wake.notify_one();
            }
        }
    }

    /// The connection is over: messages without an acknowledgement wait again, before everything else.
    pub fn disconnected(&mut self) {
        self.connection = None;
        self.since = Instant::now();
        while let Some((_, delivery)) = self.in_flight.pop_back() {
            self.waiting.push_front(Delivery {
                is_again: true,
                ..delivery
            });
        }
    }

    /// Messages that it has not acknowledged.
    pub fn depth(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// The bytes that it holds, counted as if nobody shared them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops the older half of the queue, or all that is in flight where the queue is empty. How many these were.
    pub fn give_way(&mut self) -> usize {
        if self.waiting.is_empty() {
            let count = self.in_flight.len();
            self.in_flight.clear();
            self.bytes = 0;
            count
        } else {
            self.drop_oldest(self.waiting.len().div_ceil(2))
        }
    }

    fn drop_oldest(&mut self, count: usize) -> usize {
        let oldest: Vec<_> = self
            .waiting
            .drain(..count.min(self.waiting.len()))
            .collect();
        oldest.iter().for_each(|delivery| self.forget(delivery));
        oldest.len()
    }

    fn forget(&mut self, delivery: &Delivery) {
        self.bytes = self.bytes.saturating_sub(SLOT + delivery.message.weight);
    }

    fn fresh_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if self.in_flight.iter().all(|(id, _)| *id != self.last_id) {
                return self.last_id;
            }
        }
    }
}
