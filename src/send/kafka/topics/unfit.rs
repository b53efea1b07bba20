//! Topics to which nothing can be sent, as they were looked up last: people learn of them before an event comes.
//!
//! Promises: bounded; a topic is forgotten here when it is found to be there. Deliberately looks nothing up: a topic that nobody sends to is
//! as it was at the last connect, so the sentence says when that was.

use std::collections::{BTreeMap, HashMap};

use super::{Missing, Topic};
use boxbridge_event::Timestamp;

/// More than there are person types.
const KEPT_MAX: usize = 20;
const NAMED_MAX: usize = 3;

#[derive(Default)]
pub struct UnfitTopics {
    /// Why, by name.
    topics: BTreeMap<String, String>,
    looked_at: Timestamp,
}

impl UnfitTopics {
    pub fn note(&mut self, found: &HashMap<String, Topic>) {
        self.looked_at = Timestamp::now();
        for (name, topic) in found {
            match topic {
                Topic::There { .. } => drop(self.topics.remove(name)),
                Topic::Refused { detail, .. } if self.topics.len() < KEPT_MAX => {
                    self.topics.insert(name.clone(), detail.clone());
                }
                Topic::Refused { .. } => {}
            }
        }
    }

    pub fn sentence(&self, missing: Missing) -> Option<String> {
        if self.topics.is_empty() {
            return None;
        }
        let named: Vec<&str> = self
            .topics
            .values()
            .take(NAMED_MAX)
            .map(String::as_str)
            .collect();
        let (named, at) = (named.join("; "), self.looked_at);
        let more = match self.topics.len().saturating_sub(NAMED_MAX) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let remedy = match missing {
            Missing::Report => "; send.kafka.create_topics = \"missing\" makes topics",
            Missing::Make => "",
        };
        Some(format!(
            "{named}{more}, as of {at}: `boxbridge check --online` looks again{remedy}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::send::Reason;

    fn missing(names: &[&str]) -> HashMap<String, Topic> {
        let refused = |name: &&str| {
            let topic = Topic::Refused {
                reason: Reason::TopicInvalid,
                detail: format!("topic {name} is missing"),
            };
            ((*name).to_owned(), topic)
        };
        names.iter().map(refused).collect()
    }

    #[test]
    fn topics_that_are_missing_are_named_until_they_are_there() {
        let mut unfit = UnfitTopics::default();
        assert_eq!(unfit.sentence(Missing::Report), None);

        unfit.note(&missing(&["a", "b", "c", "d"]));
        let said = unfit.sentence(Missing::Report).unwrap();
        let begin =
            "topic a is missing; topic b is missing; topic c is missing; and 1 more, as of 2";
        assert!(said.starts_with(begin), "{said}");
        assert!(said.contains("create_topics"), "{said}");

        let there =
            ["a", "b", "c", "d"].map(|name| (name.to_owned(), Topic::There { max_bytes: None }));
        unfit.note(&HashMap::from(there));
        assert_eq!(unfit.sentence(Missing::Make), None);
    }
}
