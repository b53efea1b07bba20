//! The kinds of destination, and the three names that always exist, each with its own kind.

/// References in messages mean this store; every other store is a copy.
pub const STORE: &str = "store";
/// Only this destination can have its broker in this process.
pub const MQTT: &str = "mqtt";
pub const KAFKA: &str = "kafka";

/// A kind of destination, without its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindName {
    Store,
    Mqtt,
    Kafka,
}

impl KindName {
    pub const ALL: [KindName; 3] = [KindName::Store, KindName::Mqtt, KindName::Kafka];

    /// Also the name of the destination that always exists.
    pub const fn as_str(self) -> &'static str {
        match self {
            KindName::Store => STORE,
            KindName::Mqtt => MQTT,
            KindName::Kafka => KAFKA,
        }
    }

    pub fn from_word(word: &str) -> Option<KindName> {
        KindName::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}
