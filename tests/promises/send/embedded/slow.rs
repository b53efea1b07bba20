//! One slow subscriber costs the others nothing that they would notice.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boxbridge::send::{Answer, Session as _};
use boxbridge_config::MqttVersion;
use boxbridge_event::{Lane, Sequence};
use serde_json::json;

use super::raw::{Hello, Raw};
use super::{assert_all_in_order, publish, reluctant, session, start, subscriber};
use crate::parts::child::free_port;
use crate::parts::gateway::{Gateway, event};
use crate::parts::subscriber::Over;
use crate::send::mqtt::{acknowledged, message, next};

/// 25 messages a second, as in a browser that draws each.
const SLOW: Duration = Duration::from_millis(40);
/// What would be too late for a door, and what a loaded machine needs.
const IN_TIME: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn alerts_come_in_time_whoever_else_is_slow() {
    const ALERTS: u64 = 500;
    let broker = start();
    let _slow = reluctant(&broker, Some(SLOW), u64::MAX).await;
    let mut fast = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    let mut urgent = session(&broker, Lane::Urgent).await;
    let began = Instant::now();
    let (mut worst, mut late) = (Duration::ZERO, 0);

    for number in 1..=ALERTS {
        // 100 a second: four times what the slow one takes.
        tokio::time::sleep_until((began + Duration::from_millis(10 * number)).into()).await;
        let sent = Instant::now();
        urgent.submit(Sequence(number), message("events/1", number.to_string()));
        assert_eq!(next(&mut urgent).await, acknowledged(number));
        assert_eq!(fast.receive_one().await.text(), number.to_string());
        worst = worst.max(sent.elapsed());
        late += u32::from(sent.elapsed() > Duration::from_secs(1));
    }
    assert!(
        worst < IN_TIME && late < 10,
        "the slowest took {worst:?}, {late} more than a second"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_holds_the_normal_lane_back_for_a_bounded_time_and_then_loses_its_own_only()
 {
    const MESSAGES: u64 = 2_000;
    let broker = start();
    let _slow = reluctant(&broker, Some(SLOW), u64::MAX).await;
    let mut fast = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    let mut session = session(&broker, Lane::Normal).await;
    let began = Instant::now();
    publish(&mut session, MESSAGES).await;
    assert_all_in_order(&fast.receive(MESSAGES as usize).await, MESSAGES);

    // At the slow one's pace it would be 80 s.
    assert!(
        began.elapsed() < Duration::from_secs(40),
        "{:?}",
        began.elapsed()
    );
    assert!(broker.dropped() > 0, "what the slow one misses is counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_sessions_of_one_address_stand_still_the_lane_waits_for_it_once() {
    const STOPPED: u64 = 50;
    const MESSAGES: u64 = 200;
    let broker = start();
    let mut session = session(&broker, Lane::Normal).await;
    // In the first seconds after a start each would be told what the others have. They are over when this is answered.
    session.submit(Sequence(1), message("nobody/1", "{}"));
    assert_eq!(
        next(&mut session).await,
        Answer::Acknowledged {
            sequence: Sequence(1),
            heard: false
        }
    );

    let mut fast = subscriber(&broker, Over::Tcp, MqttVersion::V5, "events/#").await;
    let mut stopped = Vec::new();
    let began = Instant::now();
    for number in 2..=MESSAGES {
        if number <= STOPPED {
            // Each is full a message after the one before it, and takes nothing from then on.
            let id = format!("stopped-{number}");
            let (mut client, _) =
                Raw::connect_from(2, broker.local_addr(), 5, Hello::named(&id)).await;
            assert_eq!(client.subscribe("events/#").await, 1);
            stopped.push(client);
        }
        session.submit(Sequence(number), message("events/1", number.to_string()));
        assert_eq!(next(&mut session).await, acknowledged(number));
        assert_eq!(fast.receive_one().await.text(), number.to_string());
    }

    // A second for each would be 50.
    assert!(
        began.elapsed() < Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_slow_subscriber_costs_the_gateway_no_connection_whichever_version_is_set() {
    const EVENTS: usize = 800;
    // A page that draws each event for so long: few enough a second that a ping behind all of them would be overdue. Nobody may act on
    // them any more, so that they are not held to what the line carries in time.
    const DRAWS: Duration = Duration::from_millis(30);
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let listen = address.to_string();
    let gateway = Gateway::start(&[
        ("SEND__MQTT__EMBEDDED__LISTEN", listen.as_str()),
        ("SEND__MQTT__VERSION", "3"),
        ("SEND__MQTT__KEEP_ALIVE", "5s"),
    ]);
    let (mut page, _) = Raw::connect(address, 4, Hello::named("page")).await;
    assert_eq!(page.subscribe("boxbridge/+/+/employee/#").await, 1);
    let gateway = Arc::new(gateway);
    let posters: Vec<_> = (0..4)
        .map(|poster| {
            let gateway = Arc::clone(&gateway);
            tokio::task::spawn_blocking(move || {
                for number in (poster..EVENTS).step_by(4) {
                    gateway.take(
                        "/HistoryEvent",
                        &event(&number.to_string(), json!(1), "gate"),
                    );
                }
            })
        })
        .collect();

    let (mut heard, mut came) = (BTreeSet::new(), 0);
    while heard.len() < EVENTS {
        let body = page.until(0x32).await;
        // The stimulus: a page that draws each.
        tokio::time::sleep(DRAWS).await;
        let topic = usize::from(u16::from_be_bytes([body[0], body[1]]));
        page.send(0x40, &body[2 + topic..4 + topic]).await;
        let payload: serde_json::Value = serde_json::from_slice(&body[4 + topic..]).unwrap();
        heard.insert(payload["identity"]["id"].as_str().unwrap().to_owned());
        came += 1;
    }
    for poster in posters {
        poster.await.unwrap();
    }
    assert_eq!(came, EVENTS, "none is sent again");
    assert!(
        !gateway.log().contains("destination is down"),
        "{}",
        gateway.log()
    );
}
