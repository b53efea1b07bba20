//! Destinations are a list: any number of brokers, clusters and stores, each with a name, its own settings and its own routes.

mod redacted;
mod settings;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

const EMPLOYEE: u8 = 1;
const BLACKLIST: u8 = 3;
const VIP: u8 = 5;

/// One gateway before two brokers and two clusters: `mqtt` and `kafka` get everything, `guards` the VIPs, `kafka-hq` blacklist and VIPs.
struct Twice {
    gateway: Gateway,
    mosquitto: Mosquitto,
    guards: Mosquitto,
    hq: Broker,
}

/// Of its events none fits: it is made to set them aside.
const SMALL: &str = "hq.small";

impl Twice {
    async fn start(name: &str) -> Twice {
        let (mosquitto, guards) = (Mosquitto::start(), Mosquitto::start());
        let hq = tokio::task::block_in_place(Broker::start);
        hq.make_topic(SMALL, 1, &[("max.message.bytes", "100")])
            .await;

        let topics = format!("{name}.{{person_type}}");
        let settings = [
            ("SEND__MQTT__URL", format!("mqtt://{}", mosquitto.address())),
            (
                "SEND__KAFKA__BROKERS",
                tokio::task::block_in_place(|| Broker::shared().address()),
            ),
            ("ROUTE__DEFAULT__KAFKA_TOPIC", topics),
            ("SEND__GUARDS__KIND", "mqtt".to_owned()),
            ("SEND__GUARDS__URL", format!("mqtt://{}", guards.address())),
            ("ROUTE__GUARDS__DEFAULT__MQTT_TOPIC", String::new()),
            ("ROUTE__GUARDS__DEFAULT__MQTT_LATE_TOPIC", String::new()),
            (
                "ROUTE__GUARDS__VIP__MQTT_TOPIC",
                "guards/{device.id}".to_owned(),
            ),
            ("SEND__KAFKA_HQ__KIND", "kafka".to_owned()),
            ("SEND__KAFKA_HQ__BROKERS", hq.address()),
            ("ROUTE__KAFKA_HQ__DEFAULT__KAFKA_TOPIC", String::new()),
            (
                "ROUTE__KAFKA_HQ__BLACKLIST__KAFKA_TOPIC",
                "hq.{person_type}".to_owned(),
            ),
            ("ROUTE__KAFKA_HQ__VIP__KAFKA_TOPIC", SMALL.to_owned()),
        ];
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let gateway = tokio::task::block_in_place(|| Gateway::start(&settings));
        Twice {
            gateway,
            mosquitto,
            guards,
            hq,
        }
    }

    fn post(&self, identity: &str, person_type: u8) {
        let answer = self.gateway.post(
            "/RealTimeEvent",
            &event(identity, json!(person_type), "gate"),
        );
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Accepted, delivered, set aside, waiting.
    fn ledger(&self, destination: &str) -> [u64; 4] {
        let ledger = self.gateway.ledger(destination);
        assert_eq!(ledger.expired, 0, "{destination}");
        [
            ledger.accepted,
            ledger.delivered,
            ledger.set_aside,
            ledger.waiting,
        ]
    }

    fn aside(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.gateway.data_dir().join("aside")).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }
}

/// Identity → topic, of what came over MQTT.
async fn identities(subscriber: &mut Subscriber, count: usize) -> BTreeMap<String, String> {
    let received = subscriber.receive(count).await;
    let identity = |payload: &[u8]| {
        let event: Value = serde_json::from_slice(payload).unwrap();
        event["identity"]["id"].as_str().unwrap().to_owned()
    };
    received
        .into_iter()
        .map(|message| (identity(&message.payload), message.topic))
        .collect()
}

