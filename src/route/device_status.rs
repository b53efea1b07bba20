//! A device's status → the message that leaves: its retained topic on MQTT, its key on Kafka.
//!
//! Promises: pure; one topic and one key for each device, whatever its id holds; a device that is forgotten makes an empty payload, which
//! clears a retained message and is a tombstone on Kafka. Deliberately takes no template: consumers find devices where the contract says.

use bytes::Bytes;
use serde::Serialize;

use super::topic;
use boxbridge_config::{DEVICE_STATUS_TOPIC, Field, Template};
use boxbridge_event::{DeviceState, DeviceStatus, Message, Timestamp};

pub const KAFKA_TOPIC: &str = "boxbridge.devices";
/// The contract of its payload, as JSON Schema.
pub const DEVICE_SCHEMA: &str = include_str!("device.schema.json");
const SCHEMA: &str = "boxbridge.device.v1";

#[derive(Serialize)]
struct DevicePayload<'a> {
    schema: &'static str,
    device: &'a str,
    status: DeviceState,
    since: Timestamp,
    last_seen: Option<Timestamp>,
    #[serde(rename = "box")]
    box_id: Option<&'a str>,
    site: &'a str,
}

/// For MQTT, to be retained.
pub fn to_mqtt(status: &DeviceStatus, now: Timestamp) -> Message {
    let fields = [Field::Site, Field::DeviceId];
    let template = Template::parse(DEVICE_STATUS_TOPIC, &fields);
    let topic = template.map(|template| topic::of_device(&template, &status.site, &status.device));
    message(status, now, topic.unwrap_or_default(), String::new())
}

pub fn to_kafka(status: &DeviceStatus, now: Timestamp) -> Message {
    let key = format!("{}/{}", status.site, status.device);
    message(status, now, KAFKA_TOPIC.to_owned(), key)
}

fn message(status: &DeviceStatus, now: Timestamp, topic: String, key: String) -> Message {
    Message {
        topic,
        key,
        attributes: attributes(status),
        payload: status
            .state
            .map_or_else(Bytes::new, |state| payload(status, state)),
        timestamp: now,
        expires_in: None,
    }
}

fn payload(status: &DeviceStatus, state: DeviceState) -> Bytes {
    let payload = DevicePayload {
        schema: SCHEMA,
        device: &status.device,
        status: state,
        since: status.since,
        last_seen: status.last_seen,
        box_id: status.box_id.as_deref(),
        site: &status.site,
    };
    serde_json::to_vec(&payload).unwrap_or_default().into()
}

/// As those of an event, as far as a status has them.
fn attributes(status: &DeviceStatus) -> Vec<(&'static str, String)> {
    let source = topic::source(&status.site, &status.device);
    let word = status.state.map_or("forgotten", DeviceState::as_str);
    vec![
        ("specversion", "1.0".to_owned()),
        ("id", format!("{source}.{}.{word}", status.since.0)),
        ("type", SCHEMA.to_owned()),
        ("source", source),
        ("subject", word.to_owned()),
        ("time", status.since.to_string()),
        ("datacontenttype", "application/json".to_owned()),
        ("dataschema", "urn:boxbridge:device:v1".to_owned()),
        ("site", status.site.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: Option<DeviceState>) -> DeviceStatus {
        DeviceStatus {
            site: "lobby".into(),
            device: "a/b".into(),
            state,
            since: Timestamp(0),
            last_seen: Some(Timestamp(1)),
            box_id: Some("L-1".into()),
        }
    }

    #[test]
    fn a_device_has_one_topic_one_key_and_the_payload_of_the_contract() {
        let silent = to_mqtt(&status(Some(DeviceState::Silent)), Timestamp(5));
        assert_eq!(silent.topic, "boxbridge/lobby/devices/a%2Fb/status");
        assert_eq!(
            silent.payload,
            r#"{"schema":"boxbridge.device.v1","device":"a/b","status":"silent","since":"1970-01-01T00:00:00.000Z","last_seen":"1970-01-01T00:00:00.001Z","box":"L-1","site":"lobby"}"#
        );
        let kafka = to_kafka(&status(Some(DeviceState::Silent)), Timestamp(5));
        assert_eq!(
            (kafka.topic.as_str(), kafka.key.as_str()),
            ("boxbridge.devices", "lobby/a/b")
        );
        assert_eq!(kafka.payload, silent.payload);
    }

    #[test]
    fn what_is_forgotten_is_cleared() {
        assert!(to_mqtt(&status(None), Timestamp(5)).payload.is_empty());
        assert!(to_kafka(&status(None), Timestamp(5)).payload.is_empty());
    }
}
