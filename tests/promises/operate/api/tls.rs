//! The admin listener over TLS: commands find it by the gateway's own settings, and a browser's session never crosses the network in the clear.

use std::io::{Read, Write};
use std::path::Path;

use serde_json::json;

use super::TOKEN;
use crate::parts::certificates::Certificates;
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;
use crate::parts::tls::{TlsClient, rest};

fn encrypted(certificates: &Certificates, more: &[(&str, &str)]) -> Gateway {
    let (certificate, key) = certificates.server();
    let own = [
        ("ADMIN__TLS_CERT_FILE", certificate.to_str().unwrap()),
        ("ADMIN__TLS_KEY_FILE", key.to_str().unwrap()),
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
    ];
    Gateway::start(&[&own[..], more].concat())
}

/// What is answered over TLS, whole.
fn ask(gateway: &Gateway, certificates: &Certificates, request: &str) -> String {
    let client = TlsClient::trusting(&certificates.authority());
    let mut stream = client.connect(gateway.admin).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    String::from_utf8(rest(&mut stream)).unwrap()
}

#[test]
fn commands_trust_the_certificate_of_the_settings_and_no_other() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let gateway = encrypted(&certificates, &[]);
    gateway.take("/RealTimeEvent", &event("1", json!(1), "gate"));

    for command in [
        &["status"][..],
        &["devices"],
        &[
            "queue",
            "replay",
            "--from",
            "1h ago",
            "--to",
            "now",
            "--dry-run",
        ],
        &["reload"],
    ] {
        let (said, code) = gateway.run(command);
        assert_eq!(code, Some(0), "{command:?}: {said}");
    }

    // A gateway with another certificate, at the same address.
    let elsewhere = format!("admin.tls_cert_file={}", others.server().0.display());
    let key = format!("admin.tls_key_file={}", others.server().1.display());
    let (said, code) = gateway.run(&["status", "--set", &elsewhere, "--set", &key]);
    assert!(
        code != Some(0) && said.contains("no TLS with what answers there"),
        "{said}"
    );
}

#[test]
fn another_gateway_is_reached_by_its_address_and_an_authority() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let gateway = encrypted(&certificates, &[]);
    let url = format!("https://localhost:{}", gateway.admin.port());
    let authority = |path: &Path| path.display().to_string();
    let ours = authority(&certificates.authority());

    let (said, code) = gateway.run(&["status", "--url", &url, "--ca-file", &ours]);
    assert_eq!(code, Some(0), "{said}");
    let theirs = authority(&others.authority());
    for arguments in [
        &["status", "--url", &url][..],
        &["status", "--url", &url, "--ca-file", &theirs],
    ] {
        let (said, code) = gateway.run(arguments);
        assert!(
            code != Some(0) && said.contains("no TLS with what answers there"),
            "{said}"
        );
    }
    let plain = format!("http://localhost:{}", gateway.admin.port());
    let (said, code) = gateway.run(&["status", "--url", &plain]);
    assert!(code != Some(0) && !said.is_empty(), "{said}");
}

#[test]
fn probes_metrics_and_plain_words_for_who_speaks_no_tls() {
    let certificates = Certificates::make();
    let gateway = encrypted(&certificates, &[]);
    for (path, part) in [
        ("/livez", "alive"),
        ("/readyz", "\"ready\":true"),
        (
            "/metrics",
            "boxbridge_tls_certificate_expiry_seconds{listener=\"admin\"} ",
        ),
        ("/", "<!doctype html>"),
    ] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n\r\n");
        let answer = ask(&gateway, &certificates, &request);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        assert!(
            answer.to_lowercase().contains(&part.to_lowercase()),
            "{path}: {answer}"
        );
    }

    let mut stream = std::net::TcpStream::connect(gateway.admin).unwrap();
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nHost: gate\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"),
        "{answer}"
    );
}

#[test]
fn a_session_that_begins_over_tls_is_never_sent_in_the_clear() {
    let certificates = Certificates::make();
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, TOKEN).unwrap();
    let settings = [("ADMIN__TOKEN_FILE", tokens.to_str().unwrap())];
    let gateway = encrypted(&certificates, &settings);
    let body = json!({ "token": TOKEN }).to_string();
    let request = format!(
        "POST /api/login HTTP/1.1\r\nHost: gate\r\nOrigin: https://gate\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let answer = ask(&gateway, &certificates, &request);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let cookie = answer
        .lines()
        .find(|line| line.starts_with("set-cookie: "))
        .unwrap();
    assert!(
        cookie.contains("; Secure") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
}

#[test]
fn tls_comes_and_goes_with_the_settings_and_nobody_is_cut_off() {
    let certificates = Certificates::make();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("boxbridge.toml");
    let (certificate, key) = certificates.server();
    let encrypted = format!(
        "admin.tls_cert_file = {:?}\nadmin.tls_key_file = {:?}\n",
        certificate.display().to_string(),
        key.display().to_string()
    );
    std::fs::write(&file, "").unwrap();
    let gateway = Gateway::start(&[
        ("CONFIG", file.to_str().unwrap()),
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
    ]);
    let client = TlsClient::trusting(&certificates.authority());

    std::fs::write(&file, encrypted).unwrap();
    wait_until("TLS is spoken", || client.connect(gateway.admin).is_ok());
    std::fs::write(&file, "").unwrap();
    wait_until("and no more", || client.connect(gateway.admin).is_err());
    assert!(gateway.ready()["ready"].as_bool().unwrap());
}
