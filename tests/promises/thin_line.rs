//! What one may act on arrives while one may: over a line that carries less than what comes.

use std::time::Duration;

use boxbridge::event::Timestamp;
use serde_json::{Value, json};

use crate::parts::gateway::{Gateway, event};
use crate::parts::mosquitto::Mosquitto;
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
    let settings = [("SEND__MQTT__URL", url.as_str()), ("ROUTE__DEFAULT__LIVE_FOR", "5s"), ("INGEST__ANSWER_DEADLINE", "4s")];
    let gateway = Gateway::start(&settings);
    for number in 0..EVENTS {
        let mut event = event(&number.to_string(), json!(1), "gate");
        event["remark"] = "x".repeat(1_000).into();
        assert_eq!(gateway.post("/RealTimeEvent", &event).status, 200);
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
        assert!(over < TOLERANCE_MS, "live, and {over} ms too late, after {live} live and {late} late ones");
    }
    assert!(live > 10 && late > 10, "{live} live, {late} late");
    tokio::time::timeout(Duration::from_secs(20), async { tokio::task::block_in_place(|| gateway.wait_delivered()) })
        .await
        .unwrap();
}
