//! A neighbour that sends its history: large, slow, or many at once.

use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{
    NEIGHBOUR, connect, event_of, gateway, good_boxes, good_event, judge, post, request, senders,
    verdict,
};
use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;

/// What boxes resend after an outage, all at once.
const RESENT_WITHIN: Duration = Duration::from_secs(180);

/// By each of them: what memory keeps of one body adds to that of the next.
const RESENT_TIMES: u32 = 8;

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_drips_keeps_no_other_history_away() {
    let gateway = gateway();
    let head = format!(
        "POST /HistoryEvent HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\n\r\n[",
        60 << 20
    );
    let dripping = tokio::spawn(async move {
        let mut stream = connect(NEIGHBOUR, gateway.ingest).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        while stream.write_all(&[b' '; 4096]).await.is_ok() {
            // The stimulus: it drips.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let body = |number: u32| request("/HistoryEvent", &good_event(number, NEIGHBOUR));
    for number in 0..10 {
        let address = Ipv4Addr::new(127, 0, 1, 1);
        assert_eq!(
            post(address, gateway.ingest, &body(number)).await,
            Some(200),
            "{number}: {}",
            gateway.log()
        );
    }
    assert!(
        !dripping.is_finished(),
        "it has done nothing that it would be ended for"
    );
    dripping.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_finds_the_room_taken_ends_the_slowest_which_comes_again() {
    let gateway = Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__HISTORY_BODY_MAX_BYTES", "1MiB"),
        ("INGEST__IN_FLIGHT_WAIT", "5s"),
    ]);
    let head = format!(
        "POST /HistoryEvent HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\n\r\n",
        1 << 20
    );
    let mut slow = Vec::new();
    // Two of a megabyte fill the room but for a little.
    for _ in 0..2 {
        let mut stream = connect(NEIGHBOUR, gateway.ingest).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; (1 << 20) - 10]).await.unwrap();
        slow.push(stream);
    }
    tokio::task::block_in_place(|| wait_until("both are read", || slow.iter().all(is_read)));
    // The stimulus: both have been slow for long enough to be ended for it.
    tokio::time::sleep(Duration::from_secs(2)).await;
    // On a machine that stands still for a second it is slower than they are, and comes again.
    let body = request("/HistoryEvent", &good_event(1, NEIGHBOUR));
    let good_box = Ipv4Addr::new(127, 0, 1, 1);
    let gets_in = async { while post(good_box, gateway.ingest, &body).await != Some(200) {} };
    tokio::time::timeout(RESENT_WITHIN, gets_in)
        .await
        .expect("a faster one gets in");

    let [first, second] = &mut slow[..] else {
        panic!("there are two")
    };
    let other = tokio::select! {
        () = gives_way(first) => second,
        () = gives_way(second) => first,
    };
    let still_comes = other.try_read(&mut [0]).unwrap_err();
    assert_eq!(still_comes.kind(), ErrorKind::WouldBlock, "one was enough");
    let again = request("/HistoryEvent", &good_event(2, NEIGHBOUR));
    assert_eq!(post(NEIGHBOUR, gateway.ingest, &again).await, Some(200));
}

/// Until a sender is told to come again.
async fn gives_way(stream: &mut TcpStream) {
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 503");
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_of_much_text_cost_no_more_memory_than_there_is() {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "text ".repeat(1_580_000).into();
    let body = format!("[{}]", vec![event.to_string(); 8].join(","));
    judge(
        "4 × 63 MB of history",
        senders(4, 4, request("/HistoryEvent", &body)),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_of_millions_of_elements_cost_no_more_memory_than_there_is() {
    let body = format!("[{}1]", r#"{"a":1},"#.repeat(2_000_000));
    judge(
        "16 × 2,000,000 elements of one address",
        senders(16, 1, request("/HistoryEvent", &body)),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_and_history_together_cost_no_more_memory_than_there_is() {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "text ".repeat(1_580_000).into();
    let live = senders(32, 16, request("/RealTimeEvent", &event.to_string()));
    let history = senders(
        4,
        4,
        request(
            "/HistoryEvent",
            &format!("[{}]", vec![event.to_string(); 8].join(",")),
        ),
    );
    let both = |to, is_over: Arc<AtomicBool>| {
        live(to, is_over.clone())
            .into_iter()
            .chain(history(to, is_over))
            .collect()
    };
    judge("32 × 7.9 MB and 4 × 63 MB of history", both).await;
}

/// An event as costly as one may be: much text, many values, and a comma that has to be repaired.
fn costly_event() -> String {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "text ".repeat(1_200_000).into();
    event["y"] = "here".into();
    let values = format!("[{}]", vec![r#"{"":0}"#; 30_000].join(","));
    let event = event.to_string().replace("\"here\"", &values);
    format!("{},}}", event.strip_suffix('}').unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn live_and_history_of_costly_events_cost_no_more_memory_than_there_is() {
    let live = senders(32, 16, request("/RealTimeEvent", &costly_event()));
    let costly = format!("[{}]", vec![costly_event(); 6].join(","));
    let history = senders(4, 4, request("/HistoryEvent", &costly));
    let both = |to, is_over: Arc<AtomicBool>| {
        live(to, is_over.clone())
            .into_iter()
            .chain(history(to, is_over))
            .collect()
    };
    judge("32 × 6.3 MB and 4 × 38 MB of costly history", both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_of_sixteen_boxes_behind_one_address_all_get_in() {
    let gateway = gateway();
    let history = |number: u32| {
        let events = (0..30).map(|event| {
            let mut event = event_of(30 * number + event, NEIGHBOUR);
            event["ext_data"]["spot_pic"] = format!("/9j/{}", "QUJD".repeat(87_500)).into();
            event.to_string()
        });
        request(
            "/HistoryEvent",
            &format!("[{}]", events.collect::<Vec<_>>().join(",")),
        )
    };
    let boxes: Vec<_> = (0..16)
        .map(|number| {
            let (request, to) = (history(number), gateway.ingest);
            tokio::spawn(async move {
                for _ in 0..RESENT_TIMES {
                    while post(NEIGHBOUR, to, &request).await != Some(200) {}
                }
            })
        })
        .collect();

    let good = good_boxes(gateway.ingest).await;
    for resent in boxes {
        tokio::time::timeout(RESENT_WITHIN, resent)
            .await
            .expect("a box that asks again gets in")
            .unwrap();
    }
    verdict("16 histories of 14 MB", &gateway, &good);
}

/// Whether the other side has read all that was written here: nothing waits in either kernel.
fn is_read(stream: &TcpStream) -> bool {
    let [here, there] = [stream.local_addr(), stream.peer_addr()]
        .map(|address| format!("{:04X}", address.unwrap().port()));
    let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
    connections.lines().skip(1).all(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let ends = [fields[1], fields[2]].map(|end| end.rsplit(':').next().unwrap());
        let is_ours = ends == [&here, &there] || ends == [&there, &here];
        !is_ours || fields[4] == "00000000:00000000"
    })
}
