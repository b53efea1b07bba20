//! What a request is answered: bad input gets a clear answer and loses nothing.

use std::io::{Read, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::site::files;

/// A gateway whose only bus is not there: answers must not depend on it.
fn gateway() -> Gateway {
    Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")])
}

fn post(head: &str, body: &str) -> Vec<u8> {
    format!("POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

#[test]
fn an_accepted_event_is_answered_as_the_vendor_prints_it() {
    let gateway = gateway();
    let sent = event("666666", json!(5), "192.168.1.243");
    let answer = gateway.post("/RealTimeEvent", &sent);
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&answer.body["status"], &answer.body["message"]),
        (&json!(0), &json!("SUCCESS"))
    );
    assert!(
        answer.body["event_id"]
            .as_str()
            .is_some_and(|id| id.len() == 36 && id.as_bytes()[14] == b'8'),
        "{:?}",
        answer.body
    );
    for (key, value) in sent.as_object().unwrap() {
        assert_eq!(&answer.body[key], value, "{key}");
    }
    let again = gateway.post("/realtimeevent/", &sent);
    assert_eq!(
        (again.status, &again.body["event_id"]),
        (200, &answer.body["event_id"])
    );
    let metrics = gateway.metrics();
    assert_eq!(
        metrics["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"],
        1.0
    );
    assert_eq!(
        metrics["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"duplicate\"}"],
        1.0
    );
}

#[test]
fn every_broken_request_gets_its_answer() {
    let gateway = gateway();
    let body = event("1", json!(1), "10.0.0.1").to_string();
    let plain = |head: &str| format!("POST /RealTimeEvent HTTP/1.1\r\n{head}\r\n{body}");
    let length = body.len();
    let cases: &[(&str, String, u16)] = &[
        ("two hosts", plain(&format!("Host: a\r\nHost: b\r\nContent-Length: {length}\r\n")), 400),
        ("neither length nor chunked", plain("Host: a\r\n"), 400),
        (
            "gzip, chunked",
            "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n".into(),
            501,
        ),
        ("chunked, identity", plain("Host: a\r\nTransfer-Encoding: chunked, identity\r\n"), 400),
        ("two lengths", plain("Host: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n"), 400),
        ("negative length", plain("Host: a\r\nContent-Length: -1\r\n"), 400),
        ("huge length", plain("Host: a\r\nContent-Length: 9223372036854775807\r\n"), 413),
        ("10 GB", plain("Host: a\r\nContent-Length: 10000000000\r\n"), 413),
        ("10 GB with expect", plain("Host: a\r\nExpect: 100-continue\r\nContent-Length: 10000000000\r\n"), 413),
        ("unknown path", "POST /other HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}".into(), 404),
        ("dotted path", "POST /x/../RealTimeEvent HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}".into(), 404),
        ("parameters in the path", "POST /RealTimeEvent;a=b HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}".into(), 404),
        ("put", "PUT /RealTimeEvent HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}".into(), 405),
        ("unknown method", "BREW /RealTimeEvent HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}".into(), 405),
        ("connect", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".into(), 501),
        ("from a web page", plain(&format!("Host: a\r\nOrigin: http://evil\r\nContent-Length: {length}\r\n")), 403),
        ("from another site's page", plain(&format!("Host: a\r\nSec-Fetch-Site: cross-site\r\nContent-Length: {length}\r\n")), 403),
        ("preflight", "OPTIONS /RealTimeEvent HTTP/1.1\r\nHost: a\r\nOrigin: http://evil\r\n\r\n".into(), 403),
        ("9 KB URI", format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9_000)), 414),
        ("65 headers", plain(&format!("Host: a\r\n{}", (0..65).map(|n| format!("x-{n}: y\r\n")).collect::<String>())), 431),
        (
            "chunk size that overflows",
            "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n".into(),
            400,
        ),
    ];
    for (name, request, status) in cases {
        let answer = gateway.raw(request.as_bytes());
        assert_eq!(
            answer.as_ref().map(|answer| answer.status),
            Some(*status),
            "{name}: {answer:?}"
        );
    }
    assert!(
        gateway
            .raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .is_none_or(|answer| answer.status == 400),
        "HTTP/2 is not spoken"
    );
    assert_eq!(
        gateway.post_bytes("/RealTimeEvent", body.as_bytes()).status,
        200
    );
}

