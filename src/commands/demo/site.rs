//! The demo's site: starts everything, runs it, and judges it at the end.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::Options;
use super::buses::{CuttableLine, MockKafka};
use super::outage::{self, OutageRequest};
use super::screen::Screen;
use crate::app::{App, Held, build};
use crate::send::embedded::Embedded;
use boxbridge_config::{Config, KAFKA, Kind, Layers, STORE, Secret, reached};
use boxbridge_proof::reconcile::{Recorded, Recorder, Report, Settings, Sources, judge_files};
use boxbridge_proof::simulate::{self, Entry, Outcome};

/// Settings that replace the defaults; `--set` replaces these.
const SETTINGS: [(&str, &str); 5] = [
    ("gateway", "demo"),
    ("ingest.listen", "127.0.0.1:9528"),
    // Short, so that an outage of 20 s shows late events.
    ("route.default.live_for", "10s"),
    ("queue.max_bytes", "256MiB"),
    ("send.store.max_bytes", "1GiB"),
];
/// Connections to the demo's broker: the gateway, the recorder, and people who watch.
const SCREENS: usize = 64;
/// Boxes, each at a door of its own.
const BOXES: u32 = 4;
const MIX: &str = "employee=60,visitor=14,stranger=10,vip=8,blacklist=8";
/// People of each type: few enough to meet the same face again.
const PEOPLE: u32 = 8;
/// Makes the same people in every demo. The fifth is blacklisted, so nobody waits long for an alert.
const SEED: u64 = 6_696;
/// A year: the demo runs until somebody ends it.
const ENDLESS: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// How long the end waits for events still on their way.
const END_WITHIN: Duration = Duration::from_secs(15);
const CONNECTED_WITHIN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Lines that wait for the screen.
const WATCHED_MAX: usize = 1024;
/// How many pictures are read and compared at the end.
const READ_MAX: u64 = 1_000;

/// The result: what was sent, what arrived, and how many events were not waited for.
pub struct End {
    pub outcome: Outcome,
    pub report: Report,
    pub waiting: usize,
}

pub struct Site {
    config: Config,
    app: App,
    /// Between the gateway and its MQTT broker.
    line: CuttableLine,
    broker: Embedded,
    kafka: MockKafka,
    ledger: PathBuf,
    recording: PathBuf,
}

impl Site {
    pub async fn start(options: &Options, set: Vec<(String, String)>) -> anyhow::Result<Site> {
        outage::check(&options.data_dir)?;
        std::fs::create_dir_all(&options.data_dir)
            .with_context(|| format!("cannot make {}", options.data_dir.display()))?;

        let own = SETTINGS
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let data_dir = (
            "data_dir".to_owned(),
            options.data_dir.display().to_string(),
        );
        let mut flags: Vec<_> = own.chain(set).chain([data_dir]).collect();
        let load = |flags: &[(String, String)]| {
            Config::load(&Layers {
                flags: flags.to_vec(),
                ..Layers::default()
            })
        };
        let config = load(&flags)?;

        let embedded = config.send.mqtt().filter(|mqtt| mqtt.broker.is_none());
        let embedded =
            embedded.context("the demo brings its own MQTT broker: leave send.mqtt.url alone")?;
        let broker = build::start_embedded(&embedded.embedded, SCREENS)?;
        let line = CuttableLine::open(broker.local_addr())
            .await
            .context("cannot listen on 127.0.0.1")?;
        let kafka = MockKafka::start(build::kafka_topics(&config, &config.routes))?;

        flags.push((
            "send.mqtt.url".to_owned(),
            format!("mqtt://{}", line.address),
        ));
        flags.push(("send.kafka.brokers".to_owned(), kafka.brokers.clone()));
        let mut config = load(&flags)?;
        // Only the gateway may publish on the demo's broker.
        let ours = config
            .send
            .destinations
            .iter_mut()
            .filter(|destination| *destination.name == *boxbridge_config::MQTT);
        for destination in ours {
            let Kind::Mqtt(mqtt) = &mut destination.kind else {
                continue;
            };
            let (username, password) = broker.login();
            (mqtt.username, mqtt.password) = (Some(username), password);
        }

        let app = App::start(
            config.clone(),
            crate::metrics::install().context("cannot set up metrics")?,
            Held::default(),
        )
        .await?;
        let file = |name: &str| options.data_dir.join(name);
        Ok(Site {
            config,
            app,
            line,
            broker,
            kafka,
            ledger: file("ledger.jsonl"),
            recording: file("arrivals.jsonl"),
        })
    }

