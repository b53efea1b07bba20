//! Ways in: TLS, certificates, passwords and WebSockets, and what is said when one is closed.

use boxbridge::send::Session as _;
use boxbridge::send::mqtt::Mqtt;
use boxbridge_config::MqttVersion;
use boxbridge_event::{Lane, Sequence};

use super::{
    a_megabyte_goes_through, acknowledged, at, connect, destination, identity, message, next,
    refused, settings,
};
use crate::parts::certificates::Certificates;
use crate::parts::mosquitto::{Listener, Mosquitto, Settings};
use crate::parts::subscriber::{Over, Subscriber};

/// A megabyte goes through this door, in both versions.
async fn opens(broker: &Mosquitto, url: &str, settings: &[(&str, &str)]) {
    for version in ["3", "5"] {
        let mut subscriber = Subscriber::start(broker.address(), "events/#").await;
        let mut settings = settings.to_vec();
        settings.push(("mqtt.version", version));
        let mut session = connect(&destination(url, &settings), Lane::Urgent).await;
        let door = format!("{url} version {version}");
        a_megabyte_goes_through(&mut session, &mut subscriber, &door).await;
    }
}

#[tokio::test]
async fn tls_with_an_authority_of_ones_own() {
    let certificates = Certificates::make();
    let authority = certificates.authority();
    let broker = Mosquitto::with(&Settings {
        listeners: &[Listener::Tcp, Listener::Tls, Listener::WebSocketTls],
        certificates: Some(&certificates),
        ..Settings::default()
    });
    let settings = [("mqtt.ca_file", authority.to_str().expect("UTF-8"))];
    opens(
        &broker,
        &format!("mqtts://{}", broker.address_of(1)),
        &settings,
    )
    .await;
    opens(
        &broker,
        &format!("mqtts://localhost:{}", broker.address_of(1).port()),
        &settings,
    )
    .await;
    opens(
        &broker,
        &format!("wss://{}/mqtt", broker.address_of(2)),
        &settings,
    )
    .await;
}

#[tokio::test]
async fn websockets() {
    let broker = Mosquitto::with(&Settings {
        listeners: &[Listener::Tcp, Listener::WebSocket],
        ..Settings::default()
    });
    let url = format!("ws://{}/mqtt", broker.address_of(1));
    opens(&broker, &url, &[]).await;
    let mut subscriber = Subscriber::by(
        broker.address_of(1),
        Over::WebSocket,
        MqttVersion::V5,
        None,
        "events/#",
    )
    .await;
    let mut session = connect(&destination(&url, &[]), Lane::Normal).await;
    session.submit(Sequence(1), message("events/1", "{}"));
    assert_eq!(next(&mut session).await, acknowledged(1));
    assert_eq!(subscriber.receive_one().await.text(), "{}");
}

#[tokio::test]
async fn a_broker_of_another_authority_is_not_trusted() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let broker = Mosquitto::with(&Settings {
        listeners: &[Listener::Tls, Listener::WebSocketTls],
        certificates: Some(&certificates),
        ..Settings::default()
    });
    let others = others.authority();
    for url in [
        format!("mqtts://{}", broker.address()),
        format!("wss://{}/mqtt", broker.address_of(1)),
    ] {
        let error = refused(&destination(
            &url,
            &[("mqtt.ca_file", others.to_str().expect("UTF-8"))],
        ))
        .await;
        assert!(
            error.contains(&url)
                && error.contains("(send.mqtt.ca_file does not hold the authority"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_broker_that_asks_for_a_certificate_gets_ours() {
    let certificates = Certificates::make();
    let broker = Mosquitto::with(&Settings {
        listeners: &[Listener::Tcp, Listener::MutualTls],
        certificates: Some(&certificates),
        ..Settings::default()
    });
    let authority = certificates.authority();
    let (certificate, key) = certificates.client();
    let [authority, certificate, key] =
        [&authority, &certificate, &key].map(|path| path.to_str().expect("UTF-8"));
    let url = format!("mqtts://{}", broker.address_of(1));
    let ours = [
        ("mqtt.ca_file", authority),
        ("mqtt.cert_file", certificate),
        ("mqtt.key_file", key),
    ];
    opens(&broker, &url, &ours).await;
    let error = refused(&destination(&url, &[("mqtt.ca_file", authority)])).await;
    assert!(
        error.contains("(the other side may want send.mqtt.cert_file and key_file)"),
        "{error}"
    );
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_is_said_to_be_wrong() {
    let broker = Mosquitto::with(&Settings {
        users: &[("gateway", "right"), ("screen", "pass")],
        ..Settings::default()
    });
    for version in ["3", "5"] {
        let settings = [
            ("mqtt.version", version),
            ("mqtt.username", "gateway"),
            ("mqtt.password", "right"),
        ];
        let mut subscriber = Subscriber::by(
            broker.address(),
            Over::Tcp,
            MqttVersion::V5,
            Some(("screen", "pass")),
            "events/#",
        )
        .await;
        let mut session =
            connect(&destination(&at(broker.address()), &settings), Lane::Normal).await;
        session.submit(Sequence(1), message("events/1", "{}"));
        assert_eq!(next(&mut session).await, acknowledged(1));
        assert_eq!(subscriber.receive_one().await.text(), "{}");

        let settings = [
            ("mqtt.version", version),
            ("mqtt.username", "gateway"),
            ("mqtt.password", "secret-and-wrong"),
        ];
        let error = refused(&destination(&at(broker.address()), &settings)).await;
        assert!(
            error.contains("send.mqtt.username, and its password"),
            "{error}"
        );
        assert!(!error.contains("secret-and-wrong"), "{error}");
        let error = refused(&destination(
            &at(broker.address()),
            &[("mqtt.version", version)],
        ))
        .await;
        assert!(
            error.contains("send.mqtt.username, and its password"),
            "{error}"
        );
    }
}

#[test]
fn a_file_that_holds_no_certificate_is_named_where_it_came_after_the_settings_were_read() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let send = settings("mqtts://localhost", &[]);
    let mut mqtt = send.mqtt().cloned().expect("mqtt is on");
    mqtt.tls.ca_file = Some(file.path().to_owned());
    let broker = mqtt.broker.clone().expect("a broker");
    let error = Mqtt::new(mqtt, broker, &send, identity())
        .err()
        .expect("no certificate")
        .to_string();
    assert_eq!(error, format!("{path} holds no certificate"));
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_named() {
    let mut broker = Mosquitto::start();
    broker.stop();
    for version in ["3", "5"] {
        let error = refused(&destination(
            &at(broker.address()),
            &[("mqtt.version", version)],
        ))
        .await;
        assert!(
            error.contains(&at(broker.address())) && error.contains("refused"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_probe_says_what_the_broker_offers() {
    let lines = [
        "max_inflight_messages 20",
        "max_packet_size 100000",
        "retain_available true",
    ];
    let broker = Mosquitto::with(&Settings {
        lines: &lines,
        ..Settings::default()
    });
    let offer = destination(&at(broker.address()), &[])
        .probe()
        .await
        .expect("an offer");
    assert_eq!(
        (
            offer.receive_maximum,
            offer.packet_max,
            offer.retain,
            offer.qos_1
        ),
        (20, Some(100_000), true, true)
    );
}
