//! What is promised to others, held against whatever a test receives: messages against their schemas and attributes, answers against OpenAPI,
//! logs against what must not be in them.
//!
//! Promises: each schema is read once; a test that receives something else than the contract says fails with what was wrong. A message is ours
//! if its `type` or its `schema` says so, or if it stands where the gateway's status does: what a test sends itself, and the vendor's shape
//! (`format = "box"`, which has no `dataschema`), pass.

use std::sync::LazyLock;

use boxbridge::route::attributes::{Attribute, OF_DEVICE, OF_EVENT, OF_PICTURES};
use boxbridge::route::{
    EVENT_SCHEMA, device_status::DEVICE_SCHEMA, pictures_told::PICTURES_SCHEMA,
};
use boxbridge::send::mqtt::STATUS_SCHEMA;
use boxbridge_config::{Config, Layers};
use serde_json::{Value, json};

pub mod logged;
pub mod schema;

use schema::{problems, problems_within};

/// A kind of message.
struct Kind {
    /// The word in `schema` and in the attribute `type`.
    word: &'static str,
    schema: Value,
    attributes: &'static [Attribute],
}

static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let kind = |word, schema, attributes| Kind {
        word,
        schema: serde_json::from_str(schema).unwrap(),
        attributes,
    };
    vec![
        kind("boxbridge.match.v1", EVENT_SCHEMA, OF_EVENT),
        kind("boxbridge.device.v1", DEVICE_SCHEMA, OF_DEVICE),
        kind("boxbridge.pictures.v1", PICTURES_SCHEMA, OF_PICTURES),
    ]
});

static STATUS: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(STATUS_SCHEMA).unwrap());

static OPENAPI: LazyLock<Value> = LazyLock::new(|| {
    let config = Config::load(&Layers::default()).unwrap();
    boxbridge::admin::openapi(&config)
});

/// A message as a subscriber or a consumer has it; attributes without the prefix of their binding.
pub fn check_message(topic: &str, payload: &[u8], attributes: &[(&str, &str)]) {
    let of = |name: &str| attributes.iter().find(|(other, _)| *other == name);
    let said = of("type").map(|(_, word)| (*word).to_owned());
    let is_ours = said
        .as_deref()
        .is_some_and(|it| it.starts_with("boxbridge."));
    if is_ours {
        check_attributes(topic, kind(topic, said.as_deref()), attributes);
    }

    let is_vendors = is_ours && of("dataschema").is_none();
    // Whatever is retained is cleared so, and forgotten on Kafka.
    if payload.is_empty() || is_vendors {
        return;
    }
    let payload: Value = serde_json::from_slice(payload).unwrap_or_default();
    let word = payload["schema"].as_str();
    if word.is_some_and(|word| word.starts_with("boxbridge.")) {
        let found = problems(&kind(topic, word).schema, &payload);
        assert!(found.is_empty(), "{topic}: {found:#?}\n{payload}");
    } else if payload["gateway"].is_string() && topic.ends_with("/status") {
        let found = problems(&STATUS, &payload);
        assert!(found.is_empty(), "{topic}: {found:#?}\n{payload}");
    } else {
        assert!(!is_ours, "{topic}: no `schema` in {payload}");
    }
}

fn kind(topic: &str, word: Option<&str>) -> &'static Kind {
    let found = KINDS.iter().find(|kind| Some(kind.word) == word);
    found.unwrap_or_else(|| panic!("{topic}: there is no schema of {word:?}"))
}

fn check_attributes(topic: &str, kind: &Kind, attributes: &[(&str, &str)]) {
    for (name, value) in attributes {
        let described = kind.attributes.iter().find(|it| it.name == *name);
        let described = described.unwrap_or_else(|| panic!("{topic}: {name} is not described"));
        let found = problems(&described.schema(), &json!(value));
        assert!(found.is_empty(), "{topic}, {name}: {found:#?}");
    }
    for needed in kind.attributes.iter().filter(|it| it.absent.is_empty()) {
        let is_there = attributes.iter().any(|(name, _)| *name == needed.name);
        assert!(is_there, "{topic}: {} is missing", needed.name);
    }
}

/// The answer to a request, if it is JSON and the OpenAPI document knows its path. A proxy answers in its own words.
pub fn check_answer(request: &[u8], status: u16, body: &Value) {
    let line = request.split(|byte| *byte == b'\r').next();
    let line = String::from_utf8_lossy(line.unwrap_or_default());
    let mut words = line.split(' ');
    let method = words.next().unwrap_or_default().to_lowercase();
    let path = words.next().unwrap_or_default().split('?').next();

    let operation = path.and_then(|path| operation(path, &method));
    let Some(operation) = operation.filter(|_| !body.is_null()) else {
        return;
    };

    let answers = &operation["responses"];
    let answer = answers
        .get(status.to_string())
        .or_else(|| answers.get("default"))
        .unwrap_or_else(|| panic!("{line}: {status} is not described"));
    let schema = &answer["content"]["application/json"]["schema"];
    if schema.is_object() {
        let found = problems_within(&OPENAPI, schema, body);
        assert!(found.is_empty(), "{line}: {found:#?}\n{body}");
    }
}

/// What the document says of a request; a path that is written out goes before one with a name in braces.
fn operation(path: &str, method: &str) -> Option<&'static Value> {
    let paths = OPENAPI["paths"].as_object().unwrap();
    let is_it = |template: &str| {
        let mut pairs = template.split('/').zip(path.split('/'));
        template.split('/').count() == path.split('/').count()
            && pairs.all(|(part, segment)| part == segment || part.starts_with('{'))
    };
    let item = paths.get(path);
    let item = item.or_else(|| paths.iter().find(|(it, _)| is_it(it)).map(|(_, item)| item));
    item?.get(method)
}
