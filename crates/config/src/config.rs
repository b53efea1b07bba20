//! The whole config: its sections, the rules that join two of them, and warnings about allowed settings that may surprise.
//!
//! Promises: a setting that is wrong by itself raises nothing in the rules that join it with another. Deliberately looks no further than this
//! machine's own disk and name.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use boxbridge_event::{Size, Timestamp};

use crate::admin::Admin;
use crate::ingest::Ingest;
use crate::layers::Layers;
use crate::layers::problem::Problems;
use crate::log::Log;
use crate::normalize::Normalize;
use crate::queue::Queue;
use crate::reader::Reader;
use crate::reader::effect::{DESTINATIONS, NAMES};
use crate::reader::form::Form;
use crate::reader::units::{written, written_size};
use crate::route::Routes;
use crate::send::{Destination, Kind, Links, Send, StoreUrl};
use crate::values::host_name::host_name;
use crate::values::kind::STORE;
use crate::values::listener_tls::ListenerTls;
use crate::values::named_file::NamedFile;
use crate::values::secret::Secret;
use crate::values::site::is_site;

mod answer_from;
mod current;
mod from_kafka;
mod ports;
mod retained;
mod settings;

pub use current::Current;
pub use settings::{Changes, Setting, Settings};

#[derive(Clone, Debug)]
pub struct Config {
    pub data_dir: PathBuf,
    /// `[a-z0-9-]{1,32}`.
    pub site: String,
    /// Never empty: the host's name where the setting is.
    pub gateway: String,
    pub log: Log,
    pub ingest: Ingest,
    pub admin: Admin,
    pub normalize: Normalize,
    pub queue: Queue,
    /// What holds before a destination says otherwise; lane, life and wait of an event are these.
    pub routes: Routes,
    /// What makes stand-ins for what routes leave out, shared by several gateways; `None` = made once in `data_dir`.
    pub redact_key: Option<Secret>,
    pub send: Send,
    /// Sentences about settings that are allowed and may surprise; said at start.
    pub warnings: Vec<String>,
    /// What all of this was read from.
    pub settings: Settings,
    layers: Layers,
}

impl Config {
    /// The checked config of these layers, or everything that is wrong with them.
    pub fn load(layers: &Layers) -> Result<Config, Problems> {
        let mut problems = Vec::new();
        let file = layers.file.as_deref().map(NamedFile::look);
        let merged = layers.merged(&mut problems);
        let mut read = Reader::new(&merged.settings, &layers.environment, problems);

        let mut config = Config::read(&mut read);
        check(&config, &mut read);
        config.settings = Settings::new(file, &merged, &read);
        config.queue.drain_limit = answer_from::drain_limit(&config.queue, &config.settings);
        config.warnings = warnings(&config);
        config.layers = layers.clone();

        if read.problems.is_empty() {
            Ok(config)
        } else {
            Err(Problems(read.problems))
        }
    }

    /// The same layers read again: a changed file counts, environment and flags are those of the start.
    pub fn again(&self) -> Result<Config, Problems> {
        Config::load(&self.layers)
    }

    /// What is different in `new`, and what of it only a start takes.
    pub fn changes_to(&self, new: &Config) -> Changes {
        let mut changes = self.settings.changes_to(&new.settings);
        for key in self.send.joined_or_left(&new.send) {
            changes.by_restart(key, DESTINATIONS);
        }
        changes
    }

    /// Each listener that speaks TLS, by its section.
    pub fn encrypted(&self) -> impl Iterator<Item = (&'static str, &ListenerTls)> {
        let ingest = self.ingest.tls.as_ref().map(|tls| ("ingest", tls));
        let admin = self.admin.tls.as_ref().map(|tls| ("admin", tls));
        let embedded = self.send.mqtt().filter(|mqtt| mqtt.broker.is_none());
        let embedded = embedded.and_then(|mqtt| mqtt.embedded.tls.as_deref());
        let embedded = embedded.map(|tls| ("send.mqtt.embedded", tls));
        ingest.into_iter().chain(admin).chain(embedded)
    }

    /// What people should know of our certificates as of `now`.
    pub fn expiry_notes(&self, now: Timestamp) -> Vec<String> {
        let notes = self.encrypted();
        let notes = notes.filter_map(|(section, tls)| tls.expiry_note(section, now));
        notes.collect()
    }

    pub(crate) fn read(read: &mut Reader) -> Config {
        let form = Form::Pattern("^[a-z0-9-]{1,32}$");
        let site = read
            .by_restart(NAMES)
            .parsed("site", form, String::new(), site);

        Config {
            data_dir: read
                .by_restart("the directory is held from a start to its end")
                .optional("data_dir")
                .map_or_else(|| "./data".into(), PathBuf::from),
            gateway: read
                .by_restart(NAMES)
                .optional("gateway")
                .unwrap_or_else(host_name),
            log: Log::read(read),
            ingest: Ingest::read(read, &site),
            admin: Admin::read(read),
            normalize: Normalize::read(read),
            queue: Queue::read(read),
            routes: Routes::read(read),
            redact_key: read.live().key_file("route.redact_key_file"),
            send: Send::read(read),
            warnings: Vec::new(),
            site,
            settings: Settings::default(),
            layers: Layers::default(),
        }
    }
}

