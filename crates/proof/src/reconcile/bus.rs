//! The two buses that one can listen to, and what a topic of theirs is for.

use serde::{Deserialize, Serialize};

/// The destinations that one can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bus {
    Mqtt,
    Kafka,
}

impl Bus {
    pub const ALL: [Bus; 2] = [Bus::Mqtt, Bus::Kafka];

    pub const fn as_str(self) -> &'static str {
        match self {
            Bus::Mqtt => "mqtt",
            Bus::Kafka => "kafka",
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
