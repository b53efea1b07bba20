//! With as few descriptors as a shell gives, everything goes on, however many connect.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::parts::gateway::{Gateway, event, exchange};

#[test]
fn with_a_thousand_descriptors_and_as_many_idle_connections_the_log_rolls_and_nothing_ends() {
    // Segments of 16 MiB: sixteen of the events below fill one.
    let mut gateway = Gateway::start_limited(
        1_024,
        &[
            ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
            ("QUEUE__MAX_BYTES", "256MiB"),
        ],
    );
    let mut idle = Vec::new();
    for _ in 0..1_015 {
        idle.extend(TcpStream::connect(gateway.ingest));
    }
    for _ in 0..200 {
        idle.extend(TcpStream::connect(gateway.admin));
    }
    let mut posted = 0;
    for number in 0..40 {
        let mut event = event(&number.to_string(), json!(1), "10.0.0.1");
        event["ext_data"]["spot_pic"] = format!("/9j/{}", "QUJD".repeat(300_000)).into();
        let body = event.to_string();
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        // All come from one address here, which has most: those who were silent for long give way to it.
        while gateway
            .try_post("/RealTimeEvent", body.as_bytes())
            .is_none_or(|answer| answer.status != 200)
        {
            assert!(
                std::time::Instant::now() < deadline,
                "{posted} were taken; {}",
                gateway.log()
            );
            // The pause between two attempts.
            std::thread::sleep(Duration::from_millis(100));
        }
        posted += 1;
    }
    assert_eq!(posted, 40);
    assert!(
        gateway
            .log()
            .contains("the limit on open files (ulimit -n) is too low"),
        "{}",
        gateway.log()
    );
    drop(idle);
    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
}

/// Sets the soft limit on a running process's descriptors.
fn limit_descriptors(process: u32, most: u32) {
    let set = Command::new("prlimit")
        .arg(format!("--pid={process}"))
        .arg(format!("--nofile={most}:"))
        .status();
    assert!(set.unwrap().success());
}

#[test]
fn a_gateway_that_was_out_of_descriptors_takes_all_who_waited_and_has_lost_nothing() {
    let mut gateway = Gateway::start_limited(
        1_024,
        &[
            ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
            ("LOG__LEVEL", "info"),
        ],
    );
    let request = |number: u32| {
        let body = event(&number.to_string(), json!(1), "10.0.0.1").to_string();
        format!(
            "POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    };
    let answered = |stream: &mut TcpStream| {
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let (mut answer, mut buffer) = (Vec::new(), [0; 4096]);
        while !String::from_utf8_lossy(&answer).contains("SUCCESS") {
            let read = stream.read(&mut buffer).expect("an answer");
            assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&buffer[..read]);
        }
    };
    let mut kept = TcpStream::connect(gateway.ingest).unwrap();
    kept.write_all(&request(0)).unwrap();
    answered(&mut kept);

    for round in 0..2 {
        limit_descriptors(gateway.id(), 3);
        let mut waiting: Vec<_> = (0..20)
            .map(|_| TcpStream::connect(gateway.ingest).unwrap())
            .collect();
        for (number, stream) in (1..).zip(&mut waiting) {
            stream.write_all(&request(1_000 * round + number)).unwrap();
        }
        // It waits for none of them, and those who are there are served.
        for number in 21..30 {
            kept.write_all(&request(1_000 * round + number)).unwrap();
            answered(&mut kept);
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        let lines = |text: &str| gateway.log().matches(text).count();
        while lines("no connection can be accepted now") <= round as usize {
            assert!(Instant::now() < deadline, "{}", gateway.log());
            std::thread::yield_now();
        }
        limit_descriptors(gateway.id(), 1_024);
        waiting.iter_mut().for_each(&answered);
        while lines("connections are accepted again") <= round as usize {
            assert!(Instant::now() < deadline, "{}", gateway.log());
            std::thread::yield_now();
        }
    }
    let accepted =
        gateway.metrics()["boxbridge_ingest_events_total{feed=\"realtime\",outcome=\"accepted\"}"];
    assert_eq!(accepted, 1.0 + 2.0 * 29.0);
    assert_eq!(gateway.stop(), Some(0), "{}", gateway.log());
}

#[test]
fn silent_clients_of_the_admin_port_leave_room_for_who_asks() {
    let gateway = Gateway::start(&[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")]);
    let mut silent: Vec<_> = (0..300)
        .map(|_| TcpStream::connect(gateway.admin).unwrap())
        .collect();
    // Who waits for a place gets that of somebody silent.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let alive = || {
        exchange(
            TcpStream::connect(gateway.admin).unwrap(),
            b"GET /livez HTTP/1.0\r\n\r\n",
        )
    };
    while alive().is_none_or(|answer| answer.status != 200) {
        assert!(std::time::Instant::now() < deadline);
    }
    // Half a head does not stay either.
    let mut slow = TcpStream::connect(gateway.admin).unwrap();
    slow.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    slow.write_all(b"GET /liv").unwrap();
    let ended = slow.read_to_end(&mut Vec::new());
    let is_waiting = ended
        .is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
    assert!(!is_waiting, "it is still open");
    silent.clear();
}
