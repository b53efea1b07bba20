//! What Home Assistant is told of a site's alerts, and that it is taken back.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::parts::PATIENCE;
use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::subscriber::Subscriber;

const ALERT: &str = "homeassistant/sensor/boxbridge-default/alert/config";
const PERSON: &str = "homeassistant/sensor/boxbridge-default/person/config";
const FACE: &str = "homeassistant/image/boxbridge-default/face/config";

/// What a newcomer to the broker is sent at once, by topic. The fence is retained last.
async fn retained(mosquitto: &Mosquitto) -> BTreeMap<String, Value> {
    let mut newcomer = Subscriber::start(mosquitto.address(), "#").await;
    let mut found = BTreeMap::new();
    // A broker sends what it retains at once; nothing says that it was all.
    let enough = std::time::Duration::from_secs(1);
    while let Ok(message) = tokio::time::timeout(enough, newcomer.receive_one()).await {
        if message.retain {
            let payload = serde_json::from_slice(&message.payload).unwrap();
            found.insert(message.topic, payload);
        }
    }
    found
}

/// Polls until exactly these topics are retained, beside the gateway's own status.
async fn wait_until_retained(mosquitto: &Mosquitto, topics: &[&str]) -> BTreeMap<String, Value> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let mut found = retained(mosquitto).await;
        found.retain(|topic, _| !topic.ends_with("/gateways/edge-1/status"));
        if found.keys().eq(topics) {
            return found;
        }
        let names: Vec<_> = found.keys().collect();
        assert!(
            std::time::Instant::now() < deadline,
            "{names:?} are retained, not {topics:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn home_assistant_is_told_of_a_sites_alerts_and_no_event_is_retained() {
    let mosquitto = Mosquitto::start();
    let gateway = Gateway::start(&[
        (
            "SEND__MQTT__URL",
            &format!("mqtt://{}", mosquitto.address()),
        ),
        ("SEND__MQTT__DISCOVERY_PREFIX", "homeassistant"),
    ]);
    gateway.take("/RealTimeEvent", &event("1", json!(3), "192.168.1.243"));
    gateway.wait_delivered();
    let told = wait_until_retained(&mosquitto, &[FACE, ALERT, PERSON]).await;

    let live = "boxbridge/default/events/blacklist/+";
    for (topic, told) in &told {
        assert_eq!(
            told["availability_topic"], "boxbridge/default/gateways/edge-1/status",
            "{topic}"
        );
        assert_eq!(
            told["availability_template"], "{{ value_json.status }}",
            "{topic}"
        );
        assert_eq!(
            told["device"]["identifiers"],
            json!(["boxbridge-default"]),
            "{topic}"
        );
        assert_eq!(told["origin"]["name"], "boxbridge", "{topic}");
    }
    let alert = &told[ALERT];
    assert_eq!(
        (&alert["state_topic"], &alert["device_class"]),
        (&json!(live), &json!("timestamp"))
    );
    for sensor in [ALERT, PERSON] {
        let template = told[sensor]["value_template"].as_str().unwrap();
        let rule = "if value_json.act_before and now() < as_datetime(value_json.act_before) else this.state";
        assert!(template.contains(rule), "{template}");
    }
    assert_eq!(told[FACE]["url_topic"], live);
    let ids: std::collections::BTreeSet<_> = told
        .values()
        .map(|told| told["unique_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_home_assistant_was_told_is_cleared_when_the_setting_changes_and_after_a_restart() {
    let mosquitto = Mosquitto::start();
    let file = tempfile::NamedTempFile::new().unwrap();
    let write = |prefix: &str| {
        let url = mosquitto.address();
        let text =
            format!("[send.mqtt]\nurl = \"mqtt://{url}\"\ndiscovery_prefix = \"{prefix}\"\n");
        std::fs::write(&file, text).unwrap();
    };
    write("homeassistant");
    let path = file.path().display().to_string();
    let mut gateway = Gateway::start(&[("CONFIG", &path)]);
    wait_until_retained(&mosquitto, &[FACE, ALERT, PERSON]).await;

    write("house");
    let (said, code) = gateway.run(&["reload"]);
    assert_eq!(code, Some(0), "{said}");
    let others = [FACE, ALERT, PERSON].map(|topic| topic.replace("homeassistant", "house"));
    wait_until_retained(&mosquitto, &others.each_ref().map(String::as_str)).await;

    gateway.kill();
    write("");
    gateway.restart();
    wait_until_retained(&mosquitto, &[]).await;
}
