//! What a broker allows or refuses as one: a person type on its live topic, or on its late one.
//!
//! Deliberately not the topic itself: a permission is given for a pattern, and devices come and go.

use boxbridge_event::PersonType;

/// Whether a record still says that one may act on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Template {
    pub person_type: PersonType,
    pub timeliness: Timeliness,
}

impl Template {
    pub const COUNT: usize = 2 * PersonType::ALL.len();

    pub fn new(person_type: PersonType, timeliness: Timeliness) -> Template {
        Template {
            person_type,
            timeliness,
        }
    }

    pub fn all() -> impl Iterator<Item = Template> {
        let both = |person_type: &PersonType| {
            [Timeliness::Live, Timeliness::Late].map(|t| Template::new(*person_type, t))
        };
        PersonType::ALL.iter().flat_map(both)
    }

    /// Below [`Template::COUNT`].
    pub fn index(self) -> usize {
        2 * usize::from(self.person_type.number())
            + usize::from(self.timeliness == Timeliness::Late)
    }
}
