//! Which of the kept bodies are meant.
//!
//! Promises: what a name can tell (code, sender, time) is told without reading a file, the rest by its first line.

use serde::{Deserialize, Serialize};

use super::{Name, QuarantineHead};
use crate::gateway::kept::moment;
use boxbridge_event::{Feed, Timestamp};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineFilter {
    /// Why it was refused, as it stands in the list. After a resubmission the head says why, and the name does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The sender's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<Feed>,
    /// When they came: from this moment on.
    #[serde(
        default,
        deserialize_with = "moment::of_people",
        skip_serializing_if = "Option::is_none"
    )]
    pub from: Option<Timestamp>,
    /// And before this one.
    #[serde(
        default,
        deserialize_with = "moment::of_people",
        skip_serializing_if = "Option::is_none"
    )]
    pub to: Option<Timestamp>,
    /// This one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl QuarantineFilter {
    /// It means all there are.
    pub fn is_empty(&self) -> bool {
        *self == QuarantineFilter::default()
    }

    /// Whether names alone say which are meant.
    pub(super) fn needs_names_only(&self) -> bool {
        self.feed.is_none() && self.code.is_none()
    }

    /// Whether one of this name may be meant.
    pub(super) fn may_mean(&self, name: &str) -> bool {
        let is_it = self.id.as_deref().is_none_or(|id| id == name);
        is_it
            && Name::of(name).is_some_and(|name| {
                is(&self.peer, name.peer)
                    && self.from.is_none_or(|from| from <= name.received_at)
                    && self.to.is_none_or(|to| name.received_at < to)
            })
    }

    pub(super) fn means(&self, head: &QuarantineHead) -> bool {
        is(&self.code, &head.code) && self.feed.is_none_or(|feed| head.feed == feed)
    }
}

fn is(wanted: &Option<String>, found: &str) -> bool {
    wanted.as_deref().is_none_or(|wanted| wanted == found)
}
