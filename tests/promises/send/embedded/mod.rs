//! The broker in the process: a real broker for every subscriber, whichever version and door.

mod limits;
mod publishing;
mod raw;
mod restart;
mod sessions;
mod shares;
mod slow;
mod standard;
mod tls;
mod topics;
mod users;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use boxbridge::send::Session as _;
use boxbridge::send::embedded::Embedded;
use boxbridge::send::{Answer, mqtt};
use boxbridge_config::MqttVersion;
use boxbridge_connect::tls::Encryption;
use boxbridge_event::{Lane, Sequence};
use rumqttc::v5::{self, mqttbytes::QoS};
use tokio_util::task::AbortOnDropHandle;

use crate::parts::subscriber::{Over, Received, Subscriber};
use crate::send::mqtt::{acknowledged, at, connect, destination, lost, message, next};

const ANYWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

const PLACES: usize = 100;

fn start() -> Embedded {
    let config = boxbridge_config::Embedded {
        listen: ANYWHERE,
        websocket: Some(ANYWHERE),
        users: None,
        tls: None,
    };
    Embedded::start(&config, PLACES, Encryption::default())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The gateway, as it reaches its own broker.
fn gateway(broker: &Embedded) -> mqtt::Mqtt {
    let (user, password) = broker.login();
    destination(
        &at(broker.local_addr()),
        &[
            ("mqtt.username", &*user),
            ("mqtt.password", password.expose()),
        ],
    )
}

async fn session(broker: &Embedded, lane: Lane) -> mqtt::Session {
    connect(&gateway(broker), lane).await
}

async fn subscriber(
    broker: &Embedded,
    over: Over,
    version: MqttVersion,
    filter: &str,
) -> Subscriber {
    let address = match over {
        Over::Tcp => broker.local_addr(),
        Over::WebSocket => broker.websocket_addr().expect("a WebSocket listener"),
    };
    Subscriber::by(address, over, version, None, filter).await
}

#[tokio::test]
async fn every_kind_of_subscriber_gets_every_publication() {
    let broker = start();
    let mqtt = gateway(&broker);
    for over in [Over::Tcp, Over::WebSocket] {
        for version in [MqttVersion::V3, MqttVersion::V5] {
            // One for each: who comes in the first seconds after a start hears what was published before.
            let place = format!("{over:?}-{version:?}");
            let mut subscriber = subscriber(&broker, over, version, &format!("{place}/+")).await;
            let mut session = connect(&mqtt, Lane::Normal).await;
            let mut sent = message(&format!("{place}/1"), vec![b'x'; 500_000]);
            sent.attributes = vec![
                ("specversion", "1.0".to_owned()),
                ("datacontenttype", "application/json".to_owned()),
            ];
            session.submit(Sequence(1), sent.clone());
            assert_eq!(next(&mut session).await, acknowledged(1));
            let received = subscriber.receive_one().await;
            assert_eq!(
                (&received.topic, &received.payload, received.retain),
                (&sent.topic, &sent.payload, false)
            );
            assert_eq!(
                received.attributes.len(),
                if version == MqttVersion::V5 { 2 } else { 0 }
            );
        }
    }
}

#[tokio::test]
async fn the_status_is_retained_and_told_to_whoever_comes_later() {
    let broker = start();
    let mut urgent = session(&broker, Lane::Urgent).await;
    urgent.submit(Sequence(1), message("events/1", "{}"));
    next(&mut urgent).await;
    for version in [MqttVersion::V3, MqttVersion::V5] {
        let received = subscriber(&broker, Over::Tcp, version, "#")
            .await
            .receive_one()
            .await;
        assert!(
            received.retain && received.text().contains(r#""status":"online""#),
            "{received:?}"
        );
    }
    let mut screen = subscriber(&broker, Over::Tcp, MqttVersion::V5, "boxbridge/#").await;
    screen.receive_one().await;
    drop(urgent);
    assert!(
        screen
            .receive_one()
            .await
            .text()
            .contains(r#""status":"offline""#)
    );
}

#[tokio::test]
async fn what_nobody_hears_is_acknowledged_as_such() {
    let broker = start();
    let mut session = session(&broker, Lane::Normal).await;
    session.submit(Sequence(1), message("events/1", "{}"));
    assert_eq!(
        next(&mut session).await,
        Answer::Acknowledged {
            sequence: Sequence(1),
            heard: false
        }
    );

    let mut subscriber = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    session.submit(Sequence(2), message("events/1", "{}"));
    assert_eq!(next(&mut session).await, acknowledged(2));
    subscriber.receive_one().await;
    assert_eq!(broker.dropped(), 0);
}

#[tokio::test]
async fn a_busy_port_is_named_with_the_setting_that_moves_it() {
    let first = start();
    let config = boxbridge_config::Embedded {
        listen: first.local_addr(),
        websocket: None,
        users: None,
        tls: None,
    };
    let error = Embedded::start(&config, PLACES, Encryption::default())
        .err()
        .expect("it is busy")
        .to_string();
    assert!(
        error.contains(&first.local_addr().to_string())
            && error.contains("send.mqtt.embedded.listen"),
        "{error}"
    );

    let config = boxbridge_config::Embedded {
        listen: ANYWHERE,
        websocket: first.websocket_addr(),
        users: None,
        tls: None,
    };
    let error = Embedded::start(&config, PLACES, Encryption::default())
        .err()
        .expect("it is busy")
        .to_string();
    assert!(error.contains("send.mqtt.embedded.websocket"), "{error}");
}

#[tokio::test]
async fn it_ends_and_starts_again_on_the_same_port() {
    let first = start();
    let address = first.local_addr();
    let mut session = session(&first, Lane::Normal).await;
    first.stop();
    lost(&mut session).await;

    let again = Embedded::start(
        &boxbridge_config::Embedded {
            listen: address,
            websocket: None,
            users: None,
            tls: None,
        },
        PLACES,
        Encryption::default(),
    )
    .expect("the port is free");
    assert_eq!(again.local_addr(), address);
}

#[tokio::test]
async fn one_can_wait_for_the_first_subscriber() {
    let broker = start();
    let nobody = tokio::time::timeout(Duration::ZERO, broker.subscribed()).await;
    assert!(nobody.is_err(), "nobody has subscribed");
    let _subscriber = subscriber(&broker, Over::Tcp, MqttVersion::V5, "#").await;
    tokio::time::timeout(Duration::from_secs(10), broker.subscribed())
        .await
        .expect("somebody has");
}

/// Submits so many, numbered, and sees each acknowledged.
async fn publish(session: &mut mqtt::Session, count: u64) {
    for number in 1..=count {
        session.submit(Sequence(number), message("events/1", number.to_string()));
    }
    for number in 1..=count {
        assert_eq!(next(session).await, acknowledged(number));
    }
}

fn assert_all_in_order(received: &[Received], count: u64) {
    assert!(
        received
            .iter()
            .filter_map(|received| received.text().parse::<u64>().ok())
            .eq(1..=count)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listening_subscriber_gets_everything_in_order() {
    const MESSAGES: u64 = 5_000;
    let broker = start();
    let mut subscriber = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    let mut session = session(&broker, Lane::Normal).await;
    publish(&mut session, MESSAGES).await;
    assert_all_in_order(&subscriber.receive(MESSAGES as usize).await, MESSAGES);
}

/// A subscriber that pauses after each message, or (without a pause) never acknowledges any; the task counts what came up to `count`.
async fn reluctant(
    broker: &Embedded,
    pause: Option<Duration>,
    count: u64,
) -> AbortOnDropHandle<u64> {
    let address = broker.local_addr();
    let mut options = v5::MqttOptions::new("reluctant", address.ip().to_string(), address.port());
    options.set_manual_acks(pause.is_none());

    let (client, mut eventloop) = v5::AsyncClient::new(options, 10);
    client
        .try_subscribe("events/#", QoS::AtLeastOnce)
        .expect("room for one request");

    let (ready, mut subscribed) = tokio::sync::mpsc::channel(1);
    let reader = tokio::spawn(async move {
        let mut came = 0;
        while came < count {
            match eventloop.poll().await.expect("the connection lives") {
                v5::Event::Incoming(v5::Incoming::SubAck(_)) => drop(ready.try_send(())),
                v5::Event::Incoming(v5::Incoming::Publish(_)) => {
                    came += 1;
                    // The stimulus: a slow reader.
                    tokio::time::sleep(pause.unwrap_or_default()).await;
                }
                _ => {}
            }
        }
        drop(client);
        came
    });
    subscribed.recv().await.expect("it has subscribed");
    AbortOnDropHandle::new(reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_sets_the_pace_and_misses_nothing() {
    const MESSAGES: u64 = 2_000; // Twice what a queue holds.
    let broker = start();
    let reader = reluctant(&broker, Some(Duration::from_millis(1)), MESSAGES).await;
    let mut session = session(&broker, Lane::Normal).await;
    for number in 1..=MESSAGES {
        session.submit(Sequence(number), message("events/1", "{}"));
    }

    for number in 1..=MESSAGES {
        assert_eq!(next(&mut session).await, acknowledged(number));
    }

    let came = tokio::time::timeout(Duration::from_secs(30), reader)
        .await
        .expect("all come in time");
    assert_eq!(
        (came.expect("the reader ends"), broker.dropped()),
        (MESSAGES, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_takes_nothing_holds_up_nobody() {
    const MESSAGES: u64 = 2_000;
    let broker = start();
    let _frozen = reluctant(&broker, None, MESSAGES).await;
    let mut subscriber = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    let mut session = session(&broker, Lane::Normal).await;
    publish(&mut session, MESSAGES).await;
    assert_all_in_order(&subscriber.receive(MESSAGES as usize).await, MESSAGES);
    assert!(
        broker.dropped() > 0,
        "what the frozen one missed is counted"
    );
}
