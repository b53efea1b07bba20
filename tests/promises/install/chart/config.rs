//! The settings that the chart writes are those that were asked for, and the program takes them.

use std::process::Command;

use boxbridge_config::{Config, Kind, Layers};
use boxbridge_event::PersonType;
use serde_json::Value;

use super::helm::{CHART, Rendered, environment, matrix, render, try_render};

/// Loaded as a pod would: the rendered file, and the container's environment over it.
fn load(rendered: &Rendered) -> Config {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rendered.settings()).unwrap();
    let environment = environment(rendered.container())
        .into_iter()
        .filter(|(name, _)| name.starts_with("BOXBRIDGE_"));
    let environment = environment
        .filter(|(name, _)| name != "BOXBRIDGE_CONFIG")
        .collect();
    let layers = Layers {
        file: Some(file.path().to_owned()),
        environment,
        flags: Vec::new(),
    };
    Config::load(&layers).unwrap_or_else(|problems| panic!("{problems}\n{}", rendered.settings()))
}

#[test]
fn the_program_accepts_every_rendered_file() {
    for (name, values) in matrix() {
        let rendered = try_render(&values).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        let file = tempfile::NamedTempFile::new().unwrap();
        // The Secret with the tokens is mounted there.
        let mounted = tempfile::tempdir().unwrap();
        std::fs::write(mounted.path().join("tokens"), "").unwrap();
        let mounted = mounted.path().to_str().unwrap();
        let settings = rendered
            .settings()
            .replace("/etc/boxbridge-tokens", mounted);
        std::fs::write(file.path(), settings).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_boxbridge"));
        command
            .args(["check", "--config"])
            .arg(file.path())
            .env_clear()
            .envs(environment(rendered.container()));
        let output = command.output().unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "{name}: {said}\n{}",
            rendered.settings()
        );
    }
}

#[test]
fn what_is_written_under_the_five_words_is_what_the_program_reads() {
    let config = load(&render(include_str!("../../../chart/settings.yaml")));
    assert_eq!(config.site, "lobby");
    assert_eq!(config.normalize.picture_max_pixels, 123_456_789);
    assert_eq!(config.normalize.dedupe_max_events, 1_000_000);
    assert_eq!(config.ingest.events_max, 50);
    assert_eq!(config.ingest.quarantine.max_bytes, 512 << 20);
    assert_eq!(config.queue.max_bytes, 5_368_709_120);
    assert_eq!(config.routes.of(PersonType::Vip).live_for.as_secs(), 90);
    assert_eq!(config.routes.of(PersonType::Stranger).mqtt_topic, None);
    let kafka = config.send.kafka().unwrap();
    assert_eq!((kafka.partitions, kafka.replication), (12, 3));
}

#[test]
fn the_queue_is_on_the_volume_and_the_gateway_is_named_after_its_pod() {
    let rendered = render("");
    assert_eq!(
        load(&rendered).data_dir.to_str(),
        Some("/var/lib/boxbridge")
    );
    assert!(
        !rendered.settings().contains("gateway ="),
        "empty = the host's name, which is the pod's"
    );

    let mounts = rendered.container()["volumeMounts"].as_array().unwrap();
    assert!(
        mounts
            .iter()
            .any(|mount| mount["name"] == "data" && mount["mountPath"] == "/var/lib/boxbridge")
    );
}

#[test]
fn two_replicas_never_share_a_client_id() {
    assert_eq!(
        load(&render("")).send.mqtt().unwrap().client_id,
        None,
        "each volume has an instance of its own"
    );
    let config = load(&render("send: {mqtt: {client_id: lobby}}"));
    assert_eq!(
        config.send.mqtt().unwrap().client_id.as_deref(),
        Some("lobby-boxbridge-0")
    );
}

#[test]
fn secrets_travel_by_reference_and_never_in_the_file() {
    let rendered = render(include_str!("../../../chart/secrets.yaml"));
    let config = load(&rendered);
    let mqtt = config.send.mqtt().unwrap();
    assert_eq!(mqtt.username.as_deref(), Some("boxbridge"));
    assert_eq!(mqtt.password.expose(), "from-mqtt-password");

    let sasl = config.send.kafka().unwrap().sasl.clone().unwrap();
    assert_eq!(
        (sasl.username.as_str(), sasl.password.expose()),
        ("from-kafka-user", "from-kafka-password")
    );
    assert!(rendered.all("Secret").is_empty());
    for word in ["password", "secret_access_key", "access_key_id"] {
        assert!(
            !rendered.settings().contains(word),
            "{word} in\n{}",
            rendered.settings()
        );
    }
}

