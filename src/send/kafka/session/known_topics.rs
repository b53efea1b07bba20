//! The topics that a session knows, and the messages that wait until one has been looked up.
//!
//! Promises: none of a topic's messages overtakes another while they wait; a refusal is believed for [`BELIEVED`], then the topic is looked up again;
//! bounded in names. Deliberately judges no message but by its topic and size.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::super::topics::{self, Found, Topic};
use super::super::{NAMES_MAX, Shared};
use crate::send::{ConnectError, Reason};
use boxbridge_event::{Message, Sequence};

/// A person may have made the topic since, or raised its limit.
const BELIEVED: Duration = Duration::from_secs(5);

/// Messages in the order in which they came.
pub(super) type Waiting = VecDeque<(Sequence, Message)>;

pub(super) struct KnownTopics {
    topics: HashMap<String, State>,
    /// Each knows its topic's name.
    lookups: JoinSet<(String, Result<Found, ConnectError>)>,
}

enum State {
    Known {
        topic: Topic,
        since: Instant,
        /// Nobody has said since that it may have changed.
        is_believed: bool,
    },
    /// Its messages wait here, so that none overtakes.
    LookedUp { waiting: Waiting },
}

/// Whether a message of some size may go to its topic.
pub(super) enum Judgement {
    /// Its topic takes so many bytes.
    Takes(usize),
    Refused(Reason, String),
    /// Its topic is being looked up, was never seen, or was refused so long ago that it may have changed.
    Unknown,
}

impl State {
    fn known_now(topic: Topic) -> State {
        State::Known {
            topic,
            since: Instant::now(),
            is_believed: true,
        }
    }
}

impl KnownTopics {
    pub(super) fn new(topics: HashMap<String, Topic>) -> KnownTopics {
        let known = |(name, topic)| (name, State::known_now(topic));
        KnownTopics {
            topics: topics.into_iter().map(known).collect(),
            lookups: JoinSet::new(),
        }
    }

    pub(super) fn judge(&self, topic: &str, bytes: usize) -> Judgement {
        let Some(State::Known {
            topic,
            since,
            is_believed,
        }) = self.topics.get(topic)
        else {
            return Judgement::Unknown;
        };
        let is_believed = *is_believed && since.elapsed() <= BELIEVED;

        match topic {
            Topic::There { max_bytes: None } => Judgement::Takes(usize::MAX),
            Topic::There {
                max_bytes: Some(limit),
            } if bytes <= *limit || is_believed => Judgement::Takes(*limit),
            Topic::Refused { reason, detail } if is_believed => {
                Judgement::Refused(*reason, detail.clone())
            }
            Topic::There { .. } | Topic::Refused { .. } => Judgement::Unknown,
        }
    }

    /// This message waits until its topic has been looked up.
    pub(super) fn wait(&mut self, shared: &Arc<Shared>, sequence: Sequence, message: Message) {
        if let Some(State::LookedUp { waiting }) = self.topics.get_mut(&message.topic) {
            waiting.push_back((sequence, message));
            return;
        }

        let name = message.topic.clone();
        self.make_room();
        let waiting = VecDeque::from([(sequence, message)]);
        self.topics
            .insert(name.clone(), State::LookedUp { waiting });
        self.look_up(shared, name);
    }

    fn make_room(&mut self) {
        if self.topics.len() >= NAMES_MAX {
            self.topics
                .retain(|_, state| matches!(state, State::LookedUp { .. }));
        }
    }

    fn look_up(&mut self, shared: &Arc<Shared>, name: String) {
        shared.remember(&name);
        let shared = Arc::clone(shared);
        self.lookups.spawn(async move {
            let found = topics::look_up(&shared, vec![name.clone()], shared.missing()).await;
            (name, found)
        });
    }

    /// The next topic that has been looked up. Cancel-safe.
    pub(super) async fn found(&mut self) -> (String, Result<Found, ConnectError>) {
        loop {
            match self.lookups.join_next().await {
                Some(Ok(found)) => return found,
                // A look-up that panicked has said so itself.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }

    /// A topic is known now. The messages that waited for it.
    pub(super) fn learn(&mut self, name: String, topic: Topic) -> Waiting {
        waiting(self.topics.insert(name, State::known_now(topic)))
    }

    /// A topic could not be looked up. The messages that waited for it.
    pub(super) fn give_up(&mut self, name: &str) -> Waiting {
        waiting(self.topics.remove(name))
    }

    /// Topics that were refused, and limits, are looked up again by the next message that they refuse.
    pub(super) fn doubt(&mut self) {
        for state in self.topics.values_mut() {
            if let State::Known { is_believed, .. } = state {
                *is_believed = false;
            }
        }
    }

    /// The next message of this topic looks it up again.
    pub(super) fn forget(&mut self, topic: &str) {
        if let Some(State::Known { .. }) = self.topics.get(topic) {
            self.topics.remove(topic);
        }
    }
}

fn waiting(state: Option<State>) -> Waiting {
    match state {
        Some(State::LookedUp { waiting }) => waiting,
        Some(State::Known { .. }) | None => Waiting::new(),
    }
}
