//! The OpenAPI document says what there is: no more, no less, and in its own language.

use std::process::Command;

use serde_json::{Value, json};

use super::{gateway, local};
use crate::parts::child::installed;

fn document() -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    let output = command.args(["schema", "openapi"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Path, method and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, methods): (&String, &Value)| {
        let methods = methods.as_object().unwrap().clone();
        let path = path.clone();
        methods
            .into_iter()
            .map(move |(method, operation)| (path.clone(), method, operation))
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn the_command_and_the_gateway_give_the_same_document() {
    let gateway = gateway(&[]);
    let answer = local(&gateway, "GET", "/api/openapi.json", &json!(null));
    assert_eq!((answer.status, answer.body), (200, document()));
}

#[test]
fn every_path_that_it_names_is_there() {
    let gateway = gateway(&[]);
    for (path, method, _) in operations(&document()) {
        // A name that fits nowhere: what is there says so in its own words.
        let at = path
            .replace("{id}", "0")
            .replace("{name}", "0")
            .replace("{key}", "0");
        let answer = local(&gateway, &method.to_uppercase(), &at, &json!(null));
        let message = answer.body["message"].as_str().unwrap_or_default();
        let is_there = answer.status != 405 && !message.contains("there is nothing at");
        assert!(is_there, "{method} {path}: {answer:?}");
    }
}

#[test]
fn the_document_is_openapi_3_1_by_the_word_of_its_own_validator() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("openapi.json");
    std::fs::write(&file, document().to_string()).unwrap();
    let mut validator = Command::new("python3");
    validator.args(["-m", "openapi_spec_validator"]).arg(&file);
    let output = validator
        .env("PYTHONPATH", installed("openapi-spec-validator-0.9.0"))
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

#[test]
fn each_operation_says_all_that_a_client_needs() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = std::collections::BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let said = |member: &str| {
            operation[member]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        };
        assert!(
            said("summary") && said("operationId"),
            "{method} {path}: {operation}"
        );
        assert!(
            ids.insert(operation["operationId"].to_string()),
            "{method} {path}"
        );

        let parameters = operation["parameters"].as_array().unwrap();
        let in_path = parameters.iter().filter(|one| one["in"] == "path");
        for parameter in in_path.clone() {
            let name = parameter["name"].as_str().unwrap();
            assert!(path.contains(&format!("{{{name}}}")), "{path}: {parameter}");
        }
        assert_eq!(
            in_path.count(),
            path.matches('{').count(),
            "{method} {path}"
        );
        assert!(
            operation["responses"]["200"]["content"].is_object(),
            "{method} {path}"
        );
        let other = &operation["responses"]["default"]["content"]["application/json"]["schema"];
        assert_eq!(other["$ref"], "#/components/schemas/Complaint");
    }
}
