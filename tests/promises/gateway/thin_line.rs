//! Over a line that carries less than what comes, what one may act on arrives while one may, and what is large arrives at all: that we lose patience is
//! no record's doing.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use boxbridge_event::Timestamp;
use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
use crate::parts::s3::{BUCKET, KEY_ID, SECRET, Server};
use crate::parts::site::wait_until;
use crate::parts::subscriber::Subscriber;
use crate::parts::thin_line;

const EVENTS: usize = 200;
/// Of a line, in bytes a second: what the events need ten seconds and more for.
const THIN: u64 = 25_000;
/// Beyond `live_for`: what this machine may be busy with.
const TOLERANCE_MS: i64 = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn over_a_thin_line_nothing_arrives_stale_on_a_live_topic_and_nothing_is_lost() {
    let broker = Mosquitto::start();
    let mut subscriber = Subscriber::start(broker.address(), "boxbridge/+/+/employee/#").await;
    let url = format!("mqtt://{}", thin_line::to(broker.address(), THIN));
    // What is promised here is not how fast boxes are answered, and the machine may be busy.
    let settings = [
        ("SEND__MQTT__URL", url.as_str()),
        ("ROUTE__DEFAULT__LIVE_FOR", "5s"),
    ];
    let gateway = Gateway::start(&settings);
    for number in 0..EVENTS {
        let mut event = event(&number.to_string(), json!(1), "gate");
        event["remark"] = "x".repeat(1_000).into();
        gateway.take("/RealTimeEvent", &event);
    }
    let (mut live, mut late) = (0, 0);
    for _ in 0..EVENTS {
        let received = subscriber.receive_one().await;
        let now = Timestamp::now();
        if !received.topic.contains("/events/") {
            late += 1;
            continue;
        }
        live += 1;
        let payload: Value = serde_json::from_slice(&received.payload).unwrap();
        let act_before: Timestamp = serde_json::from_value(payload["act_before"].clone()).unwrap();
        let over = now.since(act_before);
        assert!(
            over < TOLERANCE_MS,
            "live, and {over} ms too late, after {live} live and {late} late ones"
        );
    }
    assert!(live > 10 && late > 10, "{live} live, {late} late");
    tokio::time::timeout(Duration::from_secs(20), async {
        tokio::task::block_in_place(|| gateway.wait_delivered())
    })
    .await
    .unwrap();
}

/// Nothing set aside, everywhere.
fn nothing_is_set_aside(gateway: &Gateway) {
    let aside = gateway.sum("boxbridge_send_records_total", &[("outcome", "set_aside")]);
    assert_eq!(aside, 0.0, "{}", gateway.log());
}

#[test]
fn a_message_that_a_thin_line_carries_for_longer_than_the_stall_timeout_arrives_and_is_no_poison() {
    const LINE: u64 = 50_000;
    for version in ["3", "5"] {
        let broker = Mosquitto::start();
        let url = format!("mqtt://{}", thin_line::to(broker.address(), LINE));
        let gateway = Gateway::start(&[
            ("SEND__MQTT__URL", &url),
            ("SEND__MQTT__VERSION", version),
            ("SEND__MQTT__KEEP_ALIVE", "5s"),
            ("SEND__STALL_TIMEOUT", "2s"),
        ]);
        // Twelve seconds of the line: longer than a ping may take, too.
        let mut large = event("large", json!(1), "gate");
        large["remark"] = "x".repeat(600_000).into();
        gateway.take("/RealTimeEvent", &large);
        for number in 0..5 {
            gateway.take(
                "/RealTimeEvent",
                &event(&number.to_string(), json!(1), "door"),
            );
        }
        wait_until("it arrives", || {
            gateway.sum("boxbridge_queue_waiting_records", &[]) == 0.0
        });
        nothing_is_set_aside(&gateway);
        assert!(
            !gateway.log().contains("the connection dies on"),
            "{}",
            gateway.log()
        );
    }
}

#[test]
fn pictures_that_a_thin_line_carries_for_longer_than_the_timeout_are_stored() {
    let server = Server::start();
    let line = thin_line::to(
        format!("127.0.0.1:{}", server.port).parse().unwrap(),
        20_000,
    );
    let gateway = Gateway::start(&[
        ("SEND__STORE__URL", &format!("s3://{BUCKET}/thin")),
        ("SEND__STORE__ENDPOINT", &format!("http://{line}")),
        ("SEND__STORE__ACCESS_KEY_ID", KEY_ID),
        ("SEND__STORE__SECRET_ACCESS_KEY", SECRET),
        ("SEND__STORE__TIMEOUT", "2s"),
        ("SEND__MQTT__EMBEDDED__LISTEN", "127.0.0.1:0"),
    ]);
    // Each takes seven seconds of its connection.
    for number in 0..4_u8 {
        let mut event = event(&number.to_string(), json!(1), "gate");
        event["ext_data"]["spot_pic"] = STANDARD.encode([number; 140_000]).into();
        gateway.take("/RealTimeEvent", &event);
    }
    wait_until("the store gives up at first", || {
        gateway.log().contains("no answer within 2s")
    });
    gateway.wait_delivered();
    nothing_is_set_aside(&gateway);
}
