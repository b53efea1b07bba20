//! The OpenAPI document says what there is: no more, no less, and in its own language.

use std::process::Command;

use serde_json::{Value, json};

use super::{gateway, local};

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
        let operations = methods.into_iter().filter(|(name, _)| name != "servers");
        operations.map(move |(method, operation)| (path.clone(), method, operation))
    };
    paths.iter().flat_map(of_path).collect()
}

#[test]
fn the_command_and_the_gateway_give_the_same_document() {
    let gateway = gateway(&[]);
    let answer = local(&gateway, "GET", "/api/openapi.json", &json!(null));
    let (said, code) = gateway.run(&["schema", "openapi"]);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((answer.status, answer.body, code), (200, said, Some(0)));
}

#[test]
fn every_path_that_it_names_is_there() {
    let gateway = gateway(&[]);
    let of_admin = |(path, _, _): &(String, String, Value)| path.starts_with("/api/");
    for (path, method, _) in operations(&document()).into_iter().filter(of_admin) {
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

        let none = Vec::new();
        let parameters = operation["parameters"].as_array().unwrap_or(&none);
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
        if path.starts_with("/api/") {
            let other = &operation["responses"]["default"]["content"]["application/json"]["schema"];
            assert_eq!(other["$ref"], "#/components/schemas/Complaint");
        }
    }
}
