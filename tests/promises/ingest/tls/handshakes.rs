//! TLS 1.2 and 1.3 and nothing older; who speaks none is told so, and who begins one without end goes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use serde_json::json;
use tokio::net::TcpSocket;

use super::{both, encrypted, events, refusals};
use crate::parts::PATIENCE;
use crate::parts::certificates::Certificates;
use crate::parts::gateway::{event, exchange};
use crate::parts::site::{base64, jpeg, wait_until};
use crate::parts::tls::{TlsClient, post_on, rest};

#[test]
fn boxes_send_over_tls_1_2_and_1_3_beside_those_that_send_in_the_clear() {
    let certificates = Certificates::make();
    let (gateway, tls) = encrypted(both(&certificates.server()), &[]);

    for (number, version) in [&rustls::version::TLS12, &rustls::version::TLS13]
        .into_iter()
        .enumerate()
    {
        let client = TlsClient::with(&certificates.authority(), None, &[version]);
        let mut stream = client.connect(tls).unwrap();
        // Two on one connection, the second with a picture of many records.
        for (which, bytes) in [(0, 1_000), (1, 600_000)] {
            let mut body = event(&format!("{number}-{which}"), json!(1), "gate");
            body["ext_data"]["spot_pic"] = base64(&jpeg(1, bytes));
            let answer = post_on(&mut stream, "/RealTimeEvent", &body).unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
    gateway.take("/RealTimeEvent", &event("plain", json!(1), "gate"));

    let events = events(&gateway);
    assert_eq!(events.len(), 5);
    for event in events {
        assert_eq!(event["origin"]["authenticated"], "none");
        assert_eq!(event["origin"]["peer"], "127.0.0.1");
    }
}

/// As `openssl s_client` sees it: what was agreed on, or that nothing was.
fn openssl(address: SocketAddr, arguments: &[&str]) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", &address.to_string()])
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

#[test]
fn a_probe_finds_no_old_version_no_weak_cipher_and_no_renegotiation() {
    let certificates = Certificates::make();
    let (_gateway, tls) = encrypted(both(&certificates.server()), &[]);
    // Debian's own settings would not even offer these.
    let weak = "DEFAULT:@SECLEVEL=0";

    for version in ["-tls1", "-tls1_1"] {
        let said = openssl(tls, &[version, "-cipher", weak]);
        assert!(said.contains("Cipher is (NONE)"), "{version}: {said}");
    }
    for ciphers in [
        "AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA",
        "kRSA:@SECLEVEL=0",
        "NULL:@SECLEVEL=0",
    ] {
        let said = openssl(tls, &["-tls1_2", "-cipher", ciphers]);
        assert!(said.contains("handshake failure"), "{ciphers}: {said}");
    }
    let said = openssl(tls, &["-tls1_2"]);
    assert!(
        said.contains("Secure Renegotiation IS supported") && said.contains("Compression: NONE"),
        "{said}"
    );
    let said = openssl(tls, &["-tls1_3"]);
    assert!(said.contains("TLSv1.3, Cipher is TLS_"), "{said}");
}

#[test]
fn plain_http_on_the_tls_port_is_answered_in_plain_words() {
    let certificates = Certificates::make();
    let (gateway, tls) = encrypted(both(&certificates.server()), &[]);
    let mut body = event("1", json!(1), "gate");
    body["ext_data"]["spot_pic"] = base64(&jpeg(1, 200_000));
    let body = body.to_string();
    let request = format!(
        "POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );

    let stream = TcpStream::connect(tls).unwrap();
    let answer = exchange(stream, request.as_bytes()).expect("an answer");
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (400, &json!("tls_wanted"))
    );
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
    let message = answer.body["message"].as_str().unwrap();
    assert!(message.contains("https://"), "{message}");

    assert_eq!(refusals(&gateway, "tls_wanted"), 1.0);
    assert!(events(&gateway).is_empty());
    let stream = TcpStream::connect(tls).unwrap();
    let answer = exchange(stream, b"GET /RealTimeEvent HTTP/1.1\r\nHost: box\r\n\r\n").unwrap();
    assert_eq!(
        answer.status, 400,
        "a technician with a browser is told, too"
    );
}

/// The first bytes of a ClientHello that never ends.
const BEGUN: &[u8] = &[22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3];

/// A box at an address of its own.
async fn from(address: Ipv4Addr, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((address, 0).into()).unwrap();
    let stream = socket.connect(to).await.unwrap().into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_without_end_has_the_deadline_of_a_head_and_keeps_nobody_out() {
    let certificates = Certificates::make();
    let settings = [
        ("INGEST__CONNECTIONS_MAX", "16"),
        ("INGEST__HEADER_TIMEOUT", "2s"),
        ("INGEST__IDLE_TIMEOUT", "1h"),
    ];
    let (gateway, tls) = encrypted(both(&certificates.server()), &settings);
    let client = TlsClient::trusting(&certificates.authority());

    // All places that one source can have.
    let mut slow = Vec::new();
    for _ in 0..14 {
        let mut stream = from(Ipv4Addr::LOCALHOST, tls).await;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(BEGUN).unwrap();
        slow.push(stream);
    }
    let other = from(Ipv4Addr::new(127, 0, 0, 19), tls).await;
    let mut other = client.over(other).unwrap();
    let answer = post_on(&mut other, "/RealTimeEvent", &event("1", json!(1), "gate"));
    assert_eq!(answer.unwrap().status, 200);
    drop(other);

    for stream in &mut slow {
        let mut buffer = [0; 64];
        assert!(matches!(stream.read(&mut buffer), Ok(0) | Err(_)));
    }
    wait_until("all places are free", || {
        gateway.sum("boxbridge_ingest_connections", &[]) == 0.0
    });
    assert_eq!(refusals(&gateway, "tls_failed"), 0.0, "slow is not wrong");
}

#[test]
fn a_connection_that_says_nothing_after_its_handshake_gives_way_and_one_that_speaks_late_is_heard()
{
    let certificates = Certificates::make();
    let settings = [("INGEST__HEADER_TIMEOUT", "500ms")];
    let (_gateway, tls) = encrypted(both(&certificates.server()), &settings);
    let client = TlsClient::trusting(&certificates.authority());
    let mut stream = client.connect(tls).unwrap();

    // The stimulus: silence for longer than a head may take.
    std::thread::sleep(std::time::Duration::from_millis(1_200));
    let answer = post_on(&mut stream, "/RealTimeEvent", &event("1", json!(1), "gate"));
    assert_eq!(answer.unwrap().status, 200);

    // A head that does not end has its deadline here, too.
    stream
        .write_all(b"POST /RealTimeEvent HTTP/1.1\r\nHos")
        .unwrap();
    assert_eq!(rest(&mut stream), b"");
}

#[test]
fn a_box_that_hangs_up_after_its_last_byte_has_been_heard() {
    let certificates = Certificates::make();
    let (gateway, tls) = encrypted(both(&certificates.server()), &[]);
    let client = TlsClient::trusting(&certificates.authority());

    // With TLS's goodbye, and without it.
    for goodbye in [true, false] {
        let mut stream = client.connect(tls).unwrap();
        let mut body = event(&format!("{goodbye}"), json!(1), "gate");
        body["ext_data"]["spot_pic"] = base64(&jpeg(1, 200_000));
        let body = body.to_string();
        write!(
            stream,
            "POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        if goodbye {
            stream.conn.send_close_notify();
        }
        stream.flush().unwrap();
        drop(stream);
    }
    wait_until("both events are there", || events(&gateway).len() == 2);
}

#[test]
fn a_client_that_does_not_trust_the_certificate_is_counted_and_said_once() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let (gateway, tls) = encrypted(both(&certificates.server()), &[]);
    let client = TlsClient::trusting(&others.authority());
    for _ in 0..3 {
        assert!(client.connect(tls).is_err());
    }

    wait_until("all three are counted", || {
        refusals(&gateway, "tls_failed") == 3.0
    });
    let log = gateway.log();
    let said = log.lines().filter(|line| line.contains("tls_failed"));
    assert_eq!(said.count(), 1, "{log}");
    // Who only looks whether the port is open has lost nothing.
    drop(TcpStream::connect(tls).unwrap());
    let answer = TlsClient::trusting(&certificates.authority()).post(
        tls,
        "/RealTimeEvent",
        &event("1", json!(1), "gate"),
    );
    assert_eq!(answer.unwrap().status, 200);
    assert_eq!(refusals(&gateway, "tls_failed"), 3.0);
}
