//! `values.schema.json`: knows every setting of the program, refuses what is none, and refuses secrets.
//!
//! Its settings are made from `config/boxbridge.toml`; `UPDATE=1` writes them anew, to be read before it is committed.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::helm::CHART;

/// The program's own sections, and `site`; `data_dir` and `gateway` are the chart's business.
const SETTINGS: [&str; 8] = [
    "admin",
    "ingest",
    "log",
    "normalize",
    "queue",
    "route",
    "send",
    "site",
];
const SECRETS: [&str; 3] = [
    "/send/mqtt/password",
    "/send/kafka/password",
    "/send/store/secret_access_key",
];
const NAMES: [&str; 3] = [
    "/send/mqtt/username",
    "/send/kafka/username",
    "/send/store/access_key_id",
];
/// A probe and a Service reach only what listens on the pod's address.
const LISTENERS: [&str; 2] = ["/ingest/listen", "/admin/listen"];

#[test]
fn values_take_every_setting_of_the_program_and_no_other() {
    let path = Path::new(CHART).join("values.schema.json");
    let found = std::fs::read_to_string(&path).unwrap();
    let expected = format!(
        "{:#}\n",
        with_settings(serde_json::from_str(&found).unwrap())
    );
    if std::env::var_os("UPDATE").is_some() {
        return std::fs::write(&path, expected).unwrap();
    }

    let differing = found
        .lines()
        .zip(expected.lines())
        .find(|(found, expected)| found != expected);
    assert!(
        found == expected,
        "values.schema.json is not of this config/boxbridge.toml, run with UPDATE=1: {differing:?}"
    );
}

fn with_settings(mut values: Value) -> Value {
    let program = boxbridge_config::schema();
    for name in SETTINGS {
        values["properties"][name] = program["properties"][name].clone();
    }

    let route = std::mem::take(&mut values["properties"]["route"]["properties"]["default"]);
    for (_, of_type) in values["properties"]["route"]["properties"]
        .as_object_mut()
        .unwrap()
    {
        *of_type = json!({"$ref": "#/$defs/route"});
    }
    values["$defs"]["route"] = route;

    for name in ["destination", "destinationRoute"] {
        values["$defs"][name] = program["$defs"][name].clone();
    }
    for of_kind in values["$defs"]["destination"]["allOf"]
        .as_array_mut()
        .unwrap()
    {
        let settings = of_kind["then"]["properties"].as_object_mut().unwrap();
        for (keys, definition) in [(SECRETS, "secret"), (NAMES, "textOrSecret")] {
            let is_one = |key: &str| keys.iter().any(|path| path.ends_with(&format!("/{key}")));
            for (_, setting) in settings.iter_mut().filter(|(key, _)| is_one(key)) {
                *setting = json!({"$ref": format!("#/$defs/{definition}"), "description": setting["description"]});
            }
        }
    }

    for (paths, definition) in [(SECRETS, "secret"), (NAMES, "textOrSecret")] {
        for path in paths {
            let setting = setting(&mut values, path);
            *setting = json!({"$ref": format!("#/$defs/{definition}"), "description": setting["description"]});
        }
    }
    for path in LISTENERS {
        setting(&mut values, path)["pattern"] = "^(0\\.0\\.0\\.0|\\[::\\]):[0-9]+$".into();
    }
    values["properties"]["site"]["pattern"] = "^[a-z0-9-]{1,32}$".into();

    // Empty = what the volume has room for.
    let size = setting(&mut values, "/send/store/max_bytes")["pattern"].clone();
    setting(&mut values, "/send/store/max_bytes")["pattern"] =
        format!("^$|{}", size.as_str().unwrap()).into();

    let defaults: Value = serde_saphyr::from_str(
        &std::fs::read_to_string(Path::new(CHART).join("values.yaml")).unwrap(),
    )
    .unwrap();
    for name in SETTINGS {
        take_defaults(&mut values["properties"][name], &defaults[name]);
    }
    values
}

fn setting<'a>(values: &'a mut Value, path: &str) -> &'a mut Value {
    let pointer = path.replace('/', "/properties/");
    values
        .pointer_mut(&pointer)
        .unwrap_or_else(|| panic!("{path} is no setting"))
}

/// What stands in values.yaml is this chart's default, and must not be taken away: the templates count on it.
fn take_defaults(schema: &mut Value, defaults: &Value) {
    let Some(defaults) = defaults.as_object() else {
        schema["default"] = defaults.clone();
        return;
    };
    if !defaults.is_empty() {
        schema["required"] = defaults.keys().cloned().collect();
    }

    for (key, value) in defaults {
        match schema.get_mut("properties") {
            Some(properties) => take_defaults(&mut properties[key], value),
            None => assert!(value == &Value::Object(Map::new()), "{key}"),
        }
    }
}

#[test]
fn a_secret_can_only_be_a_reference() {
    let values: Value = serde_json::from_str(
        &std::fs::read_to_string(Path::new(CHART).join("values.schema.json")).unwrap(),
    )
    .unwrap();
    let secret = |key: &str| {
        ["password", "secret", "token"]
            .iter()
            .any(|word| key.contains(word))
            && !key.ends_with("_file")
    };
    let mut found = Vec::new();
    for section in ["mqtt", "kafka", "store"] {
        let properties = values["properties"]["send"]["properties"][section]["properties"]
            .as_object()
            .unwrap();
        for (key, schema) in properties.iter().filter(|(key, _)| secret(key)) {
            assert_eq!(schema["$ref"], "#/$defs/secret", "send.{section}.{key}");
            found.push(format!("/send/{section}/{key}"));
        }
    }
    found.sort();

    let mut expected = SECRETS.to_vec();
    expected.sort();
    assert_eq!(found, expected);
}
