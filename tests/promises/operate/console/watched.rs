//! How the gateway and its devices fare, as the console shows it.

use serde_json::Value;

use super::{browse, gateway, nothing};
use crate::parts::gateway::Gateway;
use crate::parts::mosquitto::{Mosquitto, Settings};

const ALL: &str = "topic readwrite boxbridge/#\n";
/// Everything but the blacklist.
const SOME: &str = "topic readwrite boxbridge/default/events/employee/#\ntopic readwrite boxbridge/default/late/#\ntopic readwrite boxbridge/default/gateways/#\n";

#[test]
fn what_a_broker_refuses_is_in_words_and_resumed_and_an_outage_is_seen_to_come_and_to_go() {
    let mut mosquitto = Mosquitto::with(&Settings {
        acl: SOME,
        ..Settings::default()
    });
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("boxbridge.toml");
    let settings = format!("[send.mqtt]\nurl = \"mqtt://{}\"\n", mosquitto.address());
    std::fs::write(&file, &settings).unwrap();

    let gateway = Gateway::start(&[("CONFIG", file.to_str().unwrap())]);
    browse("operator/health.mjs", gateway, |gateway, asked| {
        match asked {
            "allow" => mosquitto.allow(ALL),
            "broker down" => mosquitto.stop(),
            "broker up" => mosquitto.run(),
            "break the settings" => {
                let broken = format!("{settings}\n[send.kafka]\nbrokrs = \"127.0.0.1:9\"\n");
                std::fs::write(&file, broken).unwrap();
            }
            "ready" => return gateway.ready(),
            "gateway down" => gateway.kill(),
            "gateway up" => {
                std::fs::write(&file, &settings).unwrap();
                gateway.restart();
            }
            _ => panic!("nobody does {asked}"),
        }
        Value::Null
    });
}

#[test]
fn a_rate_is_right_whatever_page_was_open_before() {
    browse("operator/rates.mjs", gateway(&[]), nothing);
}

#[test]
fn a_device_that_fell_silent_stands_on_top_and_one_among_many_is_found() {
    let gateway = gateway(&[("INGEST__DEVICES__SILENT_AFTER", "5s")]);
    browse("operator/devices.mjs", gateway, nothing);
}
