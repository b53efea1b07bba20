//! RealTimeEvent of the SE3, and HistoryEvent of generations 1 and 2, which has a few more fields.
//!
//! The document does not say which of the two it is; the path that the box posts to does.

use super::{Dialect, OBJECTS, PERSONS};
use crate::normalize::reading::json_object::JsonObject;
use boxbridge_config::ScoreScale;
use boxbridge_event::document::{Field, Meaning, Table, inner, top};
use boxbridge_event::{PersonType, PictureKind};

pub(in crate::normalize) const INNER: &str = "ext_data";

pub(in crate::normalize) static DIALECT: Dialect = NESTED;

/// What other dialects of this shape begin with.
pub(super) const NESTED: Dialect = Dialect {
    word: boxbridge_event::Dialect::Nested,
    claims,
    feed: |feed| feed,
    table: Table {
        inner: INNER,
        fields: FIELDS,
        objects: OBJECTS,
    },
    persons: PERSONS,
    // The vendor's rule: a missing person type means employee.
    person_missing: PersonType::Employee,
    devices: DEVICES,
    scale: ScoreScale::Auto,
    bookkeeping: BOOKKEEPING,
    history_only: HISTORY_ONLY,
};

const FIELDS: &[Field] = &[
    top("identity_id", Meaning::IdentityId),
    top("identity_name", Meaning::IdentityName),
    top("group_name", Meaning::Group),
    top("timestamp", Meaning::OccurredAt),
    top("score", Meaning::Score),
    top("reg_pic", Meaning::Picture(PictureKind::Registered)),
    inner("device_ip", Meaning::DeviceIp),
    inner("device_type", Meaning::DeviceType),
    inner("person_type", Meaning::PersonType),
    inner("dev_sno", Meaning::Box),
    inner("spot_pic", Meaning::Picture(PictureKind::Scene)),
    inner("recognize_face", Meaning::Picture(PictureKind::Face)),
    inner("ir_pic", Meaning::Picture(PictureKind::Infrared)),
    inner("grab_fiqa_info", Meaning::CameraQuality),
    inner("box_fiqa_info", Meaning::BoxQuality),
];

const DEVICES: &[(&str, &str)] = &[
    ("0", "gate"),
    ("1", "capture_camera"),
    ("2", "ipc_static"),
    ("3", "ipc_dynamic"),
    ("4", "door"),
];

const BOOKKEEPING: &[&str] = &[
    "dev_sno",
    "ep_id",
    "want_action",
    "out_timestamp",
    "api_version",
];
const HISTORY_ONLY: &[&str] = &["info", "ir_pic"];

/// Fields at the top of every edition.
const CORE: [&str; 5] = [
    "identity_id",
    "identity_name",
    "group_name",
    "timestamp",
    "score",
];
/// Fields at the top of flat documents: read as this dialect, a flat document would lose its device.
const FLAT: [&str; 9] = [
    "person_type",
    "user_type",
    "ep_info",
    "media_device_info",
    "in_timestamp",
    "spot_pic",
    "spot_image",
    "recognize_face_attr",
    "api_version",
];

/// A match without the promised inner object is still a match.
pub(super) fn claims(object: &JsonObject<'_>) -> bool {
    match object.has(INNER) {
        true => CORE.iter().any(|name| object.has(name)),
        false => {
            object.has("identity_id")
                && object.has("timestamp")
                && !FLAT.iter().any(|name| object.has(name))
        }
    }
}
