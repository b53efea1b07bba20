//! What mosquitto has refused is known after a restart, and forgotten when an operator says that the cause is gone.

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::site::wait_until;

const ALL: &str = "topic readwrite boxbridge/#\n";
/// Everything but the visitors.
const SOME: &str = "topic readwrite boxbridge/default/events/vip/#\ntopic readwrite boxbridge/default/gateways/#\n";

const VISITOR: u64 = 2;
const VIP: u64 = 5;

fn start() -> (Mosquitto, Gateway) {
    let mosquitto = Mosquitto::with(&Settings {
        acl: SOME,
        ..Settings::default()
    });
    let url = format!("mqtt://{}", mosquitto.address());
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", &url),
        // None of them becomes late, which is another topic.
        ("ROUTE__DEFAULT__LIVE_FOR", "1h"),
    ]);
    (mosquitto, gateway)
}

fn post(gateway: &Gateway, numbers: std::ops::Range<u64>, person_type: u64) {
    for number in numbers {
        let event = event(
            &format!("{person_type}-{number}"),
            json!(person_type),
            "gate",
        );
        gateway.take("/RealTimeEvent", &event);
    }
}

/// What `boxbridge status` says of the visitors.
fn paused(gateway: &Gateway) -> Option<Value> {
    let (text, _) = gateway.run(&["status", "--json"]);
    let status: Value = serde_json::from_str(&text).unwrap();
    let lanes = status["lanes"].as_array().unwrap().iter();
    let mut types = lanes.flat_map(|lane| lane["paused_types"].as_array().unwrap().clone());
    types.find(|paused| paused["person_type"] == "visitor" && paused["devices"].is_null())
}

fn set_aside(gateway: &Gateway) -> u64 {
    gateway.ledger("mqtt").set_aside
}

/// The file names the visitors.
fn is_kept(gateway: &Gateway) -> bool {
    let text = std::fs::read_to_string(gateway.data_dir().join("pauses"));
    text.is_ok_and(|text| text.contains("visitor"))
}

fn refused(gateway: &Gateway) -> Value {
    post(gateway, 0..15, VISITOR);
    wait_until("the visitors are paused", || paused(gateway).is_some());
    wait_until("that is kept", || is_kept(gateway));
    assert_eq!(set_aside(gateway), 10, "what a refused type may fill");
    paused(gateway).unwrap()
}

#[test]
fn a_refused_type_waits_through_a_restart_and_sets_nothing_more_aside() {
    let (mosquitto, mut gateway) = start();
    let before = refused(&gateway);

    for round in 1..=2 {
        gateway.kill_and_restart();
        let numbers = 20 * round..20 * (round + 1);
        post(&gateway, numbers.clone(), VISITOR);
        post(&gateway, numbers, VIP);
        wait_until("the others flow", || {
            gateway.ledger("mqtt").delivered == 20 * round
        });
        wait_until("it is shown, with what waits", || {
            paused(&gateway).is_some_and(|paused| paused["waiting"].as_u64() > Some(0))
        });
        assert_eq!(paused(&gateway).unwrap()["since"], before["since"]);
        assert_eq!(set_aside(&gateway), 10, "{}", gateway.log());
    }

    mosquitto.allow(ALL);
    gateway.wait_delivered();
    wait_until("it flows", || paused(&gateway).is_none());
    wait_until("that is kept too", || !is_kept(&gateway));
    assert_eq!(set_aside(&gateway), 10);
    assert_eq!(gateway.stop(), Some(0));
    gateway.restart();
    assert_eq!(paused(&gateway), None);
}

#[test]
fn a_damaged_list_of_refused_types_is_said_and_every_type_begins_to_flow() {
    let (mosquitto, mut gateway) = start();
    refused(&gateway);

    gateway.kill();
    let path = gateway.data_dir().join("pauses");
    std::fs::write(&path, "[{\"destination\":\"mqtt\"").unwrap();
    mosquitto.allow(ALL);
    gateway.restart();
    gateway.wait_delivered();
    let log = gateway.log();
    assert!(
        log.contains("which person types were refused cannot be read"),
        "{log}"
    );
}
