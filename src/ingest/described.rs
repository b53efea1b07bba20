//! The boxes' port as OpenAPI says it: its paths, what they take and what they answer.
//!
//! Promises: made of the settings and the table of codes that requests are answered by, so a path or a code that is there is named.
//! Deliberately says of an event no more than that it is JSON: its shapes are the vendor's (`normalize/dialect`).

use serde_json::{Map, Value, json};

use super::path::Path;
use boxbridge_config::BoxPort;
use boxbridge_event::Code;

/// Among the components of the document.
const REFUSED: &str = "Refused";
const PRESENCE: &str = "Presence";
const BY_HEADER: &str = "boxToken";
const BY_QUERY: &str = "boxTokenInQuery";

/// Every path of the settings.
pub fn paths(settings: &boxbridge_config::Ingest) -> Map<String, Value> {
    let feeds = [
        (Path::Realtime, &settings.realtime_paths),
        (Path::History, &settings.history_paths),
        (Path::Status, &settings.status_paths),
    ];
    let all = feeds
        .into_iter()
        .flat_map(|(path, names)| names.iter().map(move |name| (path, name)));
    all.map(|(path, name)| (name.clone(), item(path, name, settings)))
        .collect()
}

/// How a box shows its token where no path can: `/t/TOKEN` before any of them does the same.
pub fn security_schemes() -> Map<String, Value> {
    let about = "a box's token; also as /t/TOKEN before the path";
    let schemes = [
        (
            BY_HEADER,
            json!({"type": "http", "scheme": "bearer", "description": about}),
        ),
        (
            BY_QUERY,
            json!({"type": "apiKey", "in": "query", "name": "token", "description": about}),
        ),
    ];
    let named = schemes.map(|(name, scheme)| (name.to_owned(), scheme));
    named.into_iter().collect()
}

/// What a box shows: a token where there are any.
fn security(settings: &boxbridge_config::Ingest) -> Value {
    match settings.tokens {
        Some(_) => json!([{BY_HEADER: []}, {BY_QUERY: []}]),
        None => json!([{}]),
    }
}

/// What its answers are, by name.
pub fn schemas() -> Map<String, Value> {
    let schemas = [
        ("Taken", taken(&["event_id"], event_id())),
        ("TakenArray", taken(&["events"], array())),
        ("TakenUnread", taken(&["event_id", "code"], unread())),
        ("TakenReport", taken(&[], json!({}))),
        (REFUSED, refused()),
        (PRESENCE, presence()),
    ];
    let named = schemas.map(|(name, schema)| (name.to_owned(), schema));
    named.into_iter().collect()
}

/// The document that is echoed may have members of any name beside ours.
fn taken(required: &[&str], members: Value) -> Value {
    let mut properties = json!({"status": {"const": 0}, "message": {"const": "SUCCESS"}});
    if let (Some(properties), Value::Object(members)) = (properties.as_object_mut(), members) {
        properties.extend(members);
    }
    let required = [&["status", "message"], required].concat();
    json!({
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": true,
    })
}

fn event_id() -> Value {
    json!({"event_id": {"type": "string", "format": "uuid", "description": "of the event, which is repeated the way the vendor's document prints it, its pictures empty"}})
}

fn array() -> Value {
    let element = json!({"anyOf": [
        {"type": "object", "required": ["status", "event_id"], "properties": {
            "status": {"const": 0}, "event_id": {"type": "string", "format": "uuid"},
        }},
        {"$ref": reference(REFUSED)},
    ]});
    json!({
        "event_id": {"type": ["string", "null"], "description": "of the first that was taken"},
        "events": {"type": "array", "items": element, "description": "in the order of the array"},
    })
}

fn unread() -> Value {
    json!({
        "event_id": {"type": "null", "description": "history that was not understood: it lies in quarantine, and need not come again"},
        "code": code(),
        "field": field(),
    })
}

fn refused() -> Value {
    json!({
        "type": "object",
        "required": ["status", "code", "message"],
        "properties": {
            "status": {"type": "integer", "description": "of the answer; of an element of an array, what its answer would have been alone"},
            "code": code(),
            "message": {"type": "string", "description": "what failed and with which value; never a value of a person's"},
            "field": field(),
        },
    })
}

