//! RealTimeEvent of the SE3, and HistoryEvent of generations 1 and 2, which is the same with a few more fields.
//!
//! The two are not told apart: which feed it is, the path says that the box was given.

use super::Dialect;
use crate::event::document::INNER;
use crate::normalize::reading::object::Object;

pub(super) const DIALECT: Dialect = Dialect { claims, feed: |feed| feed };

/// What every edition of the document has at the top.
const CORE: [&str; 5] = ["identity_id", "identity_name", "group_name", "timestamp", "score"];
/// What stands at the top only where there is no inner object: read as this dialect, a flat document would lose its device.
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

/// The inner object is promised but a promise of a box is not proof: a match without it is still a match.
pub(super) fn claims(object: &Object<'_>) -> bool {
    match object.has(INNER) {
        true => CORE.iter().any(|name| object.has(name)),
        false => object.has("identity_id") && object.has("timestamp") && !FLAT.iter().any(|name| object.has(name)),
    }
}
