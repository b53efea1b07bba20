//! `/api/devices`: who sends, how much, since when one is silent, what is wrong with its events.
//!
//! Deliberately makes the rows on a thread that may block: of ten thousand devices that takes some milliseconds.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;

use super::{Endpoint, Ready};
use crate::admin::answer::{Answer, Asked, off_the_runtime, ok, page};
use crate::gateway::devices::{Found, Wanted};
use boxbridge_event::DeviceState;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/devices", list)
            .summary("The devices that traffic tells of: silent ones first, the longest silent before the others")
            .parameter("status", "only those in this state", json!({"enum": DeviceState::ALL}))
            .parameter("site", "only those of this site", json!({"type": "string"}))
            .parameter("text", "only those with this in id, name, door, box or sender", json!({"type": "string"}))
            .parameter("limit", "rows on a page", json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}))
            .parameter("from", "`next` of the page before", json!({"type": "integer", "minimum": 0}))
            .gives_named("Devices")
            .complains(400, "bad_limit")
            .complains(400, "bad_query"),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    status: Option<DeviceState>,
    site: Option<String>,
    text: Option<String>,
    limit: Option<usize>,
    #[serde(default)]
    from: usize,
}

async fn list(Ready(operator): Ready, Asked(asked): Asked<Page>) -> Answer {
    let limit = page(asked.limit)?;
    let wanted = Wanted {
        status: asked.status,
        site: asked.site,
        text: asked.text,
    };

    let devices = Arc::clone(&operator.devices);
    let find = move || Ok(Found::among(devices.rows(), &wanted, asked.from, limit));
    ok(&off_the_runtime(find).await?)
}
