//! Only the gateway publishes to its embedded broker, and nobody takes its place.

use std::process::Command;

use boxbridge::send::Session as _;
use boxbridge_config::MqttVersion;
use boxbridge_event::{Lane, Sequence};

use super::raw::{Hello, Raw};
use super::{gateway, session, start, subscriber};
use crate::parts::subscriber::Over;
use crate::send::mqtt::{acknowledged, connect, message, next};

const NOT_AUTHORISED: u8 = 0x87;
const STATUS: &str = "boxbridge/lobby/gateways/edge-1/status";
const LIVE: &str = "boxbridge/lobby/events/vip/gate";

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_of_a_client_is_refused_whatever_it_is() {
    let broker = start();
    let mut guard = subscriber(&broker, Over::Tcp, MqttVersion::V5, "#").await;
    let large = vec![b'x'; 1 << 20];
    for topic in [LIVE, STATUS, "$SYS/broker", "$share/group/events", "other"] {
        for (payload, retain) in [
            (&b"forged"[..], false),
            (b"offline", true),
            (b"", true),
            (&large, true),
        ] {
            let (mut client, _) =
                Raw::connect(broker.local_addr(), 5, Hello::named("client")).await;
            client.publish(topic, payload, 0, retain).await;
            client.publish(topic, payload, 1, retain).await;
            assert_eq!(
                client.until(0x40).await,
                [0, 7, NOT_AUTHORISED],
                "PUBACK to {topic}"
            );
            client.publish(topic, payload, 2, retain).await;
            assert_eq!(
                client.until(0x50).await,
                [0, 7, NOT_AUTHORISED],
                "PUBREC to {topic}"
            );

            let (mut client, _) =
                Raw::connect(broker.local_addr(), 4, Hello::named("client")).await;
            client.publish(topic, payload, 1, retain).await;
            assert_eq!(
                client.until(0x40).await,
                [0, 7],
                "3.1.1 has no words for it"
            );
            client.publish(topic, payload, 2, retain).await;
            assert_eq!(client.until(0x50).await, [0, 7]);
            client.send(0x62, &[0, 7]).await;
            assert_eq!(client.until(0x70).await, [0, 7]);
        }
    }
    // Nothing came of it: the first that anybody hears is the gateway's, and nothing is retained but its status.
    let mut urgent = session(&broker, Lane::Urgent).await;
    assert_eq!(guard.receive_one().await.topic, STATUS);
    urgent.submit(Sequence(1), message(LIVE, "true"));
    assert_eq!(next(&mut urgent).await, acknowledged(1));
    assert_eq!(guard.receive_one().await.text(), "true");
    assert!(
        subscriber(&broker, Over::Tcp, MqttVersion::V5, "#")
            .await
            .receive_one()
            .await
            .text()
            .contains("online")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_will_of_a_client_is_refused_or_goes_nowhere() {
    let broker = start();
    let mut guard = subscriber(&broker, Over::Tcp, MqttVersion::V5, "#").await;
    let hello = Hello {
        will: Some((STATUS, "offline")),
        ..Hello::named("client")
    };
    let (_, answer_5) = Raw::connect(broker.local_addr(), 5, hello).await;
    assert_eq!(answer_5[1], NOT_AUTHORISED);

    let (client, answer_4) = Raw::connect(broker.local_addr(), 4, hello).await;
    assert_eq!(
        answer_4,
        [0, 0],
        "3.1.1 is let in: Home Assistant has a will by default"
    );
    drop(client);

    let mut urgent = session(&broker, Lane::Urgent).await;
    urgent.submit(Sequence(1), message(LIVE, "true"));
    next(&mut urgent).await;
    assert!(guard.receive_one().await.text().contains("online"));
    assert_eq!(guard.receive_one().await.text(), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_takes_the_gateways_place() {
    let broker = start();
    let mut guard = subscriber(&broker, Over::Tcp, MqttVersion::V5, "#").await;
    let mut urgent = session(&broker, Lane::Urgent).await;
    guard.receive_one().await;

    let (user, _) = broker.login();
    for version in [4, 5] {
        let hello = Hello {
            login: Some((&user, "guessed")),
            ..Hello::named("client")
        };
        let (_, refused) = Raw::connect(broker.local_addr(), version, hello).await;
        assert_eq!(refused[1], if version == 5 { 0x86 } else { 4 });
    }

    // Under its client ids, too, one is a client like any other, and the gateway stays.
    for id in ["boxbridge-urgent", "boxbridge-normal", "boxbridge-gateway"] {
        let hello = Hello {
            login: Some(("boxbridge", "boxbridge")),
            ..Hello::named(id)
        };
        let (mut client, _) = Raw::connect(broker.local_addr(), 5, hello).await;
        client.publish(LIVE, b"forged", 1, true).await;
        assert_eq!(client.until(0x40).await, [0, 7, NOT_AUTHORISED]);
    }
    urgent.submit(Sequence(1), message(LIVE, "true"));
    assert_eq!(next(&mut urgent).await, acknowledged(1));
    assert_eq!(guard.receive_one().await.text(), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_online_after_the_gateway_came_back_before_its_old_connection_was_missed() {
    let broker = start();
    let mqtt = gateway(&broker);
    let _old = connect(&mqtt, Lane::Urgent).await;
    let mut new = connect(&mqtt, Lane::Urgent).await;
    new.submit(Sequence(1), message(LIVE, "true"));
    next(&mut new).await;
    let mut guard = subscriber(&broker, Over::Tcp, MqttVersion::V5, STATUS).await;
    assert!(guard.receive_one().await.text().contains("online"));
    assert!(guard.received().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn mosquittos_clients_are_told_so_and_hear_what_the_gateway_says() {
    let broker = start();
    let port = broker.local_addr().port().to_string();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(["-h", "127.0.0.1", "-p", &port])
            .args(arguments)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr),
        )
    };
    for qos in ["1", "2"] {
        let (_, said) = run(
            "mosquitto_pub",
            &["-V", "5", "-q", qos, "-r", "-t", LIVE, "-m", "forged", "-d"],
        );
        assert!(
            said.to_lowercase().contains("not authorized")
                || said.contains("rc135")
                || said.contains("RC:135"),
            "{said}"
        );
    }

    let (_, said) = run(
        "mosquitto_sub",
        &[
            "-V",
            "5",
            "-t",
            "#",
            "--will-topic",
            STATUS,
            "--will-payload",
            "offline",
            "-W",
            "5",
        ],
    );
    assert!(
        said.to_lowercase().contains("not authorized")
            || said.to_lowercase().contains("not authorised"),
        "{said}"
    );

    let mut urgent = session(&broker, Lane::Urgent).await;
    urgent.submit(Sequence(1), message(LIVE, "true"));
    next(&mut urgent).await;
    for version in ["311", "5"] {
        let (code, heard) = run(
            "mosquitto_sub",
            &[
                "-V", version, "-t", STATUS, "-q", "2", "-C", "1", "-W", "10",
            ],
        );
        assert!(code == Some(0) && heard.contains("online"), "{heard}");
    }
}