#[test]
fn a_kept_connection_has_the_idle_time_also_after_a_request_in_one_piece() {
    let gateway = Gateway::start(&[
        ("INGEST__HEADER_TIMEOUT", "1s"),
        ("INGEST__IDLE_TIMEOUT", "1m"),
    ]);
    let mut stream = std::net::TcpStream::connect(gateway.ingest).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let request = "GET /RealTimeEvent HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.set_nodelay(true).unwrap();
    let mut answered = |pieces: &[&str]| {
        for (number, piece) in pieces.iter().enumerate() {
            // The stimulus: a sender that pauses within a request.
            std::thread::sleep(Duration::from_millis(100 * number.min(1) as u64));
            stream.write_all(piece.as_bytes()).unwrap();
        }
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).unwrap();
        assert!(
            answer[..length].starts_with(b"HTTP/1.1 200"),
            "{:?}",
            String::from_utf8_lossy(&answer[..length])
        );
    };
    answered(&[request]);
    // The stimulus: silence for longer than a head may take.
    std::thread::sleep(Duration::from_secs(2));
    let (begin, rest) = request.split_at(20);
    answered(&[begin, rest]);
}

#[test]
fn what_is_not_an_event_is_refused_with_a_reason_and_kept() {
    let gateway = gateway();
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let cases: &[(&str, &[u8], u16, &str)] = &[
        ("", b"", 400, "body_empty"),
        ("", b"  \n", 400, "body_empty"),
        ("", b"{\"identity_id\":", 400, "json_invalid"),
        ("", b"{\"identity_id\": 007}", 400, "json_invalid"),
        ("", b"{} {}", 400, "json_invalid"),
        ("", deep.as_bytes(), 400, "json_too_deep"),
        (
            "",
            b"{\"identity_name\": \xc0\xd7}",
            400,
            "encoding_invalid",
        ),
        ("", b"42", 422, "event_unrecognized"),
        ("", b"{}", 422, "event_unrecognized"),
        (
            "Content-Type: application/x-www-form-urlencoded\r\n",
            b"a=b",
            415,
            "media_type_unsupported",
        ),
        (
            "Content-Encoding: br\r\n",
            b"{}",
            415,
            "content_encoding_unsupported",
        ),
    ];
    for (head, body, status, code) in cases {
        let mut request = format!(
            "POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\n{head}Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        let answer = gateway.raw(&request).expect("an answer");
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (*status, Some(*code)),
            "{:?}",
            String::from_utf8_lossy(body)
        );
        assert!(
            answer.body["message"]
                .as_str()
                .is_some_and(|message| !message.is_empty())
        );
    }
    let kept = files(&gateway.data_dir().join("quarantine"));
    assert_eq!(kept.len(), cases.len());
    for (_, body, _, _) in cases {
        assert!(
            kept.values().any(|file| file.ends_with(body)),
            "{:?} is not kept",
            String::from_utf8_lossy(body)
        );
    }
    let refused =
        gateway.metrics()["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"refused\"}"];
    assert_eq!(refused, cases.len() as f64);
}

#[test]
fn history_that_is_not_understood_is_kept_and_never_comes_again() {
    let gateway = gateway();
    let answer = gateway.post_bytes("/HistoryEvent", b"{nonsense");
    assert_eq!(
        (
            answer.status,
            &answer.body["status"],
            &answer.body["event_id"]
        ),
        (200, &json!(0), &Value::Null)
    );
    assert_eq!(answer.body["code"], "json_invalid");
    assert_eq!(files(&gateway.data_dir().join("quarantine")).len(), 1);
    let mixed = json!([event("1", json!(1), "10.0.0.1"), {"no": "event"}, event("2", json!(1), "10.0.0.1")]);
    let answer = gateway.post("/HistoryEvent", &mixed);
    assert_eq!(answer.status, 200);
    let codes: Vec<_> = answer.body["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["status"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [0, 422, 0]);
    let metrics = gateway.metrics();
    assert_eq!(
        metrics["boxbridge_ingest_events_total{feed=\"history\",outcome=\"quarantined\"}"],
        2.0
    );
    assert_eq!(
        metrics["boxbridge_ingest_events_total{feed=\"history\",outcome=\"accepted\"}"],
        2.0
    );
}

#[test]
fn history_that_finds_no_room_in_quarantine_is_asked_to_come_again() {
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__QUARANTINE__MAX_BYTES", "0"),
    ]);
    let answer = gateway.post_bytes("/HistoryEvent", b"{nonsense");
    assert_eq!(
        (answer.status, answer.body["code"].as_str()),
        (503, Some("quarantine_full"))
    );
    assert!(
        answer.head.to_lowercase().contains("retry-after: "),
        "{}",
        answer.head
    );
    assert_eq!(
        gateway.post_bytes("/RealTimeEvent", b"{nonsense").status,
        400
    );
}

