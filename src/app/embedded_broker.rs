//! The MQTT broker inside this process, as the gateway starts it, looks after it and stops it.
//!
//! It keeps messages in memory alone. Promises: what it may have lost with the process, or had not handed over when it was stopped, is
//! published again as a replay by a later start, once somebody listens: a file remembers it until then ([`Untaken`]). Deliberately does not
//! know which messages: the last minute goes out again. (A subscriber that comes back in the first seconds finds what it missed:
//! `send::embedded::broker::sessions::startup_backlog`.) And it never takes what waits for a broker elsewhere only because nothing names that
//! broker any more ([`Elsewhere`]).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::listen::cannot_listen;
use super::tasks::Tasks;
use crate::metrics;
use crate::queue::{Queue, SubscriptionStatus};
use crate::send::embedded::{Embedded, Entrance, StartError, Subscribers};
use crate::system::disk::Disk;
use boxbridge_config::{Config, MQTT};
use boxbridge_connect::tls::Encryption;

/// So much is published again.
const LOST_WITH_MEMORY: Duration = Duration::from_secs(60);
/// How long that waits for somebody to hear it.
const SUBSCRIBER_WAIT: Duration = Duration::from_secs(10);
const DROPPED_EVERY: Duration = Duration::from_secs(5);

pub(super) struct EmbeddedBroker {
    broker: Arc<Embedded>,
    untaken: Untaken,
}

/// The broker's settings; `None` if MQTT goes elsewhere.
fn settings(config: &Config) -> Option<&boxbridge_config::Embedded> {
    let mqtt = config.send.mqtt().filter(|mqtt| mqtt.broker.is_none())?;
    Some(&mqtt.embedded)
}

/// Notes that the last process crashed, as soon as the queue tells. A stop closes the queue properly, also one before somebody listens,
/// and then nothing else tells of the crash.
pub(super) fn note_crash(config: &Config, disk: &Disk, queue: &Queue) {
    if settings(config).is_some() && !queue.was_clean() {
        Untaken::of(disk, &config.data_dir).note_or_warn();
    }
}

/// Starts it, if the settings want it, with so many connections.
pub(super) fn start(
    config: &Config,
    connections_max: usize,
    encryption: &Encryption,
    disk: &Disk,
) -> anyhow::Result<Option<EmbeddedBroker>> {
    let Some(settings) = settings(config) else {
        return Ok(None);
    };
    Ok(Some(EmbeddedBroker {
        broker: Arc::new(listening(settings, connections_max, encryption)?),
        untaken: Untaken::of(disk, &config.data_dir),
    }))
}

/// The broker alone, as soon as it listens.
pub fn listening(
    settings: &boxbridge_config::Embedded,
    connections_max: usize,
    encryption: &Encryption,
) -> anyhow::Result<Embedded> {
    Embedded::start(settings, connections_max, encryption.clone()).map_err(|error| match error {
        StartError::Listen {
            address,
            key,
            source,
        } => cannot_listen(key, address, source),
        error => error.into(),
    })
}

impl EmbeddedBroker {
    pub fn entrance(&self) -> Entrance {
        self.broker.entrance()
    }

    pub fn subscribers(&self) -> Subscribers {
        self.broker.subscribers()
    }

    pub fn look_after(&self, queue: &Queue, tasks: &Tasks) {
        let (broker, queue, untaken) = (
            Arc::clone(&self.broker),
            queue.clone(),
            self.untaken.clone(),
        );
        let stop = tasks.stop.clone();

        tasks.keep("embedded", move || {
            let (broker, queue, untaken) = (Arc::clone(&broker), queue.clone(), untaken.clone());
            look_after(broker, queue, untaken, stop.clone())
        });
    }

    /// Lets it go. If it held messages that nobody had taken yet, that is noted for the next start.
    pub async fn stop(self) {
        let Some(broker) = Arc::into_inner(self.broker) else {
            return;
        };
        let untaken = tokio::task::spawn_blocking(move || broker.stop())
            .await
            .unwrap_or_default();
        if untaken == 0 {
            return;
        }

        tracing::warn!(
            untaken,
            "the embedded broker stops with messages that subscribers have not taken: they are published again, late"
        );
        self.untaken.note_or_warn();
    }
}

async fn look_after(
    broker: Arc<Embedded>,
    queue: Queue,
    untaken: Untaken,
    stop: CancellationToken,
) {
    if !queue.was_clean() || untaken.is_noted() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = broker.subscribed() => {}
            () = tokio::time::sleep(SUBSCRIBER_WAIT) => {}
        }
        publish_again(&queue, &untaken);
    }

    count_dropped(&broker, &stop).await;
}

