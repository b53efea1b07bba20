//! What the buses are told: the reports of every documented generation, after a reconnect again, cleared when a device is forgotten.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{at, devices, event, report, row, status, without_times};
use crate::parts::gateway::Gateway;
use crate::parts::kafka::Broker;
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;

const TOPICS: &str = "boxbridge/default/devices/+/status";

/// Box and devices in the words of each generation, each kind on each path.
fn reports() -> Vec<(&'static str, Value)> {
    let v5 = json!({"dev_sno": "L-3", "sub_devices": [{"ep_id": "L-3__10.3.0.1", "ep_status": "online", "ep_type": "photo"}]});
    let v6 = json!({"mq_license_key": "L-4", "media_devices": [
        {"media_device_id": "4f6a", "media_device_name": "door", "media_device_ip": "10.4.0.1", "media_device_status": "offline", "media_device_type": "rtsp"},
        {"media_device_id": "4f6b", "media_device_url": "rtsp://admin:canary@10.4.0.2:554/1", "media_device_status": "online"}]});
    let v6_box = json!({"gateway_ip": "10.5.0.1", "gateway_sn": "SN-5", "gateway_ext_data": {"sw_version": "V6R2", "memory_usage": "41"},
        "sub_devices": []});
    vec![
        ("/SophonFogStatus", report("10.2.0.1", "online")),
        ("/SophonFogStatus", v5),
        ("/DeviceStatus", v6),
        ("/DeviceStatus", v6_box),
    ]
}

fn expected() -> BTreeMap<&'static str, Value> {
    [
        ("192.168.1.19", "online", "L-1"),
        ("10.2.0.1", "online", "L-1"),
        ("10.3.0.1", "online", "L-3"),
        ("10.4.0.1", "offline", "L-4"),
        ("10.4.0.2", "online", "L-4"),
        ("10.5.0.1", "online", "SN-5"),
    ]
    .into_iter()
    .map(|(device, state, box_id)| (device, status(device, state, box_id)))
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reports_of_every_generation_reach_the_table_and_both_buses() {
    let mosquitto = Mosquitto::start();
    let (url, brokers) = (at(&mosquitto), Broker::shared().address());
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", &url),
        ("SEND__KAFKA__BROKERS", &brokers),
    ]);
    // A device that only sends events is in the table, and nobody is told of it.
    gateway.take("/RealTimeEvent", &event("1", json!(1), "10.9.0.1"));
    for (path, body) in reports() {
        gateway.take(path, &body);
    }

    let expected = expected();
    for (device, message) in &expected {
        let row = row(&gateway, device);
        assert_eq!(
            (&row["status"], &row["box"]),
            (&message["status"], &message["box"])
        );
        assert_eq!(row["reported"], true, "{row}");
    }
    assert_eq!(row(&gateway, "192.168.1.19")["firmware"], "V5R6");
    assert_eq!(row(&gateway, "192.168.1.19")["type"], "box");
    assert_eq!(devices(&gateway, "")["total"], 7);

    wait_until_retained(&mosquitto, &expected).await;
    let keys: Vec<String> = expected
        .keys()
        .map(|device| format!("default/{device}"))
        .collect();
    let all = move |messages: &[crate::parts::kafka::Received]| {
        keys.iter()
            .all(|key| messages.iter().any(|message| message.key == *key))
    };
    let told = Broker::shared()
        .read_until("boxbridge.devices", "a status of each device", all)
        .await;
    let message = told
        .iter()
        .find(|message| message.key == "default/10.4.0.1")
        .unwrap();
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(payload["status"], "offline");
    assert_eq!(message.headers["ce_type"], "boxbridge.device.v1");
    assert!(!gateway.log().contains("canary"), "a camera's password");
}

