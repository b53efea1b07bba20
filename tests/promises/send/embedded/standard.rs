//! What MQTT 3.1.1 and 5 promise a subscriber, packet by packet.

use std::time::{Duration, Instant};

use boxbridge::send::Session as _;
use boxbridge_event::{Lane, Sequence};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::raw::{Hello, Raw, silent};
use super::{session, start};
use crate::send::mqtt::{acknowledged, message, next};

const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
const CLIENT_ID_INVALID: u8 = 0x85;
const KEEP_ALIVE_TIMEOUT: u8 = 0x8d;
const TOO_LARGE: u8 = 0x95;

#[tokio::test]
async fn a_client_id_that_cannot_be_is_refused_by_its_name_and_an_empty_one_is_assigned_where_it_may_be()
 {
    let broker = start();
    let empty = Hello::keeping("");
    let (mut client, refused) = Raw::connect(broker.local_addr(), 4, empty).await;
    assert_eq!(refused, [0, 2], "identifier rejected (MQTT-3.1.3-8)");
    client.closed().await;

    let (_client, welcome) = Raw::connect(broker.local_addr(), 4, Hello::named("")).await;
    assert_eq!(welcome, [0, 0]);
    for hello in [empty, Hello::named("")] {
        let (_client, welcome) = Raw::connect(broker.local_addr(), 5, hello).await;
        assert_eq!(welcome[..2], [0, 0]);
        assert!(
            welcome.contains(&0x12),
            "it is told its client id: {welcome:?}"
        );
    }

    let long = "x".repeat(1_000);
    for (version, reason) in [(4, 2), (5, CLIENT_ID_INVALID)] {
        let (_client, refused) =
            Raw::connect(broker.local_addr(), version, Hello::named(&long)).await;
        assert_eq!(refused[1], reason);
    }
}

#[tokio::test]
async fn a_version_that_is_not_spoken_is_refused_by_its_name() {
    let broker = start();
    // The level of a bridge, and one that is to come.
    for connect in [
        &b"\x10\x0d\0\x04MQTT\x84\x02\0\0\0\x01c"[..],
        b"\x10\x0d\0\x04MQTT\x06\x02\0\0\0\x01c",
    ] {
        let mut client = Raw {
            stream: silent(1, broker.local_addr()).await,
            version: 4,
        };
        client.stream.write_all(connect).await.unwrap();
        assert_eq!(
            client.receive().await,
            (0x20, vec![0, 1]),
            "unacceptable protocol version (MQTT-3.1.2-2)"
        );
        client.closed().await;
    }

    let mut client = Raw {
        stream: silent(1, broker.local_addr()).await,
        version: 4,
    };
    client
        .stream
        .write_all(b"\x10\x0f\0\x06MQIsdp\x03\x02\0\0\0\x01c")
        .await
        .unwrap();
    assert_eq!(
        client.receive().await,
        (0x20, vec![0, 0]),
        "MQTT 3.1 is spoken"
    );
}

#[tokio::test]
async fn what_is_no_connect_first_and_what_is_one_later_ends_the_connection() {
    let broker = start();
    for first in [
        &b"\xc0\0"[..],
        b"\x82\x06\0\x01\0\x01#\0",
        b"\x30\x05\0\x01axx",
        b"\xe0\0",
        b"\0\0",
        b"GET / HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = silent(1, broker.local_addr()).await;
        stream.write_all(first).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end, too.
        drop(
            tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer))
                .await
                .expect("it is closed"),
        );
        assert!(answer.is_empty(), "to {first:?}: {answer:?}");
    }

    // A second CONNECT, an AUTH, a packet that only a broker sends; garbage; a packet larger than any client needs.
    let large = [&[0x82, 0xff, 0xff, 0x7f][..], &[0; 64]].concat();
    for (packet, reason) in [
        (
            &b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01c"[..],
            PROTOCOL_ERROR,
        ),
        (b"\xf0\0", PROTOCOL_ERROR),
        (b"\xd0\0", PROTOCOL_ERROR),
        (b"\x80\0", MALFORMED),
        (b"\x82\x03\0\0\0", MALFORMED),
        (&large, TOO_LARGE),
    ] {
        let (mut client, _) = Raw::connect(broker.local_addr(), 5, Hello::named("client")).await;
        client.stream.write_all(packet).await.unwrap();
        assert_eq!(client.until(0xe0).await[0], reason, "{:?}", &packet[..2]);
        client.closed().await;
        let (mut client, _) = Raw::connect(broker.local_addr(), 4, Hello::named("client")).await;
        client.stream.write_all(packet).await.unwrap();
        client.closed().await;
    }
}

#[tokio::test]
async fn a_session_that_was_to_end_with_its_connection_is_nobodys_when_it_is_taken_over() {
    let broker = start();
    for version in [4, 5] {
        let id = format!("screen-{version}");
        let (mut first, _) = Raw::connect(broker.local_addr(), version, Hello::named(&id)).await;
        assert_eq!(first.subscribe("events/#").await, 1);
        let (_second, welcome) =
            Raw::connect(broker.local_addr(), version, Hello::keeping(&id)).await;
        assert_eq!(
            welcome[0], 0,
            "a clean session is not taken up (MQTT-3.1.2-6)"
        );
        first.closed().await;
    }
}