fn code() -> Value {
    let words: Vec<_> = answered().map(Code::as_str).collect();
    json!({"type": "string", "enum": words, "description": "more words may come"})
}

fn field() -> Value {
    json!({"type": ["string", "null"], "description": "where it stands in the document, dotted"})
}

fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

fn presence() -> Value {
    json!({
        "type": "object",
        "required": ["message", "ready"],
        "properties": {
            "message": {"const": "boxbridge"},
            "ready": {"type": "boolean", "description": "false: boxes should go elsewhere"},
        },
    })
}

/// All codes but those of a connection which ends without an answer.
fn answered() -> impl Iterator<Item = Code> {
    let codes = Code::ALL.iter().copied();
    codes.filter(|code| !matches!(code, Code::ProxyHeaderInvalid | Code::TlsFailed))
}

fn servers(settings: &boxbridge_config::Ingest) -> Value {
    let server = |port: BoxPort| json!({"url": format!("{}://{}", port.scheme, port.address), "description": format!("the boxes' port: {}", port.key)});
    settings.ports().map(server).collect()
}

fn item(path: Path, name: &str, settings: &boxbridge_config::Ingest) -> Value {
    let id = name
        .trim_matches('/')
        .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    let parameter = |name: &str, about: &str| json!({"name": name, "in": "query", "required": false, "description": about, "schema": {"type": "string"}});
    json!({
        "servers": servers(settings),
        "post": {
            "operationId": format!("post_{id}"),
            "summary": summary(path),
            "security": security(settings),
            "parameters": [
                parameter("site", "a-z 0-9 -, at most 32; else the gateway's own site"),
                parameter("box", "the licence code, where the document has none"),
            ],
            "requestBody": {"required": true, "content": {"application/json": {"schema": body(path, settings)}}},
            "responses": answers(path),
        },
        "get": {
            "operationId": format!("get_{id}"),
            "summary": "Whether a gateway is there, for technicians and load balancers",
            "security": [{}],
            "responses": {
                "200": answer("boxes may send", &[PRESENCE]),
                "503": answer("boxes should go elsewhere", &[PRESENCE]),
                "default": answer("not taken", &[REFUSED]),
            },
        },
    })
}

fn summary(path: Path) -> &'static str {
    match path {
        Path::Realtime => "An event as it happens: answered once it is on disk",
        Path::History => {
            "Events that a box kept: what is not understood is answered 200 as well, once it lies in quarantine"
        }
        Path::Status => "What a box says of itself: answered 200 whatever it says",
    }
}

fn body(path: Path, settings: &boxbridge_config::Ingest) -> Value {
    let event =
        json!({"type": "object", "description": "the vendor's document; pictures as base64"});
    match path {
        Path::Status => json!({}),
        Path::Realtime | Path::History => json!({"anyOf": [
            event,
            {"type": "array", "items": {"type": "object"}, "maxItems": settings.events_max},
        ]}),
    }
}

/// 200, and each status of a refusal with its codes.
fn answers(path: Path) -> Value {
    let names: &[&str] = match path {
        Path::Realtime => &["Taken", "TakenArray"],
        Path::History => &["Taken", "TakenArray", "TakenUnread"],
        Path::Status => &["TakenReport"],
    };
    let mut answers = Map::new();
    answers.insert("200".to_owned(), answer("on disk", names));

    for code in answered() {
        let of_status = answered().filter(|other| other.status() == code.status());
        let words: Vec<_> = of_status.map(Code::as_str).collect();
        let refused = answer(&words.join(", "), &[REFUSED]);
        answers.insert(code.status().to_string(), refused);
    }
    Value::Object(answers)
}

fn answer(description: &str, names: &[&str]) -> Value {
    let mut schemas: Vec<_> = names
        .iter()
        .map(|name| json!({"$ref": reference(name)}))
        .collect();
    let schema = match schemas.len() {
        1 => schemas.remove(0),
        _ => json!({ "anyOf": schemas }),
    };
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}