/// Copies the broker's count of dropped messages into the metrics, until the stop.
async fn count_dropped(broker: &Embedded, stop: &CancellationToken) {
    let mut counted = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(DROPPED_EVERY) => {}
        }
        let dropped = broker.dropped();
        metrics::embedded_dropped(dropped - counted);
        counted = dropped;
    }
}

fn publish_again(queue: &Queue, untaken: &Untaken) {
    let replay = queue.replay_before_start(MQTT, LOST_WITH_MEMORY);
    if replay.is_some() {
        tracing::warn!(
            "not everything reached its subscribers before the last stop: its last 60 s are published again, on the late topics"
        );
    }

    if let Err(error) = untaken.forget() {
        tracing::warn!(%error, "the next start will publish again, too");
    }
}

/// The file that says that messages may not have reached their subscribers.
///
/// Promises: a later start sees the note, also if the disk does not say whether it is there: to publish again is the safe side.
#[derive(Clone)]
pub struct Untaken {
    disk: Disk,
    path: PathBuf,
}

impl Untaken {
    pub fn of(disk: &Disk, data_dir: &Path) -> Untaken {
        Untaken {
            disk: disk.clone(),
            path: data_dir.join("embedded.untaken"),
        }
    }

    pub fn is_noted(&self) -> bool {
        !matches!(self.disk.stat(&self.path), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    pub fn note(&self) -> io::Result<()> {
        self.disk.replace(&self.path, &[])
    }

    fn note_or_warn(&self) {
        if let Err(error) = self.note() {
            tracing::warn!(%error, "it cannot be noted that messages are to be published again: the next start will not know of it");
        }
    }

    pub fn forget(&self) -> io::Result<()> {
        match self.disk.remove(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

/// The file that names the broker outside this process that events last waited for.
///
/// Promises: a section that was deleted from the settings hands no backlog to a broker in this process, where nobody listens for it. Who
/// writes `send.mqtt.url = "embedded"` means it.
pub struct Elsewhere {
    disk: Disk,
    path: PathBuf,
}

impl Elsewhere {
    pub fn of(disk: &Disk, data_dir: &Path) -> Elsewhere {
        Elsewhere {
            disk: disk.clone(),
            path: data_dir.join("mqtt.elsewhere"),
        }
    }

    /// Why a start must not deliver what waits.
    pub fn refusal(&self, config: &Config, waiting: u64) -> io::Result<Option<String>> {
        let is_meant = config.settings.is_written("send.mqtt.url");
        if settings(config).is_none() || is_meant || waiting == 0 {
            return Ok(None);
        }

        let noted = self.disk.read_if_there(&self.path)?;
        let refusal = noted.map(|broker| {
            format!(
                "{waiting} records wait for the MQTT broker {}, and the settings name none: the default is a broker in this process, where nobody \
                 listens for them. Set send.mqtt.url to the broker; or to \"\", and give them up with: boxbridge queue forget {MQTT}; or to \
                 \"embedded\", to publish them here",
                String::from_utf8_lossy(&broker)
            )
        });
        Ok(refusal)
    }

    /// Notes where events go from now on. What waits for a destination that is off still waits for the broker before.
    pub fn note(&self, config: &Config) -> io::Result<()> {
        let noted = self.disk.read_if_there(&self.path)?;
        match config.send.mqtt().map(|mqtt| &mqtt.broker) {
            None => Ok(()),
            Some(None) => match noted {
                None => Ok(()),
                Some(_) => self.disk.remove(&self.path),
            },
            Some(Some(broker)) => {
                let address = format!("{}:{}", broker.host, broker.port);
                match noted.is_some_and(|noted| noted == address.as_bytes()) {
                    true => Ok(()),
                    false => self.disk.replace(&self.path, address.as_bytes()),
                }
            }
        }
    }
}

/// Refuses a backlog that waits for a broker elsewhere, and notes where events go from now on.
pub(super) fn take_up(config: &Config, disk: &Disk, queue: &Queue) -> anyhow::Result<()> {
    let elsewhere = Elsewhere::of(disk, &config.data_dir);
    let of_mqtt = |it: &SubscriptionStatus| {
        if it.destination == MQTT {
            it.waiting
        } else {
            0
        }
    };
    let waiting = queue.status().subscriptions.iter().map(of_mqtt).sum();

    let refusal = elsewhere
        .refusal(config, waiting)
        .context("cannot read which broker events waited for")?;
    if let Some(refusal) = refusal {
        anyhow::bail!(refusal);
    }
    if let Err(error) = elsewhere.note(config) {
        tracing::warn!(%error, "which broker events wait for cannot be noted");
    }
    Ok(())
}
