//! What clients can cost: memory and descriptors of the whole process.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::raw::{Hello, Raw};
use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::{base64, jpeg, wait_until};
use crate::parts::subscriber::Subscriber;

/// design: whatever a broker client does.
const MEMORY_KIB: u64 = 256 << 10;

fn start(settings: &[(&str, &str)]) -> (Gateway, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = address.to_string();
    let all: Vec<_> = settings
        .iter()
        .copied()
        .chain([("SEND__MQTT__EMBEDDED__LISTEN", listen.as_str())])
        .collect();
    (Gateway::start(&all), address)
}

fn dropped(gateway: &Gateway) -> f64 {
    gateway
        .metrics()
        .get("boxbridge_send_embedded_dropped_total")
        .copied()
        .unwrap_or_default()
}

fn assert_small(gateway: &Gateway) {
    let peak = gateway.peak_memory_kib();
    assert!(peak <= MEMORY_KIB, "{} MiB", peak >> 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_stops_reading_costs_a_bounded_memory_whatever_the_pictures() {
    let (gateway, address) = start(&[("ROUTE__DEFAULT__PICTURES", "inline")]);
    let (mut stopped, _) = Raw::connect(address, 5, Hello::keeping("stopped")).await;
    assert_eq!(stopped.subscribe("#").await, 1);

    let mut body = event("1", json!(1), "gate");
    body["ext_data"]["spot_pic"] = base64(&jpeg(1, 1_500_000));
    for number in 0..200 {
        body["identity_id"] = json!(number.to_string());
        body["timestamp"] = json!(1_566_016_554_020_u64 + number);
        gateway.take("/RealTimeEvent", &body);
    }
    gateway.wait_delivered();

    // 400 MB of messages would wait for it.
    assert_small(&gateway);
    wait_until("what it missed is counted", || dropped(&gateway) > 0.0);
    assert!(
        gateway
            .log()
            .contains("it held most of what the broker may hold")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_sessions_cost_a_bounded_memory_and_the_one_that_comes_back_finds_its_own() {
    let (gateway, address) = start(&[]);
    for number in 0..1_500 {
        let id = format!("screen-{number}");
        let (mut screen, _) = Raw::connect(address, 5, Hello::keeping(&id)).await;
        assert_eq!(screen.subscribe("boxbridge/+/events/#").await, 1);
    }
    for number in 0..1_200 {
        gateway.take(
            "/RealTimeEvent",
            &event(&number.to_string(), json!(1), "gate"),
        );
    }
    gateway.wait_delivered();
    assert_small(&gateway);

    let hello = Hello::keeping("screen-1499");
    let (mut screen, welcome) = Raw::connect(address, 5, hello).await;
    assert_eq!(welcome[0], 1, "its session is there");
    screen.until(0x32).await;

    let (_, welcome) = Raw::connect(address, 5, Hello::keeping("screen-1")).await;
    assert_eq!(welcome[0], 0, "one of 1,500 that left long before is not");
    wait_until("what they missed is counted", || dropped(&gateway) > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn retained_messages_of_a_client_cost_nothing() {
    let (gateway, address) = start(&[]);
    let payload = vec![b'x'; 1 << 20];
    let (mut client, _) = Raw::connect(address, 5, Hello::named("client")).await;
    for number in 0..400 {
        client
            .publish(
                &format!("boxbridge/default/events/vip/{number}"),
                &payload,
                1,
                true,
            )
            .await;
        assert_eq!(client.until(0x40).await, [0, 7, 0x87]);
    }
    assert_small(&gateway);
    assert_eq!(client.subscribe("boxbridge/+/events/#").await, 1);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));

    let (first, body) = client.receive().await;
    assert!(
        first == 0x32 && body.windows(13).any(|part| part == b"employee/gate"),
        "the gateway's, and nothing before: {first:#x}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_may_not_connect_or_is_closed_is_in_the_log_with_its_address_and_the_reason()
{
    let (gateway, address) = start(&[]);
    let long = "x".repeat(1_000);
    let (_client, welcome) = Raw::connect(address, 5, Hello::named(&long)).await;
    assert_eq!(welcome[1], 0x85);
    wait_until("it is said", || {
        let log = gateway.log();
        log.contains("a client may not connect to the embedded broker")
            && log.contains("its client id is missing or too long")
            && log.contains("\"client.address\":\"127.0.0.1\"")
    });

    let (mut client, _) = Raw::connect(address, 5, Hello::named("client")).await;
    client.send(0x82, b"\0").await;
    wait_until("that one is closed is said", || {
        let log = gateway.log();
        log.contains("the embedded broker closed the connection of a client")
            && log.contains("it sent a packet that is not understood")
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_connections_take_neither_the_logs_descriptors_nor_a_subscribers_place() {
    let (gateway, address) = start(&[]);
    let limited = Command::new("prlimit")
        .args(["--pid", &gateway.id().to_string(), "--nofile=1024:1024"])
        .status()
        .unwrap();
    assert!(limited.success());

    let mut silent = Vec::new();
    for _ in 0..1_000 {
        silent.push(Raw {
            stream: tokio::net::TcpStream::connect(address).await.unwrap(),
            version: 5,
        });
    }

    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", gateway.id()))
            .unwrap()
            .count()
    };
    wait_until("most of them are let go", || open() < 500);

    // With all of them, and others that keep coming: a subscriber finds its place, events are taken, the log rolls.
    let flood = tokio::spawn(async move {
        loop {
            drop(tokio::net::TcpStream::connect(address).await);
            // The stimulus: others keep coming, at this pace.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let mut subscriber = Subscriber::start(address, "boxbridge/+/events/#").await;
    let mut body = event("1", json!(1), "gate");
    body["ext_data"]["spot_pic"] = base64(&jpeg(1, 3_000_000));

    for number in 0..30 {
        body["identity_id"] = json!(number.to_string());
        body["timestamp"] = json!(1_566_016_554_020_u64 + number);
        gateway.take("/RealTimeEvent", &body);
    }
    subscriber.receive(30).await;
    flood.abort();

    // A client that says nothing in time is told nothing, and closed.
    for connection in &mut silent {
        connection.closed().await;
    }
}
