//! `POST /api/destinations/{name}/resume`: who has removed a cause need not wait for the next try.

use serde_json::{Value, json};

use super::{audited, local};
use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::site::wait_until;

const ALL: &str = "topic readwrite boxbridge/#\n";
/// Everything but the blacklist.
const SOME: &str = "topic readwrite boxbridge/default/events/employee/#\ntopic readwrite boxbridge/default/late/#\ntopic readwrite boxbridge/default/gateways/#\n";

fn paused(gateway: &Gateway) -> Vec<Value> {
    let status = local(gateway, "GET", "/api/status", &json!(null)).body;
    let lanes = status["lanes"].as_array().unwrap().iter();
    let types = lanes.flat_map(|lane| lane["paused_types"].as_array().unwrap().clone());
    types.filter(|paused| paused["devices"].is_null()).collect()
}

#[test]
fn a_type_that_a_broker_refused_is_tried_at_once_when_it_is_told_to() {
    let mosquitto = Mosquitto::with(&Settings {
        acl: SOME,
        ..Settings::default()
    });
    let url = format!("mqtt://{}", mosquitto.address());
    let gateway = Gateway::start(&[("SEND__MQTT__URL", &url)]);
    for number in 0..15 {
        gateway.take(
            "/RealTimeEvent",
            &event(&number.to_string(), json!(3), "gate"),
        );
    }
    wait_until("the blacklist is paused", || !paused(&gateway).is_empty());

    let resume = |name: &str, body: Value| {
        local(
            &gateway,
            "POST",
            &format!("/api/destinations/{name}/resume"),
            &body,
        )
    };
    let other = resume("mqtt", json!({"person_type": "vip"}));
    assert_eq!(
        (other.status, &other.body["code"]),
        (409, &json!("not_paused"))
    );
    let message = other.body["message"].as_str().unwrap();
    assert!(
        message.contains("vip") && message.contains("blacklist"),
        "{message}"
    );
    assert_eq!(audited(&gateway), [json!(null); 0], "nothing was done");

    let in_vain = resume("mqtt", json!({"person_type": "blacklist"}));
    assert_eq!(
        (in_vain.status, &in_vain.body["resumed"][0]["person_type"]),
        (200, &json!("blacklist"))
    );
    wait_until("it is still refused", || !paused(&gateway).is_empty());

    mosquitto.allow(ALL);
    let (said, code) = gateway.run(&["resume", "mqtt"]);
    assert!(
        code == Some(0) && said.contains("mqtt is asked anew: blacklist tried now"),
        "{said}"
    );
    wait_until("nothing waits", || paused(&gateway).is_empty());
    gateway.wait_delivered();
    let whats: Vec<_> = audited(&gateway)
        .iter()
        .map(|line| line["what"].clone())
        .collect();
    assert_eq!(whats, ["destination.resume"; 2]);
}

#[test]
fn a_resume_that_makes_no_sense_says_what_would() {
    let gateway = super::gateway(&[]);
    let resume = |name: &str, body: Value| {
        local(
            &gateway,
            "POST",
            &format!("/api/destinations/{name}/resume"),
            &body,
        )
    };
    let unknown = resume("kafak", json!({}));
    assert_eq!(
        (unknown.status, &unknown.body["code"]),
        (404, &json!("unknown_destination"))
    );
    let message = unknown.body["message"].as_str().unwrap();
    assert!(
        message.contains("mqtt") && message.contains("store"),
        "{message}"
    );

    for (body, part) in [
        (json!({"person_type": "vips"}), "unknown variant `vips`"),
        (json!({"persontype": "vip"}), "unknown field `persontype`"),
        (json!([]), "the body: "),
    ] {
        let answer = resume("mqtt", body);
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("bad_body"))
        );
        assert!(
            answer.body["message"].as_str().unwrap().contains(part),
            "{}",
            answer.body
        );
    }
    let large = json!({"person_type": "v".repeat(70 << 10)});
    assert_eq!(resume("mqtt", large).body["code"], "body_too_large");

    // A destination that is down is asked again at once.
    let down = resume("mqtt", json!({}));
    assert_eq!((down.status, &down.body["up"]), (200, &json!(false)));
}
