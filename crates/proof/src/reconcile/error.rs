//! Why there is no verdict.

use std::path::PathBuf;

use boxbridge_config::Problems;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] Problems),
    #[error("{0}")]
    Usage(String),
    #[error(
        "a recording names {0:?}, and no bus of this config is called so: give the --config that it was recorded with"
    )]
    UnknownBus(String),
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("there is no ledger {ledger}: `boxbridge simulate --ledger {ledger}` writes it{kept}")]
    NoLedger {
        ledger: PathBuf,
        /// Where the arrivals are, as half a sentence.
        kept: String,
    },
    #[error("cannot write the recording {path}")]
    Recording {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("cannot listen to {bus} at {address}: {reason}")]
    Listen {
        bus: String,
        address: String,
        reason: String,
    },
    #[error("cannot look into {store}: {reason}")]
    Store { store: String, reason: String },
    #[error("a listener ended by itself: {0}")]
    Listener(String),
}
