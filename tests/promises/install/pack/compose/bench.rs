//! docker-compose.yml: one gateway with real brokers, a store, Prometheus and Grafana.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{agree_on_the_store, check_gateway, compose, environment, image_environment, services};
use super::{file, strings, succeeds, text};
use crate::parts::child::{Child, free_port, listens};

pub const FILE: &str = "docker-compose.yml";

#[test]
fn the_gateway_accepts_its_settings_waits_for_nobody_and_has_time_to_end() {
    let compose = compose(FILE);
    assert_eq!(services(&compose).count(), 6);
    let gateway = &compose["services"]["boxbridge"];
    let said = check_gateway(gateway);
    assert!(
        said.contains("mosquitto:1883") && said.contains("kafka:19092"),
        "{said}"
    );

    // drain_delay is 0 by default, and it ends within ten seconds of it.
    assert_eq!(gateway["stop_grace_period"], "20s");
    assert!(
        environment(gateway)
            .keys()
            .all(|name| !name.contains("DRAIN"))
    );
}

#[test]
fn gateway_and_store_agree_on_bucket_and_credentials() {
    let compose = compose(FILE);
    agree_on_the_store(
        &compose["services"]["boxbridge"],
        &compose["services"]["store"],
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
    let compose = compose(FILE);
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
