//! docker-compose.yml: what compose reads, what it publishes, and what its services get, held against the real programs.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{file, succeeds, text};
use crate::parts::child::{Child, free_port, listens};

/// The file as compose understands it: variables filled in, paths absolute.
fn compose() -> Value {
    let said = succeeds(
        Command::new("docker-compose")
            .arg("-f")
            .arg(file("docker-compose.yml"))
            .arg("config")
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap()),
    );
    serde_saphyr::from_multiple::<Value>(&said)
        .unwrap()
        .remove(0)
}

fn services(compose: &Value) -> impl Iterator<Item = (&String, &Value)> {
    compose["services"].as_object().unwrap().iter()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .map_or(&[][..], |list| list)
        .iter()
        .map(|item| item.as_str().unwrap_or_else(|| panic!("{item}")))
}

/// Where a port is published, in either of the forms that compose prints: with an address as text, without one as an object.
fn published(port: &Value) -> String {
    port.as_str().map_or_else(
        || format!("{}:{}", port["published"], port["target"]),
        str::to_owned,
    )
}

#[test]
fn only_the_boxes_port_is_published_beyond_the_loopback() {
    let compose = compose();
    let ports = services(&compose).flat_map(|(_, service)| service["ports"].as_array().unwrap());
    let (loopback, open): (Vec<_>, Vec<_>) = ports
        .map(published)
        .partition(|port| port.starts_with("127.0.0.1:"));
    assert_eq!(
        (loopback.len(), &*open),
        (6, &["9528:9528".to_owned()][..]),
        "{loopback:?}"
    );
    assert!(services(&compose).all(|(_, service)| service["network_mode"].is_null()));
}

#[test]
fn every_service_is_pinned_watched_bounded_and_comes_back() {
    let compose = compose();
    assert_eq!(services(&compose).count(), 6);
    for (name, service) in services(&compose) {
        let (_, tag) = service["image"].as_str().unwrap().rsplit_once(':').unwrap();
        assert!(
            tag.bytes().filter(|byte| *byte == b'.').count() == 2,
            "{name}: {tag} is not one version"
        );
        assert!(service["healthcheck"]["test"].is_array(), "{name}");
        assert!(
            service["mem_limit"].is_string() || service["mem_limit"].is_number(),
            "{name}"
        );
        assert_eq!(service["restart"], "unless-stopped", "{name}");
    }
}

#[test]
fn every_mounted_file_and_volume_is_there() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for mount in strings(&service["volumes"]) {
            let (source, _) = mount.split_once(':').unwrap();
            let is_there = match source.strip_prefix('/') {
                Some(_) => std::path::Path::new(source).is_file(),
                None => compose["volumes"].get(source).is_some(),
            };
            assert!(is_there, "{name}: {mount}");
        }
    }
}

/// The environment of a service.
fn environment(service: &Value) -> BTreeMap<&str, String> {
    let as_text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    service["environment"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, value)| (name.as_str(), as_text(value)))
        .collect()
}

