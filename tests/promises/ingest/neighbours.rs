//! One source, however greedy, slow or malformed, costs the others nothing they would notice.
//!
//! Twenty good boxes, each with an address of its own, send two events of 80 KB a second each, while a neighbour with one more address
//! does its worst. Judged is what a loaded machine cannot blur: nothing lost, nothing refused, bounded memory; how many answers took longer
//! than a box waits is printed (`--nocapture`).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::parts::gateway::{Gateway, event};
use crate::parts::site::wait_until;

const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);
const BOXES: u8 = 20;
/// Of each box.
const EVENTS: u32 = 12;
const PACE: Duration = Duration::from_millis(500);
/// A box waits for half a second; the machines that run this are not a gateway's own.
const PATIENCE: Duration = Duration::from_secs(8);
/// What boxes resend after an outage, all at once.
const RESENT_WITHIN: Duration = Duration::from_secs(180);
/// By each of them: what memory keeps of one body adds to that of the next.
const RESENT_TIMES: u32 = 8;
const MEMORY_MAX_KIB: u64 = 256 * 1024;

fn gateway() -> Gateway {
    // No bus: what is measured is the way in. Nor is the disk of a test machine.
    Gateway::start(&[
        ("SEND__MQTT__URL", "mqtt://127.0.0.1:9"),
        ("INGEST__ANSWER_DEADLINE", "7s"),
    ])
}

async fn connect(from: Ipv4Addr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(to).await
}

fn request(path: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: box\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into_bytes()
}

/// What is answered, as far as its status.
async fn post(from: Ipv4Addr, to: SocketAddr, request: &[u8]) -> Option<u16> {
    let exchange = async {
        let mut stream = connect(from, to).await.ok()?;
        let (mut reader, mut writer) = stream.split();
        let (_, answer) = tokio::join!(writer.write_all(request), async {
            let mut answer = Vec::new();
            reader.read_to_end(&mut answer).await.ok().map(|_| answer)
        });
        String::from_utf8_lossy(&answer?)
            .split(' ')
            .nth(1)?
            .parse()
            .ok()
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok()?
}

fn event_of(number: u32, device: Ipv4Addr) -> Value {
    event(&format!("{device}-{number}"), json!(1), &device.to_string())
}

/// An event with a picture, 80 KB in all.
fn good_event(number: u32, device: Ipv4Addr) -> String {
    let mut event = event_of(number, device);
    event["ext_data"]["spot_pic"] = format!("/9j/{}", "QUJD".repeat(20_000 - 100)).into();
    event.to_string()
}

/// What came of the good boxes' events.
#[derive(Default)]
struct Good {
    taken: AtomicU32,
    lost: AtomicU32,
    late: AtomicU32,
}

async fn good_boxes(to: SocketAddr) -> Arc<Good> {
    let good = Arc::new(Good::default());
    let boxes = (1..=BOXES).map(|last| {
        let good = Arc::clone(&good);
        tokio::spawn(async move {
            let address = Ipv4Addr::new(127, 0, 1, last);
            let mut pace = tokio::time::interval(PACE);
            // The stimulus: boxes that do not send in step.
            tokio::time::sleep(PACE / u32::from(BOXES) * u32::from(last)).await;
            for number in 0..EVENTS {
                pace.tick().await;
                let request = request("/RealTimeEvent", &good_event(number, address));
                let start = Instant::now();
                let count = match post(address, to, &request).await {
                    Some(200) => &good.taken,
                    _ => &good.lost,
                };
                count.fetch_add(1, Ordering::Relaxed);
                good.late.fetch_add(
                    u32::from(start.elapsed() > Duration::from_millis(500)),
                    Ordering::Relaxed,
                );
            }
        })
    });
    for good_box in boxes.collect::<Vec<_>>() {
        good_box.await.unwrap();
    }
    good
}

/// The good boxes beside `neighbour`, which goes on until it is told to end.
async fn judge<F: Future<Output = ()> + Send + 'static>(
    name: &str,
    neighbour: impl Fn(SocketAddr, Arc<AtomicBool>) -> Vec<F>,
) {
    let gateway = gateway();
    let is_over = Arc::new(AtomicBool::new(false));
    let neighbours: Vec<_> = neighbour(gateway.ingest, Arc::clone(&is_over))
        .into_iter()
        .map(tokio::spawn)
        .collect();
    let good = good_boxes(gateway.ingest).await;
    is_over.store(true, Ordering::Release);
    neighbours.iter().for_each(tokio::task::JoinHandle::abort);
    verdict(name, &gateway, &good);
}

fn verdict(name: &str, gateway: &Gateway, good: &Good) {
    let [taken, lost, late] =
        [&good.taken, &good.lost, &good.late].map(|count| count.load(Ordering::Relaxed));
    let memory = gateway.peak_memory_kib();
    println!(
        "{name}: {taken} taken, {lost} lost, {late} over 500 ms, at most {} MiB",
        memory / 1024
    );
    assert_eq!(
        (taken, lost),
        (u32::from(BOXES) * EVENTS, 0),
        "{name}; the gateway says:\n{}",
        gateway.log()
    );
    assert!(memory < MEMORY_MAX_KIB, "{name}: {memory} KiB");
}

