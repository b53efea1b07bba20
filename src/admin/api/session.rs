//! `/api/login` and `/api/logout`: the console's way to show a token once, and then a cookie.
//!
//! Deliberately for everybody who reaches the port: nobody has a session before. `access` counts wrong tokens here as elsewhere.

use axum::Extension;
use axum::extract::State;
use axum::http::header::{HeaderMap, HeaderValue, SET_COOKIE};
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::json;

use super::{Endpoint, Shared};
use crate::admin::access::Peer;
use crate::admin::answer::{self, Answer, Body};

pub fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/login", log_in)
            .for_everybody()
            .summary("Begins a session of 12 hours: a cookie that stands for the token, for pages of the console")
            .takes(json!({"token": {"type": "string", "description": "one of admin.token_file"}}))
            .gives(json!({}))
            .complains(400, "bad_body")
            .complains(401, "token_wrong")
            .complains(403, "foreign_origin")
            .complains(409, "no_tokens")
            .complains(429, "too_many_failures"),
        Endpoint::post("/logout", log_out)
            .for_everybody()
            .summary("Ends the session whose cookie comes along, and takes the cookie away")
            .gives(json!({}))
            .complains(403, "foreign_origin"),
    ]
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shown {
    token: String,
}

async fn log_in(
    State(api): State<Shared>,
    peer: Option<Extension<Peer>>,
    uri: Uri,
    headers: HeaderMap,
    Body(shown): Body<Shown>,
) -> Answer {
    let peer = peer.map(|Extension(peer)| peer);
    done(api.access.log_in(peer, &uri, &headers, &shown.token)?)
}

async fn log_out(State(api): State<Shared>, uri: Uri, headers: HeaderMap) -> Answer {
    done(api.access.log_out(&uri, &headers)?)
}

fn done(cookie: HeaderValue) -> Answer {
    let body = answer::json(StatusCode::OK, &json!({}));
    Ok(([(SET_COOKIE, cookie)], body).into_response())
}
