//! The AsyncAPI 3.0 document of these settings: where messages go, by the live routes, and what they are.
//!
//! Promises: made of the routes, the schemas and the table of attributes that the program uses; its examples are what would leave.
//! Deliberately describes what is published, not what a consumer does with it: docs/consumers.md does.

use serde_json::{Map, Value, json};

use super::channels::{self, Channel};
use super::messages;
use boxbridge_config::{
    Broker, Config, Destination, Kafka, Kind, Mqtt, MqttTransport, MqttVersion,
};

pub fn document(config: &Config) -> Value {
    let (mut servers, mut schemes) = (Map::new(), Map::new());
    let (mut channels, mut operations) = (Map::new(), Map::new());
    for destination in &config.send.destinations {
        let reached = servers_of(destination);
        let names: Vec<_> = reached.iter().map(|(name, _)| name.clone()).collect();
        servers.extend(reached);
        schemes.extend(scheme(destination));

        for channel in channels::of(config, destination, &names) {
            operations.insert(format!("send-{}", channel.id), operation(&channel));
            channels.insert(channel.id, channel.described);
        }
    }

    json!({
        "asyncapi": "3.0.0",
        "id": "urn:boxbridge",
        "info": {
            "title": "boxbridge",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0"},
            "description": "Face matches of AI boxes. The one rule: no act_before, or past it: do not open, do not ring. Delivery is at least once: drop what has the same id and revision, and take the same id with another revision as newer news of it. Words and fields are only ever added.",
        },
        "defaultContentType": "application/json",
        "servers": servers,
        "channels": channels,
        "operations": operations,
        "components": {"schemas": messages::schemas(), "securitySchemes": schemes},
    })
}

fn operation(channel: &Channel) -> Value {
    let place = format!("#/channels/{}", channel.id);
    json!({
        "action": "send",
        "channel": {"$ref": place},
        "summary": channel.summary,
        "messages": [{"$ref": format!("{place}/messages/{}", channel.message)}],
        "bindings": channel.sent,
    })
}

/// By name, how a destination is reached.
fn servers_of(destination: &Destination) -> Vec<(String, Value)> {
    let mut servers = match &destination.kind {
        Kind::Store(_) => Vec::new(),
        Kind::Mqtt(mqtt) => mqtt_servers(mqtt),
        Kind::Kafka(kafka) => kafka_servers(kafka),
    };

    let is_secured = scheme(destination).is_some();
    for server in &mut servers {
        if is_secured {
            let scheme = format!("#/components/securitySchemes/{}", destination.name);
            messages::add(server, "security", json!([{"$ref": scheme}]));
        }
    }

    let name = |number: usize| match number {
        0 => destination.name.to_string(),
        _ => format!("{}-{}", destination.name, number + 1),
    };
    let named = servers.into_iter().enumerate();
    named
        .map(|(number, server)| (name(number), server))
        .collect()
}

fn mqtt_servers(mqtt: &Mqtt) -> Vec<Value> {
    let version = match mqtt.version {
        MqttVersion::V3 => "3.1.1",
        MqttVersion::V5 => "5.0",
    };
    match &mqtt.broker {
        Some(broker) => vec![mqtt_server(broker, version)],
        None => {
            let own = |address: String, protocol: &str| json!({"host": address, "protocol": protocol, "protocolVersion": version, "description": "the broker in the gateway's own process"});
            let tcp = own(mqtt.embedded.listen.to_string(), "mqtt");
            let websocket = mqtt.embedded.websocket.map(|it| own(it.to_string(), "ws"));
            std::iter::once(tcp).chain(websocket).collect()
        }
    }
}

fn mqtt_server(broker: &Broker, version: &str) -> Value {
    let (protocol, is_websocket) = match broker.transport {
        MqttTransport::Tcp => ("mqtt", false),
        MqttTransport::Tls => ("mqtts", false),
        MqttTransport::WebSocket => ("ws", true),
        MqttTransport::WebSocketTls => ("wss", true),
    };

    let host = match broker.host.contains(':') {
        true => format!("[{}]", broker.host),
        false => broker.host.clone(),
    };

    let mut server = json!({
        "host": format!("{host}:{}", broker.port),
        "protocol": protocol,
        "protocolVersion": version,
    });
    if is_websocket {
        let path = format!("/{}", broker.path.trim_start_matches('/'));
        messages::add(&mut server, "pathname", path.into());
    }
    server
}

fn kafka_servers(kafka: &Kafka) -> Vec<Value> {
    let protocol = if kafka.encrypted {
        "kafka-secure"
    } else {
        "kafka"
    };
    let brokers = kafka.brokers.split(',').map(str::trim);
    brokers
        .map(|broker| json!({"host": broker, "protocol": protocol}))
        .collect()
}

/// How one shows who one is, where the gateway itself does.
fn scheme(destination: &Destination) -> Option<(String, Value)> {
    let kind = match &destination.kind {
        Kind::Store(_) => None,
        Kind::Mqtt(mqtt) => mqtt.username.is_some().then_some("userPassword"),
        Kind::Kafka(kafka) => kafka
            .sasl
            .as_ref()
            .map(|sasl| match sasl.mechanism.as_str() {
                "SCRAM-SHA-256" => "scramSha256",
                "SCRAM-SHA-512" => "scramSha512",
                _ => "plain",
            }),
    };
    kind.map(|kind| (destination.name.to_string(), json!({ "type": kind })))
}
