//! What `boxbridge simulate` can send from one core: 200 KB bodies at 2,000 a second, to a receiver on another core that throws them away.
//!
//! Prints how punctual it was and its own CPU: a simulator that is late or busy would measure itself.

#![allow(clippy::indexing_slicing, clippy::print_stdout)]

use std::time::Duration;

use axum::Router;
use boxbridge_proof::simulate::{self, Options, Receiver};
use http_body_util::BodyExt;
use tokio_util::sync::CancellationToken;

const RATE: f64 = 2_000.0;
const EVENTS: u64 = 6_000;

fn main() {
    let url = receiver();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");

    for keep_alive in [true, false] {
        let options = Options {
            url: url.clone(),
            rate: RATE,
            count: Some(EVENTS),
            // The receiver's lateness is not what is measured.
            patience: Duration::from_secs(5),
            keep_alive,
            ..Options::default()
        };

        let before = cpu_seconds();
        let outcome = runtime
            .block_on(simulate::run_until(options, CancellationToken::new()))
            .expect("an address");
        let share = (cpu_seconds() - before) / outcome.elapsed_seconds * 100.0;
        println!(
            "{}\n{outcome}\nCPU           {share:.0} % of one core\n",
            if keep_alive {
                "keep-alive"
            } else {
                "Connection: close"
            }
        );
    }
}

/// On a thread and a runtime of its own.
fn receiver() -> Receiver {
    let (told, url) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");

        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
                .await
                .expect("a port");
            let address = listener.local_addr().expect("an address");
            told.send(format!("http://{address}").parse().expect("a URL"))
                .expect("somebody who waits");

            let discard = |mut body: axum::body::Body| async move {
                while body.frame().await.is_some() {}
                "ok"
            };
            axum::serve(listener, Router::new().fallback(discard)).await
        })
    });
    url.recv().expect("a receiver")
}

/// Of the calling thread.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("proc");
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |field: usize| fields[field].parse::<f64>().expect("ticks");
    (ticks(11) + ticks(12)) / 100.0
}
