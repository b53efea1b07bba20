//! A certificate lets a box in and says who it is; without one nothing is read.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{both, encrypted, events, refusals};
use crate::ingest::tokens::Tokens;
use crate::parts::certificates::{Certificates, Wanted};
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;
use crate::parts::tls::{Stream, TlsClient, post_on, rest};

/// Only who shows a certificate of the same authority may send.
fn guarded(certificates: &Certificates) -> (Gateway, std::net::SocketAddr) {
    let authority = certificates.authority();
    let settings = [
        ("INGEST__LISTEN", ""),
        ("INGEST__TLS_CLIENT_CA_FILE", authority.to_str().unwrap()),
    ];
    encrypted(both(&certificates.server()), &settings)
}

fn of_a_box(certificates: &Certificates, subject: &str) -> (PathBuf, PathBuf) {
    certificates.sign(&Wanted {
        name: "box",
        subject,
        usage: "client",
        holds: Some(Duration::from_secs(3_600)),
    })
}

#[test]
fn a_certificate_lets_a_box_in_and_names_its_site() {
    let certificates = Certificates::make();
    let (gateway, tls) = guarded(&certificates);
    let subjects = [
        ("/OU=lobby/CN=box-17", "lobby"),
        ("/CN=box-18", "from-the-url"),
        ("/OU=The Lobby!/CN=box-19", "from-the-url"),
    ];

    for (number, (subject, site)) in subjects.into_iter().enumerate() {
        let identity = of_a_box(&certificates, subject);
        let client = TlsClient::showing(&certificates.authority(), identity);
        let body = event(&number.to_string(), json!(1), "gate");
        let answer = client.post(tls, "/RealTimeEvent?site=from-the-url", &body);
        assert_eq!(answer.unwrap().status, 200, "{subject}");

        let origin = &events(&gateway)[0]["origin"];
        assert_eq!(origin["authenticated"], "certificate", "{subject}");
        assert_eq!(origin["site"], site, "{subject}");
    }
}

#[test]
fn without_a_certificate_nothing_is_read_and_with_a_wrong_one_no_handshake_comes_about() {
    let (certificates, others) = (Certificates::make(), Certificates::make());
    let (gateway, tls) = guarded(&certificates);

    // The refusal does not wait for a body that has not come.
    let mut stream = TlsClient::trusting(&certificates.authority())
        .connect(tls)
        .unwrap();
    let head = "POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let answer = String::from_utf8(rest(&mut stream)).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 401 ") && answer.contains("certificate_missing"),
        "{answer}"
    );

    let expired = certificates.sign(&Wanted {
        name: "expired",
        subject: "/CN=box",
        usage: "client",
        holds: None,
    });
    let wrong = [
        ("another authority's", others.client()),
        ("over", expired),
        ("a server's", certificates.server()),
    ];
    for (number, (why, identity)) in (1..).zip(wrong) {
        let client = TlsClient::showing(&certificates.authority(), identity);
        // A client of TLS 1.3 hears of it with its first read.
        let opened = client.connect(tls);
        let told = opened.and_then(|mut stream| stream.read(&mut [0]));
        let error = told.expect_err(why).to_string();
        assert!(error.contains("received fatal alert"), "{why}: {error}");
        wait_until("it is counted", || {
            refusals(&gateway, "tls_failed") == f64::from(number)
        });
    }
    assert!(events(&gateway).is_empty());
}

#[test]
fn where_there_are_tokens_too_certificate_or_token_is_enough_on_either_port() {
    let (certificates, tokens) = (Certificates::make(), Tokens::new());
    let token = tokens.make(&["box-9", "--site", "garage"]);
    let (authority, file) = (certificates.authority(), tokens.file());
    let settings = [
        ("INGEST__TLS_CLIENT_CA_FILE", authority.to_str().unwrap()),
        ("INGEST__TOKENS_FILE", file.to_str().unwrap()),
    ];
    let (gateway, tls) = encrypted(both(&certificates.server()), &settings);
    let of_token = format!("/t/{token}/RealTimeEvent");
    let nobody = TlsClient::trusting(&certificates.authority());
    let identity = of_a_box(&certificates, "/OU=lobby/CN=box-17");
    let owner = TlsClient::showing(&certificates.authority(), identity);
    let body = |number: u8| event(&number.to_string(), json!(1), "gate");

    assert_eq!(gateway.post("/RealTimeEvent", &body(0)).status, 401);
    let answer = nobody.post(tls, "/RealTimeEvent", &body(0)).unwrap();
    assert_eq!(answer.body["code"], "token_missing", "{answer:?}");

    gateway.take(&of_token, &body(1));
    assert_eq!(nobody.post(tls, &of_token, &body(2)).unwrap().status, 200);
    assert_eq!(
        owner.post(tls, "/RealTimeEvent", &body(3)).unwrap().status,
        200
    );
    let origins: Vec<_> = events(&gateway)
        .iter()
        .map(|event| {
            [&event["origin"]["authenticated"], &event["origin"]["site"]].map(Value::to_string)
        })
        .collect();
    let expected = [
        ["certificate", "lobby"],
        ["token", "garage"],
        ["token", "garage"],
    ];
    let expected = expected.map(|origin| origin.map(|word| format!("{word:?}")));
    assert_eq!(origins, expected);
}

