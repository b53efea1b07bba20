//! `/api/status`: the numbers of `boxbridge status`. `/api/openapi.json`: the list of what stands here.

use axum::extract::State;
use serde_json::json;

use super::{Endpoint, Shared};
use crate::admin::answer::{Answer, ok};
use crate::admin::openapi;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/status", status)
            .summary(
                "Everything that `boxbridge status` shows; answered before the queue is open, too",
            )
            .gives(json!({
                "version": {"type": "string"},
                "ready": {"type": "boolean"},
                "reasons": {"type": "array", "items": {"type": "string"}},
                "notes": {"type": "array", "items": {"type": "string"}},
                "events": {"type": "object", "additionalProperties": {"type": "integer"}},
                "status_reports": {"type": "integer"},
                "refusals": {"type": "object", "additionalProperties": {"type": "integer"}},
                "answers": {"type": "object"},
                "pictures": {"type": "object"},
                "queue": {"type": ["object", "null"]},
                "lanes": {"type": "array", "items": {"type": "object"}},
            })),
        Endpoint::get("/openapi.json", document).summary("This document"),
    ]
}

async fn status(State(api): State<Shared>) -> Answer {
    let mut snapshot = api.health.snapshot();
    if let Some(operator) = api.operator.get() {
        let kept = operator.aside.by_lane();
        for lane in &mut snapshot.lanes {
            let name = (lane.destination.clone(), lane.lane.clone());
            lane.aside = Some(kept.get(&name).copied().unwrap_or(0));
        }
    }
    ok(&snapshot)
}

async fn document() -> Answer {
    ok(&openapi::document())
}
