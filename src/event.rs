//! The nouns that cross stages: what an event, a picture, a lane and a message are, and how they are written.
//!
//! Promises: [`Event`] has no field that can hold picture bytes, so nothing behind `queue` can carry them by mistake; every
//! closed set is an enum with one spelling ([`PersonType::as_str`] is the topic level, the metric label and the JSON word).
//! Deliberately knows nothing of HTTP, of the disk and of any bus.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

mod act;
mod answer;
mod codec;
pub mod document;
mod sharer;
mod size;

pub use act::{Act, ContentDigest};
pub use answer::{Code, Receipt, Refusal, Reply, Source};
pub use sharer::Sharer;
pub use size::Size;

/// A closed set of words: one spelling each, used in JSON, topics, metric labels and on disk (as the position in `ALL`).
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+ }

        impl $name {
            pub const ALL: &[$name] = &[$($name::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// The value whose word this is.
            pub fn from_word(word: &str) -> Option<$name> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word)
            }

            /// Its number on disk: the position in `ALL`, so a new word is only ever added at the end.
            pub const fn number(self) -> u8 {
                self as u8
            }

            pub fn from_number(number: u8) -> Option<$name> {
                Self::ALL.get(usize::from(number)).copied()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// Who was matched: the axis of routing. The box's 1 to 5; any other value it sends is `Unknown`.
    PersonType {
        Employee = "employee",
        Visitor = "visitor",
        Blacklist = "blacklist",
        Stranger = "stranger",
        Vip = "vip",
        Unknown = "unknown",
    }
}

words! {
    /// How an event came: at once, from the box's own history, or from the vendor's platform.
    Feed {
        Realtime = "realtime",
        History = "history",
        Platform = "platform",
    }
}

words! {
    /// Urgent overtakes any backlog. Only live events are ever urgent.
    Lane {
        Urgent = "urgent",
        Normal = "normal",
    }
}

words! {
    /// What a picture shows; also the name of its slot in an event.
    PictureKind {
        Registered = "registered",
        Scene = "scene",
        Face = "face",
        Infrared = "infrared",
    }
}

words! {
    /// What became of a picture. `Ok` to `Oversize` are found when it is taken out, the others when it is sent.
    PictureState {
        Ok = "ok",
        /// Valid base64, an image without its end; the bytes are kept.
        Truncated = "truncated",
        /// Not base64: the text as sent is kept as the object.
        Undecodable = "undecodable",
        /// Declares more pixels than the limit; kept, never decoded.
        Oversize = "oversize",
        /// The route wants no pictures.
        Dropped = "dropped",
        /// The file store was full.
        NotStored = "not_stored",
        /// The store refused it for good.
        Missing = "missing",
    }
}

words! {
    /// Whose clock `occurred_at` is from.
    ClockSource {
        Box = "box",
        Gateway = "gateway",
    }
}

/// Milliseconds since 1970, UTC. Written as RFC 3339 with exactly three decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// The place of a record in this gateway's log; the first is 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// Which match: a UUIDv8 that any feed and any resend makes again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

/// Which content of a match, and whether one may act on it, written as 8 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u32);

/// One match, vendor-neutral, as it lies in the queue. What depends on the moment of sending (`replay`, `sequence`, `uri`, `url`,
/// `stored`) is not here: `route` adds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub revision: Revision,
    pub feed: Feed,
    pub occurred_at: Timestamp,
    pub received_at: Timestamp,
    /// Decided once, when the event is accepted; a replay is for the record all the same.
    #[serde(default, skip_serializing_if = "Act::is_undecided")]
    pub act_before: Act,
    pub person_type: PersonType,
    pub identity: Identity,
    #[serde(rename = "match")]
    pub matched: Match,
    pub device: Device,
    pub origin: Origin,
    pub clock: Clock,
    pub pictures: Pictures,
    pub quality: Quality,
    /// Known fields as the box sent them, under the box's names, wherever the value above does not give them back exactly.
    /// `timestamp`, `person_type`, `score` and `device_type` are always there.
    pub source: Map<String, Value>,
    /// Every field that we do not know, where it stood.
    pub extra: Map<String, Value>,
    pub warnings: Vec<Warning>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub id: Option<String>,
    pub name: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Match {
    /// 0 to 1.
    pub score: Option<f64>,
    pub group: Option<String>,
}

/// The capture device (not the box): its IP is its id on every feed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub id: String,
    pub ip: Option<String>,
    /// gate, capture_camera, ipc_static, ipc_dynamic, door, else the word sent, else unknown.
    #[serde(rename = "type")]
    pub kind: String,
    pub name: Option<String>,
    /// The box's licence code, its only stable id.
    #[serde(rename = "box")]
    pub box_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub site: String,
    pub gateway: String,
    pub peer: String,
    pub authenticated: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    pub from: ClockSource,
    /// received − occurred; real-time only.
    pub skew_ms: Option<i64>,
}

