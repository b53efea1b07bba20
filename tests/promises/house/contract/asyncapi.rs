//! The AsyncAPI document is what leaves: by any routes it passes AsyncAPI's own parser, and a real message is as its channel says.

use serde_json::{Value, json};

use super::{folder, judge, printed};
use crate::parts::contract::schema::problems_within;

fn document(settings: &[&str]) -> Value {
    serde_json::from_str(&printed("asyncapi", settings)).unwrap()
}

/// Every kind of setting that shows in the document.
const ODD: [&str; 15] = [
    "send.mqtt.url=wss://[::1]:8443/bus",
    "send.mqtt.version=3",
    "send.mqtt.username=boxbridge",
    "send.kafka.brokers=kafka-1:9092, kafka-2:9092",
    "send.kafka.security=ssl",
    "send.hq.kind=mqtt",
    "send.hq.url=mqtts://hq.example.com",
    "send.paper.kind=store",
    "send.paper.url=file:///srv/paper",
    "route.hq.default.format=box",
    "route.hq.vip.mqtt_topic=hq/{gateway}/{feed}/{device.type}/{device.id}",
    "route.hq.stranger.mqtt_topic=",
    "route.kafka.blacklist.kafka_key={device.id}",
    "route.kafka.vip.pictures=inline",
    "route.default.mqtt_expiry=90s",
];

#[test]
fn asyncapis_own_parser_takes_the_document_of_any_routes() {
    let written = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = written.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let odd = file("odd.json", &printed("asyncapi", &ODD));
    let kafka = printed(
        "asyncapi",
        &["send.kafka.brokers=kafka:9092", "send.mqtt.url="],
    );
    judge(&[
        folder().join("asyncapi.json"),
        odd,
        file("kafka.json", &kafka),
    ]);
}

#[test]
fn it_has_the_topics_of_the_routes_and_no_others() {
    let addresses = |document: &Value| {
        let channels = document["channels"].as_object().unwrap().iter();
        let addresses =
            channels.map(|(id, it)| (id.clone(), it["address"].as_str().unwrap().to_owned()));
        addresses.collect::<Vec<_>>()
    };
    let odd = addresses(&document(&ODD));
    let has = |id: &str, address: &str| {
        let found = odd.iter().any(|(it, to)| it == id && to == address);
        assert!(found, "{id} {address}: {odd:#?}");
    };
    has(
        "mqtt-live",
        "boxbridge/{site}/events/{person_type}/{device_id}",
    );
    has(
        "mqtt-late",
        "boxbridge/{site}/late/{person_type}/{device_id}",
    );
    has("mqtt-status", "boxbridge/{site}/gateways/{gateway}/status");
    has(
        "mqtt-devices",
        "boxbridge/{site}/devices/{device_id}/status",
    );
    has(
        "hq-live-vip",
        "hq/{gateway}/{feed}/{device_type}/{device_id}",
    );
    has(
        "hq-live-employee-visitor-blacklist-unknown",
        "boxbridge/{site}/events/{person_type}/{device_id}",
    );
    has("kafka-events-blacklist", "boxbridge.events.{person_type}");
    has("kafka-devices", "boxbridge.devices");
    assert!(
        odd.iter()
            .all(|(id, _)| !id.starts_with("paper") && !id.starts_with("store"))
    );

    let off = addresses(&document(&[
        "send.mqtt.status_topic=",
        "route.default.mqtt_late_topic=",
    ]));
    assert_eq!(off.len(), 1, "{off:#?}");
}

#[test]
fn it_says_who_is_there_how_and_with_which_properties() {
    let document = document(&ODD);
    let servers = &document["servers"];
    for (at, expected) in [
        ("/mqtt/host", json!("[::1]:8443")),
        ("/mqtt/protocol", json!("wss")),
        ("/mqtt/pathname", json!("/bus")),
        ("/mqtt/protocolVersion", json!("3.1.1")),
        ("/kafka-2/host", json!("kafka-2:9092")),
        ("/kafka/protocol", json!("kafka-secure")),
        ("/hq/host", json!("hq.example.com:8883")),
    ] {
        assert_eq!(servers.pointer(at), Some(&expected), "{at}");
    }
    assert_eq!(
        document["components"]["securitySchemes"],
        json!({"mqtt": {"type": "userPassword"}})
    );

    let message = |channel: &str| document["channels"][channel]["messages"]["match"].clone();
    assert!(
        message("mqtt-live")["headers"].is_null(),
        "MQTT 3.1.1 has none"
    );
    assert!(message("hq-live-vip")["headers"]["properties"]["actbefore"].is_object());
    let kafka = message("kafka-events-blacklist");
    assert!(kafka["headers"]["properties"]["ce_persontype"].is_object());
    assert!(kafka["headers"]["properties"]["content-type"].is_object());
    assert_eq!(
        kafka["bindings"]["kafka"]["key"]["description"],
        "{device.id}"
    );

    let sent = &document["operations"]["send-mqtt-live"]["bindings"]["mqtt"];
    assert_eq!(
        (
            &sent["qos"],
            &sent["retain"],
            &sent["messageExpiryInterval"]
        ),
        (&json!(1), &json!(false), &json!(90))
    );
    assert_eq!(
        document["operations"]["send-mqtt-status"]["bindings"]["mqtt"]["retain"],
        true
    );
}

#[test]
fn every_example_is_as_its_schema_says_and_says_when_one_may_act() {
    let document = document(&["send.kafka.brokers=kafka:9092"]);
    let mut seen = 0;
    for (id, channel) in document["channels"].as_object().unwrap() {
        for message in channel["messages"].as_object().unwrap().values() {
            let examples = message["examples"].as_array();
            assert!(examples.is_some_and(|it| !it.is_empty()), "{id}");
            for example in examples.unwrap() {
                let found = problems_within(&document, &message["payload"], &example["payload"]);
                assert!(found.is_empty(), "{id}: {found:#?}");
                if example["headers"].is_object() {
                    let (schema, said) = (&message["headers"], &example["headers"]);
                    let found = problems_within(&document, schema, said);
                    assert!(found.is_empty(), "{id}: {found:#?}");
                }
                seen += 1;
            }
        }
    }
    assert!(seen >= 6, "{seen}");

    let of = |id: &str| &document["channels"][id]["messages"]["match"]["examples"][0];
    assert!(of("mqtt-live")["payload"]["act_before"].is_string());
    assert!(of("mqtt-late")["payload"]["act_before"].is_null());
    assert_eq!(
        of("kafka-events")["payload"]["pictures"]["scene"]["width"],
        480
    );
}