/// A subscriber that comes late finds exactly these.
async fn wait_until_retained(mosquitto: &Mosquitto, expected: &BTreeMap<&str, Value>) {
    for _ in 0..crate::parts::PATIENCE.as_secs() {
        let found = retained(mosquitto, expected.len()).await;
        let wanted = expected
            .iter()
            .map(|(device, message)| ((*device).to_owned(), message.clone()));
        if found == wanted.collect() {
            return;
        }
        // Between two looks.
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    panic!("{:#?}", retained(mosquitto, expected.len()).await);
}

async fn retained(mosquitto: &Mosquitto, at_most: usize) -> BTreeMap<String, Value> {
    let mut screen = Subscriber::start(mosquitto.address(), TOPICS).await;
    // A broker sends what it retains at once; nothing says that it was all.
    let all = tokio::time::timeout(std::time::Duration::from_secs(2), screen.receive(at_most));
    let all = all.await.unwrap_or_default();
    // One that comes at this moment is not retained for us: the next look will find it.
    let retained = all.iter().filter(|message| message.retain);
    retained
        .map(|message| {
            let device = message.topic.split('/').nth(3).unwrap().to_owned();
            (device, without_times(message))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_comes_back_empty_is_told_again() {
    let mut mosquitto = Mosquitto::start();
    let url = at(&mosquitto);
    let gateway = Gateway::start(&[("SEND__MQTT__URL", &url)]);
    gateway.take("/DeviceStatus", &report("10.2.0.1", "online"));
    let expected = expected();
    let these: BTreeMap<_, _> = expected
        .into_iter()
        .filter(|(device, _)| ["192.168.1.19", "10.2.0.1"].contains(device))
        .collect();
    wait_until_retained(&mosquitto, &these).await;

    mosquitto.kill();
    mosquitto.run();
    wait_until_retained(&mosquitto, &these).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_broker_that_a_reload_names_is_told() {
    let (one, other) = (Mosquitto::start(), Mosquitto::start());
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |broker: &Mosquitto| {
        let text = format!("[send.mqtt]\nurl = \"{}\"\n", at(broker));
        std::fs::write(&file, text).unwrap();
    };
    write(&one);
    let path = file.path().display().to_string();
    let gateway = Gateway::start(&[("CONFIG", &path)]);
    gateway.take("/DeviceStatus", &report("10.2.0.1", "online"));
    let these: BTreeMap<_, _> = expected()
        .into_iter()
        .filter(|(device, _)| ["192.168.1.19", "10.2.0.1"].contains(device))
        .collect();
    wait_until_retained(&one, &these).await;

    write(&other);
    let (said, code) = gateway.run(&["reload"]);
    assert_eq!(code, Some(0), "{said}");
    wait_until_retained(&other, &these).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_invents_devices_forgets_nobody_elses_and_what_it_forgets_is_cleared() {
    let mosquitto = Mosquitto::start();
    let url = at(&mosquitto);
    let proxy = ("INGEST__TRUSTED_PROXIES", "127.0.0.1");
    let gateway = Gateway::start(&[("SEND__MQTT__URL", &url), proxy]);
    let mut real = Subscriber::start(
        mosquitto.address(),
        "boxbridge/default/devices/10.2.0.1/status",
    )
    .await;
    let mut first = Subscriber::start(
        mosquitto.address(),
        "boxbridge/default/devices/invented-0/status",
    )
    .await;
    report_from(&gateway, "10.2.0.9", &report("10.2.0.1", "online"));
    assert_eq!(without_times(&real.receive_one().await)["status"], "online");

    report_from(&gateway, "10.66.0.1", &invented(0));
    assert_eq!(
        without_times(&first.receive_one().await)["status"],
        "online"
    );
    // The table is full with the fiftieth. A bus that is told late may miss one of so many that are forgotten after it.
    (1..=50).for_each(|number| report_from(&gateway, "10.66.0.1", &invented(number)));
    let cleared = without_times(&first.receive_one().await);
    assert_eq!(cleared, Value::Null, "cleared");
    (51..100).for_each(|number| report_from(&gateway, "10.66.0.1", &invented(number)));

    assert_eq!(devices(&gateway, "?limit=1")["total"], 10_000);
    assert_eq!(row_of(&gateway, "10.2.0.1")["status"], "online");
    assert!(
        real.received().is_empty(),
        "nothing was told of the other's device"
    );
}

/// 200 devices that nobody has seen.
fn invented(number: usize) -> Value {
    let devices = (number * 200..(number + 1) * 200)
        .map(|device| json!({"ep_ip": format!("invented-{device}"), "ep_status": "online"}));
    json!({"dev_sno": "L-66", "sub_devices": devices.collect::<Vec<_>>()})
}

fn report_from(gateway: &Gateway, address: &str, body: &Value) {
    let body = body.to_string();
    let head = format!(
        "POST /DeviceStatus HTTP/1.1\r\nHost: box\r\nX-Forwarded-For: {address}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(gateway.raw(head.as_bytes()).unwrap().status, 200);
}

fn row_of(gateway: &Gateway, device: &str) -> Value {
    devices(gateway, &format!("?text={device}"))["devices"][0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_does_not_want_to_know_of_devices_gets_its_events() {
    let mosquitto = Mosquitto::with(&Settings {
        acl: "topic readwrite boxbridge/default/gateways/#\ntopic readwrite boxbridge/default/events/#\n",
        ..Settings::default()
    });
    let url = at(&mosquitto);
    let gateway = Gateway::start(&[("SEND__MQTT__URL", &url)]);
    gateway.take("/DeviceStatus", &report("10.2.0.1", "online"));
    wait_until("it is said", || {
        gateway
            .log()
            .contains("the status of a device was not taken")
    });
    gateway.take("/RealTimeEvent", &event("1", json!(1), "10.2.0.1"));
    gateway.wait_delivered();
    let ready = gateway.ready();
    assert_eq!(ready["destinations"]["mqtt"], "up", "{ready}");
}
