//! What brokers and stores show is verified: one that has expired, is another host's, or of an authority that nobody named is refused, and said
//! once, with the setting to look at.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::parts::certificates::{Certificates, Wanted};
use crate::parts::child::{Child, PATIENCE, free_port, listens};
use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::{Listener, Mosquitto, Settings};
use crate::parts::s3;
use crate::parts::site::wait_until;

/// A mosquitto, a versitygw, and for Kafka openssl's own server (no handshake gets as far as Kafka), all with the same certificate.
struct Servers {
    mosquitto: Mosquitto,
    store: s3::Server,
    kafka: SocketAddr,
    _kafka: Child,
}

impl Servers {
    fn showing(certificates: &Certificates, folder: &std::path::Path) -> Servers {
        let mosquitto = Mosquitto::with(&Settings {
            listeners: &[Listener::Tls],
            certificates: Some(certificates),
            ..Settings::default()
        });
        let (certificate, key) = certificates.server();
        let port = free_port();
        let mut command = Command::new("openssl");
        command.args([
            "s_server",
            "-quiet",
            "-accept",
            &format!("127.0.0.1:{port}"),
        ]);
        command.arg("-cert").arg(certificate).arg("-key").arg(key);
        // It reads its input, which is no terminal here.
        command.arg("-www");
        let mut kafka = Child::start(&command, &folder.join("kafka"));
        kafka.wait_until("s_server", PATIENCE, || listens(port));

        Servers {
            mosquitto,
            store: s3::Server::start_showing(certificates),
            kafka: SocketAddr::from(([127, 0, 0, 1], port)),
            _kafka: kafka,
        }
    }

    fn gateway(&self, authority: &std::path::Path) -> Gateway {
        let authority = authority.to_str().unwrap();
        Gateway::start(&[
            (
                "SEND__MQTT__URL",
                &format!("mqtts://{}", self.mosquitto.address()),
            ),
            ("SEND__MQTT__CA_FILE", authority),
            ("SEND__KAFKA__BROKERS", &self.kafka.to_string()),
            ("SEND__KAFKA__SECURITY", "ssl"),
            ("SEND__KAFKA__CA_FILE", authority),
            ("SEND__STORE__URL", &format!("s3://{}/lobby", s3::BUCKET)),
            ("SEND__STORE__ENDPOINT", &self.store.endpoint()),
            ("SEND__STORE__CA_FILE", authority),
            ("SEND__STORE__ACCESS_KEY_ID", s3::KEY_ID),
            ("SEND__STORE__SECRET_ACCESS_KEY", s3::SECRET),
            ("SEND__RETRY_MAX", "1s"),
        ])
    }
}

const DESTINATIONS: [&str; 3] = ["mqtt", "kafka", "store"];

/// Why a destination is down.
fn reason(gateway: &Gateway, destination: &str) -> String {
    let ready = gateway.ready();
    let mut reasons = ready["reasons"].as_array().unwrap().iter();
    let begins = format!("{destination} is down: ");
    let found = reasons.find_map(|reason| reason.as_str()?.strip_prefix(&begins));
    found.unwrap_or_default().to_owned()
}

/// Each is down for this reason, and its log does not grow with each attempt.
fn is_refused(certificates: &Certificates, authority: &std::path::Path, why: &str) {
    let folder = tempfile::tempdir().unwrap();
    let servers = Servers::showing(certificates, folder.path());
    let gateway = servers.gateway(authority);
    let mut body = event("1", json!(1), "gate");
    body["ext_data"]["spot_pic"] = crate::parts::site::base64(&crate::parts::site::jpeg(1, 3_000));
    gateway.take("/RealTimeEvent", &body);

    for destination in DESTINATIONS {
        let section = format!("send.{destination}");
        // librdkafka does not pass on which of the three it is.
        let why = if destination == "kafka" {
            "has expired"
        } else {
            why
        };
        wait_until("it is said why", || {
            let reason = reason(&gateway, destination);
            reason.contains(&section) && reason.contains(why)
        });
    }
    // The stimulus: some more attempts.
    std::thread::sleep(Duration::from_secs(4));
    let log = gateway.log();
    for destination in DESTINATIONS {
        let named = format!("\"destination.name\":\"{destination}\"");
        let lines = log
            .lines()
            .filter(|line| line.contains(&named) && line.contains("\"WARN\""));
        let lines: Vec<_> = lines.collect();
        assert!(
            (1..=2).contains(&lines.len()),
            "one for each lane: {lines:#?}"
        );
    }
    assert_eq!(gateway.ledger("mqtt").delivered, 0);
}

fn server(certificates: &Certificates, usage: &str, holds: Option<Duration>) {
    certificates.sign(&Wanted {
        name: "server",
        subject: "/CN=server",
        usage,
        holds,
    });
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

#[test]
fn an_expired_certificate_is_refused_and_said_to_be_expired() {
    let certificates = Certificates::make();
    server(&certificates, "server", None);
    is_refused(
        &certificates,
        &certificates.authority(),
        "has expired, or a clock is wrong",
    );
}

#[test]
fn the_certificate_of_another_host_is_refused_and_said_to_be_anothers() {
    let certificates = Certificates::make();
    server(&certificates, "elsewhere", Some(DAY));
    is_refused(
        &certificates,
        &certificates.authority(),
        "is for another name than",
    );
}

#[test]
fn a_certificate_of_an_authority_that_nobody_named_is_refused_and_the_file_is_named() {
    let (certificates, named) = (Certificates::make(), Certificates::make());
    is_refused(
        &certificates,
        &named.authority(),
        "ca_file does not hold the authority",
    );
}
