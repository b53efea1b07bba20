//! The demo's site: starts everything, runs it, and judges it at the end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Options;
use super::buses::{CuttableLine, MockKafka};
use super::introduction::Introduction;
use super::outage;
use super::screen::Screen;
use super::watch::Watch;
use crate::app::{App, Held, destinations, embedded_broker};
use crate::send::embedded::Embedded;
use boxbridge_config::{Config, Kind, Layers, STORE, Secret};
use boxbridge_connect::tls::Encryption;
use boxbridge_proof::reconcile::{Recorder, Report, Settings, Sources, judge_files};
use boxbridge_proof::simulate::{self, Outcome};

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
const CONNECTED_WITHIN: Duration = Duration::from_secs(15);
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

        let before = load(options, &set, &[])?;
        let (broker, line) = mqtt(&before).await?;
        let kafka = MockKafka::start(destinations::kafka_topics(&before, &before.routes))?;

        let buses = [
            ("send.mqtt.url", format!("mqtt://{}", line.address)),
            ("send.kafka.brokers", kafka.brokers.clone()),
        ];
        let mut config = load(options, &set, &buses)?;
        log_in(&mut config, &broker);

        let metrics = crate::metrics::install().context("cannot set up metrics")?;
        let app = App::start(config.clone(), metrics, Held::default()).await?;
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

        let mut screen = Screen::new(options.data_dir.join("pictures"));
        screen.introduce(&self.where_to_look(options)?);
        self.connected().await;

        let (sent, entries) = mpsc::channel(WATCHED_MAX);
        let stop = CancellationToken::new();
        let traffic = self.traffic(options)?;
        let boxes = tokio::spawn(simulate::run_watched(traffic, sent, stop.clone()));
        let watch = Watch {
            screen,
            line: self.line,
            entries,
            arrivals,
            requests,
            restores: None,
            ends: options.at_most.map(|at_most| Instant::now() + at_most),
            stop,
        };
        let waiting = watch.run().await?;

        let outcome = boxes.await??;
        self.app.stop().await;
        recorder.finish().await?;
        drop((self.broker, self.kafka));
        outage::end(&options.data_dir);

        let (sent, received) = ([self.ledger], [self.recording]);
        let report = judge_files(&self.config, &sent, &received, &[STORE], READ_MAX).await?;
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
            tokio::time::sleep(Duration::from_millis(25)).await;
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
            url: format!("http://{}/RealTimeEvent", self.ingest()?)
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

    fn ingest(&self) -> anyhow::Result<SocketAddr> {
        let plain = self.app.ingest_addresses.plain;
        plain.context("the demo's boxes speak no TLS: set ingest.listen")
    }

    fn where_to_look(&self, options: &Options) -> anyhow::Result<Vec<(&'static str, String)>> {
        let topics = destinations::kafka_topics(&self.config, &self.config.routes);
        let alerts = topics.iter().find(|topic| topic.contains("blacklist"));
        let topic = alerts.or(topics.first()).map_or("", String::as_str);

        let introduction = Introduction {
            data_dir: &options.data_dir,
            ingest: self.ingest()?,
            admin: self.app.admin_address,
            mqtt: self.broker.local_addr(),
            kafka: &self.kafka.brokers,
            topic,
        };
        Ok(introduction.lines())
    }
}

/// The demo's own broker, and the line to it that can be cut.
async fn mqtt(config: &Config) -> anyhow::Result<(Embedded, CuttableLine)> {
    let embedded = config.send.mqtt().filter(|mqtt| mqtt.broker.is_none());
    let embedded =
        embedded.context("the demo brings its own MQTT broker: leave send.mqtt.url alone")?;

    let broker = embedded_broker::listening(&embedded.embedded, SCREENS, &Encryption::default())?;
    let line = CuttableLine::open(broker.local_addr())
        .await
        .context("cannot listen on 127.0.0.1")?;
    Ok((broker, line))
}

/// The settings of the demo, with `more` over all others.
fn load(
    options: &Options,
    set: &[(String, String)],
    more: &[(&str, String)],
) -> anyhow::Result<Config> {
    let own = SETTINGS.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let data_dir = options.data_dir.display().to_string();
    let last = more
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.clone()));

    let flags = own
        .into_iter()
        .chain(set.iter().cloned())
        .chain([("data_dir".to_owned(), data_dir)])
        .chain(last);
    Ok(Config::load(&Layers {
        flags: flags.collect(),
        ..Layers::default()
    })?)
}

/// Gives the gateway the password of the demo's broker: nobody else may publish there.
fn log_in(config: &mut Config, broker: &Embedded) {
    let destinations = config.send.destinations.iter_mut();
    for destination in destinations.filter(|other| *other.name == *boxbridge_config::MQTT) {
        if let Kind::Mqtt(mqtt) = &mut destination.kind {
            let (username, password) = broker.login();
            (mqtt.username, mqtt.password) = (Some(username), password);
        }
    }
}
