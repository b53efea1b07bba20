//! Which of the set-aside records are meant.
//!
//! Promises: what a name can tell is told without reading a file, the rest by its first line.

use serde::{Deserialize, Serialize};

use super::{AsideHead, Name};
use crate::gateway::kept::moment;
use boxbridge_event::{EventId, PersonType, Timestamp};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AsideFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The word that stands in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_type: Option<PersonType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// When they were set aside: from this moment on.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// This one alone, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl AsideFilter {
    /// It means all there are.
    pub fn is_empty(&self) -> bool {
        *self == AsideFilter::default()
    }

    /// Whether names alone say which are meant.
    pub fn needs_names_only(&self) -> bool {
        let of_name = AsideFilter {
            destination: self.destination.clone(),
            id: self.id.clone(),
            ..AsideFilter::default()
        };
        *self == of_name
    }

    /// Whether one of this name may be meant.
    pub fn may_mean(&self, name: &str) -> bool {
        is(&self.id, Some(name))
            && Name::of(name).is_some_and(|name| is(&self.destination, Some(name.destination)))
    }

    pub fn means(&self, head: &AsideHead) -> bool {
        is(&self.destination, Some(head.destination.as_str()))
            && is(&self.reason, Some(head.reason.as_str()))
            && is(&self.device, head.device.as_deref())
            && self
                .person_type
                .is_none_or(|word| head.person_type == Some(word))
            && self.event.is_none_or(|id| head.event == Some(id))
            && self.from.is_none_or(|from| from <= head.at)
            && self.to.is_none_or(|to| head.at < to)
    }
}

fn is(wanted: &Option<String>, found: Option<&str>) -> bool {
    wanted.is_none() || wanted.as_deref() == found
}
