//! Raw settings → a checked [`Config`]; the only place that reads settings.
//!
//! Defaults are `config/boxbridge.toml` itself, compiled in; over it lie the operator's file, the environment and the flags. Each
//! section has a file: its struct, how it is read, its rules. A new setting is a line in `config/boxbridge.toml`, a field, and the line
//! that reads it, which also says what it may be ([`schema`]).
//! Promises: every problem is reported, all at once, each with its key, what was found and what is allowed; a `Config` that exists
//! is one that the stages need not check again. Deliberately connects to nothing: that is `boxbridge check --online`.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

mod admin;
mod ingest;
mod log;
mod normalize;
mod queue;
mod reader;
mod route;
mod send;
mod together;
mod values;

pub use admin::Admin;
pub use ingest::{ForwardedBy, Ingest, Quarantine};
pub use log::{Log, LogFormat};
pub use normalize::{Normalize, ScoreScale};
pub use queue::{OnFull, Queue};
pub use reader::layers::{DEFAULTS, Layers, Problem, Problems};
pub use reader::schema::schema;
pub use reader::units::{duration, size};
pub use route::{Format, PicturePolicy, PictureWait, Route, Routes};
pub use send::{
    Broker, Bucket, Destination, Embedded, KAFKA, Kafka, Kind, MQTT, Mqtt, MqttTransport,
    MqttVersion, STORE, Sasl, Send, Store, StoreUrl,
};
pub use values::networks::Networks;
pub use values::secret::Secret;
pub use values::template::{Field, Part, Template};
pub use values::tls::Tls;

use reader::Reader;
use reader::form::Form;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(366 * 86_400);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

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
    pub send: Send,
    /// Sentences about settings that are allowed and may surprise; said at start.
    pub warnings: Vec<String>,
}

impl Config {
    /// The checked config of these layers, or everything that is wrong with them.
    pub fn load(layers: &Layers) -> Result<Config, Problems> {
        let mut problems = Vec::new();
        let settings = layers.settings(&mut problems);
        let mut read = Reader::new(&settings, &layers.environment, problems);

        let mut config = Config::read(&mut read);
        together::check(&config, &mut read);
        config.warnings = together::warnings(&config);

        if read.problems.is_empty() {
            Ok(config)
        } else {
            Err(Problems(read.problems))
        }
    }

    fn read(read: &mut Reader) -> Config {
        Config {
            data_dir: read.path("data_dir").unwrap_or_else(|| "./data".into()),
            site: read.parsed(
                "site",
                Form::Pattern("^[a-z0-9-]{1,32}$"),
                String::new(),
                site,
            ),
            gateway: read.optional("gateway").unwrap_or_else(host_name),
            log: Log::read(read),
            ingest: Ingest::read(read),
            admin: Admin::read(read),
            normalize: Normalize::read(read),
            queue: Queue::read(read),
            routes: Routes::read(read),
            send: Send::read(read),
            warnings: Vec::new(),
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

/// `[a-z0-9-]{1,32}`; also what `?site=` of a URL must be.
pub fn is_site(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn host_name() -> String {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    if name.is_empty() {
        "gateway".to_owned()
    } else {
        name
    }
}

/// How an address to listen on is reached from the same machine: for "every address" (`0.0.0.0`, `[::]`) that is IPv4's loopback.
pub fn reached(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
