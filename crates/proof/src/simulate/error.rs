//! Why a run could not begin or was broken off.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot find {host}")]
    Resolve {
        host: String,
        source: std::io::Error,
    },
    #[error("cannot write the ledger {path}")]
    Ledger {
        path: PathBuf,
        source: std::io::Error,
    },
}