/// What the image sets, from the Dockerfile.
fn image_environment() -> Vec<(String, String)> {
    let dockerfile = text("Dockerfile");
    let pairs = dockerfile
        .split_whitespace()
        .filter(|word| word.starts_with("BOXBRIDGE_"))
        .filter_map(|word| word.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_gateway_accepts_its_settings_waits_for_nobody_and_has_time_to_end() {
    let compose = compose();
    let gateway = &compose["services"]["boxbridge"];
    let mut check = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
    assert_eq!(image_environment().len(), 3);

    let said = succeeds(
        check
            .arg("check")
            .env_clear()
            .envs(image_environment())
            .envs(environment(gateway)),
    );
    assert!(
        said.contains("settings  ok")
            && said.contains("mosquitto:1883")
            && said.contains("kafka:19092"),
        "{said}"
    );
    assert!(text("Dockerfile").contains("CMD [\"boxbridge\", \"status\"]"));
    assert_eq!(
        gateway["healthcheck"]["test"],
        serde_json::json!(["CMD", "boxbridge", "status"])
    );
    assert!(
        gateway["depends_on"].is_null(),
        "boxes are answered whether or not a broker is there"
    );

    // drain_delay is 0 by default, and it ends within ten seconds of it.
    assert_eq!(gateway["stop_grace_period"], "20s");
    assert!(
        environment(gateway)
            .keys()
            .all(|name| !name.contains("DRAIN"))
    );
}

/// What the gateway is given for the store is what the store asks for, and its bucket is a folder of the store.
#[test]
fn gateway_and_store_agree_on_bucket_and_credentials() {
    let compose = compose();
    let (gateway, store) = (
        environment(&compose["services"]["boxbridge"]),
        environment(&compose["services"]["store"]),
    );
    assert_eq!(
        gateway["BOXBRIDGE_SEND__STORE__ACCESS_KEY_ID"],
        store["ROOT_ACCESS_KEY"]
    );
    assert_eq!(
        gateway["BOXBRIDGE_SEND__STORE__SECRET_ACCESS_KEY"],
        store["ROOT_SECRET_KEY"]
    );

    let bucket = gateway["BOXBRIDGE_SEND__STORE__URL"]
        .strip_prefix("s3://")
        .unwrap();
    let store = &compose["services"]["store"];
    let root = strings(&store["command"]).last().unwrap();
    assert!(
        strings(&store["volumes"])
            .any(|mount| mount.split(':').nth(1) == Some(&format!("{root}/{bucket}")))
    );
}

#[test]
fn mosquitto_and_prometheus_take_their_files() {
    let directory = tempfile::tempdir().unwrap();
    let port = free_port();
    let config = text("config/compose/mosquitto.conf")
        .replace(
            "listener 1883",
            &format!("user root\nlistener {port} 127.0.0.1"),
        )
        .replace("/mosquitto/data", &directory.path().display().to_string());
    std::fs::write(directory.path().join("mosquitto.conf"), config).unwrap();
    let mut mosquitto = Command::new("/usr/sbin/mosquitto");
    mosquitto
        .arg("-c")
        .arg(directory.path().join("mosquitto.conf"));
    Child::start(&mosquitto, &directory.path().join("log")).wait_until(
        "mosquitto",
        Duration::from_secs(10),
        || listens(port),
    );

    let said = succeeds(
        Command::new("promtool")
            .args(["check", "config"])
            .arg(file("config/compose/prometheus.yml")),
    );
    assert!(said.contains("is valid prometheus config file"), "{said}");
    let compose = compose();
    let [admin] = image_environment()
        .into_iter()
        .filter(|(name, _)| name.ends_with("ADMIN__LISTEN"))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let target = format!("boxbridge:{}", admin.1.rsplit(':').next().unwrap());
    assert!(
        text("config/compose/prometheus.yml").contains(&target),
        "{target} is not scraped"
    );
    let rules = strings(&compose["services"]["prometheus"]["volumes"])
        .find(|mount| mount.contains("alerts.yaml"))
        .unwrap();
    assert!(
        rules.contains(":/etc/prometheus/rules/") && rules.ends_with(".yaml:ro"),
        "{rules}"
    );
}

/// Grafana is given a data source by the name that the dashboard asks for.
#[test]
fn the_dashboard_finds_its_data_source() {
    let source =
        serde_saphyr::from_multiple::<Value>(&text("config/compose/grafana-datasource.yml"))
            .unwrap()
            .remove(0);
    let dashboard: Value =
        serde_json::from_str(&text("charts/boxbridge/files/dashboard.json")).unwrap();
    let mut asked = Vec::new();
    collect(&dashboard, &mut asked);

    let given = source["datasources"][0]["uid"].as_str().unwrap();
    let unknown: Vec<_> = asked
        .iter()
        .filter(|uid| **uid != given && !uid.starts_with('$') && !uid.starts_with("-- "))
        .collect();
    assert!(
        !asked.is_empty() && unknown.is_empty(),
        "the dashboard asks for {unknown:?}, there is {given}"
    );
}

fn collect<'a>(value: &'a Value, asked: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            asked.extend(
                members
                    .get("datasource")
                    .and_then(|source| source.get("uid")?.as_str()),
            );
            members.values().for_each(|value| collect(value, asked));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, asked)),
        _ => {}
    }
}
