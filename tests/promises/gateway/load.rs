//! A site's day in short: 50 devices, 100 events a second, two 75 KB pictures each, against all three real destinations.

use std::time::Duration;

use boxbridge_proof::simulate;

use crate::parts::run::Run;
use crate::parts::site::Site;

/// The bound of any backlog and any outage; the gateway's own, not the page cache.
const MEMORY_MAX_KIB: u64 = 256 * 1024;

/// Longer by `LOAD_SECONDS=60`; what it measured is printed (`--nocapture`).
#[tokio::test(flavor = "multi_thread")]
async fn fifty_devices_at_a_hundred_events_a_second_lose_double_and_reorder_nothing() {
    let seconds = std::env::var("LOAD_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(8);
    let site = Site::start("load", &[]);
    // A busy test machine is slower than a box is patient: how long answers take is printed, not asserted.
    let options = simulate::Options {
        rate: 100.0,
        patience: Duration::from_secs(5),
        ..simulate::Options::default()
    };
    let run = Run::start(&site, options).await;
    // The stimulus: boxes send.
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (outcome, report) = run.finish(&site).await;
    println!(
        "{outcome}\n{report}\npeak memory {} KiB",
        site.gateway.peak_memory_kib()
    );
    assert_eq!(report.sent, report.acknowledged, "{outcome}");
    assert!(report.passes_strictly(), "{report}");
    assert!(
        site.gateway.peak_memory_kib() < MEMORY_MAX_KIB,
        "{} KiB",
        site.gateway.peak_memory_kib()
    );
}
