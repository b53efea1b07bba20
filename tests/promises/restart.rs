//! What was answered 200 is delivered, whatever happens to the gateway: measured by `simulate` and `reconcile`, as a site would.

use std::time::Duration;

use boxbridge::commands::simulate;

use crate::parts::run::Run;
use crate::parts::site::Site;

/// How long the boxes send between two kills: long enough that segments, cursors and sessions are all in motion.
const BETWEEN_KILLS: Duration = Duration::from_millis(700);

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_under_load_lose_nothing_that_was_acknowledged() {
    let mut site = Site::start("kills", &[]);
    let options = simulate::Options { rate: 100.0, patience: Duration::from_secs(2), ..simulate::Options::default() };
    let run = Run::start(&site, options).await;
    for _ in 0..20 {
        tokio::time::sleep(BETWEEN_KILLS).await;
        tokio::task::block_in_place(|| site.gateway.kill_and_restart());
    }
    let (outcome, report) = run.finish(&site).await;
    assert!(report.acknowledged > 300, "{outcome}");
    assert!(report.passes(), "{report}");
    for (bus, on_bus) in &report.buses {
        assert_eq!(on_bus.reordered.count, 0, "{bus:?}: {report}");
    }
    let (found, code) = site.gateway.run(&["queue", "verify"]);
    assert_eq!(code, Some(0), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_and_start_loses_and_doubles_nothing() {
    let mut site = Site::start("stops", &[("INGEST__DRAIN_DELAY", "200ms")]);
    let options = simulate::Options { rate: 100.0, patience: Duration::from_secs(2), ..simulate::Options::default() };
    let run = Run::start(&site, options).await;
    for _ in 0..3 {
        tokio::time::sleep(BETWEEN_KILLS).await;
        assert_eq!(tokio::task::block_in_place(|| site.gateway.stop()), Some(0), "{}", site.gateway.log());
        tokio::task::block_in_place(|| site.gateway.restart());
    }
    let (_, report) = run.finish(&site).await;
    assert!(report.passes(), "{report}");
}
