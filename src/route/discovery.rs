//! A site's alerts → what Home Assistant is told of them: retained messages, of which it makes entities.
//!
//! Promises: pure; an entity changes only while one may still act on the alert, and is unavailable while this gateway is. Deliberately tells of
//! blacklisted people alone, of what arrives live, and only at the gateway's own site; knows no broker.

use bytes::Bytes;
use serde_json::{Value, json};

use super::topic::{filter, gateway_topic};
use boxbridge_config::{Field, Mqtt, Route};
use boxbridge_event::{Message, PersonType, Timestamp};

/// Whose alerts they are.
pub struct Alerts<'a> {
    pub site: &'a str,
    pub gateway: &'a str,
    /// Of the blacklist.
    pub route: &'a Route,
    /// Whether the pictures of its events have a `url`.
    pub has_links: bool,
}

/// The one rule, as a template of Home Assistant's: else the state stays what it is.
const MAY_ACT: &str = "value_json.act_before and now() < as_datetime(value_json.act_before)";
/// Home Assistant takes no longer state.
const PERSON: &str = "(value_json.identity.name or value_json.identity.id or 'nobody known')[:255]";

/// What it is told, in the order of the settings' `discovery_topics`; nothing where they want nothing.
pub fn messages(mqtt: &Mqtt, alerts: &Alerts<'_>, now: Timestamp) -> Vec<Message> {
    let (Some(status), Some(live)) = (&mqtt.status_topic, &alerts.route.mqtt_topic) else {
        return Vec::new();
    };
    let status = gateway_topic(status, alerts.site, alerts.gateway);
    let live = filter(live, |field| match field {
        Field::Site => Some(alerts.site),
        Field::Gateway => Some(alerts.gateway),
        Field::PersonType => Some(PersonType::Blacklist.as_str()),
        Field::Feed | Field::DeviceId | Field::DeviceType => None,
    });

    let told = mqtt.discovery_topics().into_iter().zip(entities(&live));
    let has_links = alerts.has_links;
    let told = told.filter(|(_, entity)| has_links || entity.get("url_topic").is_none());
    told.map(|(topic, entity)| {
        let payload = described(entity, alerts.site, &status);
        let topic = gateway_topic(&topic, alerts.site, alerts.gateway);
        retained(topic, payload.to_string().into(), now)
    })
    .collect()
}

/// Takes back what was told there.
pub fn forgotten(topic: String, now: Timestamp) -> Message {
    retained(topic, Bytes::new(), now)
}

/// When somebody came last, who, and the face.
fn entities(live: &str) -> [Value; 3] {
    let state = |value: &str| format!("{{{{ {value} if {MAY_ACT} else this.state }}}}");
    [
        json!({"name": "Blacklist alert", "icon": "mdi:account-alert", "device_class": "timestamp",
            "state_topic": live, "qos": 1, "value_template": state("value_json.received_at")}),
        json!({"name": "Blacklist person", "icon": "mdi:account",
            "state_topic": live, "qos": 1, "value_template": state(PERSON)}),
        json!({"name": "Blacklist face", "icon": "mdi:face-recognition",
            "url_topic": live, "qos": 1, "url_template": "{{ (value_json.pictures.face or value_json.pictures.scene).url }}"}),
    ]
}

fn described(mut entity: Value, site: &str, status: &str) -> Value {
    let name = entity["name"].as_str().unwrap_or_default();
    let unique_id = format!("boxbridge {site} {name}")
        .to_lowercase()
        .replace(' ', "-");
    let version = env!("CARGO_PKG_VERSION");

    entity["unique_id"] = unique_id.into();
    entity["availability_topic"] = status.into();
    entity["availability_template"] = "{{ value_json.status }}".into();
    entity["device"] = json!({"identifiers": [format!("boxbridge-{site}")], "name": format!("boxbridge {site}"),
        "manufacturer": "boxbridge", "sw_version": version});
    entity["origin"] = json!({"name": "boxbridge", "sw_version": version});
    entity
}

fn retained(topic: String, payload: Bytes, now: Timestamp) -> Message {
    Message {
        topic,
        key: String::new(),
        attributes: Vec::new(),
        payload,
        timestamp: now,
        expires_in: None,
    }
}
