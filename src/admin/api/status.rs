//! `/api/status`: the numbers of `boxbridge status`, and those of the last hour. `/api/openapi.json`: the list of what stands here.

use axum::extract::State;
use serde_json::{Value, json};

use super::{Endpoint, Ready, Shared};
use crate::admin::answer::{Answer, ok};
use crate::admin::openapi;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/status", status)
            .summary(
                "Everything that `boxbridge status` shows; answered before the queue is open, too",
            )
            .gives_named("Status"),
        Endpoint::get("/status/history", history)
            .summary("The last hour, minute by minute: what came in, how fast it was answered, what waited")
            .gives(json!({"minutes": {
                "type": "array",
                "items": minute(),
                "description": "the oldest first, 60 at most, and the one under way as the last; empty until one begins",
            }})),
        Endpoint::get("/openapi.json", document).summary("This document"),
    ]
}

fn minute() -> Value {
    let counts = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    let bound = json!({
        "type": ["object", "null"],
        "description": "in seconds: the bucket that it lies in; null where nothing was measured",
        "properties": {"at_most": {"type": "number"}, "over": {"type": "number"}},
    });

    json!({"type": "object", "properties": {
        "until": {"type": "string", "format": "date-time"},
        "seconds": {"type": "number", "description": "how long it was"},
        "ready": {"type": "boolean"},
        "events": counts,
        "person_types": counts,
        "answers": {"type": "object", "properties": {
            "p50": bound,
            "p99": bound,
            "late": {"type": "integer", "description": "answered 503 and committed all the same"},
        }},
        "waiting_bytes": {"type": "integer"},
        "free_bytes": {"type": "integer"},
        "lanes": {"type": "array", "items": {"type": "object", "properties": {
            "destination": {"type": "string"},
            "lane": {"type": "string"},
            "up": {"type": "boolean"},
            "waiting": {"type": "integer"},
            "delivered": {"type": "integer"},
            "set_aside": {"type": "integer"},
            "oldest_seconds": {"type": "number"},
            "lag_p99": bound,
        }}},
    }})
}

async fn status(State(api): State<Shared>) -> Answer {
    let mut snapshot = api.health.look();
    if let Some(operator) = api.operator.get() {
        let kept = operator.aside.by_lane();
        for lane in &mut snapshot.lanes {
            let name = (lane.destination.clone(), lane.lane.clone());
            lane.aside = Some(kept.get(&name).copied().unwrap_or(0));
        }
    }
    ok(&snapshot)
}

async fn history(State(api): State<Shared>) -> Answer {
    ok(&json!({"minutes": api.health.history()}))
}

async fn document(Ready(operator): Ready) -> Answer {
    ok(&openapi::document(&operator.reload.config()))
}
