//! The broker in the process over TLS: its subscribers verify it, and nobody reads along on the network.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Command, Output};

use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpSocket;

use crate::parts::PATIENCE;
use crate::parts::certificates::Certificates;
use crate::parts::child::{Child, free_port};
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;

/// What a subscriber of `mosquitto_sub` waits for, in seconds.
const WAITS: &str = "90";

struct Encrypted {
    certificates: Certificates,
    gateway: Gateway,
    mqtt: SocketAddr,
    websocket: SocketAddr,
}

impl Encrypted {
    fn start() -> Encrypted {
        let certificates = Certificates::make();
        let [mqtt, websocket] =
            std::array::from_fn(|_| SocketAddr::from(([127, 0, 0, 1], free_port())));
        let (certificate, key) = certificates.server();
        let gateway = Gateway::start(&[
            ("SEND__MQTT__EMBEDDED__LISTEN", &mqtt.to_string()),
            ("SEND__MQTT__EMBEDDED__WEBSOCKET", &websocket.to_string()),
            (
                "SEND__MQTT__EMBEDDED__TLS_CERT_FILE",
                certificate.to_str().unwrap(),
            ),
            ("SEND__MQTT__EMBEDDED__TLS_KEY_FILE", key.to_str().unwrap()),
        ]);
        Encrypted {
            certificates,
            gateway,
            mqtt,
            websocket,
        }
    }

    fn subscribe(&self, more: &[&str]) -> Command {
        let authority = self.certificates.authority();
        let mut command = Command::new("mosquitto_sub");
        command
            .args([
                "-V",
                "5",
                "-t",
                "boxbridge/+/events/#",
                "-C",
                "1",
                "-W",
                WAITS,
            ])
            .arg("--cafile")
            .arg(authority)
            .args(more);
        command
    }

    fn is_heard(&self) -> bool {
        let heard = [("destination", "mqtt"), ("outcome", "delivered")];
        self.gateway.sum("boxbridge_send_records_total", &heard) > 0.0
    }
}

#[test]
fn a_subscriber_that_verifies_the_broker_gets_events_and_the_gateway_needs_no_setting_for_it() {
    let site = Encrypted::start();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("heard");
    let port = site.mqtt.port().to_string();
    let command = site.subscribe(&["-h", "127.0.0.1", "-p", &port]);
    let mut subscriber = Child::start(&command, &log);

    // Until it has subscribed events go to nobody.
    let mut number = 0;
    wait_until("the subscriber hears one", || {
        number += 1;
        let body = event(&number.to_string(), json!(1), "gate");
        site.gateway.take("/RealTimeEvent", &body);
        std::fs::read_to_string(&log).is_ok_and(|heard| heard.contains("boxbridge.match.v1"))
    });
    assert_eq!(subscriber.wait(), Some(0));
    assert!(site.is_heard());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_verify_it_or_speaks_no_tls_hears_nothing() {
    let site = Encrypted::start();
    let others = Certificates::make();
    let output = |command: &mut Command| -> Output { command.output().unwrap() };

    let port = site.mqtt.port().to_string();
    let untrusted = output(
        Command::new("mosquitto_sub")
            .args([
                "-t",
                "#",
                "-C",
                "1",
                "-W",
                "10",
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "--cafile",
            ])
            .arg(others.authority()),
    );
    assert!(!untrusted.status.success());

    // From another address than that of the broker, as from the network.
    for address in [site.mqtt, site.websocket] {
        let socket = TcpSocket::new_v4().unwrap();
        socket
            .bind((Ipv4Addr::new(127, 0, 0, 7), 0).into())
            .unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let connect = b"\x10\x10\0\x04MQTT\x04\x02\0\x3c\0\x04spy1";
        tokio::io::AsyncWriteExt::write_all(&mut stream, connect)
            .await
            .unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer));
        assert!(read.await.is_ok() && answer.is_empty(), "{answer:?}");
    }
}
