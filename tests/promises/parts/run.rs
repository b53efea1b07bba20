//! A measured run: simulated boxes against a site, everything that arrives, and the verdict of `reconcile`.

use std::path::Path;
use std::time::Duration;

use boxbridge::commands::reconcile::{Line, Recorder, Report, Rules, Sources, StoredObject, judge};
use boxbridge::commands::simulate::{self, Entry, Outcome, hex};
use boxbridge::event::Timestamp;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use super::gateway::files;
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
        let config = site.config();
        let sources = Sources {
            mqtt: config.send.mqtt.clone(),
            mqtt_filters: Vec::new(),
            kafka: config.send.kafka.clone().map(|kafka| (kafka, Timestamp::now())),
            rules: Rules::new(config.routes.clone()),
        };
        let recorder = Recorder::start(sources, &directory.path().join("arrivals")).await.unwrap();
        let stop = CancellationToken::new();
        let options = simulate::Options {
            url: site.gateway.url().parse().unwrap(),
            duration: Duration::from_secs(3_600),
            ledger: Some(directory.path().join("ledger")),
            ..options
        };
        let boxes = tokio::spawn(simulate_until(options, stop.clone()));
        Run { directory, recorder, boxes, stop }
    }

    /// The boxes stop, everything is delivered, and the verdict.
    pub async fn finish(mut self, site: &Site) -> (Outcome, Report) {
        self.stop.cancel();
        let outcome = self.boxes.await.unwrap();
        site.gateway.wait_delivered();
        self.recorder.wait_for_quiet(QUIET, None).await;
        self.recorder.finish().await.unwrap();
        let objects = files(&site.store.file("lobby")).into_iter().map(|(key, content)| StoredObject {
            key,
            bytes: content.len() as u64,
            sha256: Some(hex(&Sha256::digest(&content))),
        });
        let ledger: Vec<Entry> = lines(&self.directory.path().join("ledger"));
        let arrivals: Vec<Line> = lines(&self.directory.path().join("arrivals"));
        (outcome, judge(Rules::new(site.config().routes), ledger, arrivals, Some(objects.collect())))
    }
}

async fn simulate_until(options: simulate::Options, stop: CancellationToken) -> Outcome {
    simulate::run_until(options, stop).await.unwrap()
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Vec<T> {
    std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
