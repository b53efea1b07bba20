//! The records that the producer has and the brokers have not answered, by topic.
//!
//! Promises: a topic that answers nothing is told from brokers that answer nothing. The records of such a topic are left behind: they stay in the
//! producer, which goes on trying, and no longer fill the lane's window; the brokers' late answer counts. Deliberately does no IO, and is told the
//! time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use boxbridge_event::{Sequence, Timestamp};

#[derive(Default)]
pub(super) struct InFlight {
    sent: HashMap<Sequence, Sent>,
    /// Still in the producer, though the caller was told that it waits.
    left_behind: HashMap<Sequence, Sent>,
    topics: HashMap<String, Traffic>,
    /// Topics of which one record is sent at a time, until one is taken.
    one_by_one: HashSet<String>,
    /// When anything was last answered.
    answered: Option<Instant>,
    /// Since when something has been on its way, and nothing was answered.
    silent_since: Option<Instant>,
}

/// A record that the producer has.
pub(super) struct Sent {
    pub topic: String,
    pub timestamp: Timestamp,
    /// Nothing else of its topic was on its way, so nothing else was in its batch.
    pub is_alone: bool,
}

/// One topic with something on its way.
struct Traffic {
    records: usize,
    /// When it was last answered, or sent to after a rest.
    moved: Instant,
}

/// Where the silence is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silent {
    /// Only this topic, as others are answered.
    Topic(String),
    /// This topic and all others, for so long.
    All(String, Duration),
}

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    pub(super) fn has(&self, topic: &str) -> bool {
        self.topics.contains_key(topic)
    }

    pub(super) fn is_one_by_one(&self, topic: &str) -> bool {
        self.one_by_one.contains(topic)
    }

    pub(super) fn send_one_by_one(&mut self, topic: &str) {
        self.one_by_one.insert(topic.to_owned());
    }

    pub(super) fn sent(&mut self, sequence: Sequence, sent: Sent, now: Instant) {
        match self.topics.get_mut(&sent.topic) {
            Some(traffic) => traffic.records += 1,
            None => drop(self.topics.insert(
                sent.topic.clone(),
                Traffic {
                    records: 1,
                    moved: now,
                },
            )),
        }
        self.sent.insert(sequence, sent);
        self.silent_since.get_or_insert(now);
    }

    /// It was submitted again, and the producer still has it: nothing is to be sent.
    pub(super) fn takes_up(&mut self, sequence: Sequence, now: Instant) -> bool {
        let Some(sent) = self.left_behind.remove(&sequence) else {
            return false;
        };
        self.sent(sequence, sent, now);
        true
    }

    /// The brokers, or the producer, answered it.
    pub(super) fn answered(&mut self, sequence: Sequence, now: Instant) -> Option<Sent> {
        self.answered = Some(now);
        let removed = self.sent.remove(&sequence);
        if let Some(sent) = &removed {
            self.count_down(&sent.topic, now);
        }
        let sent = removed.or_else(|| self.left_behind.remove(&sequence));

        let is_owed = !self.sent.is_empty() || !self.left_behind.is_empty();
        self.silent_since = is_owed.then_some(now);
        sent
    }

    /// A record of this topic was taken.
    pub(super) fn taken(&mut self, topic: &str) {
        self.one_by_one.remove(topic);
    }

    fn count_down(&mut self, topic: &str, now: Instant) {
        let Some(traffic) = self.topics.get_mut(topic) else {
            return;
        };
        traffic.moved = now;
        traffic.records -= 1;
        if traffic.records == 0 {
            self.topics.remove(topic);
        }
    }

    /// When the topic that has been silent longest has been so for `patience`.
    pub(super) fn deadline(&self, patience: Duration) -> Option<Instant> {
        self.topics
            .values()
            .map(|traffic| traffic.moved + patience)
            .min()
    }

    /// Where it has been silent for `patience`, if anywhere.
    pub(super) fn silent(&self, patience: Duration, now: Instant) -> Option<Silent> {
        let (topic, _) = self
            .topics
            .iter()
            .filter(|(_, traffic)| traffic.moved + patience <= now)
            .min_by_key(|(_, traffic)| traffic.moved)?;
        let others_are_answered = self
            .answered
            .is_some_and(|answered| answered + patience / 2 > now);
        if others_are_answered {
            return Some(Silent::Topic(topic.clone()));
        }

        let silent_for = self
            .silent_since
            .map_or(patience, |since| now.saturating_duration_since(since));
        Some(Silent::All(topic.clone(), silent_for))
    }

    /// Leaves the records of this topic behind.
    pub(super) fn leave_behind(&mut self, topic: &str) -> Vec<Sequence> {
        let of_topic = self.sent.extract_if(|_, sent| sent.topic == topic);
        let (mut sequences, left): (Vec<_>, Vec<_>) = of_topic
            .map(|(sequence, sent)| (sequence, (sequence, sent)))
            .unzip();
        self.left_behind.extend(left);
        self.topics.remove(topic);
        sequences.sort_unstable();
        sequences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    fn sent(topic: &str) -> Sent {
        Sent {
            topic: topic.to_owned(),
            timestamp: Timestamp(0),
            is_alone: false,
        }
    }

    #[test]
    fn a_silent_topic_is_told_from_silent_brokers() {
        let (mut flight, start) = (InFlight::default(), Instant::now());
        for number in 1..=3 {
            flight.sent(Sequence(number), sent("mute"), start);
        }
        flight.sent(Sequence(4), sent("well"), start);
        assert_eq!(flight.deadline(PATIENCE), Some(start + PATIENCE));
        assert_eq!(flight.silent(PATIENCE, start + PATIENCE / 2), None);

        flight.answered(Sequence(4), start + PATIENCE * 9 / 10);
        assert_eq!(
            flight.silent(PATIENCE, start + PATIENCE),
            Some(Silent::Topic("mute".to_owned()))
        );
        assert_eq!(
            flight.silent(PATIENCE, start + PATIENCE * 2),
            Some(Silent::All("mute".to_owned(), PATIENCE * 11 / 10))
        );
    }

    #[test]
    fn what_is_left_behind_is_sent_once_and_its_late_answer_counts() {
        let (mut flight, now) = (InFlight::default(), Instant::now());
        for number in 1..=3 {
            flight.sent(Sequence(number), sent("mute"), now);
        }
        assert_eq!(
            flight.leave_behind("mute"),
            [Sequence(1), Sequence(2), Sequence(3)]
        );
        assert!(flight.is_empty() && !flight.has("mute") && flight.deadline(PATIENCE).is_none());

        assert!(
            flight.takes_up(Sequence(1), now)
                && !flight.takes_up(Sequence(1), now)
                && !flight.takes_up(Sequence(9), now)
        );
        assert!(
            flight.answered(Sequence(1), now).is_some()
                && flight.answered(Sequence(2), now).is_some()
        );
        assert!(
            flight.answered(Sequence(2), now).is_none(),
            "it was answered"
        );
        assert!(flight.is_empty());
    }
}
