//! `boxbridge check`: finds errors in the settings; with `--online`, also whether brokers, store and disk fit them.
//!
//! Promises: nothing lasting changes (a probe object is deleted again, no topic is made, no record written). Everything that can be tried
//! is tried and reported, even if something before it failed. Exit code 64 for wrong settings, 1 for a problem that `--online` found.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use super::{refuse, say};
use crate::app::build;
use crate::send::kafka::{Probe, Produce};
use crate::send::said_of;
use crate::send::store::Store;
use boxbridge_config::{
    Config, Destination, Format, Kind, Mqtt, PicturePolicy, Problems, Routes, StoreUrl,
};
use boxbridge_event::Size;

/// A broker that has not answered by then counts as down.
const PATIENCE: Duration = Duration::from_secs(15);
/// How many syncs are timed, each with the bytes of a usual event.
const SYNCS: usize = 50;
const SYNC_BYTES: usize = 200 * 1024;
/// A box waits 500 ms: a disk with one sync this slow among fifty leaves no time for anything else.
const SLOW_SYNC: Duration = Duration::from_millis(250);
/// The most that an event without inline pictures takes in practice: 2 to 4 KB, more with long quality objects.
const EVENT_BYTES: usize = 16 * 1024;

#[derive(Args)]
#[command(
    after_help = "Examples:\n  boxbridge check --config /etc/boxbridge.toml\n  boxbridge check --online     connects to brokers and store, looks up topics, times the disk"
)]
pub struct Options {
    /// Also connect: brokers, topics, sizes, store, disk
    #[arg(long)]
    online: bool,
}

/// One thing that was tried.
struct Finding {
    what: Arc<str>,
    found: Result<String, String>,
}

pub fn run(options: &Options, config: Result<Config, Problems>) -> ExitCode {
    let config = match config {
        Ok(config) => config,
        Err(problems) => return refuse(&problems),
    };

    for warning in &config.warnings {
        say(&format!("warning   {warning}"));
    }
    say(&format!("settings  ok: {}", summary(&config)));
    if !options.online {
        return ExitCode::SUCCESS;
    }

    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    else {
        return ExitCode::FAILURE;
    };
    let findings = runtime.block_on(online(&config));
    for Finding { what, found } in &findings {
        match found {
            Ok(text) => say(&format!("{what:<9} ok: {text}")),
            Err(text) => say(&format!("{what:<9} PROBLEM: {text}")),
        };
    }

    runtime.shutdown_timeout(Duration::from_secs(1));
    if findings.iter().all(|finding| finding.found.is_ok()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn summary(config: &Config) -> String {
    let off = || "off".to_owned();
    let (mqtt, kafka) = (
        config.send.named("mqtt").map_or_else(off, place),
        config.send.named("kafka").map_or_else(off, place),
    );
    let is_own =
        |destination: &&Destination| !["mqtt", "kafka", "store"].contains(&&*destination.name);
    let others: String = config
        .send
        .destinations
        .iter()
        .filter(is_own)
        .map(|other| {
            format!(
                ", {} ({}) {}",
                other.name,
                other.kind.name().as_str(),
                place(other)
            )
        })
        .collect();
    format!(
        "boxes on {}, MQTT {mqtt}, Kafka {kafka}{others}, queue of {} in {}",
        config.ingest.listen,
        Size(config.queue.max_bytes),
        config.data_dir.display()
    )
}

/// Where it is.
fn place(destination: &Destination) -> String {
    match &destination.kind {
        Kind::Mqtt(Mqtt { broker: None, .. }) => "in this process".to_owned(),
        Kind::Mqtt(Mqtt {
            broker: Some(broker),
            ..
        }) => format!("{}:{}", broker.host, broker.port),
        Kind::Kafka(kafka) => kafka.brokers.clone(),
        Kind::Store(store) => match &store.url {
            StoreUrl::File(folder) => folder.display().to_string(),
            StoreUrl::S3(bucket) => format!("s3://{}/{}", bucket.name, bucket.prefix),
        },
    }
}

/// Roughly the largest message that a route can make: inline pictures are base64, as in the body they came in.
fn largest_message(config: &Config, routes: &Routes) -> usize {
    let is_inline = routes.iter().any(|(_, route)| {
        route.pictures == PicturePolicy::Inline && route.format == Format::Boxbridge
    });
    if is_inline {
        config.ingest.body_max_bytes + EVENT_BYTES
    } else {
        EVENT_BYTES
    }
}

async fn online(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding {
        what: "disk".into(),
        found: disk(&config.data_dir),
    }];
    for destination in &config.send.destinations {
        let Some(found) = probe(destination, config).await else {
            continue;
        };
        let kind = destination.kind.name().as_str();
        let found = found.map_err(|problem| said_of(&destination.name, kind, problem));
        findings.push(Finding {
            what: Arc::clone(&destination.name),
            found,
        });
    }
    findings
}

/// `None` where there is nothing to connect to before the gateway runs.
async fn probe(destination: &Destination, config: &Config) -> Option<Result<String, String>> {
    let (name, routes) = (&destination.name, &destination.routes);
    match &destination.kind {
        Kind::Store(settings) => {
            let store = Store::new(settings.clone());
            let found =
                within(async { store.probe().await.map_err(|error| error.to_string()) }).await;
            Some(found.map(|()| "written, read back and deleted a probe".to_owned()))
        }
        Kind::Mqtt(settings) => match build::mqtt(config, name, settings, "check", None) {
            Ok(None) => None,
            Ok(Some(mqtt)) => Some(probe_mqtt(&mqtt, largest_message(config, routes)).await),
            Err(error) => Some(Err(format!("send.{name}: {error:#}"))),
        },
        Kind::Kafka(settings) => {
            let kafka = build::kafka(config, settings, routes);
            Some(
                probe_kafka(
                    &kafka,
                    settings.create_topics,
                    largest_message(config, routes),
                )
                .await,
            )
        }
    }
}

async fn within<T>(probe: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, probe)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
}

