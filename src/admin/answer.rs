//! What stands in requests and answers under `/api`: JSON, pages, and errors as `{"code","message"}`.
//!
//! Promises: a request is read to its limits only, in bytes and in time; a part of it that nobody knows is refused, not ignored. Deliberately
//! knows no endpoint.

use std::borrow::Cow;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::system::fault::Fault;

/// Any filter that a person writes fits.
pub const BODY_MAX: usize = 64 << 10;
/// Commands and scripts send a body at once.
const BODY_PATIENCE: Duration = Duration::from_secs(10);
/// Entries on a page, where nobody asks for another number.
pub const PAGE: usize = 100;
pub const PAGE_MAX: usize = 1_000;

/// What a handler answers.
pub type Answer = Result<Response, Complaint>;

/// Does what reads or changes files, off the threads that answer.
pub async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Complaint> + Send + 'static,
) -> Result<T, Complaint> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(Complaint::fault()))
}

/// Why a request is not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Complaint {
    /// Of HTTP; 0 where no gateway answered.
    #[serde(skip)]
    pub status: u16,
    /// A word that programs read.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub message: String,
}

impl Complaint {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Complaint {
        Complaint {
            status: status.as_u16(),
            code: code.into(),
            message: message.into(),
        }
    }

    /// The request makes no sense.
    pub fn bad(code: &'static str, message: impl Into<String>) -> Complaint {
        Complaint::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// A panic of ours, which was logged where it happened.
    pub fn fault() -> Complaint {
        Complaint::not_now("fault", Fault.to_string())
    }

    pub fn not_found(message: impl Into<String>) -> Complaint {
        Complaint::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Names the destinations that there are.
    pub fn unknown_destination(message: impl Into<String>) -> Complaint {
        Complaint::new(StatusCode::NOT_FOUND, "unknown_destination", message)
    }

    /// The gateway is not in a state for this.
    pub fn conflict(code: &'static str, message: impl Into<String>) -> Complaint {
        Complaint::new(StatusCode::CONFLICT, code, message)
    }

    /// Nothing is done that cannot be written down.
    pub fn not_audited(why: &str) -> Complaint {
        let message = format!("not done, since it cannot be written to the audit log: {why}");
        Complaint::not_now("not_audited", message)
    }

    /// Not now: it may be asked again.
    pub fn not_now(code: &'static str, message: impl Into<String>) -> Complaint {
        Complaint::new(StatusCode::SERVICE_UNAVAILABLE, code, message)
    }
}

impl IntoResponse for Complaint {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status);
        let header = match self.status {
            401 => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            429 => Some((RETRY_AFTER, HeaderValue::from_static("60"))),
            _ => None,
        };

        let mut response = json(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), &self);
        response.headers_mut().extend(header);
        response
    }
}

/// What is told here is for who asked, as of now.
pub const PRIVATE: [(HeaderName, &str); 2] = [
    (CACHE_CONTROL, "no-store"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
];

pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let text = serde_json::to_string(body).unwrap_or_default() + "\n";
    let content_type = [(CONTENT_TYPE, "application/json")];
    (status, PRIVATE, content_type, text).into_response()
}

/// 200 with this.
pub fn ok(body: &impl Serialize) -> Answer {
    Ok(json(StatusCode::OK, body))
}

/// How many entries go on a page, if somebody asks for so many.
pub fn page(limit: Option<usize>) -> Result<usize, Complaint> {
    let limit = limit.unwrap_or(PAGE);
    if (1..=PAGE_MAX).contains(&limit) {
        return Ok(limit);
    }
    let message = format!("limit={limit} must be from 1 to {PAGE_MAX}");
    Err(Complaint::bad("bad_limit", message))
}

/// The body, read as JSON. No body is the empty object.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Complaint;

    async fn from_request(request: Request, _state: &S) -> Result<Body<T>, Complaint> {
        let read = tokio::time::timeout(BODY_PATIENCE, to_bytes(request.into_body(), BODY_MAX));
        let Ok(read) = read.await else {
            let message = format!("the body did not arrive within {BODY_PATIENCE:?}");
            return Err(Complaint::new(
                StatusCode::REQUEST_TIMEOUT,
                "slow_body",
                message,
            ));
        };

        let Ok(bytes) = read else {
            let message = format!("the body is over {BODY_MAX} bytes, or broke off");
            return Err(Complaint::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "body_too_large",
                message,
            ));
        };
        let text: &[u8] = if bytes.is_empty() { b"{}" } else { &bytes };
        serde_json::from_slice(text)
            .map(Body)
            .map_err(|error| Complaint::bad("bad_body", format!("the body: {error}")))
    }
}

/// What stands behind the `?`.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Complaint;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Asked<T>, Complaint> {
        let read = Query::<T>::try_from_uri(&parts.uri);
        read.map(|Query(asked)| Asked(asked))
            .map_err(|error| Complaint::bad("bad_query", error.body_text()))
    }
}

/// The one part of the path that is named in braces.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Complaint;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Complaint> {
        let read = Path::<String>::from_request_parts(parts, state).await;
        read.map(|Path(name)| Named(name))
            .map_err(|error| Complaint::bad("bad_path", error.body_text()))
    }
}
