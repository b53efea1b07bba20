//! MQTT: what a session promises, against the real mosquitto.

mod addresses;
mod answers;
mod delivery;
mod discovery;
mod doors;
mod hanging_up;
mod refusing;
mod restarts;
mod status;

use std::net::SocketAddr;

use boxbridge::send::mqtt::{GatewayIdentity, Mqtt};
use boxbridge::send::{Destination, Session};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{Lane, Message, Sequence, Timestamp};
use bytes::Bytes;

use crate::parts::PATIENCE;
use crate::parts::subscriber::Subscriber;
pub use crate::send::session::{acknowledged, answer_or_loss, lost, next};

/// The settings of an operator who writes this URL, and these below `send`.
fn settings(url: &str, settings: &[(&str, &str)]) -> boxbridge_config::Send {
    let (secrets, plain): (Vec<_>, Vec<_>) = settings
        .iter()
        .partition(|(key, _)| *key == "mqtt.password");
    let mut flags: Vec<_> = plain
        .iter()
        .map(|(key, value)| (format!("send.{key}"), (*value).to_owned()))
        .collect();
    flags.push(("send.mqtt.url".to_owned(), url.to_owned()));
    let environment = secrets
        .iter()
        .map(|(_, value)| {
            (
                "BOXBRIDGE_SEND__MQTT__PASSWORD".to_owned(),
                (*value).to_owned(),
            )
        })
        .collect();
    let layers = Layers {
        file: None,
        environment,
        flags,
    };
    Config::load(&layers)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .send
}

/// A megabyte goes through this door, between two small messages.
async fn a_megabyte_goes_through(
    session: &mut impl Session<Message = Message>,
    subscriber: &mut Subscriber,
    door: &str,
) {
    for (number, bytes) in [(1, 20), (2, 1_000_000), (3, 20)] {
        session.submit(Sequence(number), message("events/1", vec![b'x'; bytes]));
    }
    for number in 1..=3 {
        assert_eq!(next(session).await, acknowledged(number), "{door}");
    }

    let received = subscriber.receive(3).await;
    let sizes: Vec<_> = received.iter().map(|it| it.payload.len()).collect();
    assert_eq!(sizes, [20, 1_000_000, 20], "{door}");
}

fn identity() -> GatewayIdentity {
    GatewayIdentity {
        destination: "mqtt".into(),
        site: "lobby".to_owned(),
        gateway: "edge-1".to_owned(),
        instance: uuid::Uuid::new_v4().to_string(),
        started: Timestamp(1_566_016_554_020),
    }
}

/// The destination of these settings.
pub fn destination(url: &str, written: &[(&str, &str)]) -> Mqtt {
    let send = settings(url, written);
    let mqtt = send.mqtt().cloned().expect("mqtt is on");
    let broker = mqtt.broker.clone().expect("a broker");
    Mqtt::new(mqtt, broker, &send, identity()).unwrap_or_else(|error| panic!("{error}"))
}

pub fn at(address: SocketAddr) -> String {
    format!("mqtt://{address}")
}

pub async fn connect(mqtt: &Mqtt, lane: Lane) -> boxbridge::send::mqtt::Session {
    mqtt.connect(lane)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn refused(mqtt: &Mqtt) -> String {
    let attempt = tokio::time::timeout(PATIENCE, mqtt.connect(Lane::Normal))
        .await
        .expect("an attempt ends");
    attempt.err().expect("it is refused").message
}

pub fn message(topic: &str, payload: impl Into<Bytes>) -> Message {
    Message {
        topic: topic.to_owned(),
        key: String::new(),
        attributes: Vec::new(),
        payload: payload.into(),
        timestamp: Timestamp(0),
        expires_in: None,
    }
}
