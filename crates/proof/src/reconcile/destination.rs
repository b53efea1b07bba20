//! The destinations that one can look at, by their names in the config; and the purposes of a topic.

use boxbridge_config::Kind;
use serde::{Deserialize, Serialize};

/// A kind of destination that one can subscribe to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BusKind {
    #[default]
    Mqtt,
    Kafka,
}

impl BusKind {
    /// `None` for a store.
    pub fn of(kind: &Kind) -> Option<BusKind> {
        match kind {
            Kind::Mqtt(_) => Some(BusKind::Mqtt),
            Kind::Kafka(_) => Some(BusKind::Kafka),
            Kind::Store(_) => None,
        }
    }

    /// Also the name of the destination that is there without being written.
    pub const fn as_str(self) -> &'static str {
        match self {
            BusKind::Mqtt => boxbridge_config::MQTT,
            BusKind::Kafka => boxbridge_config::KAFKA,
        }
    }
}

/// What a topic is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    Live,
    Late,
    /// Not a topic where the route sends such an event.
    Elsewhere,
}
