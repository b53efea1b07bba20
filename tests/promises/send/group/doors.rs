//! Gateways that share one broker: its destination is called by the test's name, so each test has consumer groups of its own.

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::http;
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::site::wait_until;
use crate::parts::subscriber::{Received, Subscriber};

pub const EMPLOYEE: u8 = 1;
pub const VIP: u8 = 5;
pub const PARTITIONS: usize = 6;

/// Everything of every test's routes.
pub const ALL: &str = "topic readwrite #\n";

pub struct Doors {
    /// Of the destination and of the topics.
    pub name: &'static str,
    pub mosquitto: Mosquitto,
}

impl Doors {
    pub fn new(name: &'static str) -> Doors {
        Doors::allowing(name, ALL)
    }

    pub fn allowing(name: &'static str, acl: &str) -> Doors {
        let mosquitto = Mosquitto::with(&Settings {
            acl,
            ..Settings::default()
        });
        Doors { name, mosquitto }
    }

    /// The settings of a gateway, and what else it is to have.
    fn settings(&self, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = format!("SEND__{}__", self.name.to_uppercase());
        let of_us = [
            ("SEND__MQTT__URL".to_owned(), String::new()),
            (
                "SEND__KAFKA__BROKERS".to_owned(),
                Broker::shared().address(),
            ),
            (
                "ROUTE__DEFAULT__KAFKA_TOPIC".to_owned(),
                format!("{}.{{person_type}}", self.name),
            ),
            (format!("{own}KIND"), "mqtt".to_owned()),
            (
                format!("{own}URL"),
                format!("mqtt://{}", self.mosquitto.address()),
            ),
            (format!("{own}STATUS_TOPIC"), String::new()),
            ("SEND__RETRY_MAX".to_owned(), "500ms".to_owned()),
            ("ROUTE__DEFAULT__PICTURE_WAIT".to_owned(), "0s".to_owned()),
        ];
        let more = more
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        of_us.into_iter().chain(more).collect()
    }

    /// What the events come from, and their topics, are said in this file of settings.
    pub fn start_by_file(&self, path: &str) -> Gateway {
        let mut settings = self.settings(&[("CONFIG", path)]);
        settings.retain(|(key, _)| key != "ROUTE__DEFAULT__KAFKA_TOPIC");
        self.start_with(settings)
    }

    pub fn start(&self, more: &[(&str, &str)]) -> Gateway {
        let from = format!("SEND__{}__FROM", self.name.to_uppercase());
        let mut settings = self.settings(more);
        settings.push((from, "kafka".to_owned()));
        self.start_with(settings)
    }

    /// One that brings events to Kafka and has no broker.
    pub fn start_without_group(&self, more: &[(&str, &str)]) -> Gateway {
        let mut settings = self.settings(more);
        settings
            .retain(|(key, _)| !key.starts_with(&format!("SEND__{}", self.name.to_uppercase())));
        self.start_with(settings)
    }

    fn start_with(&self, settings: Vec<(String, String)>) -> Gateway {
        let settings: Vec<_> = settings
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        Gateway::start(&settings)
    }

    /// A gateway that has all partitions.
    pub fn start_alone(&self, more: &[(&str, &str)]) -> Gateway {
        let gateway = self.start(more);
        self.wait_for_partitions(&[&gateway], 6 * PARTITIONS);
        gateway
    }

    /// Until these have so many partitions of the normal lane together, and each has some.
    pub fn wait_for_partitions(&self, gateways: &[&Gateway], count: usize) {
        wait_until("each gateway has its share of the partitions", || {
            let shares = gateways.iter().map(|gateway| self.partitions(gateway));
            let shares: Vec<_> = shares.collect();
            shares.iter().all(|share| *share > 0) && shares.iter().sum::<usize>() == count
        });
    }

    /// How many it has in its normal lane.
    pub fn partitions(&self, gateway: &Gateway) -> usize {
        let status = http::get(gateway.admin, "/api/status", &[]).text();
        let status: Value = serde_json::from_str(&status).unwrap();
        let lanes = status["lanes"].as_array().unwrap();
        let of_us =
            |lane: &&Value| lane["destination"] == self.out_of_kafka() && lane["lane"] == "normal";
        let lane = lanes.iter().find(of_us);
        lane.map_or(0, |lane| lane["partitions"].as_array().unwrap().len())
    }

    /// As people see what comes out of Kafka.
    pub fn out_of_kafka(&self) -> String {
        format!("{}@kafka", self.name)
    }

    pub async fn subscriber(&self) -> Subscriber {
        Subscriber::start(self.mosquitto.address(), "boxbridge/#").await
    }
}

/// Events of this number on, one after the other, of devices in turn.
pub fn post(gateway: &Gateway, person_type: u8, numbers: std::ops::Range<usize>, devices: usize) {
    for number in numbers {
        let device = format!("gate-{}", number % devices);
        let event = event(&format!("{number:06}"), json!(person_type), &device);
        gateway.take("/RealTimeEvent", &event);
    }
}

/// Until Kafka has so many of this gateway's events.
pub fn wait_for_kafka(gateway: &Gateway, count: u64) {
    wait_until("Kafka has them all", || {
        gateway.ledger("kafka").delivered == count
    });
}

/// Device and number of what came over MQTT.
pub fn numbered(message: &Received) -> (String, usize) {
    let event: Value = serde_json::from_slice(&message.payload).unwrap();
    let number = event["identity"]["id"].as_str().unwrap().parse().unwrap();
    (event["device"]["id"].as_str().unwrap().to_owned(), number)
}

/// Receives until all of these numbers have come; in the order in which they came first.
pub async fn all_of(subscriber: &mut Subscriber, numbers: std::ops::Range<usize>) -> Vec<Received> {
    let (mut missing, mut first) = (
        numbers.collect::<std::collections::BTreeSet<_>>(),
        Vec::new(),
    );
    while !missing.is_empty() {
        let Some(message) = subscriber.next().await else {
            panic!("{} came, these did not: {missing:?}", first.len());
        };
        if missing.remove(&numbered(&message).1) {
            first.push(message);
        }
    }
    first
}

/// Of each device the numbers ascend.
pub fn assert_in_order(first: &[Received]) {
    let mut last = std::collections::BTreeMap::new();
    for (device, number) in first.iter().map(numbered) {
        let before = last.insert(device.clone(), number);
        assert!(
            before < Some(number),
            "{device}: {number} came after {before:?}"
        );
    }
}
