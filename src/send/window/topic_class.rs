//! What a broker allows or refuses as one: a person type's live topics, or its late ones; and one of something for each of them.
//!
//! Promises: each class has its own, so looking one up cannot fail. Deliberately not the topic itself: a permission is given for a
//! pattern, and devices come and go.

use boxbridge_event::{ByType, PersonType};
use serde::{Deserialize, Serialize};

/// Whether a record still says that one may act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timeliness {
    Live,
    /// Too late, a replay, or a destination that makes no difference.
    Late,
}

impl Timeliness {
    pub const fn as_str(self) -> &'static str {
        match self {
            Timeliness::Live => "live",
            Timeliness::Late => "late",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicClass {
    pub person_type: PersonType,
    pub timeliness: Timeliness,
}

impl TopicClass {
    pub fn new(person_type: PersonType, timeliness: Timeliness) -> TopicClass {
        TopicClass {
            person_type,
            timeliness,
        }
    }

    pub fn all() -> impl Iterator<Item = TopicClass> {
        let both = |person_type: &PersonType| {
            [Timeliness::Live, Timeliness::Late].map(|t| TopicClass::new(*person_type, t))
        };
        PersonType::ALL.iter().flat_map(both)
    }
}

#[derive(Clone, Copy, Debug, Default)]
pub struct ByTopicClass<T> {
    live: ByType<T>,
    late: ByType<T>,
}

impl<T> ByTopicClass<T> {
    pub const fn of(&self, class: TopicClass) -> &T {
        match class.timeliness {
            Timeliness::Live => self.live.of(class.person_type),
            Timeliness::Late => self.late.of(class.person_type),
        }
    }

    pub const fn of_mut(&mut self, class: TopicClass) -> &mut T {
        match class.timeliness {
            Timeliness::Live => self.live.of_mut(class.person_type),
            Timeliness::Late => self.late.of_mut(class.person_type),
        }
    }

    /// Each class with its own.
    pub fn iter(&self) -> impl Iterator<Item = (TopicClass, &T)> {
        TopicClass::all().map(|class| (class, self.of(class)))
    }

    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.live.values_mut().chain(self.late.values_mut())
    }
}