    /// Runs until the given time or a signal, and judges.
    pub async fn run(self, options: &Options) -> anyhow::Result<End> {
        let (seen, arrivals) = mpsc::channel(WATCHED_MAX);
        let recorder = Recorder::start_watched(self.sources(), &self.recording, Some(seen)).await?;
        let requests = outage::listen(&options.data_dir)?;
        let (sent, entries) = mpsc::channel(WATCHED_MAX);
        let stop = CancellationToken::new();

        let mut screen = Screen::new(options.data_dir.join("pictures"));
        screen.introduce(&self.where_to_look(options));
        self.connected().await;

        let boxes = tokio::spawn(simulate::run_watched(
            self.traffic(options)?,
            sent,
            stop.clone(),
        ));
        let Site {
            config,
            app,
            line,
            broker,
            kafka,
            ledger,
            recording,
        } = self;

        let ends = options.at_most.map(|at_most| Instant::now() + at_most);
        let watch = Watch {
            screen,
            line,
            entries,
            arrivals,
            requests,
            restores: None,
            ends,
            stop,
        };
        let waiting = watch
            .run(
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            )
            .await?;

        let outcome = boxes.await??;
        app.stop().await;
        recorder.finish().await?;
        drop((broker, kafka));
        outage::end(&options.data_dir);

        let report = judge_files(&config, &[ledger], &[recording], &[STORE], READ_MAX).await?;
        Ok(End {
            outcome,
            report,
            waiting,
        })
    }

    /// Waits until the gateway is connected: before that there is nothing to see, although it would accept events.
    async fn connected(&self) {
        let late = Instant::now() + CONNECTED_WITHIN;
        while !self.app.is_connected() && Instant::now() < late {
            tokio::time::sleep(LOOK_EVERY / 10).await;
        }
    }

    fn sources(&self) -> Sources {
        let mut sources = Sources::all(&self.config);
        for bus in &mut sources.buses {
            // A guard's screen is on the broker's side of the line, and is anybody to it.
            if let Settings::Mqtt { mqtt, .. } = &mut bus.settings {
                mqtt.broker = None;
                mqtt.username = None;
                mqtt.password = Secret::default();
            }
        }
        sources
    }

    fn traffic(&self, options: &Options) -> anyhow::Result<simulate::Options> {
        Ok(simulate::Options {
            url: format!("http://{}/RealTimeEvent", self.app.ingest_address)
                .parse()
                .map_err(anyhow::Error::msg)?,
            boxes: BOXES,
            rate: options.rate,
            duration: options.at_most.unwrap_or(ENDLESS),
            mix: MIX.parse().map_err(anyhow::Error::msg)?,
            people: PEOPLE,
            pictures: 3,
            faces: true,
            seed: Some(SEED),
            ledger: Some(self.ledger.clone()),
            ..simulate::Options::default()
        })
    }

