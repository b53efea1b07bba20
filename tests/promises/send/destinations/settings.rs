//! What a destination's settings and routes start from, and how they are written: in a file, in the environment, as flags.

use boxbridge_config::{Config, Kind, Layers, PicturePolicy, schema};
use boxbridge_event::PersonType;
use serde_json::json;

fn load(file: &str, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Config {
    let written = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(written.path(), file).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| (format!("BOXBRIDGE_{name}"), (*value).to_owned()))
        .collect();
    let flags = flags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let layers = Layers {
        file: Some(written.path().to_owned()),
        environment,
        flags,
    };
    Config::load(&layers).unwrap_or_else(|problems| panic!("{problems}"))
}

/// The Kafka topic of a type at a destination.
fn topic(config: &Config, destination: &str, person_type: PersonType) -> Option<String> {
    let routes = &config.send.named(destination).unwrap().routes;
    routes
        .of(person_type)
        .kafka_topic
        .as_ref()
        .map(|topic| topic.to_string())
}

const HQ: &str = r#"
[send.kafka]
brokers = "kafka:9092"
[send.kafka-hq]
kind = "kafka"
brokers = "hq:9092"
partitions = 3
"#;

#[test]
fn the_three_names_are_there_and_others_come_behind_them() {
    let config = load(HQ, &[], &[]);
    let names: Vec<_> = config
        .send
        .destinations
        .iter()
        .map(|destination| &*destination.name)
        .collect();
    assert_eq!(names, ["store", "mqtt", "kafka", "kafka-hq"]);
    let off = load(HQ, &[("SEND__KAFKA_HQ__BROKERS", "")], &[]);
    assert!(
        off.send.named("kafka-hq").is_none(),
        "as for the three, empty = off"
    );
    let alone = load(
        HQ,
        &[("SEND__MQTT__URL", ""), ("SEND__KAFKA__BROKERS", "")],
        &[],
    );
    assert_eq!(alone.send.destinations.len(), 2, "a bus of any name is one");
}

#[test]
fn each_layer_overrides_a_destination_of_any_name() {
    let environment = [
        ("SEND__KAFKA_HQ__PASSWORD", "canary"),
        ("SEND__KAFKA_HQ__USERNAME", "site-7"),
        ("SEND__KAFKA_HQ__LINGER", "7ms"),
    ];
    let security = [
        ("send.kafka-hq.security", "sasl_ssl"),
        ("send.kafka-hq.linger", "9ms"),
    ];
    let config = load(HQ, &environment, &security);
    let Kind::Kafka(hq) = &config.send.named("kafka-hq").unwrap().kind else {
        panic!("no Kafka")
    };
    let sasl = hq.sasl.as_ref().unwrap();
    assert_eq!(
        (
            hq.partitions,
            hq.linger.as_millis(),
            sasl.username.as_str(),
            sasl.password.expose()
        ),
        (3, 9, "site-7", "canary")
    );
    assert_eq!(hq.max_message_bytes, 1_000_000, "the default of its kind");
    assert!(!format!("{config:?}").contains("canary"));
    let kafka = config.send.kafka().unwrap();
    assert_eq!(
        (
            kafka.brokers.as_str(),
            kafka.partitions,
            kafka.sasl.is_none()
        ),
        ("kafka:9092", 6, true)
    );

    let config = load(
        "",
        &[
            ("SEND__HQ__KIND", "kafka"),
            ("SEND__HQ__BROKERS", "hq:9092"),
        ],
        &[("route.hq.vip.kafka_topic", "v")],
    );
    assert_eq!(
        topic(&config, "hq", PersonType::Vip).as_deref(),
        Some("v"),
        "nothing of it in the file"
    );
}

