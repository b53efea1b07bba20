//! The settings, and what is said of them.

use std::time::Duration;

use boxbridge_config::{Config, Layers};

use super::FROM_KAFKA;
use crate::parts::gateway::Gateway;
use crate::parts::kafka::Broker;
use crate::parts::s3;
use crate::parts::site::wait_until;

fn drain_limit(written: &[(&str, &str)]) -> Duration {
    let cluster = [
        FROM_KAFKA,
        ("SEND__KAFKA__BROKERS", "kafka:9092"),
        ("SEND__MQTT__URL", ""),
        ("SEND__STORE__URL", "s3://faces"),
    ];
    let given = cluster.iter().chain(written);
    let environment = given.map(|(key, value)| (format!("BOXBRIDGE_{key}"), (*value).to_owned()));
    let layers = Layers {
        environment: environment.collect(),
        ..Layers::default()
    };
    Config::load(&layers).unwrap().queue.drain_limit
}

#[test]
fn a_gateway_that_answers_from_kafka_drains_for_a_minute_unless_somebody_wrote_otherwise() {
    assert_eq!(drain_limit(&[]), Duration::from_secs(60));
    for (written, holds) in [("0s", 0), ("5s", 5)] {
        let found = drain_limit(&[("QUEUE__DRAIN_LIMIT", written)]);
        assert_eq!(found, Duration::from_secs(holds));
    }
    let of_the_disk = Config::load(&Layers::default()).unwrap().queue.drain_limit;
    assert_eq!(of_the_disk, Duration::ZERO);
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

    let (found, code) = gateway.run(&["check", "--online"]);
    let warning = "warning: min.insync.replicas is 1 of one-broker.blacklist, ";
    assert!(found.contains(warning), "{found}");
    assert_eq!(code, Some(0), "{found}");
}