#[test]
fn a_body_over_the_limit_is_refused_before_it_is_sent_and_after() {
    let gateway = gateway();
    let over = vec![b' '; (8 << 20) + 1];
    let answer = gateway.post_bytes("/RealTimeEvent", &over);
    assert_eq!(
        (answer.status, answer.body["code"].as_str()),
        (413, Some("body_too_large"))
    );
    let mut chunked =
        b"POST /RealTimeEvent HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    chunked.extend_from_slice(format!("{:x}\r\n", over.len()).as_bytes());
    chunked.extend_from_slice(&over);
    assert_eq!(gateway.raw(&chunked).map(|answer| answer.status), Some(413));
}

#[test]
fn a_browser_or_load_balancer_sees_that_it_is_there() {
    let gateway = gateway();
    for path in [
        "/RealTimeEvent",
        "/historyevent/",
        "/DeviceStatus",
        "/SophonFogStatus",
    ] {
        let answer = gateway
            .raw(format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        assert_eq!(
            (answer.status, answer.body),
            (200, json!({"message": "boxbridge", "ready": true})),
            "{path}"
        );
    }
    let status = gateway.post("/DeviceStatus", &json!({"dev_sno": "x", "sub_devices": []}));
    assert_eq!(
        (status.status, status.body),
        (200, json!({"status": 0, "message": "SUCCESS"}))
    );
    assert_eq!(
        gateway.metrics()["boxbridge_ingest_events_total{feed=\"status\",outcome=\"accepted\"}"],
        1.0
    );
}

#[test]
fn a_box_that_hangs_up_after_its_last_byte_loses_nothing() {
    let gateway = gateway();
    for number in 0..20 {
        let body = event(&number.to_string(), json!(1), "10.0.0.1").to_string();
        let mut stream = std::net::TcpStream::connect(gateway.ingest).unwrap();
        stream.write_all(&post("", &body)).unwrap();
        drop(stream);
    }
    let accepted = || gateway.metrics()["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"];
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while accepted() < 20.0 {
        assert!(std::time::Instant::now() < deadline, "{} of 20", accepted());
        std::thread::yield_now();
    }
}

#[test]
fn a_body_that_ends_early_is_counted_and_not_stored() {
    let gateway = gateway();
    let whole = post("", &event("1", json!(1), "10.0.0.1").to_string());
    let mut stream = std::net::TcpStream::connect(gateway.ingest).unwrap();
    stream.write_all(&whole[..whole.len() - 10]).unwrap();
    drop(stream);
    let aborted = || gateway.metrics()["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"aborted\"}"];
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while aborted() < 1.0 {
        assert!(std::time::Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(
        gateway.metrics()["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"],
        0.0
    );
}

#[test]
fn an_array_is_answered_event_by_event() {
    let gateway = gateway();
    let answer = gateway.post(
        "/RealTimeEvent",
        &json!([event("1", json!(1), "a"), [], event("2", json!(2), "a")]),
    );
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.body["events"][0]["event_id"],
        answer.body["event_id"]
    );
    assert_eq!(answer.body["events"][1]["code"], "event_unrecognized");
    let nothing = gateway.post("/RealTimeEvent", &json!([{}, {}]));
    assert_eq!(
        (nothing.status, nothing.body["code"].as_str()),
        (422, Some("event_unrecognized"))
    );
    let refused =
        gateway.metrics()["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"refused\"}"];
    assert_eq!(refused, 3.0);
}