#[test]
fn a_route_of_a_destination_starts_from_the_default_and_the_person_types() {
    let routes = r#"
        [route.default]
        kafka_topic = "all"
        [route.vip]
        kafka_topic = "vip"
        pictures = "inline"
        live_for = "90s"
        [route.kafka-hq.blacklist]
        kafka_topic = "alerts"
    "#;
    let config = load(&format!("{HQ}{routes}"), &[], &[]);
    for (person_type, of_kafka, of_hq) in [
        (PersonType::Employee, "all", "all"),
        (PersonType::Vip, "vip", "vip"),
        (PersonType::Blacklist, "all", "alerts"),
    ] {
        assert_eq!(
            topic(&config, "kafka", person_type).as_deref(),
            Some(of_kafka),
            "{person_type}"
        );
        assert_eq!(
            topic(&config, "kafka-hq", person_type).as_deref(),
            Some(of_hq),
            "{person_type}"
        );
    }
    let vip = config
        .send
        .named("kafka-hq")
        .unwrap()
        .routes
        .of(PersonType::Vip);
    assert_eq!(
        (vip.pictures, vip.live_for.as_secs()),
        (PicturePolicy::Inline, 90)
    );

    let hq = "[route.kafka-hq.default]\nkafka_topic = \"\"\npictures = \"drop\"";
    let config = load(
        &format!("{HQ}{routes}{hq}"),
        &[("ROUTE__KAFKA_HQ__VIP__KAFKA_TOPIC", "hq")],
        &[],
    );
    let topics = [PersonType::Employee, PersonType::Vip, PersonType::Blacklist]
        .map(|of| topic(&config, "kafka-hq", of));
    assert_eq!(
        topics,
        [None, Some("hq".to_owned()), Some("alerts".to_owned())]
    );
    let vip = config
        .send
        .named("kafka-hq")
        .unwrap()
        .routes
        .of(PersonType::Vip);
    assert_eq!(
        vip.pictures,
        PicturePolicy::Drop,
        "of the destination, before the person type's"
    );
    assert_eq!(
        topic(&config, "kafka", PersonType::Vip).as_deref(),
        Some("vip"),
        "nobody else's route changes"
    );
}

#[test]
fn a_bus_without_routes_of_its_own_gets_everything_and_says_so() {
    let warned = |file: &str| load(file, &[], &[]).warnings.join("\n");
    let found = warned(HQ);
    assert!(
        found.contains("send.kafka-hq gets every event, on the topics of [route.default]"),
        "{found}"
    );
    let routed = warned(&format!(
        "{HQ}[route.kafka-hq.default]\nkafka_topic = \"hq\""
    ));
    assert!(!routed.contains("gets every event"), "{routed}");
}

#[test]
fn the_schema_takes_a_destination_of_any_name_with_the_settings_of_its_kind() {
    let schema = schema();
    for (section, definition) in [("send", "destination"), ("route", "destinationRoute")] {
        let others = &schema["properties"][section]["additionalProperties"];
        assert_eq!(others, &json!({"$ref": format!("#/$defs/{definition}")}));
    }
    let destination = &schema["$defs"]["destination"];
    assert_eq!(destination["required"], json!(["kind"]));
    let kinds = destination["allOf"].as_array().unwrap();
    for (kind, setting) in [
        ("store", "keep"),
        ("mqtt", "keep_alive"),
        ("kafka", "brokers"),
    ] {
        let of_kind = kinds
            .iter()
            .find(|one| one["if"]["properties"]["kind"]["const"] == kind)
            .unwrap();
        let of_kind = &of_kind["then"];
        let own = &schema["properties"]["send"]["properties"][kind]["properties"][setting];
        assert_eq!(&of_kind["properties"][setting], own, "{kind}");
        assert!(of_kind["properties"].get("embedded").is_none());
    }
    let route = &schema["$defs"]["destinationRoute"]["properties"]["vip"]["properties"];
    assert!(
        route["kafka_topic"]["x-fields"].is_array() && route.get("lane").is_none(),
        "{route}"
    );
    assert!(
        route["format"].get("default").is_none(),
        "what is not written is inherited"
    );
}
