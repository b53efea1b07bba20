//! HistoryEvent of V6 (generation 4, `api_version` 2.0): flat like generation 3, with nearly every field renamed.
//!
//! A person type is a word here. There is no group, and the vendor does not say what a document without a person type means.

use super::{Dialect, OBJECTS, PERSONS};
use crate::normalize::dialect::nested;
use crate::normalize::reading::json_object::JsonObject;
use boxbridge_config::ScoreScale;
use boxbridge_event::document::{Field, Meaning, Table, inner, top};
use boxbridge_event::{PersonType, PictureKind};

pub(super) const INNER: &str = "media_device_info";

pub(super) static DIALECT: Dialect = Dialect {
    word: boxbridge_event::Dialect::FlatV6,
    claims,
    feed: |feed| feed,
    table: Table {
        inner: INNER,
        fields: FIELDS,
        objects: OBJECTS,
    },
    persons: PERSONS,
    person_missing: PersonType::Unknown,
    // photo, rtsp, file: these words need no translation.
    devices: &[],
    scale: ScoreScale::Auto,
    bookkeeping: &[
        "mq_license_key",
        "post_action",
        "out_timestamp",
        "api_version",
    ],
    history_only: &[],
};

const FIELDS: &[Field] = &[
    top("identity_id", Meaning::IdentityId),
    top("identity_name", Meaning::IdentityName),
    top("in_timestamp", Meaning::OccurredAt),
    top("score", Meaning::Score),
    top("user_type", Meaning::PersonType),
    top("mq_license_key", Meaning::Box),
    top("reg_image", Meaning::Picture(PictureKind::Registered)),
    top("spot_image", Meaning::Picture(PictureKind::Scene)),
    top("recognize_face_image", Meaning::Picture(PictureKind::Face)),
    top("ir_image", Meaning::Picture(PictureKind::Infrared)),
    inner("media_device_ip", Meaning::DeviceIp),
    inner("media_device_type", Meaning::DeviceType),
    inner("media_device_name", Meaning::DeviceName),
];

fn claims(object: &JsonObject<'_>) -> bool {
    let is_match = object.has("identity_id") && object.has("in_timestamp");
    is_match && !object.has(nested::INNER) && (object.has(INNER) || object.has("user_type"))
}
