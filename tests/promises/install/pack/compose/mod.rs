//! The compose files: what compose reads, what they publish, and what their services get, held against the real programs.

mod bench;
mod cluster;

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use super::{file, succeeds, text};

/// One gateway, and a cluster of them.
const FILES: [&str; 2] = [bench::FILE, cluster::FILE];

/// A file as compose understands it: variables filled in, paths absolute.
fn compose(name: &str) -> Value {
    let said = succeeds(
        Command::new("docker-compose")
            .arg("-f")
            .arg(file(name))
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

/// Where the services of a file are published on the loopback, and where beyond it.
fn ports(compose: &Value) -> (Vec<String>, Vec<String>) {
    let with_ports = services(compose).filter_map(|(_, service)| service["ports"].as_array());
    with_ports
        .flatten()
        .map(published)
        .partition(|port| port.starts_with("127.0.0.1:"))
}

#[test]
fn only_the_boxes_port_is_published_beyond_the_loopback() {
    for name in FILES {
        let compose = compose(name);
        let (loopback, open) = ports(&compose);
        assert_eq!(
            (loopback.len(), &*open),
            (6, &["9528:9528".to_owned()][..]),
            "{name}: {loopback:?}"
        );
        assert!(services(&compose).all(|(_, service)| service["network_mode"].is_null()));
    }
}

#[test]
fn every_service_is_pinned_watched_bounded_and_comes_back() {
    for name in FILES {
        services(&compose(name)).for_each(|(service, it)| is_kept(service, it));
    }
}

fn is_kept(name: &str, service: &Value) {
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

#[test]
fn every_mounted_file_and_volume_is_there() {
    for name in FILES {
        let compose = compose(name);
        for (service, it) in services(&compose) {
            for mount in strings(&it["volumes"]) {
                let (source, _) = mount.split_once(':').unwrap();
                let is_there = match source.strip_prefix('/') {
                    Some(_) => std::path::Path::new(source).is_file(),
                    None => compose["volumes"].get(source).is_some(),
                };
                assert!(is_there, "{name}: {service}: {mount}");
            }
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

/// A gateway as it is started there: what `boxbridge check` says of it. It waits for nobody.
fn check_gateway(gateway: &Value) -> String {
    assert_eq!(image_environment().len(), 3);
    assert!(text("Dockerfile").contains("CMD [\"boxbridge\", \"status\"]"));
    assert_eq!(
        gateway["healthcheck"]["test"],
        json!(["CMD", "boxbridge", "status"])
    );
    assert!(
        gateway["depends_on"].is_null(),
        "boxes are answered whether or not a broker is there"
    );

    let said = succeeds(
        Command::new(env!("CARGO_BIN_EXE_boxbridge"))
            .arg("check")
            .env_clear()
            .envs(image_environment())
            .envs(environment(gateway)),
    );
    assert!(said.contains("settings  ok"), "{said}");
    said
}

/// What a gateway is given for the store is what the store asks for, and its bucket is a folder of the store.
fn agree_on_the_store(gateway: &Value, store: &Value) {
    let (settings, asks) = (environment(gateway), environment(store));
    for (given, asked) in [
        ("ACCESS_KEY_ID", "ROOT_ACCESS_KEY"),
        ("SECRET_ACCESS_KEY", "ROOT_SECRET_KEY"),
    ] {
        let given = &settings[format!("BOXBRIDGE_SEND__STORE__{given}").as_str()];
        assert_eq!(given, &asks[asked]);
    }

    let url = &settings["BOXBRIDGE_SEND__STORE__URL"];
    let bucket = url.strip_prefix("s3://").unwrap();
    let root = strings(&store["command"]).last().unwrap();
    let folder = format!("{root}/{bucket}");
    let mut mounts = strings(&store["volumes"]);
    assert!(mounts.any(|mount| mount.split(':').nth(1) == Some(&folder)));
}
