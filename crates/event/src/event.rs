//! One match as it lies in the queue: who, where, when, how sure, and what is known of its pictures.
//!
//! Promises: [`Event`] has no field that can hold picture bytes, so nothing behind `queue` can carry them by mistake.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Act, ClockSource, ContentDigest, Dialect, EventId, Feed, PersonType, PictureKind, PictureState,
    Revision, Timestamp, WarningCode,
};

mod as_written;
mod picture_name;

pub use as_written::AsWritten;
pub use picture_name::PictureName;

/// One match, vendor-neutral, as it lies in the queue. What depends on the moment of sending (`replay`, `sequence`, `uri`, `url`,
/// `stored`) is not here: `route` adds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub revision: Revision,
    pub feed: Feed,
    /// How `source` and `extra` are to be read; no consumer's business.
    #[serde(default, skip_serializing_if = "Dialect::is_nested")]
    pub dialect: Dialect,
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
    pub quality: AsWritten<Quality>,
    /// Known fields as the box sent them, under the box's names (those four under the nested dialect's), wherever the value above does not give them back exactly.
    /// `timestamp`, `person_type`, `score` and `device_type` are always there.
    pub source: AsWritten<Map<String, Value>>,
    /// Every field that we do not know, where it stood.
    pub extra: AsWritten<Map<String, Value>>,
    pub warnings: Vec<Warning>,
}

impl Event {
    /// Settles until when one may act on it, and the revision with it.
    pub fn decide(&mut self, act_before: Act, content: &ContentDigest) {
        self.act_before = act_before;
        self.revision = act_before.revision(content);
    }

    /// Whether nothing in its identity tells it from others: then its id is made of its whole content.
    pub fn is_anonymous(&self) -> bool {
        let has_identity = self.identity.id.as_ref().is_some_and(|id| !id.is_empty());
        !has_identity || matches!(self.person_type, PersonType::Stranger | PersonType::Unknown)
    }
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
        PictureKind::ALL
            .iter()
            .filter_map(|kind| self.get(*kind).map(|picture| (*kind, picture)))
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
