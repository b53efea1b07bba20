//! Sessions, as the standard says, and clients that say anything else.

use std::time::Duration;

use boxbridge::send::Session as _;
use boxbridge_config::MqttVersion;
use boxbridge_event::{Lane, Sequence};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::raw::{Hello, Raw};
use super::{session, start, subscriber};
use crate::parts::subscriber::Over;
use crate::send::mqtt::{acknowledged, message, next};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_acknowledged_comes_again_and_first_and_what_came_meanwhile_after_it() {
    for version in [4, 5] {
        let broker = start();
        let (mut first, _) =
            Raw::connect(broker.local_addr(), version, Hello::keeping("screen")).await;
        assert_eq!(first.subscribe("events/#").await, 1);
        let mut urgent = session(&broker, Lane::Urgent).await;
        for number in 1..=2 {
            urgent.submit(Sequence(number), message("events/1", number.to_string()));
            assert_eq!(next(&mut urgent).await, acknowledged(number));
            assert_eq!(first.until(0x32).await.last(), Some(&(b'0' + number as u8)));
        }
        // Somebody else with the same id: the first one's connection ends.
        let (second, welcome) =
            Raw::connect(broker.local_addr(), version, Hello::keeping("screen")).await;
        assert_eq!(welcome[0], 1, "the session is there");
        if version == 5 {
            assert_eq!(first.until(0xe0).await[0], 0x8e, "it was taken over");
        }
        first.closed().await;
        drop(second);
        urgent.submit(Sequence(3), message("events/1", "3"));
        assert_eq!(
            next(&mut urgent).await,
            acknowledged(3),
            "it waits for the session"
        );
        let (mut third, welcome) =
            Raw::connect(broker.local_addr(), version, Hello::keeping("screen")).await;
        assert_eq!(welcome[0], 1);
        for number in 1..=3 {
            let (kind, body) = third.receive().await;
            assert_eq!(body.last(), Some(&(b'0' + number)));
            // The second one may have been sent the third message before it was missed.
            assert!(
                kind == 0x3a || number == 3,
                "marked as sent before: {kind:#x}"
            );
        }
        // A clean start forgets it all.
        let (mut fourth, welcome) =
            Raw::connect(broker.local_addr(), version, Hello::named("screen")).await;
        assert_eq!(welcome[0], 0);
        fourth.send(0xc0, &[]).await;
        assert_eq!(
            fourth.receive().await.0,
            0xd0,
            "a pong, and no message before it"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_unsubscribes_hears_no_more_and_a_session_without_keeping_ends_with_its_connection() {
    let broker = start();
    let (mut client, _) = Raw::connect(broker.local_addr(), 5, Hello::named("client")).await;
    assert_eq!(client.subscribe("events/#").await, 1);
    client.send(0xa2, b"\0\x09\0\0\x08events/#\0\x01x").await;
    assert_eq!(client.until(0xb0).await, [0, 9, 0, 0, 0x11]);

    let mut urgent = session(&broker, Lane::Urgent).await;
    urgent.submit(Sequence(1), message("events/1", "{}"));
    client.send(0xc0, &[]).await;
    assert_eq!(client.receive().await.0, 0xd0);
    assert_eq!(client.subscribe("boxbridge/#").await, 1);
    client.send(0xe0, &[]).await;
    client.closed().await;

    let (_, welcome) = Raw::connect(broker.local_addr(), 5, Hello::keeping("client")).await;
    assert_eq!(welcome[0], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_half_packets_cost_their_sender_only() {
    let broker = start();
    let connect = b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01c";
    let mut seed = 1_u64;
    let mut random = move || {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u8
    };
    let mut halves = Vec::new();
    for round in 0..300 {
        let mut stream = TcpStream::connect(broker.local_addr()).await.unwrap();
        // Often behind a CONNECT, often as a packet of a known kind with a length of its own.
        let mut bytes = if round % 2 == 0 {
            connect.to_vec()
        } else {
            Vec::new()
        };
        let garbage: Vec<u8> = (0..random() % 64).map(|_| random()).collect();
        if round % 3 == 0 {
            bytes.extend([random() & 0xf0 | 2, garbage.len() as u8]);
        }
        bytes.extend(garbage);
        // It may close before it has read all.
        let _ = stream.write_all(&bytes).await;
        if round % 10 == 0 {
            halves.push(Raw { stream, version: 5 });
        }
    }

    let mut guard = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    let mut urgent = session(&broker, Lane::Urgent).await;
    urgent.submit(Sequence(1), message("events/1", "true"));
    assert_eq!(next(&mut urgent).await, acknowledged(1));
    assert_eq!(guard.receive_one().await.text(), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_that_drips_is_cut_off_in_time() {
    let broker = start();
    let mut stream = TcpStream::connect(broker.local_addr()).await.unwrap();
    stream.write_all(b"\x10\x7f\0\x04MQTT").await.unwrap();

    let (reader, mut writer) = stream.into_split();
    let drip = tokio::spawn(async move {
        while writer.write_all(b"\0").await.is_ok() {
            // The stimulus: it drips.
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });
    // 119 bytes at this pace would be 36 s.
    tokio::time::timeout(Duration::from_secs(20), drip)
        .await
        .expect("it is cut off")
        .expect("the drip ends");
    drop(reader);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_all_places_taken_a_client_is_told_and_the_gateway_comes_in() {
    let broker = start();
    let mut clients = Vec::new();
    let refused = loop {
        let id = format!("client-{}", clients.len());
        let (client, welcome) = Raw::connect(broker.local_addr(), 5, Hello::named(&id)).await;
        if welcome[1] != 0 {
            break welcome[1];
        }
        clients.push(client);
        assert!(clients.len() <= super::PLACES, "there is no end of places");
    };
    assert_eq!(refused, 0x97, "quota exceeded");
    assert_eq!(clients[0].subscribe("events/#").await, 1);

    let mut urgent = session(&broker, Lane::Urgent).await;
    urgent.submit(Sequence(1), message("events/1", "true"));
    assert_eq!(next(&mut urgent).await, acknowledged(1));
    assert!(clients[0].until(0x32).await.ends_with(b"true"));

    // A place that is given back is there for the next.
    clients.pop();
    let welcome = async {
        loop {
            let (_client, welcome) =
                Raw::connect(broker.local_addr(), 4, Hello::named("next")).await;
            if welcome[1] == 0 {
                return;
            }
            assert_eq!(welcome[1], 3, "unavailable, in the words of 3.1.1");
        }
    };
    tokio::time::timeout(Duration::from_secs(20), welcome)
        .await
        .expect("a place for the next");
}
