//! `/api/reload`: has the settings read again.

use axum::http::StatusCode;
use serde_json::json;

use super::{Endpoint, Ready};
use crate::admin::access::Caller;
use crate::admin::answer::{Answer, Complaint, ok};
use crate::admin::audit::Act;

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/reload", reload)
            .summary("Reads the settings again and takes them as a whole, or not at all: then the complaint says why")
            .gives(json!({
                "generation": {"type": "integer", "description": "of the settings that hold; those of the start are 1"},
                "changed": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "the keys whose values are others now",
                },
            }))
            .complains(422, "settings_refused"),
    ]
}

async fn reload(Ready(operator): Ready, caller: Caller) -> Answer {
    let act = Act {
        what: "settings.reload",
        how_many: None,
        details: json!({}),
    };
    operator.note(&caller, act).await?;

    match operator.reload.now("/api/reload").await {
        Ok(taken) => ok(&taken),
        Err(not_taken) => Err(Complaint::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "settings_refused",
            not_taken.to_string(),
        )),
    }
}
