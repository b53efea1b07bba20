//! Records of somebody who may write to the routed topics and means no good: each is counted and passed over, or goes where the routing lets
//! it; none ends anything, and the alert behind it arrives.

use std::time::Duration;

use boxbridge_event::Timestamp;
use serde_json::{Value, json};

use super::doors::{Doors, VIP, all_of, post};
use crate::parts::gateway::Gateway;
use crate::parts::kafka::{Broker, Received};
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

mod table;

use table::{Batch, Foreign, Known, LIVE, Published, Raw, Row, Way, Within, of_value};

const TOPIC: &str = "hostile.vip";
/// The device whose alerts stand behind everything.
const DEVICE: &str = "gate-0";
/// With what 100 MiB unpacked take, once in each lane.
const PEAK_KIB: u64 = 500 << 10;

struct Site {
    gateway: Gateway,
    subscriber: Subscriber,
    partition: i32,
    /// Of the last alert.
    number: usize,
    foreign: f64,
}

impl Site {
    fn put(&self, way: &Way) {
        let broker = Broker::shared();
        match way {
            Batch(codec, records) => broker.produce(TOPIC, self.partition, codec, records),
            Within(transaction, record) => {
                broker.produce_within(*transaction, TOPIC, self.partition, record);
            }
            Raw(name, record) => {
                broker.produce_raw(TOPIC, self.partition, name, record.value.as_ref().unwrap());
            }
        }
    }

    fn counted(&self) -> f64 {
        let of_us = [("destination", "hostile@kafka"), ("why", "foreign")];
        self.gateway.sum("boxbridge_send_passed_over_total", &of_us)
    }

    /// It is there, and a real alert behind it arrives; what else came.
    async fn suffer(&mut self, row: &Row) {
        println!("{}", row.what);
        tokio::task::block_in_place(|| {
            self.put(&row.way);
            self.number += 1;
            post(&self.gateway, VIP, self.number..self.number + 1, 1);
        });

        let mut expected = vec![format!("{LIVE}{DEVICE}")];
        if let Published(topic) = &row.becomes {
            expected.push(topic.clone());
        }
        let mut came = Vec::new();
        while came.len() < expected.len() {
            let next = self.subscriber.next().await;
            let next = next.unwrap_or_else(|| {
                panic!("{}: only {came:?} came\n{}", row.what, self.gateway.log())
            });
            came.push(next.topic);
        }
        came.sort();
        expected.sort();
        assert_eq!(came, expected, "{}", row.what);
        tokio::task::block_in_place(|| self.is_counted(row));
    }

    /// By each lane: both read the topic.
    fn is_counted(&mut self, row: &Row) {
        if let Foreign(count) = row.becomes {
            self.foreign += 2.0 * count as f64;
        }
        wait_until(&format!("{} is counted", row.what), || {
            self.counted() == self.foreign
        });
    }
}

async fn started() -> (Doors, Site, Known) {
    let doors = tokio::task::block_in_place(|| Doors::new("hostile"));
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let mut subscriber = doors.subscriber().await;
    let any_time = ("message.timestamp.after.max.ms", "9223372036854775807");
    Broker::shared()
        .set_topic(TOPIC, any_time.0, any_time.1)
        .await;

    tokio::task::block_in_place(|| post(&gateway, VIP, 0..1, 1));
    all_of(&mut subscriber, 0..1).await;
    let on_kafka = Broker::shared().read(TOPIC, 1).await.remove(0);
    let mut event: Value = serde_json::from_slice(&on_kafka.payload).unwrap();
    // For longer than a test takes.
    let now = Timestamp::now();
    let later = now.plus(Duration::from_secs(3_600));
    (event["received_at"], event["act_before"]) = (json!(now), json!(later));

    let site = Site {
        gateway,
        subscriber,
        partition: on_kafka.partition,
        number: 0,
        foreign: 0.0,
    };
    let known = Known {
        event,
        headers: on_kafka.headers,
        made: 0,
    };
    (doors, site, known)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_records_are_counted_and_passed_and_the_alerts_behind_them_arrive() {
    let (_doors, mut site, mut known) = started().await;
    for row in known.rows() {
        site.suffer(&row).await;
    }

    let rest = site.subscriber.received();
    assert!(rest.is_empty(), "{rest:?}");
    let log = site.gateway.log();
    assert!(!log.contains("the group is not well"), "{log}");
    let peak = site.gateway.peak_memory_kib();
    println!("peak {peak} KiB");
    assert!(peak < PEAK_KIB, "{peak} KiB");
}

fn is_left_out(received: &Received) -> bool {
    let from = received.headers.get("boxbridge_from");
    received.payload.is_empty()
        && received.headers.contains_key("boxbridge_left_out")
        && from.is_some_and(|from| from.starts_with("toolarge.vip, "))
}

/// The broker refuses it, and the topic for what is refused takes it as little.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_too_large_to_be_set_aside_is_said_there_and_holds_up_no_other() {
    let no_vips = "topic readwrite boxbridge/default/events/employee/#\n";
    let doors = tokio::task::block_in_place(|| Doors::allowing("toolarge", no_vips));
    let gateway = tokio::task::block_in_place(|| doors.start_alone(&[]));
    let set_aside = |count| {
        wait_until("it is set aside", || {
            gateway.ledger(&doors.out_of_kafka()).set_aside == count
        });
    };
    tokio::task::block_in_place(|| {
        post(&gateway, VIP, 0..1, 1);
        set_aside(1);
    });
    let on_kafka = Broker::shared().read("toolarge.vip", 1).await.remove(0);
    let mut event: Value = serde_json::from_slice(&on_kafka.payload).unwrap();
    event["revision"] = json!("00000001");
    event["extra"] = json!({"x": "x".repeat(1_030_000)});

    tokio::task::block_in_place(|| {
        let large = [of_value(event.to_string())];
        Broker::shared().produce("toolarge.vip", on_kafka.partition, "none", &large);
        set_aside(2);
        post(&gateway, VIP, 1..2, 1);
        set_aside(3);
    });
    let is_said = |all: &[Received]| all.iter().any(is_left_out);
    let aside = Broker::shared().read_until("boxbridge.aside", "what was left out", is_said);
    aside.await;
}
