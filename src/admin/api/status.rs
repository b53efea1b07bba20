//! `/api/status`: the numbers of `boxbridge status`. `/api/openapi.json`: the list of what stands here.

use axum::extract::State;

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
        Endpoint::get("/openapi.json", document).summary("This document"),
    ]
}

async fn status(State(api): State<Shared>) -> Answer {
    ok(&api.health.snapshot())
}

async fn document(Ready(operator): Ready) -> Answer {
    ok(&openapi::document(&operator.reload.config()))
}
