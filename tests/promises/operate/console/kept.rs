//! What was refused, on the way out and on the way in: found, understood and sent again in the console.

use serde_json::{Value, json};

use super::browse;
use crate::parts::gateway::Gateway;
use crate::parts::mosquitto::{Mosquitto, Settings};
use crate::parts::subscriber::{Received, Subscriber};

const ALL: &str = "topic readwrite boxbridge/#\n";
/// Everything but the VIPs.
const SOME: &str = "topic readwrite boxbridge/default/events/employee/#\ntopic readwrite boxbridge/default/late/employee/#\ntopic readwrite boxbridge/default/gateways/#\ntopic read boxbridge/#\n";

async fn on_mqtt(acl: &str) -> (Mosquitto, Gateway, Subscriber) {
    let mosquitto = Mosquitto::with(&Settings {
        acl,
        ..Settings::default()
    });
    let subscriber = Subscriber::start(mosquitto.address(), "boxbridge/#").await;
    let url = format!("mqtt://{}", mosquitto.address());
    let gateway = tokio::task::block_in_place(|| Gateway::start(&[("SEND__MQTT__URL", &url)]));
    (mosquitto, gateway, subscriber)
}

/// The first event of all that came.
async fn first(subscriber: &mut Subscriber) -> (Received, Value) {
    loop {
        let message = subscriber.receive_one().await;
        if !message.topic.contains("/gateways/") {
            let payload = serde_json::from_slice(&message.payload).unwrap();
            return (message, payload);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn why_an_event_did_not_arrive_is_found_and_it_is_sent_again_and_arrives() {
    let (mut mosquitto, gateway, mut subscriber) = on_mqtt(SOME).await;
    let runtime = tokio::runtime::Handle::current();

    tokio::task::block_in_place(|| {
        browse("operator/aside.mjs", gateway, |_, asked| {
            match asked {
                "freeze" => mosquitto.freeze(),
                "thaw" => {
                    mosquitto.thaw();
                    // Once it answers somebody new, it has answered what came while it was frozen, by the rights of then.
                    let new = Subscriber::start(mosquitto.address(), "nothing");
                    drop(runtime.block_on(new));
                }
                "allow" => mosquitto.allow(ALL),
                "received" => {
                    let (message, payload) = runtime.block_on(first(&mut subscriber));
                    return json!({"topics": [message.topic], "ids": [payload["id"]]});
                }
                _ => panic!("nobody does {asked}"),
            }
            json!(null)
        })
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_quarantine_is_understood_and_handed_in_again_and_arrives() {
    let (_mosquitto, gateway, mut subscriber) = on_mqtt(ALL).await;
    let runtime = tokio::runtime::Handle::current();

    tokio::task::block_in_place(|| {
        browse("operator/quarantine.mjs", gateway, |_, asked| {
            assert_eq!(asked, "received");
            let (_, payload) = runtime.block_on(first(&mut subscriber));
            json!({"names": [payload["identity"]["name"]]})
        })
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_says_what_it_would_do_and_does_it_until_it_is_cancelled() {
    let (_mosquitto, gateway, mut subscriber) = on_mqtt(ALL).await;
    let runtime = tokio::runtime::Handle::current();

    tokio::task::block_in_place(|| {
        browse(
            "operator/replays.mjs",
            gateway,
            |gateway, asked| match asked {
                "delivered" => {
                    gateway.wait_delivered();
                    json!(null)
                }
                "received" => {
                    let is_replay = runtime.block_on(replayed(&mut subscriber));
                    json!({ "isReplay": is_replay })
                }
                _ => panic!("nobody does {asked}"),
            },
        )
    });
}

/// Whether the first message that names a replay is for the record.
async fn replayed(subscriber: &mut Subscriber) -> bool {
    loop {
        let (message, payload) = first(subscriber).await;
        if payload["replay"].is_string() {
            return message.topic.contains("/late/") && payload["act_before"].is_null();
        }
    }
}