#[tokio::test]
async fn who_is_silent_for_longer_than_it_promised_is_let_go_and_who_pings_is_not() {
    let broker = start();
    let hello = Hello {
        keep_alive_seconds: 1,
        ..Hello::named("silent")
    };
    let (silent, _) = Raw::connect(broker.local_addr(), 5, hello).await;
    let (mut half, _) = Raw::connect(
        broker.local_addr(),
        5,
        Hello {
            id: "half",
            ..hello
        },
    )
    .await;
    half.stream.write_all(b"\x82\x20\0").await.unwrap();

    let (mut pinging, _) = Raw::connect(
        broker.local_addr(),
        5,
        Hello {
            id: "pinging",
            ..hello
        },
    )
    .await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        pinging.send(0xc0, &[]).await;
        assert_eq!(pinging.receive().await.0, 0xd0);
        // The stimulus: a client that pings.
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    for mut client in [silent, half] {
        assert_eq!(client.until(0xe0).await[0], KEEP_ALIVE_TIMEOUT);
        client.closed().await;
    }
}

#[tokio::test]
async fn receive_maximum_packet_size_and_subscription_identifiers_are_kept_to() {
    let broker = start();
    // Receive Maximum 2, Maximum Packet Size 200, a Topic Alias Maximum that nobody needs.
    let properties = [0x21, 0, 2, 0x27, 0, 0, 0, 200, 0x22, 0, 9];
    let (mut client, _) = Raw::connect(
        broker.local_addr(),
        5,
        Hello {
            properties: &properties,
            ..Hello::named("client")
        },
    )
    .await;
    // Twice the same topic, with two identifiers; QoS 2, no local, retain as published.
    client
        .send(0x82, b"\0\x05\x02\x0b\x07\0\x08events/#\x0e")
        .await;
    assert_eq!(client.until(0x90).await, [0, 5, 0, 2]);
    client
        .send(0x82, b"\0\x06\x02\x0b\x09\0\x08events/+\x01")
        .await;
    assert_eq!(client.until(0x90).await, [0, 6, 0, 1]);

    let mut urgent = session(&broker, Lane::Urgent).await;
    let texts = [
        "1".to_owned(),
        "x".repeat(500),
        "2".to_owned(),
        "3".to_owned(),
    ];
    for (number, text) in (1..).zip(texts) {
        urgent.submit(Sequence(number), message("events/1", text));
        assert_eq!(next(&mut urgent).await, acknowledged(number));
    }

    let mut ids = Vec::new();
    for expected in [b"1", b"2"] {
        let body = client.until(0x32).await;
        assert!(body.ends_with(expected), "{body:?}");
        assert_eq!(body[..10], *b"\0\x08events/1");
        ids.push([body[10], body[11]]);
        let properties = &body[12..];
        assert!(
            [7, 9]
                .into_iter()
                .all(|id| properties.windows(2).any(|pair| pair == [0x0b, id])),
            "{body:?}"
        );
    }

    // Between two answers it looks for the next message.
    for _ in 0..2 {
        client.send(0xc0, &[]).await;
        assert_eq!(
            client.receive().await.0,
            0xd0,
            "the third waits for an acknowledgement"
        );
    }
    client.send(0x40, &ids[0]).await;
    assert!(client.until(0x32).await.ends_with(b"3"));
    assert_eq!(broker.dropped(), 1, "the large one");
}

#[tokio::test]
async fn retained_messages_come_as_a_subscription_asks() {
    let broker = start();
    let mut urgent = session(&broker, Lane::Urgent).await;
    urgent.submit(Sequence(1), message("events/1", "{}"));
    next(&mut urgent).await;

    let (mut client, _) = Raw::connect(broker.local_addr(), 5, Hello::named("client")).await;
    // Always, if it is new, never: the first two subscriptions of each filter.
    let mut number = 1;
    for (options, comes) in [
        (0x01, [true, true]),
        (0x11, [true, false]),
        (0x21, [false, false]),
    ] {
        for comes in comes {
            let body = [&b"\0\x05\0\0\x0bboxbridge/#"[..], &[options]].concat();
            client.send(0x82, &body).await;
            let mut came = false;
            loop {
                match client.receive().await {
                    (0x33, body) => came = body.windows(6).any(|word| word == b"online"),
                    (0x90, reasons) => {
                        assert_eq!(reasons, [0, 5, 0, 1]);
                        // What is published now comes behind what is retained.
                        number += 1;
                        urgent.submit(Sequence(number), message("boxbridge/next", "{}"));
                        assert_eq!(next(&mut urgent).await, acknowledged(number));
                    }
                    (0x32, _) => break,
                    (other, _) => panic!("{other:#x}"),
                }
            }
            assert_eq!(came, comes, "{options:#x}");
        }
        client.send(0xa2, b"\0\x09\0\0\x0bboxbridge/#").await;
        assert_eq!(client.until(0xb0).await, [0, 9, 0, 0]);
    }
}

#[tokio::test]
async fn retained_messages_that_a_subscriber_has_no_room_for_are_counted() {
    /// One subscriber may have 1,000 waiting.
    const RETAINED: usize = 1_005;
    let broker = start();
    let (user, password) = broker.login();
    let hello = Hello {
        login: Some((&user, password.expose())),
        ..Hello::named("devices-normal")
    };
    let (mut gateway, _) = Raw::connect(broker.local_addr(), 5, hello).await;
    for number in 0..RETAINED {
        let topic = format!("devices/{number}");
        gateway.publish(&topic, b"online", 1, true).await;
        gateway.until(0x40).await;
    }

    let (mut screen, _) = Raw::connect(broker.local_addr(), 5, Hello::named("screen")).await;
    assert_eq!(screen.subscribe("devices/#").await, 1);
    assert_eq!(broker.dropped(), 5);
}
