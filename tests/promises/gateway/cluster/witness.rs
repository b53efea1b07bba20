//! Both buses and the bucket as a consumer sees them, beside what boxes were told.
//!
//! Promises: one recording over all runs of boxes, each judged by its own ledger. An event that was answered sooner than a gateway waits for
//! Kafka and the store was answered from them, unless the gateway knew that they were away and did not wait.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use boxbridge_config::{Config, STORE};
use boxbridge_event::Timestamp;
use boxbridge_proof::reconcile::{Recorded, Recorder, Report, Settings, Sources, judge_files};
use boxbridge_proof::simulate::Entry;
use serde::de::DeserializeOwned;

/// When nothing has come for so long, nothing more comes. A consumer of a Kafka whose leaders have changed takes its time.
const QUIET: Duration = Duration::from_secs(30);

/// Between two looks at what has come.
const LOOK: Duration = Duration::from_secs(2);

/// The share of its deadline in which a gateway waits for Kafka and the store.
const WAIT: f64 = 0.75;

/// What a guard's screen subscribes to.
const ALERTS: &str = "boxbridge/+/events/blacklist/#";

pub struct Witness {
    records: Records,
    recorder: Recorder,
    guard: Recorder,
}

/// Who subscribes to MQTT.
#[derive(Clone, Copy, Debug)]
pub enum Screen {
    /// By one connection: before an alert stands everything that the broker took earlier.
    Everything,
    Alerts,
}

/// What was written down.
pub struct Records {
    directory: tempfile::TempDir,
    config: Config,
}

impl Witness {
    pub async fn start(config: Config) -> Witness {
        let records = Records {
            directory: tempfile::tempdir().unwrap(),
            config,
        };
        let all = Sources::all(&records.config);
        let alerts = of_alerts(all.clone());
        let recorder = Recorder::start(all, &records.arrivals(Screen::Everything)).await;
        let guard = Recorder::start(alerts, &records.arrivals(Screen::Alerts)).await;
        Witness {
            recorder: recorder.unwrap(),
            guard: guard.unwrap(),
            records,
        }
    }

    /// A file for what the boxes of a run are told.
    pub fn ledger(&self, run: &str) -> PathBuf {
        self.records.ledger(run)
    }

    /// Until everything that boxes were answered in this run has arrived, or nothing more comes.
    pub async fn wait_for(&mut self, run: &str) {
        let Witness {
            records, recorder, ..
        } = self;
        tokio::select! {
            () = recorder.wait_for_quiet(QUIET, None) => {}
            () = records.wait_until_complete(run) => {}
        }
    }

    pub async fn finish(self) -> Records {
        self.recorder.finish().await.unwrap();
        self.guard.finish().await.unwrap();
        self.records
    }
}

impl Records {
    fn ledger(&self, run: &str) -> PathBuf {
        self.directory.path().join(run)
    }

    fn arrivals(&self, screen: Screen) -> PathBuf {
        let file = match screen {
            Screen::Everything => "arrivals",
            Screen::Alerts => "alerts",
        };
        self.directory.path().join(file)
    }

    async fn wait_until_complete(&self, run: &str) {
        loop {
            let buses = self.judge(run).await.buses;
            if buses.len() == 2 && buses.values().all(|bus| bus.lost.count == 0) {
                return;
            }
            // The pause between two looks.
            tokio::time::sleep(LOOK).await;
        }
    }

    pub async fn judge(&self, run: &str) -> Report {
        self.judge_ledger(self.ledger(run)).await
    }

    /// The same of those events alone that were answered sooner than a gateway waits.
    pub async fn judge_prompt(&self, run: &str) -> Report {
        let wait = self.config.ingest.answer_deadline.mul_f64(WAIT);
        let prompt = self.ledger(&format!("{run}, prompt"));
        let mut file = std::fs::File::create(&prompt).unwrap();
        let entries = self.entries(run).into_iter();
        for entry in entries.filter(|entry| is_prompt(entry, wait)) {
            serde_json::to_writer(&mut file, &entry).unwrap();
            file.write_all(b"\n").unwrap();
        }
        self.judge_ledger(prompt).await
    }

    async fn judge_ledger(&self, ledger: PathBuf) -> Report {
        let (ledgers, arrivals) = ([ledger], [self.arrivals(Screen::Everything)]);
        let report = judge_files(&self.config, &ledgers, &arrivals, &[STORE], 0).await;
        report.unwrap()
    }

    /// Not deleted: somebody wants to look into it.
    pub fn keep(&mut self) -> PathBuf {
        self.directory.disable_cleanup(true);
        self.directory.path().to_owned()
    }

    pub fn entries(&self, run: &str) -> Vec<Entry> {
        lines(&self.ledger(run))
    }

    /// From the sending of each event to its arrival on this screen, sorted.
    pub fn delays(&self, run: &str, screen: Screen) -> Vec<Duration> {
        let sent = self.entries(run);
        let sent: std::collections::HashMap<_, _> =
            sent.iter().map(|it| (it.marker, it.sent_at)).collect();

        let arrivals = lines::<Recorded>(&self.arrivals(screen)).into_iter();
        let mut delays: Vec<_> = arrivals
            .filter_map(|line| match line {
                Recorded::Arrival(arrival) if arrival.bus == "mqtt" => {
                    Some(between(*sent.get(&arrival.marker)?, arrival.arrived_at))
                }
                _ => None,
            })
            .collect();
        delays.sort_unstable();
        delays
    }
}

fn of_alerts(mut sources: Sources) -> Sources {
    sources.buses.retain_mut(|bus| match &mut bus.settings {
        Settings::Mqtt { filters, .. } => {
            filters.push(ALERTS.to_owned());
            true
        }
        Settings::Kafka { .. } => false,
    });
    sources
}

fn lines<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let lines = BufReader::new(std::fs::File::open(path).unwrap()).lines();
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

fn is_prompt(entry: &Entry, wait: Duration) -> bool {
    let answered = entry.answered_at;
    entry.is_acknowledged() && answered.is_some_and(|it| between(entry.sent_at, it) < wait)
}

fn between(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(later.0 - earlier.0).unwrap_or_default())
}
