//! What firmware makes of HTTP is taken as it was meant, as the vendor's receiver does; and nothing else is made of it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::parts::gateway::{Gateway, event, exchange};
use crate::parts::site::files;

fn gateway() -> Gateway {
    Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")])
}

fn connect(gateway: &Gateway) -> TcpStream {
    let stream = TcpStream::connect(gateway.ingest).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    stream
}

/// All that comes until the connection ends.
fn everything(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

fn accepted(gateway: &Gateway) -> f64 {
    gateway.metrics()["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"]
}

#[test]
fn a_path_with_what_firmware_adds_is_the_path_and_a_host_is_not_needed() {
    let gateway = gateway();
    let body = event("1", json!(1), "10.0.0.1").to_string();
    let length = body.len();
    let lines = [
        "POST //RealTimeEvent HTTP/1.1",
        "POST /RealTimeEvent, HTTP/1.1",
        "POST /RealTimeEvent%20 HTTP/1.1",
        "POST /RealTimeEvent// HTTP/1.1",
        "POST /realtimeevent/%20,/?site=lobby HTTP/1.1",
        "POST /RealTimeEvent  HTTP/1.1",
        "POST /RealTimeEvent HTTP/1.1 ",
        "POST /RealTimeEvent HTTP/1.1 \t",
        "POST http://192.168.1.5:9528/RealTimeEvent HTTP/1.1",
        "POST http://another/RealTimeEvent HTTP/1.1\r\nHost: box",
        "POST /RealTimeEvent HTTP/1.1",
        "POST /RealTimeEvent HTTP/1.0",
    ];
    for line in lines {
        let request =
            format!("{line}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        assert_eq!(
            gateway.raw(request.as_bytes()).map(|answer| answer.status),
            Some(200),
            "{line:?}"
        );
    }
    for (line, status) in [
        ("POST /RealTimeEvent HTTP/1.1 x", 400),
        ("POST /Real TimeEvent HTTP/1.1", 400),
        ("POST /x/../RealTimeEvent HTTP/1.1", 404),
        ("POST /RealTimeEventual HTTP/1.1", 404),
    ] {
        let request =
            format!("{line}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
        assert_eq!(
            gateway.raw(request.as_bytes()).map(|answer| answer.status),
            Some(status),
            "{line:?}"
        );
    }
}

#[test]
fn a_blank_behind_the_version_is_taken_however_slowly_the_head_comes() {
    let gateway = gateway();
    let body = event("1", json!(1), "10.0.0.1").to_string();
    let mut stream = connect(&gateway);
    stream.set_nodelay(true).unwrap();
    for byte in "POST /RealTimeEvent HTTP/1.1 \r\n".bytes() {
        stream.write_all(&[byte]).unwrap();
        // The stimulus: a head that comes byte by byte.
        std::thread::sleep(Duration::from_millis(5));
    }
    let rest = format!(
        "Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(
        exchange(stream, rest.as_bytes()).map(|answer| answer.status),
        Some(200)
    );
}

#[test]
fn pages_of_the_web_are_refused_host_or_not() {
    let gateway = gateway();
    for head in [
        "Origin: null\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "sec-fetch-site: Cross-Site\r\nHost: 10.0.0.1\r\n",
    ] {
        let request =
            format!("POST /RealTimeEvent HTTP/1.1\r\n{head}Content-Length: 2\r\n\r\n{{}}");
        assert_eq!(
            gateway.raw(request.as_bytes()).map(|answer| answer.status),
            Some(403),
            "{head}"
        );
    }
}

#[test]
fn a_length_that_is_too_large_is_taken_once_the_document_is_whole() {
    let gateway = gateway();
    for (number, closes) in [(0, false), (1, true)] {
        let body = event(&number.to_string(), json!(1), "10.0.0.1").to_string();
        let mut stream = connect(&gateway);
        write!(
            stream,
            "POST /RealTimeEvent HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len() + 2
        )
        .unwrap();
        if closes {
            stream.shutdown(Shutdown::Write).unwrap();
        }
        let answer = everything(stream);
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close\r\n"),
            "closes: {closes}, {answer}"
        );
    }
    assert_eq!(accepted(&gateway), 2.0);
}

#[test]
fn a_length_that_is_too_large_is_found_also_where_a_character_ends_like_a_backslash() {
    let gateway = gateway();
    let body = event("1", json!(1), "10.0.0.1").to_string().into_bytes();
    let at = body
        .windows(6)
        .position(|six| six == "小明".as_bytes())
        .unwrap();
    let body = [&body[..at], b"\xb3\x5c", &body[at + 6..]].concat();
    let mut stream = connect(&gateway);
    write!(
        stream,
        "POST /RealTimeEvent HTTP/1.1\r\nContent-Length: {}\r\n\r\n",
        body.len() + 2
    )
    .unwrap();
    stream.write_all(&body).unwrap();
    let answer = everything(stream);
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains("砛"),
        "{answer}"
    );
    assert_eq!(accepted(&gateway), 1.0);
}

#[test]
fn a_body_that_pauses_where_it_is_not_whole_is_waited_for() {
    let gateway = gateway();
    let body = event("1", json!(1), "10.0.0.1").to_string();
    // Behind an inner object, and within a text that holds brackets.
    for (number, at) in [
        body.find("}").unwrap() + 1,
        body.find("default_group").unwrap(),
    ]
    .into_iter()
    .enumerate()
    {
        let body = body.replace(
            "\"identity_id\":\"1\"",
            &format!("\"identity_id\":\"1{number}\""),
        );
        let mut stream = connect(&gateway);
        write!(
            stream,
            "POST /RealTimeEvent HTTP/1.1\r\nContent-Length: {}\r\n\r\n{}",
            body.len(),
            &body[..at]
        )
        .unwrap();
        // The stimulus: a sender that pauses within its body.
        std::thread::sleep(Duration::from_millis(400));
        let answer = exchange(stream, &body.as_bytes()[at..]);
        assert_eq!(answer.map(|answer| answer.status), Some(200));
    }
    assert_eq!(accepted(&gateway), 2.0);
}