async fn names(subscriber: &mut Subscriber, count: usize) -> Vec<String> {
    identities(subscriber, count).await.into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clusters_and_two_brokers_each_get_what_their_routes_say_and_one_that_is_down_holds_no_other()
 {
    let mut twice = Twice::start("twice").await;
    let mut everybody = Subscriber::start(twice.mosquitto.address(), "boxbridge/+/events/#").await;
    let mut guards = Subscriber::start(twice.guards.address(), "guards/#").await;

    tokio::task::block_in_place(|| {
        twice.post("e1", EMPLOYEE);
        twice.post("v1", VIP);
        twice.post("b1", BLACKLIST);
        twice.gateway.wait_delivered();
    });
    assert_eq!(names(&mut everybody, 3).await, ["b1", "e1", "v1"]);
    assert_eq!(
        identities(&mut guards, 1).await,
        BTreeMap::from([("v1".to_owned(), "guards/gate".to_owned())])
    );
    for person_type in ["employee", "vip", "blacklist"] {
        let topic = format!("twice.{person_type}");
        assert_eq!(Broker::shared().read(&topic, 1).await.len(), 1);
    }
    assert_eq!(twice.hq.read("hq.blacklist", 1).await.len(), 1);
    is_counted_by_name(&twice);

    tokio::task::block_in_place(|| one_is_down(&mut twice));
    tokio::task::block_in_place(|| {
        twice.gateway.kill_and_restart();
        twice.hq.start_again();
        twice.hq.wait();
        twice.gateway.wait_delivered();
    });
    assert_eq!(names(&mut everybody, 2).await, ["b2", "e2"]);
    assert_eq!(twice.ledger("kafka-hq"), [5, 4, 1, 0]);
    assert_eq!(twice.ledger("guards"), [5, 5, 0, 0]);
    assert!(twice.hq.read("hq.blacklist", 2).await.len() >= 2);
    assert_eq!(
        twice.hq.partitions("hq.employee"),
        None,
        "it gets no employees, and no topic for them"
    );
    assert!(guards.received().is_empty(), "only a VIP is for the guards");
    assert_eq!(
        twice.gateway.metrics()["boxbridge_queue_aside_records"],
        1.0,
        "known again after the restart"
    );
    tokio::task::block_in_place(|| is_checked_by_name(&twice));
}

/// After the first three: what one refuses is set aside under its name.
fn is_counted_by_name(twice: &Twice) {
    for destination in ["mqtt", "kafka", "store", "guards"] {
        assert_eq!(twice.ledger(destination), [3, 3, 0, 0], "{destination}");
    }
    assert_eq!(twice.ledger("kafka-hq"), [3, 2, 1, 0]);
    assert!(
        matches!(twice.aside().as_slice(), [name] if name.ends_with("-kafka-hq-urgent")),
        "{:?}",
        twice.aside()
    );

    let kinds = [
        ("mqtt", "mqtt"),
        ("guards", "mqtt"),
        ("kafka", "kafka"),
        ("kafka-hq", "kafka"),
        ("store", "store"),
    ];
    for (destination, kind) in kinds {
        let labels = [("destination", destination), ("kind", kind)];
        let info = twice
            .gateway
            .sum("boxbridge_send_destination_info", &labels);
        assert_eq!(info, 1.0, "{destination}");
    }
}

/// Two more: the others get them, and the one that is down is named.
fn one_is_down(twice: &mut Twice) {
    twice.hq.kill();
    twice.post("e2", EMPLOYEE);
    twice.post("b2", BLACKLIST);
    let others = ["mqtt", "kafka", "store", "guards"];
    wait_until("the others have all", || {
        others
            .iter()
            .all(|other| twice.ledger(other) == [5, 5, 0, 0])
    });
    wait_until("it is down", || {
        twice.gateway.ready()["destinations"]["kafka-hq"] == "down"
    });

    // Employees have no topic there, so nothing of e2 has to wait for a connection.
    let [accepted, delivered, set_aside, waiting] = twice.ledger("kafka-hq");
    assert_eq!((accepted, delivered + set_aside + waiting), (5, 5));
    let urgent = [("destination", "kafka-hq"), ("lane", "urgent")];
    let waiting = twice
        .gateway
        .sum("boxbridge_queue_waiting_records", &urgent);
    assert_eq!(waiting, 1.0, "b2 waits");

    let ready = twice.gateway.ready();
    assert_eq!(
        (&ready["ready"], &ready["destinations"]["guards"]),
        (&json!(true), &json!("up")),
        "{ready}"
    );
    assert!(
        ready["reasons"].to_string().contains("kafka-hq is down"),
        "{ready}"
    );
    let (screen, _) = twice.gateway.run(&["status"]);
    assert!(
        screen.contains("kafka-hq down   urgent") && screen.contains("guards   up     urgent"),
        "{screen}"
    );
}

fn is_checked_by_name(twice: &Twice) {
    let (said, code) = twice.gateway.run(&["check", "--online"]);
    let lines = |start: &str| said.lines().filter(|line| line.starts_with(start)).count();
    let small = lines("kafka-hq  PROBLEM: topic hq.small takes messages of 100 B");
    assert_eq!(
        (
            lines("kafka     ok: "),
            lines("guards    ok: "),
            small,
            code
        ),
        (1, 1, 1, Some(1)),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_taken_away_with_events_waiting_is_named_and_can_be_forgotten() {
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let settings = [
        ("SEND__MQTT__URL", url.as_str()),
        ("SEND__HQ__KIND", "kafka"),
        ("SEND__HQ__BROKERS", "127.0.0.1:9"),
    ];
    let mut gateway = tokio::task::block_in_place(|| Gateway::start(&settings));
    tokio::task::block_in_place(|| {
        gateway.take("/RealTimeEvent", &event("1", json!(EMPLOYEE), "gate"));
        gateway.stop();
    });

    let without = ["--set", "send.hq.brokers="];
    let run = |command: &[&str]| {
        tokio::task::block_in_place(|| gateway.run(&[command, without.as_slice()].concat()))
    };
    let (said, code) = run(&[]);
    assert!(
        said.contains("1 records wait for \\\"hq\\\"")
            && said.contains("boxbridge queue forget hq")
            && code == Some(1),
        "{said}"
    );
    let (said, _) = run(&["queue", "status"]);
    assert!(said.contains("hq"), "{said}");

    let (said, code) = tokio::task::block_in_place(|| gateway.run(&["queue", "forget", "hq"]));
    assert!(
        said.contains("hq is still configured") && code == Some(1),
        "{said}"
    );
    let (said, code) = run(&["queue", "forget", "hq"]);
    assert!(
        said.contains("hq is forgotten, and with it 1 records") && code == Some(0),
        "{said}"
    );
    let (said, _) = run(&["queue", "status", "--json"]);
    assert!(
        !said.contains("\"hq\"") && said.contains("\"mqtt\""),
        "{said}"
    );
}
