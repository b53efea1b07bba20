//! The OpenAPI 3.1 document of what stands under `/api`, made of the endpoints' own declarations.
//!
//! Promises: it holds every endpoint and nothing else.

use serde_json::{Map, Value, json};

use super::access::SESSION_COOKIE;
use super::api::{self, Endpoint, OpensTo};

/// `boxbridge schema openapi`, and `/api/openapi.json`.
pub fn document() -> Value {
    let mut paths = Map::new();
    for endpoint in api::endpoints() {
        let path = paths
            .entry(format!("/api{}", endpoint.path))
            .or_insert_with(|| json!({}));
        if let Some(methods) = path.as_object_mut() {
            methods.insert(endpoint.method.to_owned(), operation(&endpoint));
        }
    }

    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "boxbridge: the operator's API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "On the admin listener. Where admin.token_file is set every call carries one of its tokens, or the cookie of a session that began with one; where it is not, only the gateway's own machine is answered, at a loopback address, and needs none. A call that changes something is written to data_dir/audit.jsonl before it is done. Times are UTC, RFC 3339.",
        },
        "servers": [{"url": "http://127.0.0.1:9529"}],
        "security": [{"token": []}, {"session": []}, {}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE, "description": "of POST /api/login"},
            },
            "schemas": {"Complaint": complaint()},
        },
    })
}

fn complaint() -> Value {
    json!({
        "type": "object",
        "required": ["code", "message"],
        "properties": {
            "code": {"type": "string", "description": "a word that programs read"},
            "message": {"type": "string", "description": "a sentence for people"},
        },
    })
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
