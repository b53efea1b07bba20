//! The settings, and what is said of them.

use std::time::Duration;

use boxbridge_config::{Config, Layers};

use super::FROM_KAFKA;
use crate::parts::gateway::Gateway;
use crate::parts::kafka::Broker;
use crate::parts::s3;
use crate::parts::site::wait_until;

/// Of a gateway that answers from Kafka.
fn config(written: &[(&str, &str)]) -> Config {
    let cluster = [
        FROM_KAFKA,
        ("SEND__KAFKA__BROKERS", "kafka:9092"),
        ("SEND__MQTT__URL", ""),
        ("SEND__STORE__URL", "s3://faces"),
        // On the smallest disk.
        ("QUEUE__MAX_BYTES", "256MiB"),
    ];
    let given = cluster.iter().chain(written);
    let environment = given.map(|(key, value)| (format!("BOXBRIDGE_{key}"), (*value).to_owned()));
    let layers = Layers {
        environment: environment.collect(),
        ..Layers::default()
    };
    Config::load(&layers).unwrap()
}

#[test]
fn a_gateway_that_answers_from_kafka_drains_for_a_minute_unless_somebody_wrote_otherwise() {
    assert_eq!(config(&[]).queue.drain_limit, Duration::from_secs(60));
    for (written, holds) in [("0s", 0), ("5s", 5)] {
        let found = config(&[("QUEUE__DRAIN_LIMIT", written)]).queue.drain_limit;
        assert_eq!(found, Duration::from_secs(holds));
    }
    let of_the_disk = Config::load(&Layers::default()).unwrap().queue.drain_limit;
    assert_eq!(of_the_disk, Duration::ZERO);
}

#[test]
fn what_a_setting_leaves_on_a_disk_that_may_go_is_warned_of() {
    let warned = |written: &[(&str, &str)]| {
        let mut warnings = config(written).warnings;
        warnings.retain(|warning| !warning.starts_with("anyone who reaches"));
        warnings
    };
    assert_eq!(warned(&[]), [""; 0]);
    let mqtt = ("SEND__MQTT__URL", "mqtt://broker");
    assert_eq!(warned(&[mqtt, ("SEND__MQTT__FROM", "kafka")]), [""; 0]);

    for (written, says) in [
        (
            mqtt,
            "queue.answer_from is \"kafka\", and what send.mqtt has not got goes with the disk",
        ),
        (("QUEUE__DRAIN_LIMIT", "0s"), "queue.drain_limit is 0s"),
        (
            ("NORMALIZE__DEDUPE_WINDOW", "0s"),
            "normalize.dedupe_window is 0s: history",
        ),
        (
            ("ROUTE__VISITOR__PSEUDONYM", "true"),
            "route.redact_key_file is empty",
        ),
        (
            ("SEND__STORE__LINKS__MODE", "gateway"),
            "send.store.links.secret_file is empty",
        ),
    ] {
        let warnings = warned(&[written]);
        let of_this = warnings.iter().filter(|warning| warning.contains(says));
        assert_eq!((of_this.count(), warnings.len()), (1, 1), "{warnings:?}");
    }
}

#[test]
fn topics_of_one_broker_are_warned_of_at_the_start_and_by_a_check() {
    let (broker, store) = (Broker::shared(), s3::Server::start());
    let (brokers, endpoint) = (broker.address(), store.endpoint());
    let gateway = Gateway::start(&[
        FROM_KAFKA,
        ("SEND__KAFKA__BROKERS", &brokers),
        ("ROUTE__DEFAULT__KAFKA_TOPIC", "one-broker.{person_type}"),
        ("SEND__MQTT__URL", ""),
        ("SEND__STORE__URL", "s3://faces"),
        ("SEND__STORE__ENDPOINT", &endpoint),
        ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID),
        ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET),
    ]);
    let warning = "boxes are answered from topics with min.insync.replicas 1";
    wait_until("the warning", || gateway.log().contains(warning));
    assert_eq!(gateway.log().matches(warning).count(), 1);

    let (found, _) = gateway.run(&["check", "--online"]);
    let kafka = found.lines().find(|line| line.starts_with("kafka     ok"));
    let warning = "warning: min.insync.replicas is 1 of one-broker.blacklist, ";
    assert!(kafka.is_some_and(|line| line.contains(warning)), "{found}");
}
