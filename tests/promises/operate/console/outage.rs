//! What goes wrong, seen as it happens.

use serde_json::json;

use super::browse;
use crate::parts::gateway::Gateway;
use crate::parts::mosquitto::Mosquitto;

#[test]
fn a_broker_and_a_gateway_that_go_away_are_seen_to_go_and_to_come_back() {
    let mut mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let gateway = Gateway::start(&[("SEND__MQTT__URL", &url)]);

    browse("outage.mjs", gateway, |gateway, asked| {
        match asked {
            "broker down" => mosquitto.stop(),
            "broker up" => mosquitto.run(),
            "gateway down" => gateway.kill(),
            "gateway up" => gateway.restart(),
            _ => panic!("nobody does {asked}"),
        }
        json!(null)
    });
}