#[test]
fn a_certificate_for_one_device_brings_no_others_events() {
    let certificates = Certificates::make();
    let (_gateway, tls) = guarded(&certificates);
    let identity = of_a_box(&certificates, "/CN=192.168.1.243");
    let client = TlsClient::showing(&certificates.authority(), identity);

    let answer = client.post(
        tls,
        "/RealTimeEvent",
        &event("1", json!(1), "192.168.1.243"),
    );
    assert_eq!(answer.unwrap().status, 200);
    let answer = client.post(tls, "/RealTimeEvent", &event("1", json!(1), "192.168.1.7"));
    let answer = answer.unwrap();
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (403, &json!("device_forbidden"))
    );
}

#[test]
fn a_certificate_whose_authority_is_trusted_no_more_sends_nothing_over_an_open_connection() {
    let (first, second) = (Certificates::make(), Certificates::make());
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("boxes.pem");
    let trust = |authorities: &[&Certificates]| {
        let texts = authorities
            .iter()
            .map(|it| std::fs::read_to_string(it.authority()).unwrap());
        let beside = folder.path().join("new");
        std::fs::write(&beside, texts.collect::<String>()).unwrap();
        std::fs::rename(beside, &trusted).unwrap();
    };
    trust(&[&first]);
    let settings = [
        ("INGEST__LISTEN", ""),
        ("INGEST__TLS_CLIENT_CA_FILE", trusted.to_str().unwrap()),
    ];
    let (gateway, tls) = encrypted(both(&first.server()), &settings);
    let open = |of: &Certificates| {
        let identity = of_a_box(of, "/CN=192.168.1.243");
        TlsClient::showing(&first.authority(), identity).connect(tls)
    };
    let mut number = 0;
    let mut status = |stream: &mut Stream| {
        number += 1;
        let body = event(&number.to_string(), json!(1), "192.168.1.243");
        post_on(stream, "/RealTimeEvent", &body).map(|answer| answer.status)
    };
    let mut kept = open(&first).unwrap();
    assert_eq!(status(&mut kept).unwrap(), 200);

    // While both are trusted, nobody is shut out.
    trust(&[&first, &second]);
    wait_until("the second is trusted", || {
        open(&second).is_ok_and(|mut stream| status(&mut stream).is_ok_and(|it| it == 200))
    });
    assert_eq!(status(&mut kept).unwrap(), 200);

    trust(&[&second]);
    wait_until("the first is not", || status(&mut kept).unwrap() == 401);
    assert_eq!(refusals(&gateway, "certificate_missing"), 1.0);
}

#[test]
fn an_open_port_beside_client_certificates_has_to_be_meant() {
    let certificates = Certificates::make();
    let (gateway, _) = guarded(&certificates);
    let plain = "ingest.listen=127.0.0.1:0";

    let (said, code) = gateway.run(&["check", "--set", plain]);
    assert_eq!(code, Some(64), "{said}");
    assert!(
        said.contains("ingest.tls_client_ca_file beside ingest.listen: "),
        "{said}"
    );
    let (said, code) = gateway.run(&["check", "--set", plain, "--set", "ingest.insecure=true"]);
    assert_eq!(code, Some(0), "{said}");

    let tokens = format!(
        "ingest.tokens_file={}",
        gateway.data_dir().join("tokens").display()
    );
    std::fs::write(gateway.data_dir().join("tokens"), "").unwrap();
    let (said, code) = gateway.run(&["check", "--set", plain, "--set", &tokens]);
    assert_eq!(code, Some(0), "a token is asked for there: {said}");

    let (said, _) = gateway.run(&["check", "--set", plain, "--set", "ingest.tls_listen="]);
    assert!(
        said.contains("ingest.tls_client_ca_file without ingest.tls_listen: "),
        "{said}"
    );
}
