//! The answers to boxes: JSON bodies in the shapes that design and README fix.

use axum::body::Body;
use axum::response::Response;
use hyper::StatusCode;
use hyper::header::{
    ALLOW, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use serde_json::{Map, Value, json};

use boxbridge_event::{Code, Receipt, Refusal, Reply};

/// The answer to a body that is on disk: 200.
pub fn reply(reply: Reply, connection: Connection) -> Response {
    let mut response = match reply {
        Reply::One(receipt) => send(StatusCode::OK, &Value::Object(accepted(receipt))),
        Reply::Many(parts) => many(&parts),
        Reply::Quarantined(refusal) => {
            let mut body = success(Value::Null);
            body.insert("code".to_owned(), refusal.code.as_str().into());
            body.insert("field".to_owned(), refusal.field.into());
            send(StatusCode::OK, &Value::Object(body))
        }
        Reply::Status => send(StatusCode::OK, &json!({"status": 0, "message": "SUCCESS"})),
    };

    end(&mut response, connection);
    response
}

/// A refusal with its status.
pub fn refusal(refusal: &Refusal, connection: Connection) -> Response {
    let status = StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({
        "status": refusal.code.status(),
        "code": refusal.code.as_str(),
        "message": refusal.message,
        "field": refusal.field,
    });
    let mut response = send(status, &body);

    if matches!(refusal.code.status(), 429 | 503) {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(retry_after()));
    }
    if refusal.code.status() == 401 {
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if refusal.code == Code::MethodNotAllowed {
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    }

    end(&mut response, connection);
    response
}

fn end(response: &mut Response, connection: Connection) {
    if connection == Connection::Close {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The whole answer to a connection that found no place. Nothing of its request was read, so hyper does not write it.
pub const NO_PLACE: &str = concat!(
    "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: 2\r\nconnection: close\r\n",
    "content-length: 80\r\n\r\n",
    r#"{"status":503,"code":"over_budget","message":"no place for one more connection"}"#,
);

/// The answer to GET, by which technicians and load balancers look whether we are here.
pub fn presence(ready: bool) -> Response {
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    send(status, &json!({"message": "boxbridge", "ready": ready}))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    Keep,
    Close,
}

fn many(parts: &[Result<Receipt, Refusal>]) -> Response {
    let first = parts
        .iter()
        .find_map(|part| part.as_ref().ok())
        .map(|receipt| receipt.event_id.to_string());
    let mut body = success(first.into());

    let events = parts.iter().map(|part| match part {
        Ok(receipt) => json!({"status": 0, "event_id": receipt.event_id.to_string()}),
        Err(refusal) => json!({
            "status": refusal.code.status(),
            "code": refusal.code.as_str(),
            "message": refusal.message,
            "field": refusal.field,
        }),
    });

    body.insert("events".to_owned(), events.collect());
    send(StatusCode::OK, &Value::Object(body))
}

/// The vendor's document, with our keys added over its own.
fn accepted(receipt: Receipt) -> Map<String, Value> {
    let mut body = receipt.document;
    body.extend(success(receipt.event_id.to_string().into()));
    body
}

fn success(event_id: Value) -> Map<String, Value> {
    Map::from_iter([
        ("status".to_owned(), 0.into()),
        ("message".to_owned(), "SUCCESS".into()),
        ("event_id".to_owned(), event_id),
    ])
}

/// A usual answer, so that its text does not grow step by step.
const USUAL_BYTES: usize = 1024;

fn send(status: StatusCode, body: &Value) -> Response {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    // Writing JSON into memory does not fail.
    let _ = serde_json::to_writer(&mut text, body);
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// 1 to 5 seconds, so that boxes refused together do not come back together.
fn retry_after() -> u64 {
    fastrand::u64(1..=5)
}
