//! How far a token goes: one device, some networks, until its end.

use serde_json::{Value, json};

use super::{Tokens, judged, newest, post};
use crate::parts::gateway::{Gateway, event};
use crate::parts::http;

const DEVICE: &str = "192.168.1.243";

fn bound() -> (Tokens, String, Gateway) {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3", "--device", DEVICE]);
    let gateway = tokens.gateway(&[]);
    (tokens, token, gateway)
}

fn quarantined(gateway: &Gateway) -> Vec<Value> {
    let (said, code) = gateway.run(&["quarantine", "list", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let listed: Value = serde_json::from_str(said.lines().next().unwrap_or_default())
        .unwrap_or_else(|_| serde_json::from_str(&said).unwrap());
    listed["bodies"].as_array().unwrap().clone()
}

#[test]
fn a_token_for_one_device_sends_no_others_events_and_they_are_kept_for_a_look() {
    let (_tokens, token, gateway) = bound();
    let path = |feed: &str| format!("/t/{token}/{feed}");
    let send = |feed: &str, body: &Value| post(&gateway, &path(feed), "", body);

    assert_eq!(
        send("RealTimeEvent", &event("1", json!(1), DEVICE)).status,
        200
    );
    let other = event("2", json!(3), "192.168.1.24");
    let refused = send("RealTimeEvent", &other);
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (403, &json!("device_forbidden"))
    );
    let kept = &quarantined(&gateway)[0];
    assert_eq!(
        (&kept["code"], &kept["authenticated"], &kept["only_device"]),
        (&json!("device_forbidden"), &json!("token"), &json!(DEVICE))
    );

    // History would come again for ever, and each event of an array is judged by itself.
    let taken = send("HistoryEvent", &other);
    assert_eq!(
        (taken.status, &taken.body["code"], &taken.body["event_id"]),
        (200, &json!("device_forbidden"), &json!(null))
    );
    let both = send(
        "RealTimeEvent",
        &json!([
            event("3", json!(1), DEVICE),
            event("4", json!(1), "10.0.0.1")
        ]),
    );
    let statuses = [0, 1].map(|place| both.body["events"][place]["status"].clone());
    assert_eq!((both.status, statuses), (200, [json!(0), json!(403)]));

    // Who hands it in again does not widen the token.
    let (said, _) = gateway.run(&["quarantine", "resubmit", "--code", "device_forbidden"]);
    assert_eq!(quarantined(&gateway).len(), 3, "{said}");
    assert_eq!(newest(&gateway)["identity"]["id"], "3");
}

#[test]
fn an_event_that_names_no_device_is_of_the_tokens_own() {
    let (_tokens, token, gateway) = bound();
    let mut body = event("1", json!(1), DEVICE);
    body["ext_data"]
        .as_object_mut()
        .unwrap()
        .remove("device_ip");
    let answer = post(&gateway, &format!("/t/{token}/RealTimeEvent"), "", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(newest(&gateway)["device"]["id"], DEVICE);
}

#[test]
fn a_token_for_one_device_tells_of_no_other_in_a_report() {
    let (_tokens, token, gateway) = bound();
    let report = json!({"gateway_ip": "192.168.1.9", "gateway_status": "1", "sub_devices": [
        {"ep_ip": DEVICE, "ep_status": "1"}, {"ep_ip": "192.168.1.24", "ep_status": "0"},
    ]});
    let answer = post(&gateway, &format!("/t/{token}/DeviceStatus"), "", &report);
    assert_eq!(answer.status, 200);

    let devices = http::get(gateway.admin, "/api/devices", &[]).text();
    let devices: Value = serde_json::from_str(&devices).unwrap();
    let known: Vec<_> = devices["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["device"])
        .collect();
    assert_eq!(known, [DEVICE], "{devices}");
}

#[test]
fn a_token_for_some_networks_opens_from_them_alone_also_behind_a_proxy() {
    let tokens = Tokens::new();
    let near = tokens.make(&["near", "--network", "127.0.0.0/8", "--network", "10.0.0.7"]);
    let far = tokens.make(&["far", "--network", "10.0.0.0/8"]);
    let gateway = tokens.gateway(&[]);
    let path = |token: &str| format!("/t/{token}/RealTimeEvent");
    assert_eq!(judged(&gateway, &path(&near), "").0, 200);
    assert_eq!(
        judged(&gateway, &path(&far), ""),
        (403, "source_forbidden".to_owned())
    );

    let proxied = tokens.gateway(&[("INGEST__TRUSTED_PROXIES", "127.0.0.1")]);
    let from = |token: &str, sender: &str| {
        let head = format!("X-Forwarded-For: {sender}\r\n");
        judged(&proxied, &path(token), &head).0
    };
    assert_eq!(from(&far, "10.0.0.8"), 200);
    assert_eq!(from(&near, "10.0.0.7"), 200);
    assert_eq!(from(&near, "10.0.0.8"), 403);
    assert_eq!(from(&far, "192.168.1.7"), 403);
}

#[test]
fn a_network_that_may_not_send_may_not_send_with_a_token_either() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3"]);
    let gateway = tokens.gateway(&[("INGEST__ALLOWED_NETWORKS", "10.0.0.0/8")]);
    for target in [
        format!("/t/{token}/RealTimeEvent"),
        "/RealTimeEvent".to_owned(),
    ] {
        let expected = (403, "source_forbidden".to_owned());
        assert_eq!(judged(&gateway, &target, ""), expected);
    }
}

#[test]
fn a_token_ends_when_its_time_is_over_and_check_says_so_before() {
    let tokens = Tokens::new();
    let token = tokens.make(&["gate-3", "--expires", "2999-01-01"]);
    let gateway = tokens.gateway(&[]);
    let target = format!("/t/{token}/RealTimeEvent");
    assert_eq!(judged(&gateway, &target, "").0, 200);

    let line = std::fs::read_to_string(tokens.file()).unwrap();
    let ended = line
        .replace("2999-01-01", "2019-01-01")
        .replace("2998-12-31", "2018-12-31");
    assert_ne!(line, ended, "{line}");
    std::fs::write(tokens.file(), ended).unwrap();
    crate::parts::site::wait_until("it is over", || {
        judged(&gateway, &target, "") == (401, "token_expired".to_owned())
    });
    let said = gateway.run(&["check"]).0;
    assert!(
        said.contains("the token gate-3 of ingest.tokens_file ends at 201"),
        "{said}"
    );
}
