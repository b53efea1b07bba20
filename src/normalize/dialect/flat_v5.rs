//! HistoryEvent of the SE5, V5R4 to R7 (generation 3, `api_version` 1.0): everything at the top, the capture device in `ep_info`.
//!
//! It has no group, and the vendor does not say what a document without a person type means.

use super::{Dialect, OBJECTS, PERSONS};
use crate::normalize::dialect::nested;
use crate::normalize::reading::json_object::JsonObject;
use boxbridge_config::ScoreScale;
use boxbridge_event::document::{Field, Meaning, Table, inner, top};
use boxbridge_event::{PersonType, PictureKind};

pub(super) const INNER: &str = "ep_info";

pub(super) static DIALECT: Dialect = Dialect {
    word: boxbridge_event::Dialect::FlatV5,
    claims,
    feed: |feed| feed,
    table: Table {
        inner: INNER,
        fields: FIELDS,
        objects: OBJECTS,
    },
    persons: PERSONS,
    person_missing: PersonType::Unknown,
    // photo, rtsp, card: these words need no translation.
    devices: &[],
    scale: ScoreScale::Auto,
    bookkeeping: &["dev_sno", "want_action", "out_timestamp", "api_version"],
    history_only: &[],
};

const FIELDS: &[Field] = &[
    top("identity_id", Meaning::IdentityId),
    top("identity_name", Meaning::IdentityName),
    top("timestamp", Meaning::OccurredAt),
    top("score", Meaning::Score),
    top("person_type", Meaning::PersonType),
    top("dev_sno", Meaning::Box),
    top("reg_pic", Meaning::Picture(PictureKind::Registered)),
    top("spot_pic", Meaning::Picture(PictureKind::Scene)),
    top("recognize_face", Meaning::Picture(PictureKind::Face)),
    top("ir_pic", Meaning::Picture(PictureKind::Infrared)),
    inner("ep_ip", Meaning::DeviceIp),
    inner("ep_type", Meaning::DeviceType),
    inner("ep_name", Meaning::DeviceName),
];

/// Asks for a key that only this dialect has: a nested document without its inner object must not match.
fn claims(object: &JsonObject<'_>) -> bool {
    let is_match = object.has("identity_id") && object.has("timestamp");
    is_match && !object.has(nested::INNER) && (object.has(INNER) || object.has("api_version"))
}