    fn where_to_look(&self, options: &Options) -> Vec<(&'static str, String)> {
        let (broker, brokers) = (reached(self.broker.local_addr()), &self.kafka.brokers);
        let (ingest, admin) = (
            reached(self.app.ingest_address),
            reached(self.app.admin_address),
        );
        let folder = format!(
            "'{}'",
            options
                .data_dir
                .display()
                .to_string()
                .replace('\'', "'\\''")
        );
        let here = match options.data_dir == std::path::Path::new("data/demo") {
            true => String::new(),
            false => format!(" --data-dir {folder}"),
        };

        let topics = build::kafka_topics(&self.config, &self.config.routes);
        let topic = topics
            .iter()
            .find(|topic| topic.contains("blacklist"))
            .or(topics.first())
            .map_or("", String::as_str);
        // The name it was started by: after a fresh clone it is not in the PATH.
        let program = std::env::args()
            .next()
            .unwrap_or_else(|| "boxbridge".to_owned());
        vec![
            (
                "MQTT",
                format!(
                    "mosquitto_sub -h {} -p {} -v -t 'boxbridge/#'",
                    broker.ip(),
                    broker.port()
                ),
            ),
            (
                "Kafka",
                format!("kcat -b {brokers} -C -o beginning -t {topic}    # librdkafka's mock"),
            ),
            (
                "pictures",
                format!("{}/pictures/scene/", options.data_dir.display()),
            ),
            (
                "status",
                format!("{program} status --watch --url http://{admin}"),
            ),
            ("metrics", format!("curl -s http://{admin}/metrics")),
            (
                "be a box",
                format!("POST http://{ingest}/RealTimeEvent, as the README shows"),
            ),
            (
                "outage",
                format!("{program} demo{here} --stop-broker 20s    # in a second terminal"),
            ),
        ]
    }
}

/// Keeps the screen up to date until the end.
struct Watch {
    screen: Screen,
    line: CuttableLine,
    entries: mpsc::Receiver<Entry>,
    arrivals: mpsc::Receiver<Recorded>,
    requests: mpsc::Receiver<OutageRequest>,
    /// When the cut line is restored.
    restores: Option<Instant>,
    ends: Option<Instant>,
    /// Stops the boxes.
    stop: CancellationToken,
}

impl Watch {
    /// Runs until the end; returns how many events have not arrived by then.
    async fn run(mut self, mut interrupt: Signal, mut terminate: Signal) -> anyhow::Result<usize> {
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                Some(entry) = self.entries.recv() => self.screen.sent(entry),
                Some(line) = self.arrivals.recv() => match line {
                    Recorded::Arrival(arrival) => self.screen.arrived(arrival),
                    // Every event goes to Kafka, and nothing else does.
                    Recorded::Foreign(bus) if bus == KAFKA => self.screen.arrived_from_another(),
                    _ => {}
                },
                Some(request) = self.requests.recv() => self.cut(request).await,
                () = moment(self.restores) => self.restore().await?,
                _ = look.tick() => self.screen.look(),
                () = moment(self.ends) => break,
                _ = interrupt.recv() => break,
                _ = terminate.recv() => break,
            }
        }

        self.stop.cancel();
        if self.restores.is_some() {
            self.restore().await?;
        }

        // Wait until all has arrived, or somebody interrupts a second time.
        let late = Instant::now() + END_WITHIN;
        while !(self.entries.is_closed() && self.entries.is_empty() && self.screen.waiting() == 0) {
            tokio::select! {
                Some(entry) = self.entries.recv() => self.screen.sent(entry),
                Some(Recorded::Arrival(arrival)) = self.arrivals.recv() => self.screen.arrived(arrival),
                _ = look.tick() => self.screen.look(),
                () = sleep_until(late) => break,
                _ = interrupt.recv() => break,
            }
        }

        self.screen.end();
        Ok(self.screen.waiting())
    }

    async fn cut(&mut self, request: OutageRequest) {
        if self.screen.is_in_outage() {
            let _ = request.teller.try_send(
                "an outage is under way: try again when all that waited has arrived".to_owned(),
            );
            return;
        }

        self.line.cut().await;
        self.restores = Some(Instant::now() + request.lasts);
        self.screen.outage_begins(request);
    }

    async fn restore(&mut self) -> anyhow::Result<()> {
        self.restores = None;
        self.screen.outage_ends();
        self.line
            .restore()
            .await
            .context("the line to the broker cannot be restored")
    }
}

async fn moment(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
