//! What a destination is, and the three names that have a kind by themselves.

/// The store that references mean; every other one is a copy.
pub const STORE: &str = "store";
/// The one whose broker may be in this process.
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

    /// Also the name of the destination that is there without being written.
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
