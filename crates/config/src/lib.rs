//! Raw settings → a checked [`Config`]; the only place that reads settings.
//!
//! Defaults are `config/boxbridge.toml` itself, compiled in; over it lie the operator's file, the environment and the flags. Each
//! section has a file: its struct, how it is read, its rules. A new setting is a line in `config/boxbridge.toml`, a field, and the line
//! that reads it, which also says what it may be ([`schema`]).
//! Promises: every problem is reported, all at once, each with its key, what was found and what is allowed; a `Config` that exists
//! is one that the stages need not check again. Deliberately connects to nothing: that is `boxbridge check --online`.

mod admin;
mod config; // the whole, and the rules that join two sections
mod ingest;
mod layers; // what the operator wrote: file, environment, flags, over the defaults
mod log;
mod normalize;
mod queue;
mod reader; // one value at a time: its type and its limits
mod route;
mod schema; // what the reader says of itself
mod send;
mod values; // the types of single values

pub use admin::Admin;
pub use config::{Changes, Config, Current, Setting, Settings};
pub use ingest::{
    BoxPort, BoxToken, Devices, ForwardedBy, Ingest, Inventory, Listed, Quarantine, Tokens,
};
pub use layers::origin::Origin;
pub use layers::problem::{Problem, Problems};
pub use layers::{DEFAULTS, Layers};
pub use log::{Log, LogFormat};
pub use normalize::{Normalize, ScoreScale};
pub use queue::{OnFull, Queue};
pub use reader::effect::Effect;
pub use reader::units::{duration, size};
pub use route::{
    Format, IdentityShown, LIVE_MAX, PicturePolicy, PictureWait, Redaction, Route, Routes,
};
pub use schema::schema;
pub use send::{
    Broker, BrokerUsers, Bucket, DEVICE_STATUS_TOPIC, Destination, Embedded, Kafka, Kind, LinkMode,
    Links, Mqtt, MqttTransport, MqttVersion, PasswordHash, Sasl, Send, Store, StoreUrl, Tls,
    TokenEndpoint,
};
pub use values::certificate::Certificate;
pub use values::kind::{KAFKA, KindName, MQTT, STORE};
pub use values::listener_tls::ListenerTls;
pub use values::named_file::NamedFile;
pub use values::networks::{Networks, reached};
pub use values::secret::Secret;
pub use values::site::is_site;
pub use values::template::{Field, Part, Template};
pub use values::token::{TokenHash, hex, is_same_token, token_hash};
