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

use crate::parts::PATIENCE;
use crate::parts::gateway::{Gateway, event};

mod bodies;
mod connections;
mod histories;

const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 2, 1);
const BOXES: u8 = 20;

/// Of each box.
const EVENTS: u32 = 12;
const PACE: Duration = Duration::from_millis(500);

const MEMORY_MAX_KIB: u64 = 256 * 1024;

fn gateway() -> Gateway {
    // No bus: what is measured is the way in.
    Gateway::start_within(
        MEMORY_MAX_KIB * 1024,
        &[("SEND__MQTT__URL", "mqtt://127.0.0.1:9")],
    )
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
        "{name}: {taken} taken, {lost} lost, {late} over 500 ms, at most {} MiB, {:?} MiB with its cgroup",
        memory / 1024,
        gateway.peak_cgroup_kib().map(|it| it / 1024)
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
