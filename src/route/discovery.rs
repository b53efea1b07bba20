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
const FACE: &str = "(value_json.pictures.face or value_json.pictures.scene).url";

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

    let topics = mqtt.discovery_topics().into_iter();
    let entities = topics.zip(entities(&live));
    let entities = entities.filter(|(_, entity)| alerts.has_links || entity.shows == Shows::Words);
    entities
        .map(|(topic, entity)| {
            let topic = gateway_topic(&topic, alerts.site, alerts.gateway);
            let payload = entity.described(alerts.site, &status).to_string();
            retained(topic, payload.into(), now)
        })
        .collect()
}

/// Takes back what was told there.
pub fn forgotten(topic: String, now: Timestamp) -> Message {
    retained(topic, Bytes::new(), now)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shows {
    Words,
    Picture,
}

struct Entity {
    name: &'static str,
    shows: Shows,
    /// What makes it this one.
    own: Value,
}

/// When somebody came last, who, and the face.
fn entities(live: &str) -> [Entity; 3] {
    let state = |value: &str| format!("{{{{ {value} if {MAY_ACT} else this.state }}}}");
    let entity = |name, shows, own| Entity { name, shows, own };
    [
        entity(
            "Blacklist alert",
            Shows::Words,
            json!({"state_topic": live, "value_template": state("value_json.received_at"),
                "device_class": "timestamp", "icon": "mdi:account-alert"}),
        ),
        entity(
            "Blacklist person",
            Shows::Words,
            json!({"state_topic": live, "value_template": state(PERSON), "icon": "mdi:account"}),
        ),
        entity(
            "Blacklist face",
            Shows::Picture,
            // What is no address leaves the picture as it is.
            json!({"url_topic": live, "url_template": format!("{{{{ {FACE} if {MAY_ACT} }}}}"), "icon": "mdi:face-recognition"}),
        ),
    ]
}

impl Entity {
    fn described(self, site: &str, status: &str) -> Value {
        let device = format!("boxbridge {site}");
        let slug = |text: &str| text.to_lowercase().replace(' ', "-");
        let version = env!("CARGO_PKG_VERSION");
        let mut described = json!({
            "name": self.name,
            "unique_id": slug(&format!("{device} {}", self.name)),
            "qos": 1,
            "availability_topic": status,
            "availability_template": "{{ value_json.status }}",
            "device": {"identifiers": [slug(&device)], "name": device, "manufacturer": "boxbridge", "sw_version": version},
            "origin": {"name": "boxbridge", "sw_version": version},
        });

        if let (Value::Object(all), Value::Object(own)) = (&mut described, self.own) {
            all.extend(own);
        }
        described
    }
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
