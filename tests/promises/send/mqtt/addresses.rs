//! A broker's name has several addresses: whichever answers is used, under the name, and every one that was tried is named.

use std::net::Ipv4Addr;

use boxbridge::send::{Answer, Destination as _, Session as _};
use boxbridge_event::{Lane, Sequence};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::{PATIENCE, a_megabyte_goes_through, connect, destination, message, next, refused};
use crate::parts::black_hole::BlackHole;
use crate::parts::certificates::Certificates;
use crate::parts::mosquitto::{Listener, Mosquitto, Settings};
use crate::parts::subscriber::Subscriber;

#[tokio::test]
async fn a_name_whose_first_address_is_a_black_hole_is_reached_at_the_next() {
    let certificates = Certificates::make();
    let authority = certificates.authority();
    let broker = Mosquitto::with(&Settings {
        listeners: &[
            Listener::Tcp,
            Listener::Tls,
            Listener::WebSocket,
            Listener::WebSocketTls,
        ],
        certificates: Some(&certificates),
        ..Settings::default()
    });
    let hole = BlackHole::dig(Ipv4Addr::LOCALHOST.into()).await;
    let silent = hole.address;
    let mut subscriber = Subscriber::start(broker.address(), "events/#").await;
    for version in ["3", "5"] {
        let settings = [
            ("mqtt.ca_file", authority.to_str().expect("UTF-8")),
            ("mqtt.version", version),
        ];
        for (door, url) in [
            "mqtt://localhost",
            "mqtts://localhost",
            "ws://localhost/mqtt",
            "wss://localhost/mqtt",
        ]
        .iter()
        .enumerate()
        {
            let mqtt = destination(url, &settings).at(vec![silent, broker.address_of(door)]);
            let mut session = connect(&mqtt, Lane::Normal).await;
            let door = format!("{url} version {version}");
            a_megabyte_goes_through(&mut session, &mut subscriber, &door).await;
            session.finish().await;
        }
        // Whichever address answers, it has to be the one that the operator named.
        for (door, url) in [
            (1, "mqtts://broker.example"),
            (3, "wss://broker.example/mqtt"),
        ] {
            let error =
                refused(&destination(url, &settings).at(vec![silent, broker.address_of(door)]))
                    .await;
            assert!(
                error.contains("invalid peer certificate")
                    && error.contains(&broker.address_of(door).to_string()),
                "{error}"
            );
        }
    }
}

/// What the other side is told: the name, wherever the protocol has a place for it.
#[tokio::test]
async fn the_name_is_sent_to_whichever_address_answers() {
    let hole = BlackHole::dig(Ipv4Addr::LOCALHOST.into()).await;
    let silent = hole.address;
    for (url, is_encrypted) in [
        ("mqtts://broker.example", true),
        ("wss://broker.example/mqtt", true),
        ("ws://broker.example:81/mqtt", false),
    ] {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a free port");
        let mqtt =
            destination(url, &[]).at(vec![silent, server.local_addr().expect("its address")]);
        let connecting = tokio::spawn(async move { mqtt.connect(Lane::Normal).await.map(drop) });
        let (mut stream, _) = tokio::time::timeout(PATIENCE, server.accept())
            .await
            .expect("it comes")
            .expect("a connection");
        let mut first = vec![0; 2_048];
        let count = stream.read(&mut first).await.expect("its first bytes");
        first.truncate(count);
        let name = match is_encrypted {
            true => {
                let mut acceptor = rustls::server::Acceptor::default();
                acceptor.read_tls(&mut first.as_slice()).expect("TLS");
                let accepted = acceptor
                    .accept()
                    .unwrap_or_else(|_| panic!("no ClientHello"))
                    .expect("a whole ClientHello");
                accepted.client_hello().server_name().map(str::to_owned)
            }
            false => String::from_utf8_lossy(&first)
                .lines()
                .find_map(|line| line.strip_prefix("Host: ").map(str::to_owned)),
        };
        assert_eq!(
            name.as_deref(),
            Some(if is_encrypted {
                "broker.example"
            } else {
                "broker.example:81"
            }),
            "{url}"
        );
        connecting.abort();
    }
}

#[tokio::test]
async fn an_address_behind_which_no_broker_answers_comes_last_the_next_time() {
    let broker = Mosquitto::start();
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port");
    let mqtt = destination("mqtt://broker.example", &[("stall_timeout", "1s")]);
    let mute_address = mute.local_addr().expect("its address");
    let mqtt = mqtt.at(vec![mute_address, broker.address()]);
    let error = refused(&mqtt).await;
    assert!(
        error.contains(&format!("no answer for 1s (tried {mute_address})")),
        "{error}"
    );
    let mut session = connect(&mqtt, Lane::Normal).await;
    session.submit(Sequence(1), message("events/1", "{}"));
    assert!(matches!(
        next(&mut session).await,
        Answer::Acknowledged { .. }
    ));
}

#[tokio::test]
async fn every_address_that_was_tried_is_named() {
    let hole = BlackHole::dig(Ipv4Addr::LOCALHOST.into()).await;
    let silent = hole.address;
    let refusing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a free port")
        .local_addr()
        .expect("its address");
    let mqtt = destination("mqtts://broker.example", &[("stall_timeout", "1s")])
        .at(vec![silent, refusing]);
    let error = refused(&mqtt).await;
    assert!(
        error.starts_with("cannot connect to mqtts://broker.example:8883: "),
        "{error}"
    );
    assert!(
        error.contains(&format!("{silent}: silent"))
            && error.contains(&format!("{refusing}: Connection refused")),
        "{error}"
    );
}
