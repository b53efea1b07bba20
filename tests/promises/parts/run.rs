//! A measured run: simulated boxes against a site, everything that arrives, and the verdict of `reconcile`.

use std::time::Duration;

use boxbridge_config::STORE;
use boxbridge_proof::reconcile::{Recorder, Report, Sources, judge_files};
use boxbridge_proof::simulate::{self, Outcome};
use tokio_util::sync::CancellationToken;

use super::site::Site;

/// Boxes that send until they are told to stop, and a recorder of both buses.
pub struct Run {
    directory: tempfile::TempDir,
    recorder: Recorder,
    boxes: tokio::task::JoinHandle<Outcome>,
    stop: CancellationToken,
}

/// After the last delivery: what is still on its way from a broker to its subscriber; a Kafka consumer looks for new topics only now and then.
const QUIET: Duration = Duration::from_secs(8);

impl Run {
    /// 50 boxes with two pictures an event, as `options` change it.
    pub async fn start(site: &Site, options: simulate::Options) -> Run {
        let directory = tempfile::tempdir().unwrap();
        let sources = Sources::all(&site.config());
        let recorder = Recorder::start(sources, &directory.path().join("arrivals"))
            .await
            .unwrap();
        let stop = CancellationToken::new();
        let options = simulate::Options {
            url: site.gateway.url().parse().unwrap(),
            duration: Duration::from_secs(3_600),
            ledger: Some(directory.path().join("ledger")),
            ..options
        };
        let boxes = tokio::spawn(simulate_until(options, stop.clone()));

        Run {
            directory,
            recorder,
            boxes,
            stop,
        }
    }

    /// The boxes stop, everything is delivered, and the verdict.
    pub async fn finish(mut self, site: &Site) -> (Outcome, Report) {
        self.stop.cancel();
        let outcome = self.boxes.await.unwrap();
        site.gateway.wait_delivered();
        self.recorder.wait_for_quiet(QUIET, None).await;
        self.recorder.finish().await.unwrap();

        let (ledger, arrivals) = (
            self.directory.path().join("ledger"),
            self.directory.path().join("arrivals"),
        );
        let report = judge_files(&site.config(), &[ledger], &[arrivals], &[STORE], u64::MAX)
            .await
            .unwrap();
        (outcome, report)
    }
}

async fn simulate_until(options: simulate::Options, stop: CancellationToken) -> Outcome {
    simulate::run_until(options, stop).await.unwrap()
}
