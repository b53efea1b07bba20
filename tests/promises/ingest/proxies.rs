//! Behind a proxy the box's own address counts, for limits, allow-lists and events; and nobody else's word on it is believed.
//!
//! All of 127.0.0.0/8 is this machine, so boxes, proxies and liars have addresses of their own here.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::parts::gateway::{Answer, Gateway, event, exchange};
use crate::parts::haproxy::{Haproxy, Says};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::site::{files, wait_until};
use crate::parts::subscriber::Subscriber;

const BOX: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 19);
const OTHER_BOX: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 20);
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const LIAR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 66);
/// What a liar says to be.
const LIE: &str = "X-Forwarded-For: 127.0.0.20\r\nForwarded: for=127.0.0.20\r\n";

fn gateway(settings: &[(&str, &str)]) -> Gateway {
    let own = [
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__TRUSTED_PROXIES", "127.0.0.3"),
    ];
    Gateway::start(&[&own[..], settings].concat())
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let stream = socket.connect(to).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

fn request(head: &str, body: &str) -> Vec<u8> {
    format!("POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

/// An event without a device of its own, so that the peer's address names it.
fn nameless(identity: &str) -> Value {
    let mut event = event(identity, json!(1), "");
    event["ext_data"]
        .as_object_mut()
        .unwrap()
        .remove("device_ip");
    event
}

async fn post(from: Ipv4Addr, to: SocketAddr, head: &str, body: &str) -> Answer {
    exchange(connect(from, to).await, &request(head, body))
        .unwrap_or_else(|| panic!("no answer to {from}, {head:?}"))
}

/// The address that counts as the sender's, by the name of a refused body in quarantine.
async fn address_of(gateway: &Gateway, from: Ipv4Addr, to: SocketAddr, head: &str) -> String {
    let folder = gateway.data_dir().join("quarantine");
    let before = files(&folder);
    assert_eq!(post(from, to, head, "{nonsense").await.status, 400);
    let name = files(&folder)
        .into_keys()
        .find(|name| !before.contains_key(name))
        .expect("a body in quarantine");
    name.splitn(4, '-').last().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_lies_about_its_address_is_never_believed() {
    for (says, forwarded_by) in [
        (Says::XForwardedFor, "x-forwarded-for"),
        (Says::Forwarded, "forwarded"),
        (Says::ProxyV1, "proxy-protocol"),
        (Says::ProxyV2, "proxy-protocol"),
        (Says::ProxyV2WithTlvs, "proxy-protocol"),
    ] {
        let gateway = gateway(&[("INGEST__FORWARDED_BY", forwarded_by)]);
        let haproxy = Haproxy::start(gateway.ingest, PROXY, says);
        for lie in [
            "",
            LIE,
            "Forwarded: for=\"127.0.0.20\r\n",
            "X-Forwarded-For: 127.0.0.20, 127.0.0.3\r\n",
        ] {
            assert_eq!(
                address_of(&gateway, LIAR, haproxy.address, lie).await,
                LIAR.to_string(),
                "{says:?} {lie:?}"
            );
            assert_eq!(
                address_of(&gateway, LIAR, gateway.ingest, lie).await,
                LIAR.to_string(),
                "directly, {lie:?}"
            );
        }
        assert_eq!(
            address_of(&gateway, BOX, haproxy.address, "").await,
            BOX.to_string(),
            "{says:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_nobody_is_believed() {
    let gateway = gateway(&[("INGEST__TRUSTED_PROXIES", "")]);
    let haproxy = Haproxy::start(gateway.ingest, PROXY, Says::XForwardedFor);
    assert_eq!(
        address_of(&gateway, BOX, haproxy.address, LIE).await,
        PROXY.to_string()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_does_not_say_who_is_behind_it_counts_itself_and_is_named_once() {
    let gateway = gateway(&[]);
    let haproxy = Haproxy::start(gateway.ingest, PROXY, Says::Nothing);
    for head in ["", "X-Forwarded-For: unknown\r\n"] {
        assert_eq!(
            address_of(&gateway, BOX, haproxy.address, head).await,
            PROXY.to_string()
        );
    }
    assert_eq!(
        gateway
            .log()
            .matches("a proxy does not say who is behind it")
            .count(),
        1,
        "{}",
        gateway.log()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_carry_the_boxs_own_address() {
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let gateway = gateway(&[
        ("SEND__MQTT__URL", &url),
        ("INGEST__FORWARDED_BY", "proxy-protocol"),
    ]);
    let haproxy = Haproxy::start(gateway.ingest, PROXY, Says::ProxyV2);
    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/+/events/#").await;
    assert_eq!(
        post(BOX, haproxy.address, "", &nameless("1").to_string())
            .await
            .status,
        200
    );
    let message = subscriber.receive_one().await;
    assert_eq!(
        message.topic,
        format!("boxbridge/default/events/employee/{BOX}")
    );
    let payload: Value = serde_json::from_slice(&message.payload).unwrap();
    assert_eq!(
        (&payload["origin"]["peer"], &payload["device"]["id"]),
        (&json!(BOX.to_string()), &json!(BOX.to_string()))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_box_that_floods_through_a_proxy_takes_its_own_share_and_no_others() {
    let gateway = gateway(&[
        ("INGEST__IN_FLIGHT_MAX_BYTES", "1MiB"),
        ("INGEST__BODY_MAX_BYTES", "256KiB"),
        ("INGEST__IN_FLIGHT_WAIT", "50ms"),
    ]);
    let haproxy = Haproxy::start(gateway.ingest, PROXY, Says::XForwardedFor);
    // All of 1 MiB that others have no part in is on its way, and the last bytes do not come.
    let whole = request("", &" ".repeat(256 << 10));
    let mut slow = Vec::new();
    let body = event("1", json!(1), "gate").to_string();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while post(BOX, haproxy.address, "", &body).await.status != 429 {
        assert!(
            std::time::Instant::now() < deadline,
            "its share is never used up: {}",
            gateway.log()
        );
        let mut stream = connect(BOX, haproxy.address).await;
        stream.write_all(&whole[..whole.len() - 1]).unwrap();
        slow.push(stream);
    }
    assert_eq!(
        post(OTHER_BOX, haproxy.address, "", &body).await.status,
        200
    );
    assert_eq!(
        post(
            BOX,
            haproxy.address,
            "X-Forwarded-For: 127.0.0.20\r\n",
            &body
        )
        .await
        .status,
        429,
        "a lie is no way out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_boxes_of_the_allowed_networks_may_post() {
    let gateway = gateway(&[("INGEST__ALLOWED_NETWORKS", "127.0.0.16/28")]);
    let haproxy = Haproxy::start(gateway.ingest, PROXY, Says::XForwardedFor);
    let body = event("1", json!(1), "gate").to_string();
    for to in [haproxy.address, gateway.ingest] {
        assert_eq!(post(BOX, to, "", &body).await.status, 200);
        let refused = post(LIAR, to, LIE, &body).await;
        assert_eq!(
            (refused.status, refused.body["code"].as_str()),
            (403, Some("source_forbidden")),
            "{refused:?}"
        );
    }
    // Before the body: nobody waits for it, and it is not kept.
    let mut announced = connect(LIAR, gateway.ingest).await;
    announced
        .write_all(b"POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\n")
        .unwrap();
    assert_eq!(
        exchange(announced, b"Content-Length: 1000000\r\n\r\n").map(|answer| answer.status),
        Some(403)
    );
    assert_eq!(
        post(LIAR, gateway.ingest, "", "{nonsense").await.status,
        403
    );
    assert!(files(&gateway.data_dir().join("quarantine")).is_empty());
    let metrics = gateway.metrics();
    assert_eq!(
        metrics["boxbridge_ingest_refusals_total{code=\"source_forbidden\"}"],
        4.0
    );
    assert_eq!(
        metrics["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"refused\"}"],
        4.0
    );
    // A load balancer looks from wherever it is.
    let look = b"GET /RealTimeEvent HTTP/1.1\r\nHost: box\r\nConnection: close\r\n\r\n";
    assert_eq!(
        exchange(connect(LIAR, gateway.ingest).await, look).map(|answer| answer.status),
        Some(200)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_proxy_may_begin_with_a_proxy_header_and_it_must() {
    let gateway = gateway(&[
        ("INGEST__FORWARDED_BY", "proxy-protocol"),
        ("INGEST__HEADER_TIMEOUT", "300ms"),
    ]);
    let body = event("1", json!(1), "gate").to_string();
    let header = "PROXY TCP4 127.0.0.20 127.0.0.1 4711 9528\r\n";
    let with_header = [header.as_bytes(), &request("", &body)].concat();
    assert_eq!(
        exchange(connect(PROXY, gateway.ingest).await, &with_header).map(|answer| answer.status),
        Some(200)
    );
    // To anyone else it is a line that is not HTTP.
    assert!(
        exchange(connect(LIAR, gateway.ingest).await, &with_header)
            .is_none_or(|answer| answer.status == 400)
    );
    assert_eq!(
        post(LIAR, gateway.ingest, "", &body).await.status,
        200,
        "without one, as itself"
    );
    assert!(
        exchange(connect(PROXY, gateway.ingest).await, &request("", &body)).is_none(),
        "a proxy without a header is cut off"
    );
    // One that does not end is cut off in the time for a head.
    let started = std::time::Instant::now();
    assert!(
        exchange(
            connect(PROXY, gateway.ingest).await,
            &header.as_bytes()[..20]
        )
        .is_none()
    );
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    wait_until("counted", || {
        gateway.metrics()["boxbridge_ingest_refusals_total{code=\"proxy_header_invalid\"}"] == 1.0
    });
    assert_eq!(
        gateway.metrics()["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"],
        1.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxys_own_health_checks_are_no_requests() {
    let gateway = gateway(&[("INGEST__FORWARDED_BY", "proxy-protocol")]);
    let haproxy = Haproxy::start(gateway.ingest, PROXY, Says::ProxyV2);
    // By TCP and nothing more, as some balancers do.
    drop(connect(PROXY, gateway.ingest).await);
    // LOCAL: the proxy speaks for itself.
    let local = [
        b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".as_slice(),
        b"GET /RealTimeEvent HTTP/1.0\r\n\r\n",
    ]
    .concat();
    assert_eq!(
        exchange(connect(PROXY, gateway.ingest).await, &local).map(|answer| answer.status),
        Some(200)
    );
    wait_until("haproxy itself has looked", || haproxy.has_checked());
    let counted = gateway.sum("boxbridge_ingest_events_total", &[]);
    assert_eq!(counted, 0.0);
    assert!(!gateway.log().contains("closed"), "{}", gateway.log());
}
