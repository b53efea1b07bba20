//! The OpenAPI 3.1 document of both listeners, made of the endpoints' own declarations and of the boxes' port.
//!
//! Promises: it holds every endpoint and nothing else, with the addresses and paths of these settings.

use serde_json::{Map, Value, json};

use super::access::SESSION_COOKIE;
use super::api::{self, Endpoint, OpensTo};
use crate::ingest;
use boxbridge_config::Config;

mod components;
mod embed;
pub(super) mod shape;

pub use embed::schemas as embedded;

/// `boxbridge schema openapi`, and `/api/openapi.json`.
pub fn document(config: &Config) -> Value {
    let mut paths = probes();
    for endpoint in api::endpoints() {
        let path = paths
            .entry(format!("/api{}", endpoint.path))
            .or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(endpoint.method.to_owned(), operation(&endpoint));
        }
    }
    paths.extend(ingest::described::paths(&config.ingest));

    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "boxbridge",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "The boxes' port, and on the admin listener the probes and the operator's API under /api. Where admin.token_file is set every call of the API carries one of its tokens, or the cookie of a session that began with one; where it is not, only the gateway's own machine is answered, at a loopback address, and needs none. A call that changes something is written to data_dir/audit.jsonl before it is done. Times are UTC, RFC 3339. Members and words are only ever added: ignore those that you do not know.",
        },
        "servers": [{"url": format!("http://{}", config.admin.listen), "description": "the admin listener: admin.listen"}],
        "security": [{"token": []}, {"session": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": security_schemes(),
            "schemas": schemas(),
        },
    })
}

fn security_schemes() -> Map<String, Value> {
    let mut schemes = ingest::described::security_schemes();
    let session = json!({"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "of POST /api/login"});
    schemes.insert("session".to_owned(), session);
    schemes.insert(
        "token".to_owned(),
        json!({"type": "http", "scheme": "bearer"}),
    );
    schemes
}

/// What one of the documents' schemas says, by itself.
pub fn schema(name: &str, id: &str) -> Value {
    embed::alone(&schemas(), name, id)
}

fn schemas() -> Map<String, Value> {
    let mut schemas = components::all();
    schemas.extend(ingest::described::schemas());
    schemas
}

/// What everybody who reaches the admin listener may ask.
fn probes() -> Map<String, Value> {
    let text = json!({"text/plain": {"schema": {"type": "string"}}});
    let readiness = json!({"application/json": {"schema": shape::named("Readiness")}});
    let probe = |id: &str, summary: &str, answers: Value| json!({"get": {"operationId": id, "summary": summary, "security": [{}], "responses": answers}});

    let alive = json!({"200": {"description": "alive", "content": text}});
    let ready = json!({
        "200": {"description": "boxes should come here", "content": readiness},
        "503": {"description": "boxes should go elsewhere", "content": readiness},
    });
    let metrics = json!({"200": {"description": "Prometheus' text format", "content": text}});
    let probes = [
        (
            "/livez",
            probe("get_livez", "Whether the process answers", alive),
        ),
        (
            "/readyz",
            probe(
                "get_readyz",
                "Whether boxes should come here, and all that is wrong",
                ready,
            ),
        ),
        (
            "/metrics",
            probe("get_metrics", "All metrics as of one moment", metrics),
        ),
    ];
    probes
        .map(|(path, item)| (path.to_owned(), item))
        .into_iter()
        .collect()
}

fn operation(endpoint: &Endpoint) -> Value {
    let parameters = endpoint.parameters.iter().map(|parameter| {
        let is_in_path = endpoint.is_in_path(parameter.name);
        json!({
            "name": parameter.name,
            "in": if is_in_path { "path" } else { "query" },
            "required": is_in_path,
            "description": parameter.about,
            "schema": parameter.schema,
        })
    });

    let mut operation = json!({
        "operationId": operation_id(endpoint),
        "summary": endpoint.summary,
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses(endpoint),
    });
    let Some(members) = operation.as_object_mut() else {
        return operation;
    };
    if endpoint.opens_to == OpensTo::Everybody {
        members.insert("security".to_owned(), json!([{}]));
    }
    if let Some(body) = &endpoint.body {
        let content = json!({"application/json": {"schema": body}});
        members.insert("requestBody".to_owned(), json!({"content": content}));
    }
    operation
}

/// `get_aside_id` for `GET /api/aside/{id}`.
fn operation_id(endpoint: &Endpoint) -> String {
    let words = endpoint.path.split(|c: char| !c.is_ascii_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    std::iter::once(endpoint.method)
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

/// By status, with the codes that go with it.
fn responses(endpoint: &Endpoint) -> Value {
    let (media_type, schema) = &endpoint.answer;
    let mut responses = Map::new();
    let done = json!({"description": "done", "content": {*media_type: {"schema": schema}}});
    responses.insert("200".to_owned(), done);

    for status in endpoint.complaints.iter().map(|(status, _)| *status) {
        let of_status = endpoint.complaints.iter().filter(|(of, _)| *of == status);
        let codes: Vec<_> = of_status.map(|(_, code)| *code).collect();
        let content =
            json!({"application/json": {"schema": {"$ref": "#/components/schemas/Complaint"}}});
        let complaint = json!({"description": codes.join(", "), "content": content});
        responses.insert(status.to_string(), complaint);
    }

    let content =
        json!({"application/json": {"schema": {"$ref": "#/components/schemas/Complaint"}}});
    let other = json!({"description": "not done", "content": content});
    responses.insert("default".to_owned(), other);
    Value::Object(responses)
}
