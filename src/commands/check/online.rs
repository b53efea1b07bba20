//! `boxbridge check --online`: connects to every destination, and asks whether it would take our messages.
//!
//! Promises: ends within [`PATIENCE`] for each, and leaves nothing behind.

use std::sync::Arc;
use std::time::Duration;

use super::{Finding, disk};
use crate::app::destinations;
use crate::route::device_status;
use crate::send::kafka::{ASIDE_TOPIC, Kafka, Probe, Produce, TopicProbe};
use crate::send::mqtt::Mqtt;
use crate::send::said_of;
use crate::send::store::Store;
use boxbridge_config::{Config, Destination, Format, Kind, PicturePolicy, Routes};
use boxbridge_event::Size;
use boxbridge_event::Timestamp;

/// A broker that has not answered by then counts as down.
const PATIENCE: Duration = Duration::from_secs(15);
/// The most that an event without inline pictures takes in practice: 2 to 4 KB, more with long quality objects.
const EVENT_BYTES: usize = 16 * 1024;

/// Tries the disk and every destination.
pub async fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding {
        what: "disk".into(),
        found: disk::timed(&config.data_dir),
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
        Kind::Mqtt(settings) => {
            match destinations::mqtt(config, name, settings.clone(), ("check", Timestamp::now())) {
                Ok(None) => None,
                Ok(Some(mqtt)) => {
                    let needed = largest_message(config, routes);
                    let found = probe_mqtt(&mqtt, needed).await;
                    let left = left_on_kafka(config, destination).await;
                    Some(found.map(|found| found + &left))
                }
                Err(error) => Some(Err(format!("send.{name}: {error:#}"))),
            }
        }
        Kind::Kafka(settings) => {
            let kafka = destinations::kafka(config, destination, settings);
            let needed = largest_message(config, routes);
            let aside = leaves_aside(config, name).then_some(ASIDE_TOPIC);
            Some(probe_kafka(&kafka, settings.create_topics, needed, aside).await)
        }
    }
}

async fn within<T>(probe: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    tokio::time::timeout(PATIENCE, probe)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}")))
}

/// Where its events come from the queue and came from Kafka before.
async fn left_on_kafka(config: &Config, destination: &Destination) -> String {
    let left = destinations::left_behind(config, destination);
    let left = tokio::time::timeout(PATIENCE, left).await;
    let left = left.unwrap_or_default().into_iter();
    left.map(|left| format!("; warning: {left}")).collect()
}

async fn probe_mqtt(mqtt: &Mqtt, needed: usize) -> Result<String, String> {
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

/// Whether refused events go to a topic of this cluster: those of a broker that reads it, or at a stop those of a gateway that answers from it.
fn leaves_aside(config: &Config, cluster: &str) -> bool {
    let mut destinations = config.send.destinations.iter();
    destinations.any(|it| it.source() == Some(cluster))
        || config.queue.answer_from.as_deref() == Some(cluster)
}

async fn probe_kafka(
    kafka: &Kafka,
    creates: bool,
    needed: usize,
    aside: Option<&str>,
) -> Result<String, String> {
    let probe = kafka.probe(device_status::KAFKA_TOPIC, aside);
    let probe = within(async { probe.await.map_err(|error| error.to_string()) }).await?;

    let troubles = kafka_troubles(&probe, creates, needed);
    if !troubles.is_empty() {
        return Err(troubles.join("; "));
    }

    let missing = probe.topics.iter().filter(|topic| topic.problem.is_some());
    let note = match missing.count() {
        0 => String::new(),
        missing => format!(", {missing} of them to be made"),
    };
    Ok(format!(
        "{} brokers ({}), {} topics{note}{}{}{}",
        probe.brokers.len(),
        probe.brokers.join(" "),
        probe.topics.len(),
        produced(&probe.produce),
        of_devices(&probe, creates),
        on_one_broker(&probe.on_one_broker),
    ))
}

/// Where boxes are answered from there.
fn on_one_broker(topics: &[String]) -> String {
    match topics {
        [] => String::new(),
        topics => format!(
            "; warning: min.insync.replicas is 1 of {}, so one broker alone may have an event that a box was answered for",
            topics.join(", ")
        ),
    }
}

/// No event depends on it, so it is no problem of the whole.
fn of_devices(probe: &Probe, creates: bool) -> String {
    let Some(topic) = &probe.beside else {
        return String::new();
    };
    let name = &topic.name;
    match &topic.problem {
        None => format!("; {name} is there for devices"),
        Some(problem) if creates && problem.ends_with("is missing") => {
            format!("; {name} is made once there is something to tell of devices")
        }
        Some(problem) => format!("; nobody is told of devices: {problem}"),
    }
}

fn produced(produce: &Produce) -> String {
    match produce {
        Produce::Would { topic } => {
            format!("; {topic} would take events (one too large was refused, nothing was written)")
        }
        _ => "; no produce was tried: no topic's limit is known".to_owned(),
    }
}

/// What keeps Kafka from taking a message of `needed` bytes on each topic. `creates`: a missing topic will be made.
fn kafka_troubles(probe: &Probe, creates: bool, needed: usize) -> Vec<String> {
    let mut troubles = Vec::new();
    troubles.extend(missing(&probe.topics).filter(|_| !creates));
    for topic in &probe.topics {
        let problem = topic.problem.as_ref();
        troubles.extend(problem.filter(|_| !creates && !topic.is_missing).cloned());
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

/// All in one sentence: where one was forgotten, most were.
fn missing(topics: &[TopicProbe]) -> Option<String> {
    let names: Vec<&str> = topics
        .iter()
        .filter(|topic| topic.is_missing)
        .map(|topic| topic.name.as_str())
        .collect();
    let what = match names.len() {
        0 => return None,
        1 => "1 topic is missing".to_owned(),
        count => format!("{count} topics are missing"),
    };
    Some(format!(
        "{what}: {} (make them, or let the gateway: create_topics = \"missing\")",
        names.join(", ")
    ))
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
