//! One JSON Schema inside another document, and one schema of a document by itself.
//!
//! A schema of our own has its parts under `$defs`; in OpenAPI and AsyncAPI all parts stand under `components/schemas`. Promises: every
//! reference of the result leads to a place in it.

use serde_json::{Map, Value, json};

const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";

/// A schema and its parts, to stand among the components of a document: `Match`, and `MatchPicture` for its part `picture`.
pub fn schemas(name: &str, schema: &str) -> Map<String, Value> {
    let mut schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let rename = |part: &str| format!("{COMPONENTS}{}", part_of(name, part));
    repoint(&mut schema, DEFINITIONS, &rename);

    let Value::Object(mut members) = schema else {
        return Map::new();
    };
    // Of the document around it, not of a part.
    members.remove("$schema");
    members.remove("$id");
    let parts = members.remove("$defs");

    let mut schemas = Map::new();
    schemas.insert(name.to_owned(), Value::Object(members));
    for (part, schema) in parts.iter().filter_map(Value::as_object).flatten() {
        schemas.insert(part_of(name, part), schema.clone());
    }
    schemas
}

fn part_of(name: &str, part: &str) -> String {
    let mut letters = part.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    format!("{name}{}{}", first.collect::<String>(), letters.as_str())
}

/// One of the components as a document of its own, with those that it needs.
pub fn alone(components: &Map<String, Value>, name: &str, id: &str) -> Value {
    let mut needed = Map::new();
    collect(components, name, &mut needed);
    let mut root = needed.remove(name).unwrap_or_default();
    let rename = |part: &str| format!("{DEFINITIONS}{part}");
    repoint(&mut root, COMPONENTS, &rename);

    let mut parts = Value::Object(needed);
    repoint(&mut parts, COMPONENTS, &rename);
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": id,
    });
    if let (Some(document), Value::Object(root)) = (document.as_object_mut(), root) {
        document.extend(root);
        document.insert("$defs".to_owned(), parts);
    }
    document
}

fn collect(components: &Map<String, Value>, name: &str, needed: &mut Map<String, Value>) {
    let Some(schema) = components.get(name).filter(|_| !needed.contains_key(name)) else {
        return;
    };
    needed.insert(name.to_owned(), schema.clone());

    let mut parts = Vec::new();
    references(schema, &mut parts);
    parts
        .into_iter()
        .for_each(|part| collect(components, part, needed));
}

/// The components that a schema names.
fn references<'a>(value: &'a Value, parts: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            let part = members.get("$ref").and_then(Value::as_str);
            parts.extend(part.and_then(|to| to.strip_prefix(COMPONENTS)));
            members
                .values()
                .for_each(|member| references(member, parts));
        }
        Value::Array(elements) => elements.iter().for_each(|it| references(it, parts)),
        _ => {}
    }
}

/// Has every reference below `from` lead where `rename` says.
fn repoint(value: &mut Value, from: &str, rename: &impl Fn(&str) -> String) {
    match value {
        Value::Object(members) => {
            let part = members.get("$ref").and_then(Value::as_str);
            let to = part.and_then(|to| to.strip_prefix(from)).map(rename);
            if let Some(to) = to {
                members.insert("$ref".to_owned(), to.into());
            }
            members
                .values_mut()
                .for_each(|member| repoint(member, from, rename));
        }
        Value::Array(elements) => elements
            .iter_mut()
            .for_each(|element| repoint(element, from, rename)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_keeps_its_parts_in_another_document_and_by_itself() {
        let text = r##"{"$schema": "x", "$id": "y", "$ref": "#/$defs/one", "$defs": {"one": {"items": {"$ref": "#/$defs/two"}}, "two": {}}}"##;
        let components = schemas("It", text);
        assert_eq!(
            Value::Object(components.clone()),
            json!({
                "It": {"$ref": "#/components/schemas/ItOne"},
                "ItOne": {"items": {"$ref": "#/components/schemas/ItTwo"}},
                "ItTwo": {},
            })
        );

        let one = alone(&components, "ItOne", "z");
        assert_eq!(
            (&one["items"]["$ref"], &one["$defs"]),
            (&json!("#/$defs/ItTwo"), &json!({"ItTwo": {}}))
        );
    }
}
