//! The promises of `/metrics` to all that goes on beside it.

use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use axum::extract::State;
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::task::{JoinSet, spawn_blocking, yield_now};

use super::*;
use crate::admin::render;

/// Bounds what hangs.
const PATIENCE: Duration = Duration::from_secs(20);
const SCRAPES: usize = 8;
/// Threads for what reads or changes files.
const THREADS: usize = 2;

/// Holds up every scrape, until it is told to end.
fn hold_up(health: &Arc<Health>) -> (Sender<()>, JoinHandle<()>) {
    let (end, ended) = channel();
    let (begin, begun) = channel();
    let health = Arc::clone(health);
    let holder = std::thread::spawn(move || {
        let _looking = health.looking.lock();
        begin.send(()).unwrap();
        let _ = ended.recv_timeout(PATIENCE);
    });
    begun.recv().unwrap();
    (end, holder)
}

#[test]
fn scrapes_however_many_take_one_thread_and_none_of_those_that_answer() {
    let mut threads = tokio::runtime::Builder::new_current_thread();
    let runtime = threads.max_blocking_threads(THREADS).build().unwrap();
    runtime.block_on(async {
        let metrics = PrometheusBuilder::new().build_recorder().handle();
        let health = Health::new(metrics);
        let (end, holder) = hold_up(&health);

        let scrapes = (0..SCRAPES).map(|_| render(State(Arc::clone(&health))));
        let scrapes: JoinSet<_> = scrapes.collect();
        while health.scrapes.try_lock().is_ok() {
            yield_now().await;
        }
        // The one thread that answers is here, and another is left for what others read.
        spawn_blocking(|| ()).await.unwrap();
        assert!(health.looking.is_locked(), "they were held up themselves");

        end.send(()).unwrap();
        let answers = scrapes.join_all().await;
        assert!(answers.iter().all(|answer| answer.status() == 200));
        holder.join().unwrap();
    });
}
