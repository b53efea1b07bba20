//! What is opened in `data_dir`: the queue first, then what stands beside it.
//!
//! Promises: a file that cannot be read refuses the start with its name; none is taken for missing. Deliberately starts no task: the queue
//! alone has threads, and its opener shuts it down.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;

use super::destinations;
use crate::gateway::kept::{Aside, Quarantine};
use crate::gateway::{Ages, Devices, Pauses, ReceivedCounts, Timetable};
use crate::queue::{self, Queue};
use crate::route::RedactKey;
use crate::send::board::Board;
use crate::system::clock::Clock;
use crate::system::disk::Disk;
use crate::system::fault::Fault;
use boxbridge_config::Config;

/// A client id of MQTT 3.1.1 has 23 characters at most, and `boxbridge-` stands before this.
const INSTANCE_CHARACTERS: usize = 12;
const REDACT_KEY: &str = "redact.key";

/// Everything that is open in `data_dir`. Clones are the same.
#[derive(Clone)]
pub(super) struct DataDir {
    pub disk: Disk,
    pub queue: Queue,
    /// See [`instance`].
    pub instance: String,
    pub clock: Arc<Clock>,
    pub ages: Arc<Ages>,
    pub timetable: Arc<Timetable>,
    pub aside: Arc<Aside>,
    pub quarantine: Arc<Quarantine>,
    pub received: Arc<ReceivedCounts>,
    pub devices: Arc<Devices>,
    /// Which person types destinations refuse.
    pub pauses: Arc<Pauses>,
    /// What is told of devices.
    pub board: Arc<Board>,
    /// What signs links, where the settings name no other.
    pub links_secret: Arc<[u8]>,
    /// What makes stand-ins, where the settings name no other.
    redact_secret: Arc<[u8]>,
}

/// Opens the queue for the destinations of the settings. May take long: it reads what a crash left behind.
pub(super) async fn open_queue(config: &Config) -> anyhow::Result<Queue> {
    let settings = queue::Settings::from(config);
    let names = destinations::names(config);

    let open = move || {
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        Queue::open(settings, &names)
    };
    tokio::task::spawn_blocking(open)
        .await
        .map_err(|_| Fault)?
        .context("cannot open the queue")
}

impl DataDir {
    /// Opens the rest.
    pub async fn open(config: &Config, disk: Disk, queue: Queue) -> anyhow::Result<DataDir> {
        let dir = &config.data_dir;

        let instance = instance(&disk, dir)?;
        let links_secret = secret(&disk, dir, "links.secret")?;
        let redact_secret = secret(&disk, dir, REDACT_KEY)?;
        let clock = Arc::new(Clock::open(&disk, dir));
        clock.look();
        let ages = Arc::new(Ages::new(Arc::clone(&clock), queue.newest()));

        let aside = Aside::open(&disk, dir, queue.epoch(), config.queue.aside_max_bytes)?;
        let quarantine = Quarantine::open(&disk, dir, &config.ingest.quarantine)?;
        let received = open_received(&disk, dir, &queue).await?;
        let board = Arc::new(Board::default());
        let devices = Devices::open(&disk, config, &clock, Arc::clone(&board));
        let pauses = Pauses::open(&disk, dir);
        Ok(DataDir {
            disk,
            queue,
            instance,
            clock,
            ages,
            timetable: Arc::default(),
            aside: Arc::new(aside),
            quarantine: Arc::new(quarantine),
            received: Arc::new(received),
            devices: Arc::new(devices),
            pauses: Arc::new(pauses),
            board,
            links_secret: links_secret.into(),
            redact_secret: redact_secret.into(),
        })
    }

    /// What routes make stand-ins with by these settings.
    pub fn redact_key(&self, config: &Config) -> RedactKey {
        let made = &*self.redact_secret;
        let key = config.redact_key.as_ref();
        RedactKey::new(key.map_or(made, |key| key.expose().as_bytes()))
    }
}

async fn open_received(
    disk: &Disk,
    data_dir: &Path,
    queue: &Queue,
) -> anyhow::Result<ReceivedCounts> {
    let (disk, data_dir, queue) = (disk.clone(), data_dir.to_owned(), queue.clone());
    tokio::task::spawn_blocking(move || ReceivedCounts::open(disk, &data_dir, queue))
        .await
        .map_err(|_| Fault)?
        .context("cannot read the counts in queue/received.json")
}

/// An id made once per data directory: client ids are made from it, so that two gateways never throw each other out.
pub fn instance(disk: &Disk, data_dir: &Path) -> anyhow::Result<String> {
    made_once(disk, &data_dir.join("instance"), || {
        let made = uuid::Uuid::new_v4().simple().to_string();
        made.chars().take(INSTANCE_CHARACTERS).collect()
    })
}

/// The same of a gateway that is stopped. Where none was made yet, nothing has left with one either.
pub fn redact_key(config: &Config) -> anyhow::Result<RedactKey> {
    let made = match &config.redact_key {
        Some(key) => key.expose().to_owned(),
        None => found(&Disk::default(), &config.data_dir.join(REDACT_KEY))?,
    };
    Ok(RedactKey::new(made.as_bytes()))
}

/// Made once per data directory, so that what it signs outlives a restart. Twice 122 random bits.
fn secret(disk: &Disk, data_dir: &Path, file: &str) -> anyhow::Result<Vec<u8>> {
    let secret = made_once(disk, &data_dir.join(file), || {
        let halves = [0; 2].map(|_| uuid::Uuid::new_v4().simple().to_string());
        halves.concat()
    });
    secret.map(String::into_bytes)
}

/// The text in this file; empty where there is none.
fn found(disk: &Disk, path: &Path) -> anyhow::Result<String> {
    let found = disk
        .read_if_there(path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let found = found.unwrap_or_default();
    Ok(String::from_utf8_lossy(&found).trim().to_owned())
}

/// The text in this file, which is made where there is none.
fn made_once(disk: &Disk, path: &Path, make: impl FnOnce() -> String) -> anyhow::Result<String> {
    let found = found(disk, path)?;
    if !found.is_empty() {
        return Ok(found);
    }

    let made = make();
    disk.replace(path, format!("{made}\n").as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(made)
}