/// So many connections of so many addresses over which `request` is sent again and again, and its answers read.
fn senders(
    count: u8,
    addresses: u8,
    request: Vec<u8>,
) -> impl Fn(SocketAddr, Arc<AtomicBool>) -> Vec<BoxFuture> {
    let request = Arc::new(request);
    move |to, is_over| {
        let sender = |number| {
            let (request, is_over) = (Arc::clone(&request), Arc::clone(&is_over));
            let address = Ipv4Addr::new(127, 0, 2, 1 + number % addresses);
            Box::pin(async move {
                while !is_over.load(Ordering::Acquire) {
                    let _ = post(address, to, &request).await;
                }
            }) as BoxFuture
        };
        (0..count).map(sender).collect()
    }
}

type BoxFuture = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

#[tokio::test(flavor = "multi_thread")]
async fn good_boxes_alone_lose_nothing() {
    judge("alone", |_, _| Vec::<BoxFuture>::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_of_one_address_cost_the_others_nothing() {
    for count in [1_030, 2_000] {
        judge(&format!("{count} idle connections"), |to, _| {
            vec![async move {
                let mut open = Vec::new();
                for _ in 0..count {
                    open.extend(connect(NEIGHBOUR, to).await.ok());
                }
                std::future::pending::<()>().await;
            }]
        })
        .await;
    }
}

/// An event with `count` small objects in a field that nobody knows.
fn many_values(count: usize) -> Vec<u8> {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "here".into();
    request(
        "/RealTimeEvent",
        &event.to_string().replace(
            "\"here\"",
            &format!("[{}]", vec![r#"{"":0}"#; count].join(",")),
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_cost_a_hundred_times_their_text_cost_the_others_nothing() {
    for (connections, addresses, values) in [
        (4, 1, 49_000),
        (16, 1, 30_000),
        (64, 16, 30_000),
        (128, 1, 49_000),
    ] {
        let name = format!("{connections} connections of {addresses} × {values} values");
        judge(&name, senders(connections, addresses, many_values(values))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_much_text_cost_the_others_nothing() {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "text ".repeat(1_580_000).into();
    for addresses in [1, 16] {
        let name = format!("64 × 7.9 MB of text from {addresses}");
        judge(
            &name,
            senders(64, addresses, request("/RealTimeEvent", &event.to_string())),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_reads_cost_the_others_nothing() {
    let mut event = event("1", json!(1), "10.0.0.1");
    event["x"] = "text ".repeat(1_400_000).into();
    let request = Arc::new(request("/RealTimeEvent", &event.to_string()));
    judge("40 answers that nobody reads", |to, _| {
        let request = Arc::clone(&request);
        vec![async move {
            let mut open = Vec::new();
            // One after the other, each as soon as the one before has its answer: so none is refused.
            while open.len() < 40 {
                let Ok(mut stream) = connect(NEIGHBOUR, to).await else {
                    continue;
                };
                let _ = stream.write_all(&request).await;
                let _ = stream.readable().await;
                open.push(stream);
            }
            std::future::pending::<()>().await;
        }]
    })
    .await;
}

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
    let body = request("/HistoryEvent", &good_event(1, NEIGHBOUR));
    assert_eq!(
        post(Ipv4Addr::new(127, 0, 1, 1), gateway.ingest, &body).await,
        Some(200),
        "{}",
        gateway.log()
    );
    let busy = gateway.metrics()["boxbridge_ingest_refusals_total{code=\"history_busy\"}"];
    assert_eq!(busy, 1.0, "one of the two has given way");
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
    event["x"] = "text ".repeat(1_500_000).into();
    event["y"] = "here".into();
    let values = format!("[{}]", vec![r#"{"":0}"#; 30_000].join(","));
    let event = event.to_string().replace("\"here\"", &values);
    format!("{},}}", event.strip_suffix('}').unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn live_and_history_of_costly_events_cost_no_more_memory_than_there_is() {
    let live = senders(32, 16, request("/RealTimeEvent", &costly_event()));
    let costly = format!("[{}]", vec![costly_event(); 8].join(","));
    let history = senders(4, 4, request("/HistoryEvent", &costly));
    let both = |to, is_over: Arc<AtomicBool>| {
        live(to, is_over.clone())
            .into_iter()
            .chain(history(to, is_over))
            .collect()
    };
    judge("32 × 7.8 MB and 4 × 63 MB of costly history", both).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_whose_answers_are_not_read_ends() {
    let gateway = gateway();
    let mut stream = connect(NEIGHBOUR, gateway.ingest).await.unwrap();
    let requests = "GET /RealTimeEvent HTTP/1.1\r\nHost: box\r\n\r\n".repeat(1_000);
    // Until both kernels are full of what nobody reads, and the gateway has waited long enough.
    let ended = async { while stream.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(Duration::from_secs(60), ended)
        .await
        .expect("the connection ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_line_of_nothing_but_blanks_ends_however_fast_they_come() {
    let gateway = gateway();
    for beginning in ["", "POST ", "POST /RealTimeEvent HTTP/1.1", "\r\n"] {
        for blank in [" ", "\t", "\r\n"] {
            let mut stream = connect(NEIGHBOUR, gateway.ingest).await.unwrap();
            stream.write_all(beginning.as_bytes()).await.unwrap();
            let blanks = blank.repeat(16 * 1024);
            let ended = async { while stream.write_all(blanks.as_bytes()).await.is_ok() {} };
            tokio::time::timeout(Duration::from_secs(60), ended)
                .await
                .unwrap_or_else(|_| panic!("{beginning:?} {blank:?}"));
        }
    }
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
