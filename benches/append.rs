//! What the queue costs over a plain loop: 200 KB records, appended by 1, 8 and 64 at once, against the same bytes written and
//! synced in groups of as many by one thread, in the same kind of file.
//!
//! Prints records per second of both and the ratio, the median of some rounds that take turns. Writes below the directory of
//! `BOXBRIDGE_BENCH_DIR`, else below the target directory: not into memory, where a sync costs nothing.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use boxbridge::queue::{Entry, Queue, Settings};
use boxbridge_config::{Config, Layers};
use boxbridge_event::{Event, EventId, Lane, Picture, PictureKind, Timestamp};
use bytes::Bytes;

#[path = "gateway/body.rs"]
#[allow(dead_code, reason = "nothing is sent")]
mod body;
#[path = "gateway/reading.rs"]
mod reading;

use body::Body;

const VISITOR: u8 = 2;
const PICTURE_BYTES: usize = 200_000;
const RECORDS: usize = 1_024;
const ROUNDS: usize = 5;
/// The queue's own limit on a group: the loop must not sync less often.
const GROUP_BYTES: usize = 4 << 20;

fn main() {
    let base = std::env::var_os("BOXBRIDGE_BENCH_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");

    println!(
        "{:>10} {:>12} {:>12} {:>8}   CPU ms per record: queue, loop",
        "at once", "queue /s", "loop /s", "ratio"
    );
    for concurrency in [1, 8, 64] {
        let (mut queue, mut plain) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let dir = tempfile::tempdir_in(&base).expect("a directory");
            plain.push(measure(|| plain_loop(dir.path(), concurrency)));
            let dir = tempfile::tempdir_in(&base).expect("a directory");
            let append = || runtime.block_on(append(dir.path(), concurrency));
            queue.push(measure(append));
        }
        print(concurrency, median(queue), median(plain));
    }
}

fn print(concurrency: usize, queue: (Duration, Duration), plain: (Duration, Duration)) {
    let rate = |took: Duration| RECORDS as f64 / took.as_secs_f64();
    let cpu = |took: Duration| took.as_secs_f64() * 1000.0 / RECORDS as f64;
    let (fast, slow) = (rate(queue.0), rate(plain.0));
    println!(
        "{concurrency:>10} {fast:>12.0} {slow:>12.0} {:>8.2}   {:.3}, {:.3}",
        fast / slow,
        cpu(queue.1),
        cpu(plain.1)
    );
}

/// Wall time as told by the run itself, and the CPU time of the whole process.
fn measure(run: impl FnOnce() -> Duration) -> (Duration, Duration) {
    let before = cpu();
    let wall = run();
    (wall, cpu().saturating_sub(before))
}

fn median(mut took: Vec<(Duration, Duration)>) -> (Duration, Duration) {
    took.sort();
    took[took.len() / 2]
}

/// User and system time, from `/proc/self/stat` in ticks of 10 ms.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);

    let ticks: u64 = times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

async fn append(dir: &Path, concurrency: usize) -> Duration {
    let queue = Queue::open(Settings::new(dir, 4 << 30), &["mqtt"]).expect("opens");
    let picture = Picture {
        kind: PictureKind::Scene,
        bytes: vec![7; PICTURE_BYTES].into(),
    };
    let event = event();

    let started = Instant::now();
    let all: Vec<_> = (0..concurrency)
        .map(|task| {
            let (queue, event, picture) = (queue.clone(), event.clone(), picture.clone());
            tokio::spawn(async move {
                for number in (task..RECORDS).step_by(concurrency) {
                    queue
                        .append(entry(number as u64, &event, picture.clone()))
                        .await
                        .expect("room");
                }
            })
        })
        .collect();
    for task in all {
        task.await.expect("no panic");
    }

    let took = started.elapsed();
    queue.shutdown().await;
    took
}

/// An afternoon's work: preallocated files, one write and one sync per group.
fn plain_loop(dir: &Path, concurrency: usize) -> Duration {
    const FILE_BYTES: u64 = 64 << 20;
    let record = vec![7; PICTURE_BYTES + 2048];
    let group = concurrency.min(GROUP_BYTES / record.len());
    let bytes = record.repeat(group);

    let started = Instant::now();
    let mut file: Option<(File, u64)> = None;
    for number in 0..RECORDS / group {
        let (open, offset) = match file.take() {
            Some((open, offset)) if offset + (bytes.len() as u64) < FILE_BYTES => (open, offset),
            _ => {
                let open = File::create(dir.join(number.to_string())).expect("a file");
                rustix::fs::fallocate(&open, rustix::fs::FallocateFlags::empty(), 0, FILE_BYTES)
                    .expect("room");
                (open, 0)
            }
        };

        open.write_all_at(&bytes, offset).expect("written");
        open.sync_data().expect("synced");
        file = Some((open, offset + bytes.len() as u64));
    }
    started.elapsed() * RECORDS as u32 / ((RECORDS / group) * group) as u32
}

fn entry(number: u64, event: &Event, picture: Picture) -> Entry {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    Entry {
        event: Event {
            id: EventId(id),
            ..event.clone()
        },
        pictures: vec![picture],
        lane: Lane::Normal,
        live_revision: None,
        pass: None,
    }
}

/// One of a box without pictures.
fn event() -> Event {
    let config = Config::load(&Layers::default()).expect("defaults are valid");
    let received_at = Timestamp::now();
    let sent = body::Event {
        number: 7,
        time_ms: received_at.0 as u128,
    };
    let body = Bytes::from(Body::new(0, 1, VISITOR).bytes(&sent));
    reading::read(&body, &config, received_at).event
}
