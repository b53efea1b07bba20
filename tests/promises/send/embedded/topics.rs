//! Topics made of what boxes send, on the embedded broker and on mosquitto: a subscriber with a wildcard hears all of them.

use boxbridge::send::{Answer, Session as _};
use boxbridge_config::MqttVersion;
use boxbridge_event::{Feed, Lane, Sequence};
use serde_json::json;

use super::raw::{Hello, Raw};
use super::{gateway, start};
use crate::normalize::{self, documents};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::subscriber::{Over, Subscriber};
use crate::route;
use crate::send::mqtt::{acknowledged, at, connect, destination, next};

/// What a box may call a device: what MQTT has a meaning for, controls, code points that are no characters, other scripts.
const ODD: [&str; 24] = [
    "$x",
    "$SYS",
    "$$",
    "$share",
    "a$b",
    "a/b",
    "/",
    "//a",
    "+",
    "#",
    "%",
    "%24x",
    "a\u{0}b",
    "\u{1}",
    "\u{7f}",
    "\u{85}",
    "\u{fdd0}",
    "\u{fffe}",
    "\u{ffff}",
    "\u{1fffe}",
    "\u{10ffff}",
    "\u{feff}x",
    " ",
    "东门 🚪",
];

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_device_is_called_a_wildcard_hears_it_on_both_brokers() {
    let (broker, mosquitto) = (start(), Mosquitto::start());
    let router = route::router(&[("route.default.picture_wait", "0s")]);
    let messages: Vec<_> = ODD
        .iter()
        .map(|name| {
            let mut document = documents::sample();
            document["device_ip"] = json!(name);
            router
                .mqtt(&normalize::event(&document, Feed::Realtime), &route::at(0))
                .expect("it has a topic")
        })
        .collect();

    for (address, mqtt) in [
        (broker.local_addr(), gateway(&broker)),
        (
            mosquitto.address(),
            destination(&at(mosquitto.address()), &[]),
        ),
    ] {
        let mut subscribers = Vec::new();
        for (version, filter) in [
            (MqttVersion::V5, "boxbridge/#"),
            (MqttVersion::V3, "boxbridge/+/+/+/+"),
            (MqttVersion::V5, "+/+/+/+/#"),
        ] {
            subscribers.push(Subscriber::by(address, Over::Tcp, version, None, filter).await);
        }
        let mut session = connect(&mqtt, Lane::Normal).await;
        for (number, message) in (1..).zip(&messages) {
            session.submit(Sequence(number), message.clone());
            assert_eq!(
                next(&mut session).await,
                acknowledged(number),
                "{} at {address}",
                message.topic
            );
        }
        for subscriber in &mut subscribers {
            for message in &messages {
                assert_eq!(
                    subscriber.receive_one().await.topic,
                    message.topic,
                    "at {address}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_as_long_as_mqtt_allows_arrives_and_a_longer_one_is_refused_without_the_connection()
{
    let broker = start();
    let mut subscriber = Subscriber::by(
        broker.local_addr(),
        Over::Tcp,
        MqttVersion::V5,
        None,
        "long/#",
    )
    .await;
    let mut session = connect(&gateway(&broker), Lane::Normal).await;
    let longest = format!("long/{}", "x".repeat(65_530));

    session.submit(Sequence(1), crate::send::mqtt::message(&longest, "{}"));
    assert_eq!(next(&mut session).await, acknowledged(1));
    assert_eq!(subscriber.receive_one().await.topic, longest);
    session.submit(
        Sequence(2),
        crate::send::mqtt::message(&format!("{longest}x"), "{}"),
    );
    assert!(matches!(
        next(&mut session).await,
        Answer::Rejected {
            sequence: Sequence(2),
            ..
        }
    ));
    session.submit(Sequence(3), crate::send::mqtt::message("long//", "{}"));
    assert_eq!(next(&mut session).await, acknowledged(3));
    assert_eq!(subscriber.receive_one().await.topic, "long//");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_subscription_is_refused_by_its_name_and_not_granted_and_forgotten() {
    let broker = start();
    for (version, refused) in [(5, 0x9e), (4, 0x80)] {
        let (mut client, hello) =
            Raw::connect(broker.local_addr(), version, Hello::named("client")).await;
        assert!(
            version == 4 || hello.windows(2).any(|pair| pair == [0x2a, 0]),
            "CONNACK says so already: {hello:?}"
        );
        for filter in ["$share/group/boxbridge/#", "$share//x", "$share"] {
            assert_eq!(client.subscribe(filter).await, refused, "{filter}");
        }
        assert_eq!(client.subscribe("boxbridge/#").await, 1);
        let invalid = if version == 5 { 0x8f } else { 0x80 };
        assert_eq!(client.subscribe("boxbridge/#/x").await, invalid);
    }
}