/// The pictures of an event, by name: a slot is null where the box sent none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pictures {
    pub registered: Option<PictureReference>,
    pub scene: Option<PictureReference>,
    pub face: Option<PictureReference>,
    pub infrared: Option<PictureReference>,
}

/// What an event knows of a picture of its own: everything but the bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureReference {
    /// The object's name, made from its content hash; in the store its prefix stands before it.
    pub key: String,
    /// 64 hex digits, of the decoded bytes.
    pub sha256: String,
    pub bytes: u64,
    pub media_type: String,
    /// Pixels, as declared in the image's header.
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub state: PictureState,
}

/// A picture on its way into the queue and to the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    pub kind: PictureKind,
    pub bytes: Bytes,
}

/// The image-quality objects of the camera (`grab_fiqa_info`) and of the box (`box_fiqa_info`), as sent; `{}` when absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    pub camera: Value,
    #[serde(rename = "box")]
    pub box_: Value,
}

/// Something in a field that we took all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub code: WarningCode,
    pub field: String,
}

words! {
    WarningCode {
        PersonTypeDefaulted = "person_type_defaulted",
        PersonTypeUnknown = "person_type_unknown",
        ScoreScaled = "score_scaled",
        ScoreInvalid = "score_invalid",
        TimestampInvalid = "timestamp_invalid",
        TimestampUnit = "timestamp_unit",
        DeviceMissing = "device_missing",
        DeviceShortened = "device_shortened",
        SiteInvalid = "site_invalid",
        KeyRepeated = "key_repeated",
        TypeUnexpected = "type_unexpected",
        ControlCharacter = "control_character",
        EmbeddingRemoved = "embedding_removed",
        PictureTruncated = "picture_truncated",
        PictureUndecodable = "picture_undecodable",
        PictureOversize = "picture_oversize",
        /// The box's clock is more than five minutes off.
        ClockSkewed = "clock_skewed",
        /// `NaN`, `Infinity` or a number that no double holds: `null`, its spelling in `source`.
        NumberInvalid = "number_invalid",
        /// Not UTF-8, or half of a surrogate pair: its bytes are in `source["$bytes"]`.
        EncodingInvalid = "encoding_invalid",
        /// A form decoder had made blanks of its `+`.
        Base64Repaired = "base64_repaired",
        /// A comma behind the last member was taken out.
        JsonRepaired = "json_repaired",
    }
}

impl Pictures {
    pub fn get(&self, kind: PictureKind) -> Option<&PictureReference> {
        match kind {
            PictureKind::Registered => self.registered.as_ref(),
            PictureKind::Scene => self.scene.as_ref(),
            PictureKind::Face => self.face.as_ref(),
            PictureKind::Infrared => self.infrared.as_ref(),
        }
    }

    pub fn slot(&mut self, kind: PictureKind) -> &mut Option<PictureReference> {
        match kind {
            PictureKind::Registered => &mut self.registered,
            PictureKind::Scene => &mut self.scene,
            PictureKind::Face => &mut self.face,
            PictureKind::Infrared => &mut self.infrared,
        }
    }

    /// The slots that hold a picture, in the order of [`PictureKind::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (PictureKind, &PictureReference)> {
        PictureKind::ALL.iter().filter_map(|kind| self.get(*kind).map(|picture| (*kind, picture)))
    }
}

/// A set of picture kinds, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct PictureSet(pub u8);

impl PictureSet {
    pub fn insert(&mut self, kind: PictureKind) {
        self.0 |= 1 << kind.number();
    }

    pub fn contains(self, kind: PictureKind) -> bool {
        self.0 & (1 << kind.number()) != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// What became of one record's pictures at the store. A picture in neither set lies in the store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureVerdict {
    /// Refused for good.
    pub missing: PictureSet,
    /// No room (file store).
    pub not_stored: PictureSet,
}

/// What leaves for a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    /// Kafka's partition key; MQTT has none.
    pub key: String,
    /// CloudEvents attributes without a prefix, `specversion` first; `datacontenttype` is among them.
    pub attributes: Vec<(&'static str, String)>,
    pub payload: Bytes,
    /// The gateway's clock, not the box's: a bus may refuse or delete by it.
    pub timestamp: Timestamp,
    /// Left of the message expiry at sending time, where the route wants one.
    pub expires_in: Option<std::time::Duration>,
}

/// What leaves for the picture store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    pub kind: PictureKind,
    pub key: String,
    pub media_type: String,
    pub bytes: Bytes,
}