async fn probe_mqtt(mqtt: &crate::send::mqtt::Mqtt, needed: usize) -> Result<String, String> {
    let offer = within(async { mqtt.probe().await.map_err(|error| error.to_string()) }).await?;
    if let Some(limit) = offer
        .packet_max
        .and_then(|bytes| usize::try_from(bytes).ok())
        .filter(|limit| *limit < needed)
    {
        return Err(format!(
            "the broker takes packets of {}, a message can have {}",
            Size::from(limit),
            Size::from(needed)
        ));
    }

    let packets = offer.packet_max.map_or("any size".to_owned(), |bytes| {
        Size(bytes.into()).to_string()
    });
    Ok(format!(
        "connected; takes packets of {packets}, {} unacknowledged at once",
        offer.receive_maximum
    ))
}

async fn probe_kafka(
    kafka: &crate::send::kafka::Kafka,
    creates: bool,
    needed: usize,
) -> Result<String, String> {
    let probe = within(async { kafka.probe().await.map_err(|error| error.to_string()) }).await?;

    let troubles = kafka_troubles(&probe, creates, needed);
    if !troubles.is_empty() {
        return Err(troubles.join("; "));
    }

    let produce = match &probe.produce {
        Produce::Would { topic } => {
            format!("; {topic} would take events (one too large was refused, nothing was written)")
        }
        _ => "; no produce was tried: no topic's limit is known".to_owned(),
    };
    let missing = probe
        .topics
        .iter()
        .filter(|topic| topic.problem.is_some())
        .count();
    let note = if missing > 0 {
        format!(", {missing} of them to be made")
    } else {
        String::new()
    };
    Ok(format!(
        "{} brokers ({}), {} topics{note}{produce}",
        probe.brokers.len(),
        probe.brokers.join(" "),
        probe.topics.len()
    ))
}

/// What keeps Kafka from taking a message of `needed` bytes on each topic. `creates`: a missing topic will be made.
fn kafka_troubles(probe: &Probe, creates: bool, needed: usize) -> Vec<String> {
    let mut troubles = Vec::new();
    for topic in &probe.topics {
        if let Some(problem) = topic.problem.as_ref().filter(|_| !creates) {
            troubles.push(format!("topic {}: {problem}", topic.name));
        }
        if let Some(limit) = topic.max_message_bytes.filter(|limit| *limit < needed) {
            let (limit, needed) = (Size::from(limit), Size::from(needed));
            troubles.push(format!(
                "topic {} takes messages of {limit}, one can have {needed}",
                topic.name
            ));
        }
    }

    match &probe.produce {
        Produce::Refused(why) => troubles.push(format!("events would not be taken: {why}")),
        Produce::Kept { topic } => {
            troubles
                .push(format!("{topic} took a record over its own max.message.bytes; it lies there under the key boxbridge/check"));
        }
        Produce::Would { .. } | Produce::Untried => {}
    }
    troubles
}

/// Times a write of one event and its sync in the data directory: every answer waits for that.
fn disk(data_dir: &Path) -> Result<String, String> {
    let path = data_dir.join("check.unfinished");
    let timed = || -> std::io::Result<Vec<Duration>> {
        std::fs::create_dir_all(data_dir)?;
        let mut file = std::fs::File::create(&path)?;
        let bytes = vec![0x5a; SYNC_BYTES];
        let mut times = Vec::with_capacity(SYNCS);
        for _ in 0..SYNCS {
            let start = Instant::now();
            file.write_all(&bytes)?;
            file.sync_data()?;
            times.push(start.elapsed());
        }
        Ok(times)
    };

    let times = timed();
    let _ = std::fs::remove_file(&path);
    let mut times = times.map_err(|error| format!("{}: {error}", data_dir.display()))?;
    times.sort_unstable();

    let at = |share: usize| {
        times
            .get(times.len() * share / 100)
            .or(times.last())
            .copied()
            .unwrap_or_default()
    };
    let said = format!(
        "a sync of {} KiB takes {:.1} ms, the slowest of {SYNCS} {:.1} ms",
        SYNC_BYTES / 1024,
        ms(at(50)),
        ms(at(100))
    );
    if at(100) > SLOW_SYNC {
        Err(format!("{said}: a box hangs up after 500 ms"))
    } else {
        Ok(said)
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
