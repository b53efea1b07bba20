//! A log with records that wait: how soon a gateway starts over it, how fast it is delivered, and how long an alert takes meanwhile.
//!
//! The records are written by the gateway's own queue, in this process: by HTTP a million would take minutes.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use boxbridge::queue::{Entry, Queue, Settings};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{Lane, Timestamp};
use bytes::Bytes;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::answers::Answers;
use crate::body::{Body, Event};
use crate::load::door::Door;
use crate::load::{Boxes, Connections, Pace};
use crate::measure::Bench;
use crate::parts::subscriber::Subscriber;
use crate::reading::read;
use crate::rows::{BLACKLIST, Backlog, VISITOR};
use crate::server::{Server, Subject, data_dir};

/// Appends at once: the queue makes one group of what has come meanwhile.
const AT_ONCE: usize = 1024;
const DEVICES: u64 = 50;
const ALERTS_PER_SECOND: f64 = 50.0;
/// Fewer records wait than the alerts of a second: the backlog is gone.
const GONE: f64 = 50.0;

/// An alert that does not come for so long is lost.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a backlog.
pub struct Drained {
    pub events: u64,
    /// From the start of the process to the first answer.
    pub start: Duration,
    pub took: Duration,
    pub cpu_ms_per_event: f64,
    /// From box to subscriber, while the backlog is delivered; to the millisecond.
    pub alerts: Answers,
    pub memory_peak_mib: f64,
}

impl Drained {
    pub fn per_second(&self) -> f64 {
        self.events as f64 / self.took.as_secs_f64()
    }
}

/// Starts a gateway over a backlog, and waits until it is delivered.
pub fn drain(bench: &Bench, row: &Backlog) -> Drained {
    let directory = bench.directory();
    let destinations = row.sinks.names();
    fill(directory.path(), row.records, row.body_bytes, &destinations);
    let mut subscription = Subscription::start(bench.parts.mosquitto());

    let begin = Instant::now();
    let subject = Subject::Gateway(row.sinks);
    let mut server = Server::start(
        &subject,
        Door::Open,
        &bench.program,
        &bench.parts,
        directory.path(),
    );
    // No pictures: an alert waits for those, and that is the store's time.
    let body = Body::new(0, DEVICES, BLACKLIST);
    let boxes = Boxes::new(
        Door::Open.key(server.address, &bench.parts),
        body,
        Connections::Kept,
    );
    boxes.send(Pace::Saturated(1), Duration::ZERO);
    let (start, before) = (begin.elapsed(), server.cpu());

    let alerts = Alerts::start(boxes);
    server.wait_until_waiting(GONE);
    let took = begin.elapsed() - start;
    let cpu = server.cpu() - before;

    let drained = Drained {
        events: row.records,
        start,
        took,
        cpu_ms_per_event: cpu.as_secs_f64() * 1_000.0 / row.records as f64,
        alerts: subscription.collect(1 + alerts.stop()),
        memory_peak_mib: server.memory_peak(),
    };
    server.end();
    drained
}

/// Alerts that are sent all the while.
struct Alerts {
    is_over: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
}

impl Alerts {
    fn start(boxes: Arc<Boxes>) -> Alerts {
        let is_over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&is_over);
        let send = move || {
            let mut accepted = 0;
            while !until.load(Ordering::Relaxed) {
                let pace = Pace::PerSecond(ALERTS_PER_SECOND);
                accepted += boxes.send(pace, Duration::from_secs(1)).events();
            }
            accepted
        };

        let sender = std::thread::spawn(send);
        Alerts { is_over, sender }
    }

    /// How many were accepted.
    fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.sender.join().expect("alerts are sent")
    }
}

/// To all alerts.
struct Subscription {
    runtime: Runtime,
    times: mpsc::UnboundedReceiver<Duration>,
}

impl Subscription {
    fn start(broker: SocketAddr) -> Subscription {
        let runtime = Runtime::new().expect("a runtime");
        let filter = "boxbridge/+/events/blacklist/#";
        let subscriber = runtime.block_on(Subscriber::start(broker, filter));

        let (heard, times) = mpsc::unbounded_channel();
        runtime.spawn(hear(subscriber, heard));
        Subscription { runtime, times }
    }

    /// How long each of so many took from its box to here.
    fn collect(&mut self, sent: u64) -> Answers {
        self.runtime.block_on(async {
            let mut alerts = Answers::default();
            for _ in 0..sent {
                match tokio::time::timeout(PATIENCE, self.times.recv()).await {
                    Ok(Some(time)) => alerts.accepted(time),
                    _ => alerts.failed += 1,
                }
            }
            alerts
        })
    }
}

/// Says of each alert how long ago it occurred when it came.
async fn hear(mut subscriber: Subscriber, heard: mpsc::UnboundedSender<Duration>) {
    loop {
        let message = subscriber.receive_one().await;
        let payload: Value = serde_json::from_slice(&message.payload).expect("JSON");
        let text = payload["occurred_at"].as_str().expect("a time");
        let occurred: Timestamp = text.parse().expect("a time");

        let took = Timestamp::now().since(occurred).max(0);
        if heard.send(Duration::from_millis(took as u64)).is_err() {
            return;
        }
    }
}

/// Makes a log below a directory, with so many records that no destination has.
pub fn fill(directory: &Path, records: u64, body_bytes: usize, destinations: &[&str]) {
    let config = Arc::new(Config::load(&Layers::default()).expect("defaults are valid"));
    let settings = Settings::new(data_dir(directory), config.queue.max_bytes);
    let body = Arc::new(Body::new(body_bytes, DEVICES, VISITOR));

    let runtime = Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let queue = Queue::open(settings, destinations).expect("a log");
        let tasks: Vec<_> = (0..AT_ONCE)
            .map(|first| {
                let (queue, config, body) = (queue.clone(), Arc::clone(&config), Arc::clone(&body));
                tokio::spawn(async move {
                    for number in (first as u64..records).step_by(AT_ONCE) {
                        let appended = queue.append(entry(&body, number, &config)).await;
                        appended.expect("room in the log");
                    }
                })
            })
            .collect();

        for task in tasks {
            task.await.expect("a record is written");
        }
        queue.shutdown().await;
    });
}

fn entry(body: &Body, number: u64, config: &Config) -> Entry {
    let now = Timestamp::now();
    let time_ms = now.0 as u128;
    let bytes = Bytes::from(body.bytes(&Event { number, time_ms }));
    let normalized = read(&bytes, config, now);
    Entry {
        event: normalized.event,
        pictures: normalized.pictures,
        lane: Lane::Normal,
        live_revision: None,
        pass: None,
    }
}