#[test]
fn a_destination_of_any_name_is_written_and_its_secrets_travel_by_reference() {
    let rendered = render(include_str!("../../../chart/destinations.yaml"));
    let config = load(&rendered);
    let Kind::Kafka(hq) = &config.send.named("kafka-hq").unwrap().kind else {
        panic!("no Kafka")
    };
    let sasl = hq.sasl.as_ref().unwrap();
    assert_eq!(
        (sasl.username.as_str(), sasl.password.expose()),
        ("site-7", "from-hq-password")
    );

    let Kind::Mqtt(guards) = &config.send.named("guards").unwrap().kind else {
        panic!("no MQTT")
    };
    assert_eq!(guards.client_id.as_deref(), Some("guard-boxbridge-0"));

    let topic = |person_type| {
        config
            .send
            .named("kafka-hq")
            .unwrap()
            .routes
            .of(person_type)
            .kafka_topic
            .clone()
    };
    assert!(topic(PersonType::Employee).is_none() && topic(PersonType::Vip).is_some());
    assert!(
        !rendered.settings().contains("password"),
        "{}",
        rendered.settings()
    );
}

#[test]
fn the_charts_own_values_are_no_settings() {
    let settings = render("acceptDowntime: true\ninsecure: true")
        .settings()
        .to_owned();
    for word in ["acceptDowntime", "allowedCidrs", "insecure", "192.168.1.0"] {
        assert!(!settings.contains(word), "{word} in\n{settings}");
    }
}

#[test]
fn the_file_store_gets_what_the_queue_leaves_of_the_volume() {
    let store = |values: &str| load(&render(values)).send.store().max_bytes;
    assert_eq!(store(""), 7_680 << 20, "three quarters of 20 GiB - 10 GiB");
    assert_eq!(store("queue: {max_bytes: 256MiB}"), 192 << 20);
    assert_eq!(store("persistence: {size: 100Gi}"), 69_120 << 20);
    assert_eq!(store("send: {store: {max_bytes: 1GiB}}"), 1 << 30);
    assert_eq!(
        store("send: {store: {url: \"file:///srv/faces\"}}"),
        20 << 30,
        "on a volume of its own: the program's default"
    );
    assert_eq!(
        store("send: {store: {url: \"file:///srv/faces\", max_bytes: 1TiB}}"),
        1 << 40
    );
}

#[test]
fn the_charts_defaults_are_the_programs_but_for_these() {
    let mut values: Value =
        serde_saphyr::from_str(&std::fs::read_to_string(format!("{CHART}/values.yaml")).unwrap())
            .unwrap();
    let program = boxbridge_config::schema();
    let mut differing = Vec::new();
    for section in [
        "site",
        "log",
        "ingest",
        "admin",
        "normalize",
        "queue",
        "route",
        "send",
    ] {
        compare(
            section,
            &values[section].take(),
            &program["properties"][section],
            &mut differing,
        );
    }
    differing.sort();

    let expected = [
        "admin.listen",
        "ingest.drain_delay",
        "ingest.listen",
        "send.kafka.password",
        "send.mqtt.password",
        "send.mqtt.url",
    ];
    assert_eq!(
        differing,
        [
            &expected[..],
            &[
                "send.store.links.listen",
                "send.store.max_bytes",
                "send.store.secret_access_key"
            ]
        ]
        .concat()
    );
}

fn compare(path: &str, value: &Value, schema: &Value, differing: &mut Vec<String>) {
    match (value.as_object(), schema.get("properties")) {
        (Some(members), Some(properties)) => {
            members.iter().for_each(|(key, value)| {
                compare(&format!("{path}.{key}"), value, &properties[key], differing)
            });
        }
        _ if *value != schema["default"] => differing.push(path.to_owned()),
        _ => {}
    }
}

#[test]
fn boxes_with_tokens_need_no_networks_and_their_secret_is_mounted_where_the_settings_look() {
    let rendered = try_render(include_str!("../../../chart/tokens.yaml"));
    let rendered = rendered.unwrap_or_else(|problems| panic!("{problems}"));
    let tokens_file = "tokens_file = \"/etc/boxbridge-tokens/tokens\"";
    assert!(
        rendered.settings().contains(tokens_file),
        "{}",
        rendered.settings()
    );

    let test = &rendered.object("Pod", "boxbridge-test")["spec"];
    for pod in [rendered.pod(), test] {
        let volumes = pod["volumes"].as_array().unwrap();
        let secret = volumes.iter().find(|volume| volume["name"] == "tokens");
        assert_eq!(secret.unwrap()["secret"]["secretName"], "boxes");
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
        let mount = mounts
            .iter()
            .find(|mount| mount["name"] == "tokens")
            .unwrap();
        assert_eq!(mount["mountPath"], "/etc/boxbridge-tokens");
    }
    let shown = test["containers"][0]["env"].as_array().unwrap();
    let shown = shown
        .iter()
        .find(|it| it["name"] == "BOXBRIDGE_TOKEN")
        .unwrap();
    assert_eq!(
        shown["valueFrom"]["secretKeyRef"]["name"],
        "box-of-the-test"
    );

    // Without a token there is nothing that it could show.
    let without =
        try_render("tokens: {existingSecret: boxes}\nsend: {mqtt: {url: \"mqtt://mosquitto\"}}");
    let without = without.unwrap_or_else(|problems| panic!("{problems}"));
    assert!(without.all("Pod").is_empty() && !without.text.contains("BOXBRIDGE_TOKEN"));
}
