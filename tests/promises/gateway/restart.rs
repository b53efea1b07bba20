//! What was answered 200 is delivered, whatever happens to the gateway: measured by `simulate` and `reconcile`, as a site would.

use std::io::Write;
use std::time::Duration;

use boxbridge_event::Timestamp;
use boxbridge_proof::simulate;
use serde_json::json;

use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::run::Run;
use crate::parts::site::{Site, base64, jpeg};
use crate::parts::subscriber::Subscriber;

/// How long the boxes send between two kills: long enough that segments, cursors and sessions are all in motion.
const BETWEEN_KILLS: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_nothing_that_was_acknowledged() {
    let mut site = Site::start("kills", &[]);
    let options = simulate::Options {
        rate: 100.0,
        patience: Duration::from_secs(2),
        ..simulate::Options::default()
    };
    let run = Run::start(&site, options).await;
    for _ in 0..20 {
        // The stimulus: boxes send.
        tokio::time::sleep(BETWEEN_KILLS).await;
        tokio::task::block_in_place(|| site.gateway.kill_and_restart());
    }
    let (outcome, report) = run.finish(&site).await;
    assert!(report.acknowledged > 300, "{outcome}");
    assert!(report.passes(), "{report}");
    for (bus, on_bus) in &report.buses {
        assert_eq!(on_bus.reordered.count, 0, "{bus:?}: {report}");
    }
    let (found, code) = site.gateway.run(&["queue", "verify"]);
    assert_eq!(code, Some(0), "{found}");
}

/// Frozen, it is what a gateway is whose service manager holds the port between two processes.
#[tokio::test(flavor = "multi_thread")]
async fn what_lay_in_the_kernel_is_as_old_as_that_and_goes_late() {
    let mosquitto = Mosquitto::start();
    let url = format!("mqtt://{}", mosquitto.address());
    let mut subscriber = Subscriber::start(mosquitto.address(), "boxbridge/#").await;
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", &url),
        ("ROUTE__DEFAULT__LIVE_FOR", "2s"),
        ("ROUTE__DEFAULT__PICTURE_WAIT", "1s"),
    ]);
    gateway.signal("STOP");
    let mut body = event("1", json!(1), "gate");
    // More than the kernel takes for an unread connection: the rest comes, and is young, only when the first is read.
    body["ext_data"]["spot_pic"] = base64(&jpeg(1, 400_000));
    let sent_at = Timestamp::now();
    body["timestamp"] = json!(sent_at.0);
    let (ingest, request) = (gateway.ingest, body.to_string());
    let head = format!(
        "POST /RealTimeEvent HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\n\r\n",
        request.len()
    );
    let mut stream = std::net::TcpStream::connect(ingest).unwrap();
    // The head is in the kernel from here on. The rest by a thread: the kernel does not take all of it.
    stream.write_all(head.as_bytes()).unwrap();
    let sender = std::thread::spawn(move || stream.write_all(request.as_bytes()));
    // The stimulus: what lies in the kernel gets older than `live_for`.
    tokio::time::sleep(Duration::from_secs(4)).await;
    gateway.signal("CONT");
    tokio::task::block_in_place(|| sender.join().unwrap().unwrap());
    let message = loop {
        let message = subscriber.receive_one().await;
        if message.topic.ends_with("/gate") {
            break message;
        }
    };
    assert_eq!(message.topic, "boxbridge/default/late/employee/gate");
    let payload: serde_json::Value = serde_json::from_str(message.text()).unwrap();
    let received_at: Timestamp = serde_json::from_value(payload["received_at"].clone()).unwrap();
    assert!(received_at.since(sent_at) < 2_000, "{}", message.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_and_start_loses_and_doubles_nothing() {
    let mut site = Site::start("stops", &[("INGEST__DRAIN_DELAY", "200ms")]);
    let options = simulate::Options {
        rate: 100.0,
        patience: Duration::from_secs(2),
        ..simulate::Options::default()
    };
    let run = Run::start(&site, options).await;
    for _ in 0..3 {
        // The stimulus: boxes send.
        tokio::time::sleep(BETWEEN_KILLS).await;
        assert_eq!(
            tokio::task::block_in_place(|| site.gateway.stop()),
            Some(0),
            "{}",
            site.gateway.log()
        );
        tokio::task::block_in_place(|| site.gateway.restart());
    }
    let (_, report) = run.finish(&site).await;
    assert!(report.passes(), "{report}");
}
