//! The messages of the AsyncAPI document: payload, attributes and bindings, each with an example that is true.

use serde_json::{Map, Value, json};

use crate::admin;
use crate::route::attributes::{Attribute, OF_DEVICE, OF_EVENT, OF_PICTURES};
use crate::route::{EVENT_SCHEMA, device_status::DEVICE_SCHEMA, pictures_told::PICTURES_SCHEMA};
use crate::send::kafka::header_name;
use crate::send::mqtt::STATUS_SCHEMA;
use boxbridge_config::MqttVersion;
use boxbridge_event::Message;

/// What carries a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bus {
    Mqtt(MqttVersion),
    Kafka,
}

impl Bus {
    /// What an attribute is called there; `None` where messages have none.
    fn attribute(self, name: &str) -> Option<String> {
        match self {
            Bus::Mqtt(MqttVersion::V3) => None,
            Bus::Mqtt(MqttVersion::V5) => Some(name.to_owned()),
            Bus::Kafka => Some(header_name(name)),
        }
    }

    /// The bindings of the operation that sends.
    pub fn sent(self, retain: bool, expiry_seconds: Option<u64>) -> Value {
        if self == Bus::Kafka {
            return json!({});
        }
        let mut binding = json!({"qos": 1, "retain": retain, "bindingVersion": "0.2.0"});
        if let Some(seconds) = expiry_seconds {
            add(&mut binding, "messageExpiryInterval", seconds.into());
        }
        json!({ "mqtt": binding })
    }

    /// The bindings of a message with this key.
    fn carried(self, key: &str) -> Value {
        match self {
            Bus::Kafka => {
                json!({"kafka": {"key": {"type": "string", "description": key}, "bindingVersion": "0.5.0"}})
            }
            Bus::Mqtt(MqttVersion::V3) => json!({}),
            Bus::Mqtt(MqttVersion::V5) => {
                json!({"mqtt": {"contentType": "application/json", "payloadFormatIndicator": 1, "bindingVersion": "0.2.0"}})
            }
        }
    }
}

pub fn of_match(bus: Bus, key: &str, example: Option<&Message>) -> Value {
    let title = "boxbridge.match.v1";
    let message = message(bus, title, reference("Match"), key);
    with_attributes(message, bus, OF_EVENT, example)
}

/// `format = "box"`.
pub fn of_vendor(bus: Bus, key: &str, example: Option<&Message>) -> Value {
    let payload = json!({"type": "object", "description": "the vendor's own document, its pictures replaced by their uri"});
    let message = message(bus, "the vendor's shape", payload, key);
    with_attributes(message, bus, OF_EVENT, example)
}

pub fn of_status(bus: Bus) -> Value {
    let mut message = message(bus, "gateway status", reference("Status"), "");
    add(&mut message, "examples", examples_of(STATUS_SCHEMA));
    message
}

pub fn of_device(bus: Bus) -> Value {
    let title = "boxbridge.device.v1";
    let mut message = message(bus, title, reference("Device"), "{site}/{device.id}");
    // On MQTT the broker keeps the payload, and nothing more.
    if bus == Bus::Kafka {
        message = with_attributes(message, bus, OF_DEVICE, None);
    }
    add(&mut message, "examples", examples_of(DEVICE_SCHEMA));
    message
}

pub fn of_pictures(bus: Bus, key: &str) -> Value {
    let title = "boxbridge.pictures.v1";
    let message = message(bus, title, reference("Pictures"), key);
    with_attributes(message, bus, OF_PICTURES, None)
}

/// The schemas that they refer to.
pub fn schemas() -> Map<String, Value> {
    let all = [
        ("Match", EVENT_SCHEMA),
        ("Status", STATUS_SCHEMA),
        ("Device", DEVICE_SCHEMA),
        ("Pictures", PICTURES_SCHEMA),
    ];
    let embedded = all.map(|(name, schema)| admin::embedded(name, schema));
    embedded.into_iter().flatten().collect()
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn message(bus: Bus, title: &str, payload: Value, key: &str) -> Value {
    json!({
        "title": title,
        "contentType": "application/json",
        "payload": payload,
        "bindings": bus.carried(key),
    })
}

fn with_attributes(
    message: Value,
    bus: Bus,
    attributes: &[Attribute],
    example: Option<&Message>,
) -> Value {
    let mut message = message;
    let named = attributes.iter();
    let named: Vec<_> = named
        .filter_map(|it| Some((bus.attribute(it.name)?, it)))
        .collect();

    if !named.is_empty() {
        let properties = named.iter().map(|(name, it)| (name.clone(), described(it)));
        let always = named.iter().filter(|(_, it)| it.absent.is_empty());
        let headers = json!({
            "type": "object",
            "required": always.map(|(name, _)| name).collect::<Vec<_>>(),
            "properties": properties.collect::<Map<_, _>>(),
        });
        add(&mut message, "headers", headers);
    }

    if let Some(example) = example {
        add(&mut message, "examples", json!([example_of(bus, example)]));
    }
    message
}

fn described(attribute: &Attribute) -> Value {
    let mut schema = attribute.schema();
    let absent = match attribute.absent {
        "" => String::new(),
        when => format!("; absent {when}"),
    };
    let description = format!("{}{absent}", attribute.from);
    add(&mut schema, "description", description.into());
    schema
}

fn example_of(bus: Bus, message: &Message) -> Value {
    let payload: Value = serde_json::from_slice(&message.payload).unwrap_or_default();
    let attributes = message.attributes.iter();
    let headers = attributes.filter_map(|(name, value)| {
        let name = bus.attribute(name)?;
        Some((name, Value::from(value.as_str())))
    });
    let headers: Map<_, _> = headers.collect();

    let mut example = json!({"summary": message.topic, "payload": payload});
    if !headers.is_empty() {
        add(&mut example, "headers", Value::Object(headers));
    }
    example
}

fn examples_of(schema: &str) -> Value {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let examples = schema.get("examples").and_then(Value::as_array);
    let payloads = examples.into_iter().flatten();
    payloads
        .map(|payload| json!({ "payload": payload }))
        .collect()
}

/// Adds a member to an object.
pub fn add(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
