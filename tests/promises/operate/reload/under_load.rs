//! Two hundred reloads while boxes send and no broker answers.

use boxbridge_proof::simulate;

use super::{File, taken};
use crate::parts::run::Run;
use crate::parts::site::Site;

const RELOADS: u32 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_with_both_brokers_down_refuse_no_box_and_lose_nothing() {
    let file = File::new("");
    let path = file.path();
    let mut site = Site::with_own_kafka("reloads", &[("CONFIG", path.to_str().unwrap())]);
    let options = simulate::Options {
        rate: 30.0,
        // That no answer waits for a broker shows in that all of them come.
        patience: std::time::Duration::from_secs(4),
        ..simulate::Options::default()
    };
    let run = Run::start(&site, options).await;

    tokio::task::block_in_place(|| {
        site.everything_down();
        for number in 1..=RELOADS {
            // It touches every destination.
            file.write(&format!("[send]\nretry_max = \"{}ms\"\n", 1_000 + number));
            taken(&site.gateway);
        }
        site.everything_up();
    });
    let (outcome, report) = run.finish(&site).await;
    assert_eq!(report.sent, report.acknowledged, "{outcome}");
    assert!(report.passes(), "{report}");
}
