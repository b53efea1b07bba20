//! Settings → the destinations, and what they need: a new kind is a function here.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::listen::cannot_listen;
use super::stage::Stage;
use super::untaken::Untaken;
use crate::metrics;
use crate::normalize;
use crate::queue::Queue;
use crate::route::{PictureLocations, Router};
use crate::send::embedded::{Embedded, StartError};
use crate::send::kafka::{self, Kafka};
use crate::send::mqtt::{GatewayIdentity, Mqtt};
use crate::send::store::{self, Store};
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use boxbridge_config::{Config, Routes, StoreUrl};
use boxbridge_event::Timestamp;

/// What the embedded broker may have taken and lost with the process: published again after an unclean stop.
const LOST_WITH_MEMORY: Duration = Duration::from_secs(60);
/// How long that waits for somebody to hear it.
const SUBSCRIBER_WAIT: Duration = Duration::from_secs(10);
const DROPPED_EVERY: Duration = Duration::from_secs(5);

/// The names under which cursors are kept.
pub fn destination_names(config: &Config) -> Vec<Arc<str>> {
    config
        .send
        .destinations
        .iter()
        .map(|destination| Arc::clone(&destination.name))
        .collect()
}

/// The broker of these settings; `embedded` where they name that, and nothing where it does not run.
pub fn mqtt(
    config: &Config,
    name: &Arc<str>,
    settings: &boxbridge_config::Mqtt,
    instance: &str,
    embedded: Option<&Embedded>,
) -> anyhow::Result<Option<Mqtt>> {
    let settings = match (&settings.broker, embedded) {
        (None, Some(embedded)) => embedded.reached_by(settings.clone()),
        _ => settings.clone(),
    };
    let Some(broker) = settings.broker.clone() else {
        return Ok(None);
    };
    let identity = GatewayIdentity {
        destination: Arc::clone(name),
        site: config.site.clone(),
        gateway: config.gateway.clone(),
        instance: instance.to_owned(),
        started: Timestamp::now(),
    };
    Ok(Some(Mqtt::new(settings, broker, &config.send, identity)?))
}

pub fn kafka(config: &Config, settings: &boxbridge_config::Kafka, routes: &Routes) -> Kafka {
    Kafka::new(
        settings.clone(),
        kafka_topics(config, routes),
        kafka::Limits::of(&config.send),
    )
}

/// Those that the routes can name in advance.
pub fn kafka_topics(config: &Config, routes: &Routes) -> Vec<String> {
    Router::new(routes, places(config), "", normalize::table)
        .kafka_topics(&config.site)
        .into_iter()
        .collect()
}

pub fn places(config: &Config) -> PictureLocations {
    let store = config.send.store();
    let (root, prefix) = match &store.url {
        StoreUrl::File(path) => (
            std::path::absolute(path).unwrap_or_else(|_| path.clone()),
            String::new(),
        ),
        StoreUrl::S3(bucket) => (PathBuf::new(), store::prefix(bucket)),
    };
    PictureLocations::new(store, &root, &prefix)
}

/// The broker in this process, where the config wants it, with so many connections.
pub fn embedded(config: &Config, places: usize) -> anyhow::Result<Option<Embedded>> {
    match config.send.mqtt() {
        Some(mqtt) if mqtt.broker.is_none() => start_embedded(&mqtt.embedded, places).map(Some),
        _ => Ok(None),
    }
}

pub fn start_embedded(
    settings: &boxbridge_config::Embedded,
    places: usize,
) -> anyhow::Result<Embedded> {
    Embedded::start(settings, places).map_err(|error| match error {
        StartError::Listen {
            address,
            key,
            source,
        } => cannot_listen(key, address, source),
        error => error.into(),
    })
}

/// An id made once per data directory: client ids are made from it, so that two gateways never throw each other out.
pub fn instance(disk: &Disk, data_dir: &Path) -> anyhow::Result<String> {
    let path = data_dir.join("instance");
    match disk.read(&path) {
        Ok(bytes) => match String::from_utf8_lossy(&bytes).trim() {
            "" => {}
            instance => return Ok(instance.to_owned()),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    let instance: String = uuid::Uuid::new_v4()
        .simple()
        .to_string()
        .chars()
        .take(12)
        .collect();
    disk.replace(&path, format!("{instance}\n").as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(instance)
}

/// What the broker in memory may have lost with the last process, or had not handed over when it was stopped, is sent again, as a replay,
/// once somebody listens; and what it drops for slow subscribers is counted. (Who comes back in the first seconds finds what it missed:
/// `send::embedded::broker::sessions::startup_backlog`.)
pub async fn look_after(
    embedded: Arc<Embedded>,
    queue: Queue,
    untaken: Untaken,
    stop: CancellationToken,
) {
    if !queue.was_clean() || untaken.is_noted() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = embedded.subscribed() => {}
            () = tokio::time::sleep(SUBSCRIBER_WAIT) => {}
        }
        if queue
            .replay_before_start(boxbridge_config::MQTT, LOST_WITH_MEMORY)
            .is_some()
        {
            tracing::warn!(
                "not everything reached its subscribers before the last stop: its last 60 s are published again, on the late topics"
            );
        }
        if let Err(error) = untaken.forget() {
            tracing::warn!(%error, "the next start will publish again, too");
        }
    }
    let mut counted = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(DROPPED_EVERY) => {}
        }
        let dropped = embedded.dropped();
        metrics::embedded_dropped(dropped - counted);
        counted = dropped;
    }
}

/// Lets the embedded broker go. Where it held messages that nobody had taken yet, the next start is told.
pub async fn farewell(embedded: Option<Arc<Embedded>>, noted: Untaken) {
    let Some(embedded) = embedded.and_then(Arc::into_inner) else {
        return;
    };
    let untaken = tokio::task::spawn_blocking(move || embedded.stop())
        .await
        .unwrap_or_default();
    if untaken == 0 {
        return;
    }
    tracing::warn!(
        untaken,
        "the embedded broker stops with messages that subscribers have not taken: they are published again, late"
    );
    if let Err(error) = noted.note() {
        tracing::warn!(%error, "the next start will not know of them");
    }
}

/// The file store's own upkeep: what is over its time goes.
pub(super) fn keep_store_clean(store: Arc<Store>, clock: Arc<Clock>, stage: &Stage) {
    let stop = stage.stop.clone();
    stage.keep("store.keep", move || {
        let (store, clock, stop) = (Arc::clone(&store), Arc::clone(&clock), stop.clone());
        async move {
            stop.run_until_cancelled(store.keep_clean(&clock))
                .await
                .unwrap_or_default()
        }
    });
}
