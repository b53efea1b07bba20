//! Why there is no verdict.

use std::path::PathBuf;

use boxbridge_config::Problems;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] Problems),
    #[error("{0}")]
    Usage(&'static str),
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot write the recording {path}")]
    Recording {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot listen to MQTT at {broker}: {reason}")]
    Mqtt { broker: String, reason: String },
    #[error("cannot read Kafka at {brokers}: {reason}")]
    Kafka { brokers: String, reason: String },
    #[error("cannot look into the store: {0}")]
    Store(String),
    #[error("a listener ended by itself: {0}")]
    Listener(String),
}
