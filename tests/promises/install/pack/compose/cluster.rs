//! docker-compose.cluster.yml: three gateways behind haproxy, three Kafka nodes, a broker and a store.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use super::{agree_on_the_store, check_gateway, compose, environment, services};
use super::{file, succeeds, text};

pub const FILE: &str = "docker-compose.cluster.yml";

/// The services whose names begin so.
fn all<'a>(compose: &'a Value, prefix: &str) -> Vec<(&'a String, &'a Value)> {
    let named = services(compose).filter(|(name, _)| name.starts_with(prefix));
    let found: Vec<_> = named.collect();
    assert_eq!(found.len(), 3, "{prefix}");
    found
}

#[test]
fn three_gateways_accept_their_settings_and_have_time_to_deliver() {
    let compose = compose(FILE);
    assert_eq!(services(&compose).count(), 9);
    for (name, gateway) in all(&compose, "gateway-") {
        let said = check_gateway(gateway);
        let places = ["mosquitto:1883", "kafka-3:19092"];
        assert!(places.iter().all(|place| said.contains(place)), "{said}");
        let settings = environment(gateway);
        assert_eq!(&settings["BOXBRIDGE_GATEWAY"], name);

        // Where answers come from Kafka, drain_limit is 60 s by default; it ends within ten seconds of it.
        assert_eq!(settings["BOXBRIDGE_QUEUE__ANSWER_FROM"], "kafka");
        assert_eq!(gateway["stop_grace_period"], "80s");
        agree_on_the_store(gateway, &compose["services"]["store"]);
    }
}

#[test]
fn no_two_services_share_a_disk() {
    let compose = compose(FILE);
    let mut seen = BTreeSet::new();
    for (name, service) in services(&compose) {
        for mount in super::strings(&service["volumes"]) {
            let (volume, _) = mount.split_once(':').unwrap();
            assert!(seen.insert(volume.to_owned()), "{name}: {mount}");
        }
    }
}

/// Two of three copies acknowledge, and the gateways ask for three.
#[test]
fn what_kafka_acknowledged_outlives_a_node() {
    let compose = compose(FILE);
    let mut ids = BTreeSet::new();
    for (name, node) in all(&compose, "kafka-") {
        let settings = environment(node);
        assert_eq!(settings["KAFKA_DEFAULT_REPLICATION_FACTOR"], "3");
        assert_eq!(settings["KAFKA_MIN_INSYNC_REPLICAS"], "2");
        let id = &settings["KAFKA_NODE_ID"];
        let voter = format!("{id}@{name}:29093");
        assert!(settings["KAFKA_CONTROLLER_QUORUM_VOTERS"].contains(&voter));
        let inside = format!("INSIDE://{name}:19092");
        assert!(settings["KAFKA_ADVERTISED_LISTENERS"].contains(&inside));
        ids.insert(id.clone());
    }
    assert_eq!(ids.len(), 3);

    for (_, gateway) in all(&compose, "gateway-") {
        let settings = environment(gateway);
        assert_eq!(settings["BOXBRIDGE_SEND__KAFKA__REPLICATION"], "3");
    }
}

/// haproxy takes its file, knows each gateway, and is believed by them.
#[test]
fn haproxy_keeps_a_box_on_its_gateway() {
    let said = succeeds(
        Command::new("/usr/sbin/haproxy")
            .args(["-c", "-f"])
            .arg(file("config/compose/haproxy.cfg")),
    );
    assert!(said.contains("Configuration file is valid"), "{said}");

    let compose = compose(FILE);
    let config = text("config/compose/haproxy.cfg");
    let servers: BTreeMap<_, _> = config
        .lines()
        .filter_map(|line| line.trim().strip_prefix("server ")?.split_once(' '))
        .collect();
    for (name, _) in all(&compose, "gateway-") {
        assert_eq!(servers[name.as_str()], format!("{name}:9528"));
    }
    assert!(config.contains("balance source") && config.contains("option forwardfor"));

    let own = &compose["services"]["haproxy"]["networks"]["default"]["ipv4_address"];
    for (_, gateway) in all(&compose, "gateway-") {
        let trusted = &environment(gateway)["BOXBRIDGE_INGEST__TRUSTED_PROXIES"];
        assert_eq!(own, trusted.as_str());
    }
}