fn site(text: &str) -> Result<String, String> {
    if is_site(text) {
        Ok(text.to_owned())
    } else {
        Err("must be 1 to 32 of a-z 0-9 -".to_owned())
    }
}

/// The rules that join two keys.
fn check(config: &Config, read: &mut Reader) {
    if !config.send.destinations.iter().any(Destination::is_bus) {
        let problem = "send.mqtt.url and send.kafka.brokers are both empty: events would go nowhere, set one of them";
        read.joint(&["send.mqtt.url", "send.kafka.brokers"], problem);
    }

    config.routes.check(read);
    destinations(config, read);
    if let Some(mqtt) = config.send.mqtt() {
        mqtt.check(read, config.ingest.insecure);
    }
    answer_from::check(&config.queue, &config.send, read);
    config.ingest.check(read);

    if config.normalize.dedupe_window > config.queue.replay_window {
        let (window, kept) = (
            written(config.normalize.dedupe_window),
            written(config.queue.replay_window),
        );
        let problem = format!(
            "normalize.dedupe_window ({window}) must not be over queue.replay_window ({kept}): it is rebuilt from what is kept"
        );
        read.joint(&["normalize.dedupe_window", "queue.replay_window"], problem);
    }

    ports::check(&listeners(config), read);
}

/// The rules of each destination, and those that join two.
fn destinations(config: &Config, read: &mut Reader) {
    let Some(store) = config.send.named(STORE) else {
        return;
    };

    let all = &config.send.destinations;
    for (before, destination) in all.iter().enumerate() {
        let name = &destination.name;
        if destination.is_bus() {
            let routes = &destination.routes;
            routes.check_destination(read, name, &config.routes, &store.routes);
        }
        from_kafka::check(destination, &config.send, read);
        retained::check(destination, &config.routes, read);

        for other in all.iter().take(before) {
            if let Some(key) = shared(&destination.kind, &other.kind) {
                let taken = format!("send.{}.{key}", other.name);
                let key = format!("send.{name}.{key}");
                let problem =
                    format!("{key} and {taken} are the same: each destination needs its own");
                read.joint(&[&key, &taken], problem);
            }
        }
    }
}

/// The setting in which two destinations are one to the world: a store that would be its own copy, clients that throw each other out.
fn shared(one: &Kind, other: &Kind) -> Option<&'static str> {
    match (one, other) {
        (Kind::Store(one), Kind::Store(other)) => {
            one.url.is_same_place(&other.url).then_some("url")
        }
        (Kind::Mqtt(one), Kind::Mqtt(other)) => {
            let is_named = one.client_id.is_some() && one.client_id == other.client_id;
            (is_named && one.broker == other.broker).then_some("client_id")
        }
        _ => None,
    }
}

/// Sentences about settings that are allowed and may surprise; `check` and the start say them.
fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.send.warnings(&config.routes);
    warnings.extend(config.ingest.warnings());
    warnings.extend(config.admin.warnings());
    let (queue, normalize, send) = (&config.queue, &config.normalize, &config.send);
    let of_answers = answer_from::warnings(queue, normalize, send, config.redact_key.as_ref());
    warnings.extend(of_answers);

    warnings.extend(too_large(
        "queue.max_bytes",
        config.queue.max_bytes,
        &config.data_dir,
    ));
    for destination in &config.send.destinations {
        if let Kind::Store(store) = &destination.kind
            && let StoreUrl::File(folder) = &store.url
        {
            let key = format!("send.{}.max_bytes", destination.name);
            warnings.extend(too_large(&key, store.max_bytes, folder));
        }
    }
    warnings
}

/// Every port that this process opens, by the setting that names it.
fn listeners(config: &Config) -> Vec<(&'static str, SocketAddr)> {
    let boxes = config.ingest.ports().map(|port| (port.key, port.address));
    let mut listeners: Vec<_> = boxes.collect();
    listeners.push(("admin.listen", config.admin.listen));

    let links = config
        .send
        .store()
        .links
        .as_ref()
        .and_then(Links::served_at);
    listeners.extend(links.map(|address| ("send.store.links.listen", address)));

    let embedded = config.send.mqtt().filter(|mqtt| mqtt.broker.is_none());
    if let Some(mqtt) = embedded {
        listeners.push(("send.mqtt.embedded.listen", mqtt.embedded.listen));
        listeners.extend(
            mqtt.embedded
                .websocket
                .map(|address| ("send.mqtt.embedded.websocket", address)),
        );
    }
    listeners
}

/// A warning where a limit is larger than the whole disk.
fn too_large(key: &str, bytes: u64, folder: &Path) -> Option<String> {
    // A folder that is not made yet will be on the disk of the folder above it.
    let above = std::path::absolute(folder).ok()?;
    let disk = above
        .ancestors()
        .find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    let whole = disk.f_blocks.saturating_mul(disk.f_frsize);
    (bytes > whole).then(|| {
        let (bytes, whole, folder) = (written_size(bytes), Size(whole), folder.display());
        format!(
            "{key} ({bytes}) is more than the whole disk of {folder} holds ({whole}): it will be full before this limit is reached"
        )
    })
}