#[test]
fn a_length_that_counts_characters_is_refused_kept_and_explained_and_nothing_behind_it_is_read() {
    let gateway = gateway();
    let body = event("1", json!(1), "10.0.0.1").to_string();
    let characters = body.chars().count();
    assert_eq!(body.len() - characters, 4, "two Chinese characters");
    let mut stream = connect(&gateway);
    write!(
        stream,
        "POST /RealTimeEvent HTTP/1.1\r\nContent-Length: {characters}\r\n\r\n{body}"
    )
    .unwrap();
    // What follows on this connection would be read as a request if anything was.
    write!(
        stream,
        "\r\nPOST /RealTimeEvent HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let answer = everything(stream);
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("connection: close\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("characters counted instead of bytes"),
        "{answer}"
    );
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert_eq!(accepted(&gateway), 0.0);
    let kept = files(&gateway.data_dir().join("quarantine"));
    let [kept] = kept.values().collect::<Vec<_>>()[..] else {
        panic!("{} are kept", kept.len())
    };
    assert!(
        String::from_utf8_lossy(kept).contains("at least 4 too small"),
        "{}",
        String::from_utf8_lossy(kept)
    );
}

#[test]
fn nothing_is_read_behind_a_short_body_whatever_it_is_refused_for() {
    let gateway = gateway();
    let body = format!("{{\"ext_data\":{}", "[".repeat(100));
    let mut stream = connect(&gateway);
    write!(
        stream,
        "POST /RealTimeEvent HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len() - 4
    )
    .unwrap();
    write!(stream, "\r\nGET /RealTimeEvent HTTP/1.1\r\n\r\n").unwrap();
    let answer = everything(stream);
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("json_too_deep"),
        "{answer}"
    );
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
}

#[test]
fn chunks_and_proxies_frame_for_themselves() {
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__TRUSTED_PROXIES", "127.0.0.1"),
        ("INGEST__BODY_TIMEOUT", "1s"),
    ]);
    let body = event("1", json!(1), "10.0.0.1").to_string();
    let started = Instant::now();
    let mut stream = connect(&gateway);
    write!(
        stream,
        "POST /RealTimeEvent HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len() + 2
    )
    .unwrap();
    let answer = everything(stream);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(started.elapsed() >= Duration::from_millis(900));
    // What a proxy sends behind a refused body is a request.
    let mut stream = connect(&gateway);
    let requests = "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n{\"a\"GET /RealTimeEvent HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    stream.write_all(requests.as_bytes()).unwrap();
    let answer = everything(stream);
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("HTTP/1.1 200 "),
        "{answer}"
    );

    let mut stream = connect(&gateway);
    write!(
        stream,
        "POST /RealTimeEvent HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n",
        body.len()
    )
    .unwrap();
    assert!(everything(stream).starts_with("HTTP/1.1 408 "));
    assert_eq!(accepted(&gateway), 0.0);
}

#[test]
fn what_is_posted_to_a_path_that_is_none_is_kept_and_said_once_without_its_token() {
    let gateway = gateway();
    let body = event("1", json!(1), "10.0.0.1").to_string();
    for path in [
        "/t/secret/RealTimeEvents?token=hidden",
        "/x/0123456789abcdefghij_-",
        "/RealTimeEvents?password=hidden",
    ] {
        let answer = gateway.post_bytes(path, body.as_bytes());
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (404, Some("path_unknown")),
            "{path}"
        );
    }
    let kept = files(&gateway.data_dir().join("quarantine"));
    assert_eq!(kept.len(), 3);
    assert!(kept.values().all(|file| file.ends_with(body.as_bytes())));
    let heads: String = kept
        .values()
        .map(|file| {
            String::from_utf8_lossy(file)
                .lines()
                .next()
                .unwrap()
                .to_owned()
        })
        .collect();
    let log = gateway.log();
    for shown in ["/t/…", "/x/…", "/RealTimeEvents"] {
        assert!(heads.contains(shown), "{heads}");
    }
    for secret in ["secret", "hidden", "0123456789abcdefghij"] {
        assert!(
            !heads.contains(secret) && !log.contains(secret),
            "{secret}: {heads}\n{log}"
        );
    }
    let said: Vec<_> = log
        .lines()
        .filter(|line| line.contains("\"refused\""))
        .collect();
    assert_eq!(said.len(), 1, "{log}");
    for word in ["127.0.0.1", "/t/…", "path_unknown"] {
        assert!(said[0].contains(word), "{}", said[0]);
    }
    // What is only asked for leaves nothing.
    assert_eq!(
        gateway
            .raw(b"GET /other HTTP/1.1\r\nConnection: close\r\n\r\n")
            .map(|answer| answer.status),
        Some(404)
    );
    assert_eq!(files(&gateway.data_dir().join("quarantine")).len(), 3);
}

#[test]
fn more_than_64_kib_of_event_is_not_echoed() {
    let gateway = gateway();
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "a".repeat(1 << 20).into();
    let answer = gateway.post("/RealTimeEvent", &event);
    assert_eq!(
        (answer.status, answer.body["message"].as_str()),
        (200, Some("SUCCESS"))
    );
    assert!(answer.body["event_id"].is_string() && answer.body["x"].is_null());
}
