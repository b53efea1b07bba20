//! `/api/pictures/{key}`: a picture, out of the queue or the store.

use axum::extract::Path;
use axum::http::HeaderMap;
use serde_json::json;

use super::{Endpoint, Ready};
use crate::admin::answer::{Answer, Complaint};
use crate::links::album::NotShown;
use crate::links::answer;
use boxbridge_event::PictureName;

/// A browser keeps it, and asks before it shows it again: it learns when its token is gone.
const CACHING: &str = "private, no-cache";

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/pictures/{key}", show)
            .summary("A picture, also before the store has it, or while that is down")
            .parameter(
                "key",
                "as in events, with or without the store's prefix; its slashes stay as they are",
                json!({"type": "string"}),
            )
            .gives_other("image/*", json!({"type": "string", "format": "binary"}))
            .complains(404, "not_found")
            .complains(503, "not_now"),
    ]
}

async fn show(Ready(operator): Ready, Path(key): Path<String>, headers: HeaderMap) -> Answer {
    let Some(name) = PictureName::at_end_of(&key) else {
        let message = "this is no key of a picture: events have them, at pictures.scene.key";
        return Err(Complaint::not_found(message));
    };

    if answer::is_known(&name, &headers) {
        return Ok(answer::not_modified(&name, CACHING));
    }

    let held = operator.album.find(&name, None).await;
    let held = held.map_err(|not_shown| match not_shown {
        NotShown::Gone => Complaint::not_found("neither the queue nor the store has this picture"),
        NotShown::NotNow(why) => Complaint::not_now("not_now", why),
    })?;
    Ok(answer::picture(&name, held, &headers, CACHING))
}
