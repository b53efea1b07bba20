//! Raw settings → a checked [`Config`]; the only place that reads settings.
//!
//! Defaults are `config/boxbridge.toml` itself, compiled in; over it lie the operator's file, the environment and the flags.
//! Promises: every problem is reported, all at once, each with its key, what was found and what is allowed; a `Config` that exists
//! is one that the stages need not check again. Deliberately connects to nothing: that is `boxbridge check --online`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use boxbridge_event::{Lane, PersonType};

mod layers;
mod networks;
mod read;
mod reader;
mod secret;
mod send;
mod store;
mod template;
mod tls;
mod together;
mod unknown;

pub use layers::{DEFAULTS, Layers, Problem, Problems};
pub use networks::Networks;
pub use read::is_site;
pub use reader::{duration, size};
pub use secret::Secret;
pub use send::{Broker, Bucket, Embedded, Kafka, Mqtt, MqttTransport, MqttVersion, Sasl, Send, Store, StoreUrl};
pub use template::{Field, Part, Template};
pub use tls::Tls;

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
    pub routes: Routes,
    pub send: Send,
    /// What is allowed but should be said at start.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Log {
    pub format: LogFormat,
    /// A `tracing` filter.
    pub level: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Auto,
    Human,
    Json,
}

#[derive(Clone, Debug)]
pub struct Ingest {
    pub listen: SocketAddr,
    /// In any case, without a trailing slash, as are the others.
    pub realtime_paths: Vec<String>,
    pub history_paths: Vec<String>,
    pub status_paths: Vec<String>,
    /// Whence boxes may POST; empty = from everywhere.
    pub allowed_networks: Networks,
    /// Whose word on who is behind them counts.
    pub trusted_proxies: Networks,
    pub forwarded_by: ForwardedBy,
    pub drain_delay: Duration,
    pub answer_deadline: Duration,
    pub body_max_bytes: usize,
    pub history_body_max_bytes: usize,
    pub events_max: usize,
    pub pictures_max: usize,
    pub depth_max: usize,
    pub header_timeout: Duration,
    pub body_timeout: Duration,
    /// Bytes per second.
    pub body_min_rate: u64,
    pub idle_timeout: Duration,
    pub connections_max: usize,
    pub in_flight_max_bytes: usize,
    pub in_flight_wait: Duration,
    pub quarantine: Quarantine,
}

/// How trusted proxies say who is behind them. One way: a client can write what its proxy does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardedBy {
    XForwardedFor,
    /// RFC 7239.
    Forwarded,
    ProxyProtocol,
}

#[derive(Clone, Debug)]
pub struct Quarantine {
    pub max_bytes: u64,
    pub keep: Duration,
}

#[derive(Clone, Debug)]
pub struct Admin {
    pub listen: SocketAddr,
}

#[derive(Clone, Debug)]
pub struct Normalize {
    pub dedupe_window: Duration,
    pub dedupe_max_events: usize,
    pub score_scale: ScoreScale,
    pub picture_max_pixels: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreScale {
    /// A score over 1 is out of 100.
    Auto,
    One,
    Hundred,
}

#[derive(Clone, Debug)]
pub struct Queue {
    pub max_bytes: u64,
    pub replay_window: Duration,
    pub on_full: OnFull,
    pub aside_max_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    Refuse,
    ExpireOldest,
}

/// One route per person type, complete.
#[derive(Clone, Debug)]
pub struct Routes(Vec<Route>);

impl Routes {
    pub fn of(&self, person_type: PersonType) -> &Route {
        &self.0[usize::from(person_type.number())]
    }

    pub fn iter(&self) -> impl Iterator<Item = (PersonType, &Route)> {
        PersonType::ALL.iter().copied().zip(&self.0)
    }
}

#[derive(Clone, Debug)]
pub struct Route {
    /// `None` where this type does not go there, as for the other two.
    pub mqtt_topic: Option<Template>,
    pub mqtt_late_topic: Option<Template>,
    pub mqtt_expiry: Option<Duration>,
    pub kafka_topic: Option<Template>,
    pub kafka_key: Template,
    pub lane: Lane,
    pub live_for: Duration,
    pub format: Format,
    pub pictures: PicturePolicy,
    pub picture_wait: PictureWait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Boxbridge,
    /// The vendor's own shape.
    Box,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PicturePolicy {
    /// Stored, and referenced.
    Store,
    /// Stored, referenced, and in the message as base64.
    Inline,
    /// Neither.
    Drop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureWait {
    /// Counted from the append.
    For(Duration),
    Forever,
}

/// An address to listen on, as it is reached from the same machine: nobody answers at "every address", of which IPv4's loopback is
/// one, also with `[::]`.
pub fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

impl Config {
    /// The checked config of these layers, or everything that is wrong with them.
    pub fn load(layers: &Layers) -> Result<Config, Problems> {
        read::config(layers)
    }
}
